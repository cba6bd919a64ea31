"""The masks of one object in labels and in an answer, cut to the rows and columns that show it in one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks, gather, release
from usframe.scoring.surface import measure_planes, measure_surfaces
from usframe.types import Surfaces

M = TypeVar("M")
Labels: TypeAlias = NDArray[np.integer[Any]]
Shown: TypeAlias = NDArray[np.bool_]
Pair: TypeAlias = tuple[NDArray[np.bool_], NDArray[np.bool_]]  # reference and answer, both (D, h, w)


@dataclass(frozen=True, eq=False)
class ObjectMasks:
    """``on_reference``, ``on_answer``: (D,), the slices on which each shows the object.

    ``cropped``: the masks in the rows and columns of ``window``; ``whole``: those of all, if asked for.
    """

    on_reference: Shown
    on_answer: Shown
    window: tuple[slice, slice]
    cropped: Pair
    whole: Pair

    @classmethod
    def of(cls, object_id: int, reference: Labels, answer: Labels, *, whole: bool) -> ObjectMasks:
        """Those of an object of ``reference`` and ``answer``, both (D, H, W)."""
        shown = np.zeros((2, len(reference)), bool)
        rows, columns = np.zeros(reference.shape[1], bool), np.zeros(reference.shape[2], bool)
        for n in range(len(reference)):
            both = [plane == object_id for plane in (reference[n], answer[n])]
            shown[:, n] = [plane.any() for plane in both]
            if shown[:, n].any():
                either = both[0] | both[1]
                rows |= either.any(1)
                columns |= either.any(0)
        window = (_span(rows), _span(columns))
        cropped = _cut(object_id, reference, answer, window)
        everything = _cut(object_id, reference, answer, (slice(None), slice(None))) if whole else cropped
        release(reference, answer, *cropped, *everything)
        return cls(shown[0], shown[1], window, cropped, everything)

    def surfaces(self, spacing: Sequence[float]) -> Surfaces:
        """How far the surfaces are apart, with ``spacing`` (3,) along D, H, W."""
        return self._measure(measure_surfaces, spacing)

    def planes(self, spacing: Sequence[float]) -> list[Surfaces]:
        """The same of each slice in its plane."""
        return self._measure(measure_planes, spacing)

    def _measure(self, measure: Callable[..., M], spacing: Sequence[float]) -> M:
        reference, answer = self.cropped
        found = measure(answer, reference, spacing, (0, *(part.start for part in self.window)))
        release(*self.cropped)
        return found


def choose_slices(masks: Pair, chosen: Shown) -> Pair:
    """The slices of two masks that are true in ``chosen`` (D,)."""
    if chosen.all():
        return masks
    frames = np.flatnonzero(chosen)
    if len(frames) and len(frames) == frames[-1] - frames[0] + 1:
        return masks[0][frames[0] : frames[-1] + 1], masks[1][frames[0] : frames[-1] + 1]

    def take(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        shape = (len(frames), *mask.shape[1:])
        return gather((mask[frames[part]] for part in blocks(shape)), shape, bool)

    return take(masks[0]), take(masks[1])


def _span(there: Shown) -> slice:
    places = np.flatnonzero(there)
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)


def _cut(object_id: int, reference: Labels, answer: Labels, window: tuple[slice, slice]) -> Pair:
    def mask(labels: Labels) -> NDArray[np.bool_]:
        seen = labels[(slice(None), *window)]
        return gather((seen[part] == object_id for part in blocks(seen.shape)), seen.shape, bool)

    return mask(reference), mask(answer)
