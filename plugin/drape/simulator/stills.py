"""Single pictures of many rooms: what a detector is trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.simulator.clothing import ROLES, Person, dress
from drape.simulator.families import Family
from drape.simulator.gait import State
from drape.simulator.seeds import generator
from drape.simulator.site import Site, build_site
from drape.simulator.stage import Stage
from drape.simulator.truth import FrameTruth

Still = tuple[NDArray[np.uint8], FrameTruth]

CAMERAS = 3
"""Cameras of a site that ``stills`` uses; setting one up costs as much as several pictures."""


def stills(
    family: Family,
    site_seed: int,
    count: int,
    width: int = 640,
    height: int = 360,
    seed: int = 0,
    people: tuple[int, int] = (1, 9),
    antialias: bool = True,
) -> Iterator[Still]:
    """Random pictures of one site.

    Args:
        family: of the site.
        site_seed: of the site.
        count: how many pictures.
        width: in pixels.
        height: in pixels.
        seed: of crews and poses.
        people: least and most in a crew.
        antialias: whether to draw four samples per pixel.

    Yields:
        The picture (H, W, 3) uint8 BGR and its truth.
    """
    site = build_site(family, site_seed)
    rng = generator(site_seed, "stills", seed)
    numbers = rng.integers(0, 12, min(CAMERAS, max(1, count)))
    size, ss = (width, height), 2 if antialias else 1
    crew = int(rng.integers(people[0], people[1] + 1))
    stage = Stage(site, _crew(site, crew, rng), int(rng.integers(1 << 31)), size, ss)
    backdrops = [stage.backdrop(site.camera(int(number), size)) for number in numbers]
    sensors = [site.sensor(int(number), size) for number in numbers]
    for k in range(count):
        view = k % len(numbers)
        cast = stage.cast(_random_state(site, crew, rng), float(rng.uniform(0, 1000)))
        name = f"view{numbers[view] + 1}"
        facts = {"view": name, "frame": k, "time": 0.0, "world_time": 0.0, "state": ""}
        picture, truth = stage.picture(backdrops[view], cast, **facts)
        yield sensors[view](picture, k), truth


def render_still(
    family: Family, site_seed: int, picture_seed: int, width: int = 640, height: int = 360
) -> tuple[NDArray[np.uint8], Boxes, NDArray[np.float32]]:
    """One random picture of one random site; ``stills`` is faster for several of one site.

    Returns:
        The picture (H, W, 3) uint8 BGR, boxes (N, 4) of whole people inside the frame, and their visible shares (N,).
    """
    image, truth = next(stills(family, site_seed, 1, width, height, picture_seed))
    real = (truth.kind == 0) & (truth.role != "patient")
    return image, truth.boxes[real], truth.visible[real]


def _crew(site: Site, count: int, rng: np.random.Generator) -> list[Person]:
    roles = [str(role) for role in rng.choice(ROLES[:6], count)]
    return dress(roles, site.look, site.cloth, rng)


def _random_state(site: Site, count: int, rng: np.random.Generator) -> State:
    """Some at their posts, the others anywhere, each doing something."""
    posts = site.posts()
    order = rng.permutation(len(posts))
    places, faces = site.floor.random_places(rng, count), rng.uniform(-2, 2, (count, 2))
    sit = np.zeros(count)
    work = (rng.random(count) < 0.5) * rng.uniform(0.3, 1, count)
    for person, number in enumerate(order[: int(rng.integers(0, min(count, len(posts)) + 1))]):
        post = posts[int(number)]
        places[person] = np.array([post.x, post.y]) + rng.normal(0, 0.05, 2)
        faces[person] = post.face
        work[person] = np.clip(rng.normal(0.8, 0.3), 0, 1)
        sit[person] = float(post.seat)
    walk = (rng.random(count) < 0.35) * (sit == 0) * (work == 0)
    aim = faces - places
    return State(
        xy=places,
        yaw=np.arctan2(aim[:, 1], aim[:, 0]) + rng.normal(0, 0.5, count),
        speed=walk * rng.uniform(0.7, 1.25, count),
        walk=walk.astype(float),
        way=rng.uniform(0, 10, count),
        work=work,
        sit=sit,
        stoop=(rng.random(count) < 0.08) * (sit == 0) * (walk == 0) * rng.uniform(0.4, 1, count),
        reach=np.zeros(count),
        target=np.zeros((count, 3)),
        present=np.ones(count, bool),
    )
