"""What stands in an operating room. Every thing is a mesh around its own origin on the floor, its front towards -y."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from drape.simulator.arrays import Array
from drape.simulator.mesh import Mesh, colour
from drape.simulator.seeds import generator

DRAPES = ("3f8f86", "3b7fb0", "2f6f8f", "6fa9b8", "9fc4cf", "35557f", "4f8a5f", "b5c7c2")
STEEL, DARK, GLOW = colour("b8bcbe"), colour("23272b"), colour("4a88b5")


@dataclass(frozen=True)
class Palette:
    """Colours of a site, BGR (3,)."""

    wall: Array
    floor: Array
    ceiling: Array
    rail: Array
    door: Array
    body: Array
    accent: Array
    drape: Array
    cloth: Array


def draw_palette(site_seed: int) -> Palette:
    """The colours of a site."""
    rng = generator(site_seed, "palette")

    def pick(*codes: str) -> Array:
        tinted: Array = np.clip(
            colour(codes[int(rng.integers(len(codes)))]) * (1 + 0.03 * rng.standard_normal(3)), 0, 1
        )
        return tinted

    return Palette(
        wall=pick("c9d2cf", "d8d6cc", "bccbd4", "c4d3c2", "dadcdd", "a9bfc2"),
        floor=pick("9aa8a6", "7f9199", "a8a290", "8d9c86", "b3b7b4", "6f8790"),
        ceiling=pick("dfe3e2", "e6e6e0"),
        rail=pick("8aa0a8", "6f7d80", "b0a48c", "5f7f8f"),
        door=pick("7f98a8", "b7a88c", "9aa3a6", "5f8a86"),
        body=pick("d9dbd6", "cdd3d6", "e0ddd2"),
        accent=pick("3f6fae", "3f8f86", "c7b04a", "8f4a4a", "5a6a75"),
        drape=pick("3f8f86", "3b7fb0", "4c94a6", "2f6f8f", "6fa9b8"),
        cloth=pick("3c7f96", "3f8f86", "2f6fa5", "5f9fb5"),
    )


def contrasting(palette: Palette, worn: Array) -> Palette:
    """A palette whose drapes are of another colour than what people wear, (N, 3)."""
    drapes = np.array([colour(code) for code in DRAPES])
    order = np.argsort(-np.linalg.norm(drapes[:, None] - worn[None], axis=-1).min(axis=1), kind="stable")
    return replace(palette, drape=drapes[order[0]], cloth=drapes[order[1]])


Build = Callable[[Mesh, Palette, np.random.Generator], None]


def _table(m: Mesh, _c: Palette, _rng: np.random.Generator) -> None:
    m.box((0, 0, 0.12), (0.9, 0.5, 0.24), colour("6d7275")).tube([(0, 0, 0.2), (0, 0, 0.8)], 0.16, colour("8d9396"), 16)
    m.box((-0.02, 0, 0.85), (2.05, 0.5, 0.08), DARK)


def _c_arm(m: Mesh, c: Palette, _rng: np.random.Generator) -> None:
    """The base; its arc reaches over the table, 1.5 m towards -y."""
    angle = np.linspace(-np.pi / 2 - 0.15, np.pi / 2 + 0.15, 28)
    arc = np.stack([angle * 0, -1.25 + 0.78 * np.cos(angle), 1.13 + 0.78 * np.sin(angle)], axis=1)
    m.tube(arc, 0.07, c.body)
    m.tube([(0, -1.35, 1.72), (0, -1.35, 2.02)], 0.17, c.body, 20).box((0, -1.35, 0.48), (0.34, 0.34, 0.22), c.body)
    m.box((0, 0.05, 0.62), (0.45, 0.75, 1.05), 0.92 * c.body).box((0, -0.40, 1.12), (0.2, 0.35, 0.22), colour("9aa3a6"))
    m.box((0, -0.2, 0.1), (0.7, 1.2, 0.12), colour("71797c"))


def _anaesthesia(m: Mesh, c: Palette, rng: np.random.Generator) -> None:
    m.box((0, 0, 0.70), (0.65, 0.6, 1.25), c.body).box((0, 0, 1.55), (0.5, 0.08, 0.4), DARK)
    m.box((0, -0.05, 1.55), (0.44, 0.02, 0.33), rng.choice([1, 0.6]) * colour("2f7f4f"))
    for k in range(3):
        m.box((0, -0.31, 0.35 + 0.25 * k), (0.52, 0.02, 0.2), colour("9aa6ad"))
    m.tube([(0.42, 0.1, 0), (0.42, 0.1, 1.9)], 0.015, STEEL).box(
        (0.42, 0.1, 1.75), (0.14, 0.05, 0.25), colour("dfe6d8")
    )


def _instruments(m: Mesh, c: Palette, rng: np.random.Generator) -> None:
    """A table under a cloth, with instruments on it."""

    def height(_x: Array, y: Array) -> Array:
        fallen: Array = 0.93 - 0.45 * np.clip((np.abs(y) - 0.22) / 0.05, 0, 1)
        return fallen

    m.field((-0.45, 0.45, 20), (-0.28, 0.28, 24), height, c.cloth, 0.02, rng)
    for k in range(8):
        x, y = -0.38 + 0.1 * k + rng.normal(0, 0.01), rng.uniform(-0.16, -0.08)
        m.tube([(x, y, 0.945), (x + 0.03, y + 0.2, 0.945)], 0.008, colour("c9cdd0"), 6)
    m.tube([(0.2, 0.1, 0.94), (0.2, 0.1, 1.0)], [0.05, 0.08], STEEL, 12)
    for x in (-0.42, 0.42):
        for y in (-0.2, 0.2):
            m.tube([(x, y, 0), (x, y, 0.9)], 0.015, colour("a9aeb0"), 8)


def _cabinet(m: Mesh, c: Palette, rng: np.random.Generator) -> None:
    m.box((0, 0, 1.0), (1.6, 0.4, 2.0), c.body).box((0, -0.21, 1.2), (1.45, 0.02, 1.3), colour("8e9ca3"))
    for k in range(7):
        code = ("b84a3c", "3c6cb8", "d9c046", "efefef", "4f9b62")[int(rng.integers(5))]
        m.box((-0.6 + 0.2 * k, -0.225, 0.7 + 0.25 * int(rng.integers(4))), (0.16, 0.02, 0.18), colour(code))


def _shelf(m: Mesh, _c: Palette, rng: np.random.Generator) -> None:
    for x in (-0.48, 0.48):
        m.box((x, 0, 0.9), (0.03, 0.36, 1.8), STEEL)
    for k in range(5):
        z = 0.15 + 0.4 * k
        m.box((0, 0, z), (0.94, 0.36, 0.02), STEEL)
        for x in (-0.3, 0.0, 0.3):
            if rng.random() < 0.75 and k < 4:
                tall = float(rng.uniform(0.12, 0.3))
                m.box((x, 0, z + tall / 2), (0.24, 0.28, tall), rng.uniform(0.35, 0.95, 3))


def _cart(m: Mesh, c: Palette, _rng: np.random.Generator) -> None:
    m.box((0, 0, 0.5), (0.66, 0.5, 0.85), c.accent).box((0, 0, 0.95), (0.7, 0.54, 0.05), colour("d4d8da"))
    for k in range(4):
        m.box((0, -0.26, 0.2 + 0.2 * k), (0.56, 0.02, 0.16), colour("e3e6e6"))
    m.box((0.05, 0.05, 1.05), (0.35, 0.25, 0.18), colour("54595e"))


def _trolley(m: Mesh, _c: Palette, _rng: np.random.Generator) -> None:
    for z in (0.35, 0.95):
        m.box((0, 0, z), (0.64, 0.52, 0.03), STEEL)
    for x in (-0.3, 0.3):
        for y in (-0.24, 0.24):
            m.tube([(x, y, 0), (x, y, 1.0)], 0.015, STEEL, 8)
    m.box((-0.05, 0, 1.1), (0.42, 0.36, 0.26), DARK).box((-0.05, -0.19, 1.1), (0.3, 0.01, 0.16), GLOW)
    m.box((0.05, 0, 0.48), (0.4, 0.3, 0.2), colour("c8c2b4"))


def _desk(m: Mesh, c: Palette, _rng: np.random.Generator) -> None:
    m.box((0, 0, 0.73), (1.2, 0.6, 0.04), c.body).box((0.45, 0, 0.35), (0.28, 0.5, 0.7), 0.9 * c.body)
    m.box((-0.55, 0, 0.36), (0.04, 0.5, 0.7), 0.9 * c.body)
    m.box((-0.1, 0.12, 1.05), (0.56, 0.04, 0.34), DARK).box((-0.1, 0.095, 1.05), (0.5, 0.01, 0.29), 1.2 * GLOW)
    m.box((-0.1, 0.12, 0.82), (0.06, 0.06, 0.2), DARK).box((-0.1, -0.12, 0.76), (0.42, 0.14, 0.02), DARK)


def _bin(m: Mesh, _c: Palette, rng: np.random.Generator) -> None:
    code = ("c7b04a", "b84a3c", "8e9ca3")[int(rng.integers(3))]
    m.box((0, 0, 0.42), (0.46, 0.46, 0.84), colour(code)).box((0, 0, 0.86), (0.5, 0.5, 0.05), 0.7 * colour(code))


def _hamper(m: Mesh, _c: Palette, _rng: np.random.Generator) -> None:
    m.tube([(0, 0, 0.08), (0, 0, 0.5), (0, 0, 0.78)], [0.2, 0.25, 0.22], colour("cfd6d8"), 16)
    m.tube([(0, 0, 0.78), (0, 0, 0.82)], 0.25, STEEL, 16)


def _tower(m: Mesh, c: Palette, _rng: np.random.Generator) -> None:
    """An endoscopy tower: shelves of boxes and a monitor."""
    m.box((0, 0.22, 0.7), (0.5, 0.06, 1.4), c.body).box((0, 0, 0.12), (0.56, 0.52, 0.1), c.body)
    for k in range(4):
        m.box((0, 0, 0.35 + 0.26 * k), (0.46, 0.4, 0.16), colour(("54595e", "d9dbd6")[k % 2]))
    m.box((0, 0, 1.55), (0.58, 0.06, 0.38), DARK).box((0, -0.035, 1.55), (0.52, 0.01, 0.32), 1.1 * GLOW)


def _drip(m: Mesh, _c: Palette, _rng: np.random.Generator) -> None:
    m.tube([(0, 0, 0.05), (0, 0, 1.95)], 0.014, STEEL, 8).tube([(-0.16, 0, 1.9), (0.16, 0, 1.9)], 0.01, STEEL, 6)
    for x in (-0.14, 0.14):
        m.box((x, 0, 1.72), (0.1, 0.03, 0.2), colour("e6ebdf"))
    m.tube([(0, 0, 0.03), (0, 0, 0.08)], [0.25, 0.05], DARK, 12).box(
        (0, -0.05, 1.15), (0.16, 0.12, 0.22), colour("d9dbd6")
    )


def stool(x: float, y: float, height: float, rng: np.random.Generator) -> Mesh:
    """A round stool whose top is at ``height``."""
    tint = DARK if rng.random() < 0.6 else colour("4f6fa0")
    mesh = Mesh("stool").tube([(x, y, height - 0.05), (x, y, height)], 0.17, tint, 16)
    mesh.tube([(x, y, 0.06), (x, y, height - 0.05)], 0.025, STEEL, 8)
    return mesh.tube([(x, y, 0.02), (x, y, 0.07)], [0.24, 0.04], colour("71797c"), 10)


BUILDERS: dict[str, Build] = {
    "table": _table,
    "c_arm": _c_arm,
    "anaesthesia": _anaesthesia,
    "instruments": _instruments,
    "cabinet": _cabinet,
    "shelf": _shelf,
    "cart": _cart,
    "trolley": _trolley,
    "desk": _desk,
    "bin": _bin,
    "hamper": _hamper,
    "tower": _tower,
    "drip": _drip,
}
