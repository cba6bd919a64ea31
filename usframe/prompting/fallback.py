"""Prompts on slices that show no object: what a network draws where there is nothing to point out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import values_of
from usframe.prompting.frames import Extents
from usframe.types import Prompt


def empty_frames(labels: NDArray[Any], known: NDArray[np.bool_] | None = None) -> list[int]:
    """The slices of ``labels`` (D, H, W) that show no object, of those that are ``known`` (D,), None for all."""
    empty = [not plane.any() for plane in labels]
    return np.flatnonzero(empty if known is None else known & empty).tolist()


def at_the_centre(labels: NDArray[Any], frames: Sequence[int], extents: Extents) -> list[Prompt]:
    """A point at the centre of the ``frames``, for the first object of ``labels`` (D, H, W); object 1 of none."""
    depth, height, width = labels.shape
    object_id = next((value for value in values_of(labels) if value), 1)
    first, last = extents.get(object_id, (0, depth - 1))
    point = np.array([[(width - 1) / 2, (height - 1) / 2]], np.float32)
    asked = [frame for frame in frames if first <= frame <= last]
    return [Prompt(frame, object_id, points=point, point_labels=np.array([1])) for frame in asked]


def of_the_nearest(prompts: Sequence[Prompt], frames: Sequence[int], extents: Extents) -> list[Prompt]:
    """On each of the ``frames`` the prompts that every object has on the nearest slice, the earlier of two."""
    by_object: dict[int, dict[int, list[Prompt]]] = {}
    for prompt in prompts:
        by_object.setdefault(prompt.object_id, {}).setdefault(prompt.frame, []).append(prompt)
    return [prompt for frame in frames for prompt in _moved(by_object, frame, extents)]


def _moved(
    by_object: Mapping[int, Mapping[int, Sequence[Prompt]]], frame: int, extents: Extents
) -> Iterator[Prompt]:
    for object_id, there in sorted(by_object.items()):
        first, last = extents.get(object_id, (frame, frame))
        if first <= frame <= last:
            nearest = min(there, key=lambda other: (abs(other - frame), other))
            yield from (replace(prompt, frame=frame) for prompt in there[nearest])
