"""Scenes without a fixed plan: random shapes, masses, and the abdomen."""

from __future__ import annotations

import numpy as np

from usframe.simulation.anatomy import Organ, Rim, Scene
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
from usframe.simulation.shapes import Blob, Carved, Drift, Plane, Shape, draw_blob
from usframe.simulation.texture import draw_texture


def _any_shape(rng: Rng, centre: tuple[float, float], area: float) -> Shape:
    """Ellipse, lobulated blob, flat or bent strip, crescent, or partly open ring."""
    kind = rng.random()
    if kind < 0.35:
        return draw_blob(rng, centre, area, aspect=log_uniform(rng, 1, 2.2), lobes=rng.uniform(0, 0.04))
    if kind < 0.6:
        return draw_blob(rng, centre, area, aspect=log_uniform(rng, 1, 2), lobes=rng.uniform(0.05, 0.16))
    if kind < 0.78:
        bend = rng.uniform(-0.8, 0.8) * (rng.random() < 0.6)
        return draw_blob(rng, centre, 0.6 * area, aspect=rng.uniform(2.2, 6), lobes=0.02, bend=bend)
    body = draw_blob(rng, centre, 1.3 * area, aspect=log_uniform(rng, 1, 2), lobes=0.03, drift=0.1)
    return _crescent(rng, body) if kind < 0.9 else _ring(rng, body)


def _crescent(rng: Rng, body: Blob) -> Shape:
    away = rng.uniform(0, 2 * np.pi)
    shift = rng.uniform(0.4, 0.7) * np.sqrt(body.a * body.b)
    bite = draw_blob(rng, (body.x.base + shift * np.cos(away), body.y.base + shift * np.sin(away)), 1.0, tube=True)
    scale = rng.uniform(0.75, 1.1) / bite.a * np.sqrt(body.a * body.b)
    bite = Blob(bite.x, bite.y, bite.a * scale, bite.b * scale, bite.turn, waves=bite.waves)
    return Carved(body, [bite])


def _ring(rng: Rng, body: Blob) -> Shape:
    thin = rng.uniform(0.45, 0.85)
    hole = Blob(body.x, body.y, body.a * thin, body.b * thin, body.turn, body.power, 0.0, body.waves)
    turn = rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(-0.2, 1.1) * min(body.a, body.b)
    x, y = body.x.base + reach * np.cos(turn), body.y.base + reach * np.sin(turn)
    return Carved(body, [hole, Plane(Drift(x), Drift(y), Drift(turn + np.pi))])


def _background(rng: Rng, *, layered: float) -> dict[str, object]:
    layers = []
    if rng.random() < layered:
        layers.append(draw_layers(rng, int(rng.integers(2, 7)), rng.uniform(1, 6), rng.uniform(0, 18)))
    return {
        "warp": draw_warp(rng, 0.04),
        "level": rng.normal(0, 2),
        "textures": draw_textures(rng, 4, 4),
        "layers": layers,
        "attenuation": rng.uniform(-4, 14),
    }


def _scene(background: dict[str, object], organs: list[Organ]) -> Scene:
    return Scene(**background, organs=organs)  # type: ignore[arg-type]


def generic(rng: Rng, probe: Probe) -> Scene:
    """One to six shapes of any kind, echogenicity and rim, some of them unlabelled."""
    background, places, organs = _background(rng, layered=0.4), Places(rng, probe), []
    count = int(rng.integers(1, 7))
    for k in range(count + int(rng.integers(0, 4))):
        area = log_uniform(rng, 0.006, 0.4 if k == 0 else 0.12) * probe.area
        centre = places.take(float(np.sqrt(area / np.pi)), deep=(0.12, 0.85))
        if centre is None:
            continue
        contrast = rng.choice([-1, 1], p=[0.7, 0.3]) * log_uniform(rng, 2, 30)
        fluid = contrast < -12 and rng.random() < 0.6
        name = "object" if k < count else None
        organs.append(
            Organ(
                _any_shape(rng, centre, area),
                name,
                float(np.clip(contrast, -40, 14)),
                textures=() if fluid else draw_textures(rng, 3, 5),
                rim=any_rim(rng),
                attenuation=rng.uniform(-40, -5) if fluid else rng.normal(5, 12),
                soft=log_uniform(rng, 0.004, 0.03),
                keep=rng.uniform(0, 0.4) * (rng.random() < 0.3),
            )
        )
    order = rng.permutation(len(organs))
    return _scene(background, [organs[k] for k in order])


def mass(rng: Rng, probe: Probe) -> Scene:
    """Lobulated dark masses, bright masses and cysts in breast- or thyroid-like tissue."""
    background, places, organs = _background(rng, layered=0.7), Places(rng, probe), []
    for k in range(int(rng.integers(1, 4))):
        area = log_uniform(rng, 0.008, 0.2 if k == 0 else 0.06) * probe.area
        centre = places.take(float(np.sqrt(area / np.pi)), deep=(0.15, 0.75))
        if centre is None:
            continue
        kind = rng.random()
        aspect = log_uniform(rng, 1, 2)
        turn = rng.normal(0, 0.4)
        if kind < 0.3:
            shape = draw_blob(rng, centre, area, aspect=aspect, turn=turn, lobes=rng.uniform(0, 0.04))
            organs.append(cyst(rng, shape, "cyst"))
            continue
        shape = draw_blob(rng, centre, area, aspect=aspect, turn=turn, lobes=rng.uniform(0.03, 0.15))
        level = -log_uniform(rng, 4, 22) if kind < 0.8 else rng.uniform(3, 10)
        loss = rng.uniform(-25, 60)
        rim = any_rim(rng)
        textures = draw_textures(rng, 3, 5)
        organs.append(Organ(shape, "mass", level, textures, rim, loss, log_uniform(rng, 0.004, 0.03)))
    return _scene(background, organs)


def cyst(rng: Rng, shape: Shape, name: str | None) -> Organ:
    """Fluid: no echo, a bright front and back wall, enhancement behind."""
    rim = draw_rim(rng, -2, 14, width=(0.003, 0.009))
    level, loss = rng.uniform(-45, -16), rng.uniform(-60, -15)
    return Organ(shape, name, level, rim=rim, attenuation=loss, soft=log_uniform(rng, 0.004, 0.012))


def stone(rng: Rng, centre: tuple[float, float], area: float) -> Organ:
    """A bright cap with a shadow: stone, rib or bone surface."""
    shape = draw_blob(rng, centre, area, aspect=rng.uniform(1, 4), turn=rng.normal(0, 0.3), lobes=0.03, bend=0.3)
    rim = Rim(decibel(rng.uniform(10, 24)), rng.uniform(0.006, 0.014), focus=2.0, floor=0.02)
    return Organ(shape, None, rng.uniform(-15, 0), rim=rim, attenuation=rng.uniform(200, 600))


def abdomen(rng: Rng, probe: Probe) -> Scene:
    """Kidneys with a bright sinus, fluid-filled organs, vessels, stones and ribs in liver-like tissue."""
    background, places, organs = _background(rng, layered=0.25), Places(rng, probe), []
    if rng.random() < 0.6:
        organs += _kidney(rng, probe, places)
    for _ in range(int(rng.integers(0 if organs else 1, 4))):
        area = log_uniform(rng, 0.006, 0.1) * probe.area
        centre = places.take(float(np.sqrt(area / np.pi)), deep=(0.2, 0.85))
        if centre is not None:
            shape = draw_blob(rng, centre, area, aspect=log_uniform(rng, 1, 3), lobes=0.03)
            organs.append(cyst(rng, shape, "fluid" if rng.random() < 0.75 else None))
    for _ in range(int(rng.integers(0, 3))):
        centre = places.take(0.03, deep=(0.05, 0.8))
        if centre is not None:
            organs.append(stone(rng, centre, log_uniform(rng, 0.0008, 0.006)))
    return _scene(background, organs)


def _kidney(rng: Rng, probe: Probe, places: Places) -> list[Organ]:
    area = log_uniform(rng, 0.06, 0.25) * probe.area
    centre = places.take(float(np.sqrt(area / np.pi)), across=(0.3, 0.7), deep=(0.35, 0.7))
    if centre is None:
        return []
    turn = rng.normal(0, 0.5)
    cortex = draw_blob(rng, centre, area, aspect=rng.uniform(1.4, 2.3), turn=turn, lobes=0.03, bend=0.2)
    inner = rng.uniform(0.35, 0.55)
    waves = tuple((k, 2.5 * amplitude, phase) for k, amplitude, phase in cortex.waves)
    sinus = Blob(
        cortex.x, cortex.y, cortex.a * inner * 1.15, cortex.b * inner, cortex.turn,
        bend=cortex.bend, waves=waves, z_mid=cortex.z_mid, z_half=cortex.z_half,
    )  # fmt: skip
    grain = (draw_texture(rng, "grain", rng.uniform(0, 3), 0.04),)
    streaks = (draw_streaks(rng, rng.uniform(2, 6), turn), *draw_textures(rng, 4, 4))
    whole = rng.random() < 0.6
    name = None if whole else "renal sinus"
    return [
        Organ(cortex, "kidney", rng.uniform(-14, -4), grain, draw_rim(rng, -4, 12)),
        Organ(sinus, name, rng.uniform(2, 9), streaks, soft=0.02, part=whole),
    ]
