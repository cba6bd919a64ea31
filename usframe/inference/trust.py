"""How wrong an answer on a slice without a prompt is expected to be, and by what its two ways are weighed.

An error is 1 - Dice. How fast errors grow away from prompted slices in this volume is learned from these: each is
left out in turn, and predicted from the others. What that says about a slice, how sure the network is of its mask
there, and how far image and shape agree, together give the expected error of either way and of the blend, by linear
models of its logarithm (`benchmarks/trust.py` has made them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Features: TypeAlias = NDArray[np.float64]

PRIOR = 0.1  # prompted slices that the typical growth counts for, beside those of the volume
UNEVEN = 1.5  # what moves fast moves unevenly: the power by which a rate seen beyond prompted slices counts between
LEAST = 0.02  # added to every error before its logarithm is taken
STEEP = 3.0  # weights are expected errors to this power; 2 would be right for errors that have nothing in common


class Place(NamedTuple):
    """Where a slice lies: its distance to the prompted ones, and whether it is between two of them."""

    distance: float
    between: bool

    @classmethod
    def of(cls, frame: int, prompted: Sequence[int]) -> Place:
        """That of ``frame`` among slices of which one at least is ``prompted``."""
        before = [frame - one for one in prompted if one <= frame]
        behind = [one - frame for one in prompted if one >= frame]
        if not (before and behind):
            return cls(float(min(before or behind)), False)
        first, last = min(before), min(behind)
        return cls(first * last / max(first + last, 1), True)


@dataclass(frozen=True)
class Growth:
    """The typical error of a way to a mask: ``least`` at the prompted slices, and more per slice away from them."""

    least: float
    between: float
    beyond: float

    def error(self, place: Place) -> float:
        rate = self.between if place.between else self.beyond
        return max(float(np.hypot(self.least, rate * place.distance)), LEAST / 4)


# By eye, from what the demo network did on S31 (`usframe demo --data-only --cases 12 --seed 31`), masks on 2 and
# 4 slices.
MEMORY = Growth(0.12, 0.01, 0.03)
SHAPE = Growth(0.0, 0.02, 0.03)

# Weights of `Trust.features` in the logarithm of the error of the shape, of the memory and of their blend:
# python benchmarks/trust.py S31:2 CAROTID:2 CAROTID:4 backbone=demo, S31 as above and CAROTID 28 real runs.
SHAPE_ERROR = (-0.224, -0.081, 0.405, -0.221, -0.226, 0.975)
MEMORY_ERROR = (-0.159, -0.044, -0.047, 0.383, 0.350, 0.303)
BLEND_ERROR = (-0.580, -0.087, 0.310, 0.099, 0.026, 0.411)


# Of an answer whose only way is the network's: of 1, the logarithm of 1 - predicted IoU, presence / 10, and the
# logarithm of 1 + slices to the nearest prompted one.
ANSWER_ERROR = (-0.210, 0.969, -0.510, 0.091)


@dataclass
class Trust:
    """What is known of the errors of an object's two ways in this volume.

    ``memory`` and ``shape``: of each prompted slice that was left out, whether it lies between others, and how many
    times as large as typical the error was.
    """

    memory: list[tuple[bool, float]] = field(default_factory=list)
    shape: list[tuple[bool, float]] = field(default_factory=list)

    def learn(self, place: Place, shape: float, memory: float | None = None) -> None:
        """Take in the errors on a prompted slice that was left out."""
        self.shape.append((place.between, shape / SHAPE.error(place)))
        if memory is not None:
            self.memory.append((place.between, memory / MEMORY.error(place)))

    def features(self, place: Place, iou: float, agreement: float) -> Features:
        """(6,): 1, whether between prompted slices, and logarithms of the errors of shape and memory as learned, of
        1 - predicted IoU and of 1 - agreement, the Dice of both ways.
        """
        moves = [ratio for between, ratio in self.shape if between == place.between]
        rate = _mean(moves) if moves else _mean([ratio for _, ratio in self.shape]) ** UNEVEN
        alike = [ratio for between, ratio in self.memory if between == place.between]
        worse = _mean(alike or [ratio for _, ratio in self.memory])
        errors = (SHAPE.error(place) * rate, MEMORY.error(place) * worse, 1 - iou, 1 - agreement)
        return np.array([1.0, place.between, *(logarithm(error) for error in errors)])


def foretell(
    iou: NDArray[np.float32], presence: NDArray[np.float32], distance: NDArray[np.float32] | float = 0.0
) -> NDArray[np.float32]:
    """The expected error of masks that only the network speaks for; all of one shape, NaN where it says nothing."""
    doubt = np.log(np.maximum(1 - iou, 0) + LEAST)
    always, unsure, seen, far = ANSWER_ERROR
    told = always + unsure * doubt + seen * np.clip(presence, -10, 10) / 10 + far * np.log1p(distance)
    return error_of(told).astype(np.float32)


def error_of(logarithm: Any) -> NDArray[np.float64]:
    """What `logarithm` was taken of, from 0 to 1."""
    return np.asarray(np.clip(np.exp(logarithm) - LEAST, 0, 1))


def logarithm(error: float) -> float:
    return float(np.log(max(error, 0) + LEAST)) if np.isfinite(error) else float(np.log(1 + LEAST))


def expected(features: Features, weights: Sequence[float]) -> float:
    """The error that a linear model of its logarithm says."""
    return float(error_of(features @ np.array(weights)))


def memory_share(features: Features) -> float:
    """How much the memory counts in the blend."""
    shape, memory = ((expected(features, weights) + LEAST) ** STEEP for weights in (SHAPE_ERROR, MEMORY_ERROR))
    return shape / (shape + memory)


def _mean(ratios: Sequence[float]) -> float:
    """The root mean square of ratios, and of the typical one."""
    return float(np.sqrt((PRIOR + sum(ratio**2 for ratio in ratios)) / (PRIOR + len(ratios))))


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """That of two masks, NaN where both are empty."""
    both = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / both if both else float("nan")
