"""Implicit shapes whose outline changes smoothly from slice to slice.

Lengths are in picture heights, x grows to the right, y grows with depth, z with the slice number.
A shape answers one question, `distance`: the approximate signed distance (negative inside) of every point
of a small grid, obtained from an implicit function f as f / |grad f| (Taubin 1991, "Estimation of planar
curves, surfaces and nonplanar space curves defined by implicit equations").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Box = tuple[float, float, float, float]

FAR = 9.0
_TURN = np.linspace(0.0, 2 * np.pi, 512, endpoint=False)


def gradient(field: Array, step: float) -> tuple[Array, Array]:
    """Derivatives (d/dx, d/dy) of a (rows, columns) field sampled every `step`."""
    scale = 1 / (8 * step)
    along_x = cv2.Sobel(field, cv2.CV_32F, 1, 0, ksize=3, scale=scale, borderType=cv2.BORDER_REPLICATE)
    along_y = cv2.Sobel(field, cv2.CV_32F, 0, 1, ksize=3, scale=scale, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(along_x, np.float32), np.asarray(along_y, np.float32)


@dataclass(frozen=True)
class Drift:
    """A number that wanders smoothly with z and equals `base` at z = 0."""

    base: float
    slope: float = 0.0
    sway: float = 0.0
    pace: float = 0.0
    phase: float = 0.0

    def at(self, z: float) -> float:
        wave = np.sin(self.pace * z + self.phase) - np.sin(self.phase)
        return float(self.base + self.slope * z + self.sway * wave)

    @staticmethod
    def draw(rng: np.random.Generator, base: float, amount: float) -> Drift:
        """Drift from `base` by about `amount` per unit of z."""
        slope, sway = rng.normal(0, amount), rng.normal(0, amount / 12)
        return Drift(base, slope, sway, rng.uniform(5, 12), rng.uniform(0, 6.28))


def _power(field: Array, exponent: float) -> Array:
    return np.asarray(cv2.pow(np.abs(field), exponent), np.float32)


class Shape(Protocol):
    """What the anatomy needs to know of a shape."""

    def box(self, z: float) -> Box | None:
        """(x0, x1, y0, y1) holding the outline of slice z; None where the shape has ended."""
        ...

    def distance(self, x: Array, y: Array, z: float, step: float) -> Array:
        """Signed distance of the (rows, columns) points x, y, spaced by `step`."""
        ...


@dataclass(frozen=True)
class Blob:
    """A bent superellipse with Fourier waves on its outline, an ellipsoid of half length `z_half` along z.

    `waves` holds (order, relative amplitude, phase in radians) of the radius.
    """

    x: Drift
    y: Drift
    a: float
    b: float
    turn: Drift
    power: float = 2.0
    bend: float = 0.0
    waves: Sequence[tuple[int, float, Drift]] = ()
    z_mid: float = 0.0
    z_half: float = np.inf

    def _swell(self, z: float) -> float:
        return float(np.sqrt(max(0.0, 1 - ((z - self.z_mid) / self.z_half) ** 2)))

    def box(self, z: float) -> Box | None:
        swell = self._swell(z)
        if swell < 0.1:
            return None
        waves = 1 + sum(abs(amplitude) for _, amplitude, _ in self.waves)
        a, b = (self.a * swell * waves, self.b * swell * waves)
        b += abs(self.bend) * a * a / self.a
        corner = 1.0 if self.power <= 2 else 1.2
        cos, sin = abs(np.cos(self.turn.at(z))), abs(np.sin(self.turn.at(z)))
        dx, dy = corner * np.hypot(a * cos, b * sin), corner * np.hypot(a * sin, b * cos)
        if self.bend:
            dx, dy = a * cos + b * sin, a * sin + b * cos
        x, y = self.x.at(z), self.y.at(z)
        return x - dx, x + dx, y - dy, y + dy

    def distance(self, x: Array, y: Array, z: float, step: float) -> Array:
        turn = self.turn.at(z)
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        right, down = x - np.float32(self.x.at(z)), y - np.float32(self.y.at(z))
        u = np.asarray((right * cos + down * sin) / np.float32(self.a), np.float32)
        v = np.asarray(down * cos - right * sin, np.float32)
        if self.bend:
            v = v + np.float32(self.bend * self.a) * (u * u - np.float32(0.3))
        v = v / np.float32(self.b)
        radius = self._radius(u, v, z)
        if self.power == 2:
            rho = np.hypot(u, v)
        else:
            p = self.power
            rho = cv2.pow(_power(u, p) + _power(v, p), 1 / p)
        level = np.asarray(rho / radius - 1, np.float32)
        steep = np.hypot(*gradient(level, step))
        return np.asarray(level / np.maximum(steep, 0.4 / max(self.a, self.b)), np.float32)

    def _radius(self, u: Array, v: Array, z: float) -> Array:
        swell = np.float32(self._swell(z))
        if not self.waves:
            return np.full((1, 1), swell, np.float32)
        table = np.ones_like(_TURN)
        for order, amplitude, phase in self.waves:
            table += amplitude * np.cos(order * _TURN + phase.at(z))
        index = (cv2.phase(u, v) * np.float32(len(_TURN) / (2 * np.pi))).astype(np.int32)
        return np.take(table.astype(np.float32) * swell, index, mode="wrap")


@dataclass(frozen=True)
class Plane:
    """The half plane on the side of (x, y) away from which the unit normal at angle `turn` points."""

    x: Drift
    y: Drift
    turn: Drift

    def box(self, z: float) -> Box:
        return -FAR, FAR, -FAR, FAR

    def distance(self, x: Array, y: Array, z: float, step: float) -> Array:
        turn = self.turn.at(z)
        result: Array = (x - np.float32(self.x.at(z))) * np.float32(np.cos(turn)) + (
            y - np.float32(self.y.at(z))
        ) * np.float32(np.sin(turn))
        return result


@dataclass(frozen=True)
class Carved:
    """`body` with the inside of every shape of `without` taken away."""

    body: Shape
    without: Sequence[Shape]

    def box(self, z: float) -> Box | None:
        return self.body.box(z)

    def distance(self, x: Array, y: Array, z: float, step: float) -> Array:
        result = self.body.distance(x, y, z, step)
        for hole in self.without:
            if hole.box(z) is not None:
                result = np.maximum(result, -hole.distance(x, y, z, step))
        return result


def draw_blob(
    rng: np.random.Generator,
    centre: tuple[float, float],
    area: float,
    *,
    aspect: float = 1.0,
    turn: float | None = None,
    lobes: float = 0.05,
    power: float | None = None,
    bend: float = 0.0,
    drift: float = 0.25,
    tube: bool = False,
) -> Blob:
    """A random blob of about `area` (picture heights squared).

    `aspect` is a / b, `turn` the angle of a to the x axis (random when None), `lobes` the size of the
    waves on the outline, `drift` how fast it moves along z, `tube` whether it runs through the volume.
    """
    radius = float(np.sqrt(area / np.pi))
    a, b = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
    waves = []
    for order in range(2, 8):
        amplitude = rng.normal(0, lobes) / (order - 1) ** 0.7
        waves.append((order, float(amplitude), Drift.draw(rng, rng.uniform(0, 6.28), 1.5)))
    z_half = np.inf if tube else rng.uniform(0.9, 2.0) * max(radius, 0.06)
    turn = rng.uniform(0, np.pi) if turn is None else turn
    return Blob(
        x=Drift.draw(rng, centre[0], drift),
        y=Drift.draw(rng, centre[1], drift),
        a=a,
        b=b,
        turn=Drift.draw(rng, turn, 0.8),
        power=power or (2.0 if rng.random() < 0.7 else rng.uniform(1.6, 4.5)),
        bend=bend,
        waves=tuple(waves) if lobes > 0 else (),
        z_mid=0.0 if tube else rng.uniform(-0.5, 0.5) * z_half,
        z_half=z_half,
    )
