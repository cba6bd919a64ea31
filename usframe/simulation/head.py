"""Fetal head in the uterus: skull, brain, midline, amniotic fluid and placenta."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from usframe.simulation.anatomy import Organ, Rim, Scene
from usframe.simulation.organs import cyst
from usframe.simulation.parts import (
    Rng,
    decibel,
    draw_layers,
    draw_rim,
    draw_textures,
    draw_warp,
    log_uniform,
)
from usframe.simulation.probe import Probe
from usframe.simulation.shapes import Blob, Drift, draw_blob
from usframe.simulation.texture import draw_texture


def head(rng: Rng, probe: Probe) -> Scene:
    """One head, lying in fluid or against the wall of the uterus."""
    area = log_uniform(rng, 0.04, 0.45) * probe.area
    radius = float(np.sqrt(area / np.pi))
    edge = min(0.4, 0.6 * radius)
    x, y = probe.locate(rng.uniform(0.3, 0.7), rng.uniform(0.35, 0.65))
    y = float(np.clip(y, edge, 1 - edge))
    skull = draw_blob(
        rng, (x, y), area, aspect=rng.uniform(1.1, 1.6), lobes=rng.uniform(0, 0.015), power=2.0, drift=0.1
    )
    organs = _surroundings(rng, probe, (x, y), area)
    organs += _head(rng, skull)
    return Scene(
        warp=draw_warp(rng, 0.008),
        level=rng.uniform(-10, 2),
        textures=(
            *draw_textures(rng, 4, 4),
            draw_texture(rng, "grain", rng.uniform(1, 5), 0.03, stretch=2.5),
        ),
        layers=[draw_layers(rng, 3, rng.uniform(0, 4), rng.uniform(-5, 14))],
        attenuation=rng.uniform(-6, 10),
        organs=organs,
    )


def _surroundings(rng: Rng, probe: Probe, centre: tuple[float, float], area: float) -> list[Organ]:
    organs = []
    if rng.random() < 0.8:
        shift = np.sqrt(area) * rng.normal(0, 0.3, 2)
        size = min(area * rng.uniform(1.2, 3.5), 0.8)
        pool = draw_blob(
            rng,
            (centre[0] + shift[0], centre[1] + shift[1]),
            size,
            aspect=1.4,
            lobes=0.09,
            power=2.0,
            tube=True,
            drift=0.1,
        )
        organs.append(replace(cyst(rng, pool, None), attenuation=rng.uniform(-20, -3)))
    for _ in range(int(rng.integers(0, 3))):
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(area) * rng.uniform(0.7, 1.2)
        place = centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)
        shape = draw_blob(rng, place, area * rng.uniform(0.1, 1.0), aspect=rng.uniform(1, 3), lobes=0.1, tube=True)
        rim = draw_rim(rng, -6, 10)
        organs.append(Organ(shape, None, rng.uniform(-5, 6), draw_textures(rng, 3, 4), rim, soft=0.015))
    return organs


def _head(rng: Rng, skull: Blob) -> list[Organ]:
    small = float(np.sqrt(skull.a * skull.b))
    thick = small * log_uniform(rng, 0.025, 0.14)
    bone = Rim(
        strength=decibel(rng.uniform(2, 22)),
        width=thick,
        offset=-thick * rng.uniform(0.9, 1.7),
        focus=rng.uniform(0.8, 4),
        floor=rng.uniform(0.02, 0.35),
        gaps=draw_texture(rng, "grain", rng.uniform(0.1, 0.8), rng.uniform(0.03, 0.15)),
        attenuation=rng.uniform(0, 120),
    )
    contrast, size = rng.choice([-1, 1], p=[0.7, 0.3]) * log_uniform(rng, 1, 14), rng.uniform(0.06, 0.25)
    lumps = draw_texture(rng, "honeycomb", contrast, small * size, stretch=rng.uniform(1, 2))
    brain = (lumps, *draw_textures(rng, 3, 5))
    level = rng.uniform(-14, 0)
    organs = [Organ(skull, "head", level, brain, bone, rng.uniform(-5, 5), soft=0.01)]
    if rng.random() < 0.65:
        midline = replace(skull, a=skull.a * rng.uniform(0.5, 0.85), b=small * 0.012, power=2.0, waves=())
        rim = Rim(decibel(rng.uniform(-6, 10)), small * 0.02, focus=1.0, floor=0.15, gaps=bone.gaps)
        organs.append(Organ(midline, None, level + 6, rim=rim, keep=0.5, part=True))
    for side in (-1, 1):
        if rng.random() < 0.5:
            organs.append(_ventricle(rng, skull, side, level))
    return organs


def _ventricle(rng: Rng, skull: Blob, side: int, level: float) -> Organ:
    """A dark cleft or a bright choroid plexus beside the midline."""
    turn = skull.turn.base
    u, v = skull.a * rng.uniform(-0.4, 0.4), side * skull.b * rng.uniform(0.3, 0.5)
    x = skull.x.base + u * np.cos(turn) - v * np.sin(turn)
    y = skull.y.base + u * np.sin(turn) + v * np.cos(turn)
    area = skull.a * skull.b * rng.uniform(0.05, 0.5)
    cleft = draw_blob(rng, (x, y), area, aspect=rng.uniform(1.5, 3), turn=turn, lobes=0.08, drift=0.1)
    cleft = replace(cleft, x=replace(skull.x, base=x), y=replace(skull.y, base=y), turn=Drift(turn))
    depth = -rng.uniform(4, 16) if rng.random() < 0.6 else rng.uniform(3, 14)
    return Organ(cleft, None, level + depth, rim=draw_rim(rng, -12, 2), part=True, soft=0.015)
