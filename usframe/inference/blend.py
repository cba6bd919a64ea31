"""One mask of two: what the network's memory sees on a slice, and the shape between prompted slices.

The mask lies where the weighted mean of both signed distances (`usframe.shape`) is positive. The weights come from
the error that either way is expected to have (`usframe.inference.trust`). Where the memory sees no object there is
none, nor beyond the prompted slices where a mask is more likely wrong than right. From a single prompted slice
nobody knows how the shape goes on, so the memory is followed alone.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import Planes
from usframe.geometry import from_model
from usframe.inference.spool import Answers
from usframe.inference.trust import (
    BLEND_ERROR,
    Features,
    Place,
    Trust,
    dice,
    error_of,
    expected,
    foretell,
    memory_share,
)
from usframe.prompting.frames import Extents
from usframe.shape import Distance, Interpolation, clipped_distance
from usframe.types import Segmentation

Mask: TypeAlias = NDArray[np.bool_]
LIKELY_WRONG = 0.5  # expected error
FAR = 1 / 8  # of the longer side of a slice: no pixel is deeper inside an object or further outside than that


class Ways(NamedTuple):
    """An object on a slice: signed distances (H, W) by its shape and as the memory sees it, None where that has not
    been, how far both agree, and what is known of their errors.
    """

    outline: Distance
    seen: Distance | None
    agreement: float
    features: Features

    @property
    def learned(self) -> float:
        """The error of the shape, by the prompted slices alone."""
        return float(error_of(self.features[2]))

    @property
    def depth(self) -> Distance:
        """The signed distances of the blend."""
        if self.seen is None:
            return self.outline
        share = np.float32(memory_share(self.features))
        return share * self.seen + (1 - share) * self.outline


class Blend:
    """The objects of one set of prompts on a volume of ``shape`` (D, H, W); ``answers``: those of the memory."""

    def __init__(self, shape: tuple[int, ...], answers: Answers, extents: Extents) -> None:
        self.shape, self.answers, self.extents = shape, answers, extents
        self.shown: dict[int, dict[int, Mask]] = {one: {} for one in answers.objects}
        self.trust = {one: Trust() for one in answers.objects}
        self.drawn: set[tuple[int, int]] = set()

    def show(self, one: int, frame: int, mask: Mask, *, drawn: bool) -> None:
        """The mask (H, W) of an object on a prompted slice, ``drawn`` by somebody or answered by the network."""
        self.shown[one][frame] = mask
        if drawn:
            self.drawn.add((one, frame))

    def learn(self, one: int, frame: int, memory: Mask | None = None) -> None:
        """Compare a prompted slice with what the others make of it: their shape, and the ``memory``."""
        others, truth = {at: mask for at, mask in self.shown[one].items() if at != frame}, self.shown[one][frame]
        if truth.any():
            outline = self._outline(Interpolation(others), frame)
            place, seen = Place.of(frame, [*others]), None if memory is None else 1 - dice(memory, truth)
            self.trust[one].learn(place, 1 - dice(outline > 0, truth), seen)

    def result(self, keep_logits: bool) -> Segmentation:
        """The masks; where objects overlap, the one that a pixel lies deeper in wins, then the smaller id."""
        planes, answers = Planes(self.shape, np.uint8), self.answers
        quality, size = answers.quality, (len(answers.objects), self.shape[0], *answers.shape[1:])
        logits = np.full(size, np.nan, np.float32) if keep_logits else None
        for frame in range(self.shape[0]):
            if logits is not None:
                rows, seen = answers.on(frame)
                logits[rows, frame] = seen
            plane, deepest = np.zeros(self.shape[1:], np.uint8), np.zeros(self.shape[1:], np.float32)
            for row, one in enumerate(answers.objects):
                first, last = self.extents.get(one, (0, self.shape[0] - 1))
                if first <= frame <= last:
                    ways = self.ways(one, frame)
                    quality.agreement[row, frame] = ways.agreement
                    quality.error[row, frame] = self._error(one, row, frame, ways)
                    if not self._is_gone(one, frame, ways, float(quality.error[row, frame])):
                        depth = ways.depth
                        plane[depth > deepest] = one
                        np.maximum(depth, deepest, out=deepest)
            planes.put(frame, plane)
        return Segmentation(planes.array(), answers.objects, answers.iou, logits, quality=quality)

    def _error(self, one: int, row: int, frame: int, ways: Ways) -> float:
        """What is expected of the blend; of a mask that somebody drew, that it is right."""
        frames, answers = self.shapes[one].frames, self.answers
        if (one, frame) in self.drawn:
            return 0.0
        if frame in frames or (len(frames) == 1 and ways.seen is not None):
            distance = min(abs(frame - other) for other in frames)
            told = foretell(answers.iou[row, [frame]], answers.presence[row, [frame]], float(distance))
            return float(told[0])
        return ways.learned if ways.seen is None else expected(ways.features, BLEND_ERROR)

    def _is_gone(self, one: int, frame: int, ways: Ways, error: float) -> bool:
        """Whether an object has ended before a slice beyond those it is prompted on.

        There a mask that is more likely wrong than right costs more than it brings.
        """
        frames = self.shapes[one].frames
        beyond = len(frames) > 1 and not min(frames) <= frame <= max(frames)
        return beyond and ways.seen is not None and error > LIKELY_WRONG

    @cached_property
    def shapes(self) -> dict[int, Interpolation]:
        return {one: Interpolation(shown) for one, shown in self.shown.items()}

    def ways(self, one: int, frame: int) -> Ways:
        """What memory and shape say about an object on a slice."""
        shape, row = self.shapes[one], self.answers.objects.index(one)
        outline, place = self._outline(shape, frame), Place.of(frame, shape.frames)
        if frame in shape.frames or not self.answers.answered[row, frame]:
            return Ways(outline, None, np.nan, self.trust[one].features(place, np.nan, np.nan))
        mask = from_model(self.answers.plane(row, frame)[None], (self.shape[1], self.shape[2]))[0] > 0
        agreement = dice(mask, outline > 0)
        features = self.trust[one].features(place, float(self.answers.iou[row, frame]), agreement)
        limit = FAR * max(self.shape[1:])
        seen = clipped_distance(mask, limit)
        if not mask.any() or len(shape.frames) == 1:
            outline = seen
        return Ways(outline, seen, agreement, features)

    def _outline(self, shape: Interpolation, frame: int) -> Distance:
        """The signed distances on a whole slice."""
        limit = FAR * max(self.shape[1:])
        plane = np.full(self.shape[1:], -limit, np.float32)
        plane[shape.window] = np.clip(shape(frame), -limit, limit)
        return plane
