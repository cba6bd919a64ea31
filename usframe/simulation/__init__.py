"""Simulated ultrasound with labels, for training where no real images may be used.

`simulate` draws a scene (anatomy defined by implicit functions), a probe and a scanner at random, computes
the echo of every slice in beam space, and scan-converts it. See `acoustics` for the model and its sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usframe.simulation.acoustics import compress, draw_scanner, received, scatterers
from usframe.simulation.anatomy import Canvas, Scene
from usframe.simulation.head import head
from usframe.simulation.heart import heart
from usframe.simulation.neck import nerve, vessel
from usframe.simulation.obscure import obscure
from usframe.simulation.organs import abdomen, generic, mass
from usframe.simulation.probe import Probe, draw_probe
from usframe.simulation.screen import draw_marks

__all__ = ["SCENES", "Scan", "simulate"]

SMALLEST = 0.0008


@dataclass(frozen=True)
class Scan:
    """One simulated volume.

    image: (slices, rows, columns) float32 in [0, 1]. labels: same shape, uint8, 0 background, else an object
    id, contiguous from 1. spacing_mm: slice, row, column. names: object id to organ. scene: its kind.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    names: dict[int, str]
    scene: str


@dataclass(frozen=True)
class _Kind:
    draw: Callable[[np.random.Generator, Probe], Scene]
    weight: float
    probes: dict[str, float]
    depth_mm: tuple[float, float]


_KINDS = {
    "generic": _Kind(generic, 0.32, {"linear": 0.4, "phased": 0.2, "convex": 0.3, "trapezoid": 0.1}, (30, 200)),
    "heart": _Kind(heart, 0.17, {"phased": 1.0}, (120, 180)),
    "vessel": _Kind(vessel, 0.12, {"linear": 0.85, "trapezoid": 0.15}, (30, 50)),
    "nerve": _Kind(nerve, 0.15, {"linear": 0.8, "trapezoid": 0.1, "convex": 0.1}, (25, 60)),
    "head": _Kind(head, 0.12, {"convex": 0.85, "trapezoid": 0.1, "linear": 0.05}, (80, 200)),
    "mass": _Kind(mass, 0.06, {"linear": 0.8, "trapezoid": 0.2}, (30, 60)),
    "abdomen": _Kind(abdomen, 0.06, {"convex": 0.8, "phased": 0.2}, (100, 200)),
}

SCENES: tuple[str, ...] = tuple(_KINDS)


def simulate(
    seed: int,
    *,
    shape: tuple[int, int, int] = (24, 192, 224),
    scene: str | None = None,
    gap: float | None = None,
    faint: float = 0.0,
    clutter: float = 0.0,
) -> Scan:
    """Simulate a (slices, rows, columns) volume; the same arguments give the same bits.

    Every object of the result is visible in the volume, and objects do not overlap. `scene` is one of
    SCENES, or None for a random one. `gap` is the distance between slices in pixels, or None for a random
    one from 0.8 to 2.5. `faint` is the share of the labelled organs that hardly differ from what surrounds
    them; `clutter` that of those with an outer layer of another echo, and of the scenes with patches that mean
    nothing. Raises ValueError for an unknown scene.
    """
    if scene is not None and scene not in _KINDS:
        raise ValueError(f"unknown scene {scene!r}, expected one of {', '.join(SCENES)}")
    rng = np.random.default_rng(seed)
    chosen = scene or str(rng.choice(SCENES, p=[kind.weight for kind in _KINDS.values()]))
    kind = _KINDS[chosen]
    depth = rng.uniform(*kind.depth_mm)
    pixel = depth / shape[1]
    drawn = rng.uniform(0.8, 2.5)
    spacing = (float(pixel * (drawn if gap is None else gap)), float(pixel), float(pixel))
    z = (np.arange(shape[0]) - (shape[0] - 1) / 2) * spacing[0] / depth
    while True:
        probe = draw_probe(
            rng, shape[1], shape[2], str(rng.choice(list(kind.probes), p=list(kind.probes.values())))
        )
        anatomy = obscure(rng, probe, kind.draw(rng, probe), faint=faint, clutter=clutter)
        slices = [Canvas(anatomy, probe, float(position)) for position in z]
        labels, names = _name(np.stack([s.labels for s in slices]), probe.visible, anatomy)
        if names:
            break
    return Scan(_picture(rng, slices, probe), labels, spacing, names, chosen)


def _name(
    labels: NDArray[np.uint8], visible: NDArray[np.bool_], anatomy: Scene
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Drop objects that are hardly visible and number the others from 1."""
    organs = [organ.name for organ in anatomy.organs if organ.name is not None]
    seen = labels * visible
    counts = np.bincount(seen.ravel(), minlength=len(organs) + 1)
    smallest = max(SMALLEST * labels[0].size, 12)
    kept = [k for k in range(1, len(organs) + 1) if counts[k] >= smallest]
    renumber = np.zeros(256, np.uint8)
    renumber[kept] = np.arange(1, len(kept) + 1)
    return renumber[labels if anatomy.beyond else seen], {number: organs[k - 1] for number, k in enumerate(kept, 1)}


def _picture(rng: np.random.Generator, slices: list[Canvas], probe: Probe) -> NDArray[np.float32]:
    samples, beams = probe.beam_rows.shape
    scanner = draw_scanner(rng, samples, beams, fine=max(samples, 64) / 256)
    noise = scatterers(rng, (len(slices), samples, beams), rng.uniform(0.7, 1.6))
    levels = [
        received(probe.to_beams(s.tissue), n, probe.step, scanner) for s, n in zip(slices, noise, strict=True)
    ]
    reference = float(np.percentile(levels[len(levels) // 2][::3, ::3], rng.uniform(90, 99.5)))
    marks, cover = draw_marks(rng, *probe.visible.shape)
    pictures = [probe.to_picture(compress(level, reference, scanner)) for level in levels]
    return np.stack([np.where(cover, marks, picture) for picture in pictures])
