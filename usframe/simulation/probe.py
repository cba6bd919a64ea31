"""Where the beams of a transducer run through the picture, and scan conversion both ways.

A picture has y = 0 at its first row and y = 1 at its last, x = 0 in its middle column, both in picture
heights. Beam space is (sample along the beam, beam).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Probe:
    """Geometry of one scan.

    `beam_columns`, `beam_rows` (samples, beams): picture pixel of every beam sample; `image_beams`,
    `image_samples` (rows, columns): beam and sample of every pixel; `visible` (rows, columns): inside the
    field of view; `aim_x`, `aim_y`: unit beam direction at every pixel; `step`: sample distance.
    """

    beam_columns: Array
    beam_rows: Array
    image_beams: Array
    image_samples: Array
    visible: NDArray[np.bool_]
    aim_x: Array
    aim_y: Array
    step: float

    def to_beams(self, picture: Array) -> Array:
        """(rows, columns, channels) picture seen by the beams, (samples, beams, channels)."""
        edge = cv2.BORDER_REPLICATE
        out = cv2.remap(picture, self.beam_columns, self.beam_rows, cv2.INTER_LINEAR, borderMode=edge)
        return np.asarray(out, np.float32)

    def to_picture(self, echo: Array) -> Array:
        """(samples, beams) echo scan-converted to (rows, columns), zero outside the field of view."""
        edge = cv2.BORDER_REPLICATE
        out = cv2.remap(echo, self.image_beams, self.image_samples, cv2.INTER_LINEAR, borderMode=edge)
        return np.where(self.visible, out, np.float32(0))

    def locate(self, across: float, deep: float) -> tuple[float, float]:
        """Point (x, y) at the fractions 0..1 of the beams and samples that show up in the picture."""
        rows, columns = self.visible.shape
        samples, beams = self.beam_rows.shape
        i, j = int(deep * (samples - 1)), int(across * (beams - 1))
        row = np.clip(self.beam_rows[i, j], 0.06 * rows, 0.94 * rows)
        column = np.clip(self.beam_columns[i, j], 0.06 * columns, 0.94 * columns)
        return float((column - columns / 2) / rows), float(row / rows)

    @property
    def area(self) -> float:
        """Visible area in picture heights squared."""
        return float(self.visible.mean()) * self.visible.shape[1] / self.visible.shape[0]


def _pixels(rows: int, columns: int) -> tuple[Array, Array]:
    x = (np.arange(columns, dtype=np.float32) - columns / 2 + 0.5) / rows
    y = (np.arange(rows, dtype=np.float32) + 0.5) / rows
    wide, high = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return wide, high


def linear_probe(rows: int, columns: int, left: int, right: int, top: int, bottom: int) -> Probe:
    """Parallel vertical beams filling the pixel rectangle [top, bottom) x [left, right)."""
    across = np.arange(columns, dtype=np.float32)
    down = np.arange(rows, dtype=np.float32)
    image_beams, image_samples = np.meshgrid(across - left, down - top)
    beam_columns, beam_rows = np.meshgrid(across[left:right], down[top:bottom])
    visible = np.zeros((rows, columns), bool)
    visible[top:bottom, left:right] = True
    still, straight = np.zeros((rows, columns), np.float32), np.ones((rows, columns), np.float32)
    return Probe(beam_columns, beam_rows, image_beams, image_samples, visible, still, straight, 1 / rows)


def sector_probe(
    rows: int, columns: int, apex: tuple[float, float], reach: tuple[float, float], half: float, tilt: float
) -> Probe:
    """Beams fanning out from `apex` over the angles tilt - half .. tilt + half (radians from straight down).

    `reach` is the first and the last distance from the apex: (0, r) for a phased array, (radius, r) for a
    convex one.
    """
    near, far = reach
    samples = int(np.clip((far - near) * rows, 64, 1.5 * rows))
    beams = int(np.clip(1.3 * half * far * rows, 0.5 * columns, 1.2 * columns))
    radii = np.linspace(near, far, samples, dtype=np.float32)[:, None]
    angles = np.linspace(tilt - half, tilt + half, beams, dtype=np.float32)[None]
    beam_columns = (apex[0] + radii * np.sin(angles)) * rows + columns / 2 - 0.5
    beam_rows = (apex[1] + radii * np.cos(angles)) * rows - 0.5
    x, y = _pixels(rows, columns)
    right, down = x - np.float32(apex[0]), y - np.float32(apex[1])
    distance, angle = cv2.cartToPolar(down, right)
    angle = np.where(angle > np.pi, angle - np.float32(2 * np.pi), angle)
    visible = (distance >= near) & (distance <= far) & (np.abs(angle - tilt) <= half)
    distance = np.maximum(distance, np.float32(1e-3))
    return Probe(
        beam_columns.astype(np.float32),
        beam_rows.astype(np.float32),
        ((angle - np.float32(tilt - half)) * np.float32((beams - 1) / (2 * half))).astype(np.float32),
        ((distance - np.float32(near)) * np.float32((samples - 1) / (far - near))).astype(np.float32),
        visible,
        right / distance,
        down / distance,
        (far - near) / (samples - 1),
    )


def draw_probe(rng: np.random.Generator, rows: int, columns: int, kind: str) -> Probe:
    """A random `linear`, `phased`, `convex` or `trapezoid` field of view in a (rows, columns) picture."""
    wide = columns / rows
    if kind == "linear":
        if rng.random() < 0.5:
            return linear_probe(rows, columns, 0, columns, 0, rows)
        left, right = rng.uniform(0, 0.15, 2) * columns * rng.integers(0, 2, 2)
        top, bottom = rng.uniform(0, 0.15, 2) * rows * rng.integers(0, 2, 2)
        return linear_probe(rows, columns, int(left), columns - int(right), int(top), rows - int(bottom))
    x, top, tilt = rng.normal(0, 0.02), rng.uniform(0, 0.05), 0.0
    if kind == "phased":
        half = min(rng.uniform(0.5, 0.82), float(np.arctan(0.5 * wide / 0.62)))
        reach = (rng.uniform(0, 0.04), rng.uniform(0.9, 1.0))
    elif kind == "convex":
        radius = rng.uniform(0.12, 0.5)
        half = rng.uniform(0.45, 0.75)
        reach = (radius, radius + rng.uniform(0.85, 1.3))
        top = rng.uniform(-0.3, 0.06)
        tilt = rng.normal(0, 0.04)
    else:
        radius = rng.uniform(1.0, 2.5)
        half = float(np.arcsin(min(0.9, rng.uniform(0.3, 0.5) * wide / radius)))
        reach = (radius, radius + rng.uniform(0.85, 1.1))
        x = rng.normal(0, 0.03)
    return sector_probe(rows, columns, (x, top - reach[0]), reach, half, tilt)
