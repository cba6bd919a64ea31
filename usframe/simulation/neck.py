"""Superficial scenes seen with a linear probe: the carotid in the neck, nerves and vessels of a limb."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from usframe.simulation.anatomy import Layers, Organ, Rim, Scene
from usframe.simulation.organs import cyst, stone
from usframe.simulation.parts import (
    Places,
    Rng,
    any_rim,
    decibel,
    draw_layers,
    draw_rim,
    draw_streaks,
    draw_textures,
    draw_warp,
    log_uniform,
)
from usframe.simulation.probe import Probe
from usframe.simulation.shapes import Blob, draw_blob
from usframe.simulation.texture import draw_texture


def _muscles(rng: Rng) -> list[Layers]:
    contrast, bright = rng.uniform(1, 6), rng.uniform(6, 24)
    return [
        draw_layers(rng, int(rng.integers(3, 7)), contrast, bright),
        draw_layers(rng, int(rng.integers(2, 5)), 1.0, bright - 4, first=0.1),
    ]


def _limb(rng: Rng, organs: list[Organ]) -> Scene:
    count = int(rng.integers(0, 3))
    streaks = tuple(draw_streaks(rng, rng.uniform(2, 12), rng.normal(0, 0.2)) for _ in range(count))
    return Scene(
        warp=draw_warp(rng, 0.035),
        level=rng.uniform(-14, 0),
        textures=(*draw_textures(rng, 5, 4), *streaks),
        layers=_muscles(rng),
        attenuation=rng.uniform(0, 50) * (rng.random() < 0.8),
        organs=organs,
    )


def _bundles(rng: Rng, probe: Probe, places: Places, count: int) -> list[Organ]:
    """Muscle bellies: large dark spindles with bright sheaths and fibres, unlabelled."""
    organs = []
    for _ in range(count):
        x, y = probe.locate(rng.uniform(0, 1), rng.uniform(0.1, 0.8))
        area, turn = log_uniform(rng, 0.02, 0.15) * probe.area, rng.normal(0, 0.3)
        belly = draw_blob(rng, (x, y), area, aspect=rng.uniform(1.3, 4), turn=turn, lobes=0.05, tube=True)
        fibres = draw_streaks(rng, rng.uniform(3, 14), turn)
        sheath = draw_rim(rng, 0, 18, width=(0.002, 0.006))
        organs.append(Organ(belly, None, rng.uniform(-16, -2), (fibres,), sheath))
    return organs


def _lumen(rng: Rng, centre: tuple[float, float], area: float, name: str | None, *, round_: bool) -> Organ:
    """A vessel: dark lumen, bright wall where it faces the beam, enhancement behind."""
    aspect = rng.uniform(0.9, 1.25) if round_ else log_uniform(rng, 1.2, 3)
    lobes = rng.uniform(0, 0.02) if round_ else rng.uniform(0, 0.06)
    shape = draw_blob(
        rng, centre, area, aspect=aspect, turn=rng.normal(0, 0.25), lobes=lobes, tube=True,
        power=rng.uniform(1.9, 2.4) if round_ else None,
    )  # fmt: skip
    organ = cyst(rng, shape, name)
    fog = draw_texture(rng, "grain", rng.uniform(0, 4), 0.04)
    rim = draw_rim(rng, 2, 20, width=(0.003, 0.01)) if round_ or rng.random() < 0.6 else any_rim(rng)
    loss = organ.attenuation * rng.uniform(0.2, 1.2)
    return Organ(shape, name, rng.uniform(-40, -12), (fog,), rim, loss, organ.soft)


def vessel(rng: Rng, probe: Probe) -> Scene:
    """Transverse carotid under layers of muscle, with the jugular vein and the thyroid now and then."""
    places = Places(rng, probe)
    organs = _bundles(rng, probe, places, int(rng.integers(0, 3)))
    area = log_uniform(rng, 0.008, 0.06) * probe.area
    radius = float(np.sqrt(area / np.pi))
    centre = places.take(radius, across=(0.12, 0.88), deep=(0.3, 0.65)) or (0.0, 0.5)
    if rng.random() < 0.4:
        organs.append(_thyroid(rng, centre, radius))
    for _ in range(int(rng.integers(0, 3))):
        other = places.take(1.3 * radius, deep=(0.15, 0.6))
        if other is not None:
            size = area * rng.uniform(0.3, 2.0)
            organs.append(_lumen(rng, other, size, "vein" if rng.random() < 0.5 else None, round_=False))
    if rng.random() < 0.8:
        organs.append(_sheath(rng, centre, area))
    organs.append(_lumen(rng, centre, area, "artery", round_=True))
    if rng.random() < 0.3:
        below = places.take(0.05, deep=(0.65, 0.9))
        organs += [] if below is None else [stone(rng, below, 0.004)]
    return _limb(rng, organs)


def _sheath(rng: Rng, centre: tuple[float, float], area: float) -> Organ:
    """Bright loose tissue round the artery."""
    shape = draw_blob(rng, centre, area * rng.uniform(1.5, 3.5), aspect=1.3, turn=0.0, lobes=0.12, tube=True)
    strands = draw_texture(rng, "streaks", rng.uniform(6, 16), 0.008, stretch=3.0, turn=rng.normal(0, 0.6))
    return Organ(shape, None, rng.uniform(-6, 6), (strands,), soft=0.03, keep=rng.uniform(0, 0.6))


def _thyroid(rng: Rng, centre: tuple[float, float], radius: float) -> Organ:
    side = rng.choice([-1, 1]) * radius * rng.uniform(1.8, 3)
    area = 3.14 * radius**2 * rng.uniform(2, 5)
    shape = draw_blob(rng, (centre[0] + side, centre[1]), area, aspect=1.6, lobes=0.06, tube=True)
    return Organ(shape, None, rng.uniform(-4, 5), draw_textures(rng, 2, 3), draw_rim(rng, -4, 14))


def nerve(rng: Rng, probe: Probe) -> Scene:
    """Nerves (bright or mixed bundles of dark fascicles) and dark vessels between muscles."""
    places = Places(rng, probe)
    organs = _bundles(rng, probe, places, int(rng.integers(0, 4)))
    if rng.random() < 0.3:
        bone = places.take(0.1, deep=(0.45, 0.85))
        organs += [] if bone is None else [stone(rng, bone, rng.uniform(0.01, 0.05))]
    vessels, nerves = int(rng.integers(0, 4)), int(rng.integers(1, 4))
    makers: list[Callable[[], Organ | None]] = [lambda: _vein(rng, probe, places)] * vessels
    makers += [lambda: _nerve(rng, probe, places)] * nerves
    drawn = [makers[k]() for k in rng.permutation(len(makers))]
    return _limb(rng, organs + [organ for organ in drawn if organ is not None])


def _vein(rng: Rng, probe: Probe, places: Places) -> Organ | None:
    area = log_uniform(rng, 0.006, 0.1) * probe.area
    centre = places.take(float(np.sqrt(area / np.pi)), deep=(0.2, 0.8))
    name = "vessel" if rng.random() < 0.85 else None
    return None if centre is None else _lumen(rng, centre, area, name, round_=rng.random() < 0.5)


def _nerve(rng: Rng, probe: Probe, places: Places) -> Organ | None:
    area = log_uniform(rng, 0.006, 0.05) * probe.area
    flat = rng.random() < 0.35
    aspect = rng.uniform(2, 5) if flat else log_uniform(rng, 1, 2)
    centre = places.take(float(np.sqrt(area / np.pi)), deep=(0.12, 0.7))
    if centre is None:
        return None
    turn, bend = rng.normal(0, 0.35), rng.uniform(-0.4, 0.4) * flat
    shape: Blob = draw_blob(rng, centre, area, aspect=aspect, turn=turn, lobes=0.05, bend=bend, tube=True)
    size = float(np.clip(shape.b * rng.uniform(0.15, 0.35), 0.004, 0.03))
    fascicles = draw_texture(rng, "honeycomb", -rng.uniform(2, 9), size, stretch=rng.uniform(1, 2), turn=turn)
    strands = draw_streaks(rng, rng.uniform(0, 10), turn)
    width = log_uniform(rng, 0.003, 0.009)
    rim = Rim(decibel(rng.uniform(-4, 14)), width, offset=-0.3 * width, focus=rng.uniform(0.3, 2), floor=0.4)
    dark = rng.random() < 0.25
    level = rng.uniform(-14, -4) if dark else rng.uniform(-4, 9)
    soft, keep = log_uniform(rng, 0.006, 0.02), rng.uniform(0, 0.3)
    return Organ(shape, "nerve", level, (fascicles, strands), rim, rng.uniform(0, 15), soft, keep)
