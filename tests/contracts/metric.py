"""A metric: one number for the mask of an object and its reference, or None where it is undefined."""

from __future__ import annotations

from inspect import Parameter, signature
from itertools import product

import numpy as np
import pytest

from usframe.types import Metric, Surfaces

SPACING = (2.0, 0.5, 0.4)
TOLERANCE = 1.0


def ball(shape: tuple[int, int, int], shift: int = 0) -> np.ndarray:
    d, h, w = np.meshgrid(*(np.arange(size) - size // 2 for size in shape), indexing="ij")
    return np.hypot(np.hypot(2 * d, h), w - shift) < 6


EMPTY = np.zeros((5, 24, 28), bool)
PAIRS = {
    "masks that overlap": (ball(EMPTY.shape), ball(EMPTY.shape, 2)),
    "masks apart": (ball(EMPTY.shape, -6), ball(EMPTY.shape, 7)),
    "identical masks": (ball(EMPTY.shape), ball(EMPTY.shape)),
    "an empty mask": (ball(EMPTY.shape), EMPTY),
    "an empty reference": (EMPTY, ball(EMPTY.shape)),
    "two empty masks": (EMPTY, EMPTY),
    "full masks": (~EMPTY, ~EMPTY),
    "a single slice": (ball((1, 24, 28)), ball((1, 24, 28), 3)),
    "an empty single slice": (EMPTY[:1], EMPTY[:1]),
}


def surfaces(reference: np.ndarray, mask: np.ndarray) -> Surfaces:
    """Every voxel with a face on the outside, and how far it is from the nearest of the other mask."""
    given, wanted = (_rim(one) * np.array(SPACING) for one in (mask, reference))
    return Surfaces(_nearest(given, wanted), _nearest(wanted, given))


def _rim(mask: np.ndarray) -> np.ndarray:
    padded, rim = np.pad(mask, 1), np.zeros_like(mask)
    for axis, step in product(range(3) if len(mask) > 1 else (1, 2), (-1, 1)):
        rim |= mask & ~np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return np.argwhere(rim)


def _nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    if not len(others):
        return np.full(len(points), np.inf)
    return np.array([np.linalg.norm(others - point, axis=1).min() for point in points], float)


class MetricContract:
    """Override ``metric``; its own arguments keep their defaults unless the fixture binds them."""

    @pytest.fixture
    def metric(self) -> Metric:
        raise NotImplementedError("override this fixture with the metric to test")

    def ask(self, metric, reference: np.ndarray, mask: np.ndarray) -> float | None:
        """As usframe asks: with those keywords that the metric takes."""
        offered = {"spacing_mm": SPACING, "surfaces": surfaces(reference, mask), "tolerance_mm": TOLERANCE}
        return metric(
            reference, mask, **{key: offered[key] for key in offered if key in signature(metric).parameters}
        )

    def test_its_other_arguments_have_defaults(self, metric) -> None:
        known = ("spacing_mm", "surfaces", "tolerance_mm")
        own = [one for one in list(signature(metric).parameters.values())[2:] if one.name not in known]
        skipped = (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
        needed = [one.name for one in own if one.default is Parameter.empty and one.kind not in skipped]
        assert not needed, f"usframe measures every registered metric, and has no {', '.join(needed)} to give"

    @pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
    def test_it_is_a_finite_number_or_none(self, metric, pair) -> None:
        score = self.ask(metric, *(mask.copy() for mask in pair))
        assert score is None or np.isfinite(float(score))

    @pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
    def test_the_masks_it_gets_are_left_alone(self, metric, pair) -> None:
        given = [mask.copy() for mask in pair]
        self.ask(metric, *given)
        for after, before in zip(given, pair, strict=True):
            np.testing.assert_array_equal(after, before)

    def test_the_same_masks_have_the_same_score(self, metric) -> None:
        first, second = (self.ask(metric, *map(np.copy, PAIRS["masks that overlap"])) for _ in range(2))
        assert first == second
