"""Apical four-chamber view: left ventricle, its wall, left atrium, and the right heart as a distractor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from usframe.simulation.anatomy import Organ, Rim, Scene
from usframe.simulation.parts import Rng, decibel, draw_layers, draw_rim, draw_textures, draw_warp
from usframe.simulation.probe import Probe
from usframe.simulation.shapes import Blob, Carved, Drift, Plane, draw_blob
from usframe.simulation.texture import Texture, draw_texture


class _Frame:
    """The long axis: `point(u, v)` is u from the mitral ring towards the apex and v to the right of it."""

    def __init__(self, rng: Rng) -> None:
        self.length = rng.uniform(0.36, 0.7)
        self.width = self.length * rng.uniform(0.16, 0.36)
        self.turn = rng.normal(0, 0.15)
        top = rng.uniform(0.07, 0.2)
        self.x = rng.normal(0, 0.04) - 0.4 * (top + self.length) * np.sin(self.turn)
        self.y = top + self.length * np.cos(self.turn)

    def point(self, u: float, v: float) -> tuple[float, float]:
        sin, cos = np.sin(self.turn), np.cos(self.turn)
        return float(self.x + u * sin + v * cos), float(self.y - u * cos + v * sin)

    def chamber(self, rng: Rng, u: float, v: float, long: float, wide: float, tilt: float = 0.0) -> Blob:
        """A rounded cavity with half lengths `long`, `wide` centred at (u, v)."""
        turn, power = self.turn - np.pi / 2 + tilt, rng.uniform(2.0, 2.6)
        lobes = rng.uniform(0.01, 0.05)
        blob = draw_blob(rng, self.point(u, v), 1.0, turn=turn, lobes=lobes, power=power, tube=True, drift=0.1)
        return replace(blob, a=float(long), b=float(wide))


def heart(rng: Rng, probe: Probe) -> Scene:
    """The left ventricle points at the probe; its wall is open at the mitral ring, the atrium below it."""
    frame = _Frame(rng)
    x, y = (Drift(v) for v in frame.point(0, 0))
    below = Plane(x, y, Drift(frame.turn - np.pi / 2 + rng.normal(0, 0.1)))
    above = replace(below, turn=Drift(below.turn.base + np.pi))
    centre = frame.length * rng.uniform(0.36, 0.48)
    lumen = frame.chamber(rng, centre, 0.0, frame.length - centre, frame.width)
    wall = rng.uniform(0.03, 0.11)
    outer = replace(lumen, a=lumen.a + wall * rng.uniform(0.6, 1.1), b=lumen.b + wall)
    long = frame.length * rng.uniform(0.22, 0.36)
    atrium = frame.chamber(rng, -0.75 * long, 0.0, long, frame.width * rng.uniform(0.7, 1.1), rng.normal(0, 0.15))
    dark, muscle = rng.uniform(-26, -6), rng.uniform(-11, 3)
    beyond = bool(rng.random() < 0.5)
    blood, fog, soft = _blood(rng), rng.uniform(0, 0.3), rng.uniform(0.008, 0.03)
    lining = draw_rim(rng, -14, 5, width=(0.003, 0.008))
    cuff = draw_rim(rng, -10, 8, width=(0.004, 0.012))
    organs = [
        *_right_heart(rng, frame, dark, muscle, 0.0 if beyond else 0.25),
        *_pericardium(rng, outer),
        Organ(Carved(atrium, [above]), "left atrium", dark + rng.normal(1, 4), blood, cuff, -6.0, soft, fog),
        Organ(Carved(outer, [below]), "myocardium", muscle, draw_textures(rng, 5, 5), None, 4.0, 0.02),
        Organ(Carved(lumen, [below]), "left ventricle", dark, blood, lining, -6.0, soft, fog),
        *_leaflets(rng, frame),
        *_dropouts(rng, frame, dark),
    ]
    return Scene(
        warp=draw_warp(rng, 0.025),
        level=rng.uniform(-12, 2),
        textures=(*draw_textures(rng, 6, 4), draw_texture(rng, "grain", rng.uniform(2, 7), 0.15)),
        layers=[draw_layers(rng, 3, rng.uniform(1, 5), rng.uniform(0, 12), first=0.03)],
        attenuation=rng.uniform(-8, 8),
        organs=organs,
        beyond=beyond,
    )


def _blood(rng: Rng) -> Sequence[Texture]:
    fog = draw_texture(rng, "grain", rng.uniform(0, 4), rng.uniform(0.04, 0.12))
    chords = draw_texture(rng, "streaks", rng.uniform(0, 10), 0.006, stretch=2.0)
    return (fog, chords) if rng.random() < 0.5 else (fog,)


def _right_heart(rng: Rng, frame: _Frame, dark: float, muscle: float, named: float) -> list[Organ]:
    """Right ventricle and atrium beside the septum, sometimes in view, labelled at the rate `named`."""
    if rng.random() < 0.2:
        return []
    side = -1 if rng.random() < 0.85 else 1
    long, wide = frame.length * rng.uniform(0.3, 0.42), frame.width * rng.uniform(0.5, 0.9)
    off = side * (frame.width + wide + rng.uniform(0.03, 0.08))
    organs = []
    for u, size, name in ((long * 0.9, long, "right ventricle"), (-long * 0.75, long * 0.65, "right atrium")):
        cavity = frame.chamber(rng, u, off, size, wide, side * -0.15)
        wall = replace(cavity, a=cavity.a + 0.035, b=cavity.b + 0.03)
        organs.append(Organ(wall, None, muscle, draw_textures(rng, 5, 5), soft=0.02))
        label = name if rng.random() < named else None
        rim = draw_rim(rng, -14, 3)
        organs.append(Organ(cavity, label, dark + rng.normal(0, 3), _blood(rng), rim, -6.0, 0.02, 0.1))
    return organs


def _pericardium(rng: Rng, outer: Blob) -> list[Organ]:
    """A bright sheet outside the wall and brighter lung or fat behind it."""
    if rng.random() < 0.3:
        return []
    thick = rng.uniform(0.01, 0.04)
    rim = draw_rim(rng, 0, 14, width=(0.006, 0.02))
    coat = replace(outer, a=outer.a + thick, b=outer.b + thick)
    return [Organ(coat, None, rng.uniform(0, 8), draw_textures(rng, 6, 5), rim, soft=0.03)]


def _leaflets(rng: Rng, frame: _Frame) -> list[Organ]:
    """The two halves of the mitral valve, hinged at the ends of the ring, part of what they cross."""
    organs = []
    for side in (-1, 1):
        half, turn = frame.width * rng.uniform(0.35, 0.55), frame.turn + side * rng.uniform(-1.2, 0.2)
        x, y = frame.point(half * 0.4, side * (0.85 * frame.width - half * 0.6))
        strip = Blob(Drift(x), Drift(y), half, rng.uniform(0.004, 0.009), Drift(turn), bend=rng.uniform(-0.3, 0.3))
        level, keep = rng.uniform(-4, 8), rng.uniform(0, 0.7)
        rim = Rim(decibel(rng.uniform(-15, 5)), 0.005, focus=1.0)
        organs.append(Organ(strip, None, level, rim=rim, soft=0.008, keep=keep, part=True))
    return organs


def _dropouts(rng: Rng, frame: _Frame, dark: float) -> list[Organ]:
    """Stretches of wall that echo no more than blood, mostly of the free wall, and a hazy apex."""
    organs = []
    for _ in range(rng.integers(0, 4)):
        side = 1 if rng.random() < 0.7 else -1
        u, v = frame.length * rng.uniform(0.1, 1.05), side * frame.width * rng.uniform(0.5, 1.3)
        x, y = (Drift(place) for place in frame.point(u, v))
        long, wide = frame.length * rng.uniform(0.12, 0.4), rng.uniform(0.03, 0.1)
        patch = Blob(x, y, long, wide, Drift(frame.turn - np.pi / 2 + rng.normal(0, 0.3)))
        keep, level = rng.uniform(0, 0.5), dark + rng.uniform(-2, 8)
        organs.append(Organ(patch, None, level, soft=rng.uniform(0.04, 0.12), keep=keep, part=True))
    return organs
