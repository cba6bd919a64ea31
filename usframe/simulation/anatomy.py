"""Tissue maps: what reflects, attenuates and is labelled at every pixel of a slice.

Echogenicity is in dB about ordinary soft tissue, interfaces are amplitudes relative to it, attenuation is in
dB per picture height beyond what the time gain makes up for (negative in fluid).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.simulation.probe import Probe
from usframe.simulation.shapes import Array, Shape, gradient
from usframe.simulation.texture import Texture

_ENTRIES = 2048


@dataclass(frozen=True)
class Rim:
    """A reflecting boundary: `strength` amplitude, `width` and outward `offset` in picture heights.

    It fades with the angle between normal and beam as |cos| ** `focus` down to the fraction `floor`, and
    where `gaps` (a texture of contrast about 1) is low.
    """

    strength: float
    width: float
    offset: float = 0.0
    focus: float = 1.0
    floor: float = 0.2
    gaps: Texture | None = None
    attenuation: float = 0.0


@dataclass(frozen=True)
class Organ:
    """One painted object; without a `name` it is unlabelled.

    `soft` is the width of the transition at its border, `keep` the share of what lies below that shines
    through (1 for a bare interface); a `part` leaves the labels below as they are.
    """

    shape: Shape
    name: str | None
    level: float
    textures: Sequence[Texture] = ()
    rim: Rim | None = None
    attenuation: float = 0.0
    soft: float = 0.008
    keep: float = 0.0
    part: bool = False


@dataclass(frozen=True)
class Layers:
    """Stacked tissue over y + tilt x + bend x^2 in -0.5..1.5: tables of dB and interface amplitude."""

    levels: Array
    lines: Array
    tilt: float
    bend: float
    gaps: Texture


@dataclass(frozen=True)
class Scene:
    """Background and organs, later organs in front of earlier ones; `warp` bends all of them alike.

    Labels end where the picture does, or go `beyond` it as those of experts sometimes do.
    """

    warp: tuple[Texture, Texture]
    level: float
    textures: Sequence[Texture]
    layers: Sequence[Layers]
    attenuation: float
    organs: Sequence[Organ]
    beyond: bool = False


class Canvas:
    """The maps of one slice: `tissue` (rows, columns, 3) as `received` wants it, `labels` (rows, columns).

    Labels count the named organs of the scene from 1.
    """

    def __init__(self, scene: Scene, probe: Probe, z: float) -> None:
        rows, columns = probe.visible.shape
        x = (np.arange(columns, dtype=np.float32) - np.float32(columns / 2 - 0.5)) / np.float32(rows)
        y = (np.arange(rows, dtype=np.float32) + np.float32(0.5)) / np.float32(rows)
        x, y = np.broadcast_to(x, (rows, columns)), np.broadcast_to(y[:, None], (rows, columns))
        self.x: Array = x + scene.warp[0].sample(x, y, z)
        self.y: Array = y + scene.warp[1].sample(x, y, z)
        self.z, self.probe, self.step = z, probe, 1 / rows
        self.level: Array = np.full((rows, columns), scene.level, np.float32)
        self.mirror: Array = np.zeros((rows, columns), np.float32)
        self.loss: Array = np.full((rows, columns), scene.attenuation, np.float32)
        self.labels: NDArray[np.uint8] = np.zeros((rows, columns), np.uint8)
        for layers in scene.layers:
            self._stack(layers)
        for texture in scene.textures:
            self.level += texture.sample(self.x, self.y, z)
        label = 0
        for organ in scene.organs:
            label += organ.name is not None
            self._paint(organ, label if organ.name is not None else 0)

    @property
    def tissue(self) -> Array:
        return np.asarray(cv2.merge([self.level, self.mirror, self.loss]), np.float32)

    def _stack(self, layers: Layers) -> None:
        depth = self.y + np.float32(layers.tilt) * self.x + np.float32(layers.bend) * self.x**2
        index = np.clip((depth + np.float32(0.5)) * np.float32(_ENTRIES / 2), 0, _ENTRIES - 1).astype(np.int32)
        self.level += np.take(layers.levels, index)
        gaps = np.clip(layers.gaps.sample(self.x, self.y, self.z) + np.float32(0.6), 0, 2)
        self.mirror = np.maximum(self.mirror, np.take(layers.lines, index) * gaps)

    def _window(self, organ: Organ) -> tuple[slice, slice] | None:
        box = organ.shape.box(self.z)
        if box is None:
            return None
        margin = 0.06 + (3 * organ.rim.width + abs(organ.rim.offset) if organ.rim else 0)
        rows, columns = self.labels.shape
        left, right = (int((v + columns / rows / 2) * rows) for v in (box[0] - margin, box[1] + margin))
        top, bottom = int((box[2] - margin) * rows), int((box[3] + margin) * rows)
        window = slice(max(top, 0), min(bottom, rows)), slice(max(left, 0), min(right, columns))
        return window if min(s.stop - s.start for s in window) > 2 else None

    def _paint(self, organ: Organ, label: int) -> None:
        window = self._window(organ)
        if window is None:
            return
        x, y = self.x[window], self.y[window]
        distance = organ.shape.distance(x, y, self.z, self.step)
        inside = np.clip(np.float32(0.5) - distance / np.float32(organ.soft), 0, 1)
        inside *= np.float32(1 - organ.keep)
        level: Array = np.full_like(distance, organ.level)
        for texture in organ.textures:
            level += texture.sample(x, y, self.z)
        self.level[window] += inside * (level - self.level[window])
        self.mirror[window] *= 1 - inside
        self.loss[window] += inside * (np.float32(organ.attenuation) - self.loss[window])
        if organ.rim is not None:
            self._outline(organ.rim, distance, window)
        if not organ.part:
            self.labels[window][distance < 0] = label

    def _outline(self, rim: Rim, distance: Array, window: tuple[slice, slice]) -> None:
        right, down = gradient(np.asarray(cv2.GaussianBlur(distance, (0, 0), 1.0), np.float32), self.step)
        cosine = np.abs(right * self.probe.aim_x[window] + down * self.probe.aim_y[window])
        cosine = np.minimum(cosine / np.maximum(np.hypot(right, down), np.float32(0.2)), 1)
        bright = np.exp(-(((distance - np.float32(rim.offset)) / np.float32(rim.width)) ** 2))
        self.loss[window] += np.float32(rim.attenuation) * bright
        bright *= np.float32(rim.floor) + np.float32(1 - rim.floor) * np.asarray(cv2.pow(cosine, rim.focus))
        if rim.gaps is not None:
            gaps = rim.gaps.sample(self.x[window], self.y[window], self.z)
            bright *= np.clip(gaps + np.float32(0.8), 0, 2)
        self.mirror[window] = np.maximum(self.mirror[window], np.float32(rim.strength) * bright)
