"""What probe, scanner and tissue do to a picture: speckle, gain over depth, shadow, haze, lost signal, the sector.

Depth is taken down the rows of the picture. What belongs to the scene (shadow, gain, haze, loss, sector) is drawn
once per clip; speckle is drawn anew for every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .draws import Frames, Masks, between, check_limit, clipped, within


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Frames:
    """A random field (H, W) of zero mean and unit spread that varies over a ``cells``-th of the picture."""
    height, width = shape
    grid = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    field = np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def speckle(
    frames: Frames,
    masks: Masks,
    *,
    rng: np.random.Generator,
    least: float = 0.1,
    most: float = 0.4,
    grain: float = 1.0,
) -> tuple[Frames, Masks]:
    """Multiplied with noise that is longer across the beam than along it.

    Its deviation is ``least`` to ``most`` of the signal; it is correlated over 0.5-1.5 pixels along and 1-3 pixels
    across the beam, times ``grain``.
    """
    if grain <= 0:
        raise ValueError(f"grain={grain:g} is no size; give a number above 0")
    noise = rng.standard_normal(frames.shape).astype(np.float32)
    across, along = rng.uniform(1, 3) * grain, rng.uniform(0.5, 1.5) * grain
    smooth = np.stack([cv2.GaussianBlur(one, (0, 0), across, sigmaY=along) for one in noise])
    return clipped(frames * (1 + between(rng, least, most) * smooth / max(float(smooth.std()), 1e-6))), masks


def gain(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, tilt: float = 1.0, wave: float = 0.15
) -> tuple[Frames, Masks]:
    """Time-gain compensation set wrongly: brighter or darker with depth.

    A factor of up to e^tilt between top and bottom, and a wave over depth of deviation ``wave``, as a logarithm.
    """
    check_limit("wave", wave)
    depth = np.linspace(-0.5, 0.5, frames.shape[1], dtype=np.float32)
    waves = np.interp(depth, np.linspace(-0.5, 0.5, 6), rng.normal(0, wave, 6))
    return clipped(frames * np.exp(within(rng, "tilt", tilt) * depth + waves)[:, None]), masks


@dataclass(frozen=True)
class Shadow:
    """A shadow from ``depth`` downward that leaves the share ``left`` of the signal; all in shares of the sides."""

    centre: float
    width: float
    slant: float
    depth: float
    left: float

    def __call__(self, shape: tuple[int, int]) -> Frames:
        """The share of the signal that is left, (H, W)."""
        rows, columns = np.meshgrid(*(np.linspace(0, 1, size, dtype=np.float32) for size in shape), indexing="ij")
        beside = np.abs(columns - self.centre - self.slant * (rows - self.depth)) / self.width
        inside = np.clip(1.5 - beside, 0, 1) * np.clip((rows - self.depth) / 0.04, 0, 1)
        return np.asarray(1 - (1 - self.left) * inside, np.float32)


def shadow(
    frames: Frames,
    masks: Masks,
    *,
    rng: np.random.Generator,
    stripes: int = 3,
    least: float = 0.05,
    most: float = 0.6,
) -> tuple[Frames, Masks]:
    """Dark stripes below bone, gas or a bad contact.

    One to ``stripes`` of them, each with ``least`` to ``most`` of the signal left.
    """
    if stripes < 1:
        raise ValueError(f"stripes={stripes}: at least one is cast")
    for _ in range(rng.integers(1, stripes + 1)):
        cast = Shadow(
            rng.uniform(0.05, 0.95),
            rng.uniform(0.02, 0.12),
            rng.uniform(-0.4, 0.4),
            rng.uniform(-0.1, 0.7),
            between(rng, least, most),
        )
        frames = frames * cast((frames.shape[1], frames.shape[2]))
    return clipped(frames), masks


def haze(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, least: float = 0.05, most: float = 0.35
) -> tuple[Frames, Masks]:
    """Clutter that lifts what is dark inside the picture: smooth, strongest near the probe or anywhere."""
    height, width = frames.shape[1:]
    depth = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    near = np.exp(-depth / rng.uniform(0.1, 0.5)) if rng.random() < 0.5 else np.ones_like(depth)
    seen = cv2.blur((frames.max(0) > 0.02).astype(np.float32), (height // 12 + 1, height // 12 + 1)) ** 2
    smooth = np.clip(0.7 + 0.3 * smooth_field(rng, (height, width), 3), 0, 1)
    veil = seen * near * smooth * between(rng, least, most)
    return clipped(frames + veil * (1 - frames)), masks


def dropout(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, least: float = 0.4, most: float = 1.0
) -> tuple[Frames, Masks]:
    """Patches in which tissue gives no echo, so that walls are open.

    They lose ``least`` to ``most`` of the signal.
    """
    field = smooth_field(rng, (frames.shape[1], frames.shape[2]), int(rng.integers(3, 9)))
    lost = np.clip((field - rng.uniform(0.6, 1.6)) / 0.4, 0, 1) * between(rng, least, most)
    return clipped(frames * (1 - lost)), masks


def sector(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, least: float = 60.0, most: float = 100.0
) -> tuple[Frames, Masks]:
    """The fan of a phased or convex probe, ``least`` to ``most`` degrees wide; what lies outside is black.

    No object there is to be found.
    """
    height, width = frames.shape[1:]
    above, half = rng.uniform(0.02, 0.6), np.deg2rad(between(rng, least, most) / 2)
    rows, columns = np.meshgrid(
        np.linspace(0, 1, height, dtype=np.float32) + above,
        (np.arange(width, dtype=np.float32) - width * rng.uniform(0.42, 0.58)) / height,
        indexing="ij",
    )
    radius = np.hypot(rows, columns)
    fan = (np.abs(np.arctan2(columns, rows)) < half) & (radius < 1 + above) & (radius > above)
    return clipped(frames * fan), (masks * fan).astype(masks.dtype)
