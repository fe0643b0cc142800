"""What people look like: build, clothes, skin, hair, and what they wear on their heads."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from drape.simulator.arrays import Array
from drape.simulator.families import Look
from drape.simulator.mesh import colour
from drape.simulator.seeds import generator

SKINS = ("d8a988", "c58f6c", "e3bda0", "8a5a3c", "b07b56", "f0cdb4", "6b432c")
SCRUBS = ("2f8f9a", "3a6ea5", "3f8f6f", "2b4f7e", "6d8fb3", "5f9e8f", "7a3f58", "48566b", "8fb8c2")
GOWNS = ("2f6f8f", "3b7fb0", "3f8a7a", "4a86a8", "2f5f7f", "78a9c2")
CAPS = ("3f7fae", "4f9a86", "7fa9c9", "b9cfd9", "2f5d8a", "a34f5e", "d9d2c2")
MASKS = ("b9d3de", "cfe0e6", "8fc0cf", "e6ecec", "7fb4a6")
HAIRS = ("2a211c", "4a3526", "7a6a5c", "15120f", "a98557", "b9b5ad", "6e3a22")
SHOES = ("e8e8e4", "3a3d42", "4f6fa0", "4f8f6a", "b04a4a", "d9c9a8")
HEADGEAR = ("cap", "bouffant", "none")
ROLES = ("surgeon", "assistant", "scrub_nurse", "anaesthetist", "circulating_nurse", "technician", "patient", "screen")
STERILE = ("surgeon", "assistant", "scrub_nurse")


@dataclass(frozen=True)
class Person:
    """One person. Colours are BGR (3,) in [0, 1]; ``height`` is in metres, ``girth`` a factor on it."""

    role: str
    height: float
    girth: float
    gown: bool
    long_sleeves: bool
    mask: bool
    glasses: bool
    beard: bool
    headgear: str
    scrubs: Array
    trousers: Array
    gown_colour: Array
    glove: Array
    skin: Array
    cap: Array
    mask_colour: Array
    hair: Array
    shoe: Array


@dataclass(frozen=True)
class Wardrobe:
    """A hospital's cloth: base colours of scrubs, gowns, caps, masks, (N, 3) BGR each."""

    scrubs: Array
    gowns: Array
    caps: Array
    masks: Array


def wardrobe(site_seed: int, look: Look) -> Wardrobe:
    """The cloth a site buys."""
    rng = generator(site_seed, "wardrobe")

    def some(codes: tuple[str, ...], count: int) -> Array:
        return np.array([colour(codes[i]) for i in rng.permutation(len(codes))[:count]])

    count = int(rng.integers(int(look.colours[0]), int(look.colours[1]) + 1))
    return Wardrobe(some(SCRUBS, count), some(GOWNS, 1 + count // 3), some(CAPS, 3), some(MASKS, 2))


def dress(roles: list[str], look: Look, cloth: Wardrobe, rng: np.random.Generator) -> list[Person]:
    """A crew; those at the table put gowns on first."""
    share = rng.uniform(*look.gowned)
    eager = np.array([rng.random() + (0.0 if role in STERILE else 1.0) for role in roles])
    gowned = np.argsort(np.argsort(eager, kind="stable"), kind="stable") < round(share * len(roles))
    return [_person(role, bool(gown), cloth, rng) for role, gown in zip(roles, gowned, strict=True)]


def _person(role: str, gown: bool, cloth: Wardrobe, rng: np.random.Generator) -> Person:
    def pick(colours: Array, spread: float) -> Array:
        chosen = colours[rng.integers(len(colours))]
        tinted: Array = np.clip(chosen * (1 + spread * rng.standard_normal(3)), 0.02, 1)
        return tinted

    def named(codes: tuple[str, ...], spread: float) -> Array:
        return pick(np.array([colour(code) for code in codes]), spread)

    scrubs, skin = pick(cloth.scrubs, 0.05), named(SKINS, 0.04)
    woman = rng.random() < 0.5
    return Person(
        role=role,
        height=float(np.clip(rng.normal(1.67 if woman else 1.78, 0.065), 1.52, 1.98)),
        girth=float(np.clip(rng.normal(1.08, 0.08), 0.93, 1.34)),
        gown=gown,
        long_sleeves=bool(rng.random() < 0.15),
        mask=bool(gown or rng.random() < 0.82),
        glasses=bool(rng.random() < 0.35),
        beard=bool(not woman and rng.random() < 0.3),
        headgear=str(rng.choice(HEADGEAR[:2])) if gown or rng.random() < 0.85 else "none",
        scrubs=scrubs,
        trousers=np.clip(scrubs * rng.uniform(0.9, 1.02), 0, 1),
        gown_colour=pick(cloth.gowns, 0.03),
        glove=named(("e6e0d2", "d9e2e6", "7f9fc9"), 0.02) if gown or rng.random() < 0.25 else skin,
        skin=skin,
        cap=pick(cloth.caps, 0.05),
        mask_colour=pick(cloth.masks, 0.03),
        hair=named(HAIRS, 0.05),
        shoe=named(SHOES, 0.04),
    )


def column(people: list[Person], name: str) -> Array:
    """One trait of all people: (P,) or (P, 3) float64.

    Raises:
        KeyError: people have no such trait.
    """
    if name not in {field.name for field in fields(Person)}:
        raise KeyError(name)
    return np.array([getattr(person, name) for person in people], float)
