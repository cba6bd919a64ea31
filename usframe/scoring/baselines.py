"""Answers without a network: what a box or one labelled slice is worth by itself.

In slice mode the box of each prompt, filled, and the ellipse inscribed in it. For propagation the label of the
nearest prompted slice, and, where an object has several of them, its shape in between. A network that does no
better has added nothing to its prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import Planes
from usframe.config.schema import Mode
from usframe.prompting.frames import Extents
from usframe.shape import Interpolation
from usframe.types import Prompt, PromptStrategy, Segmentation

FILLED, ELLIPSE, COPIED, INTERPOLATED = "filled box", "ellipse", "copied label", "interpolated label"
BASELINES = (FILLED, ELLIPSE, COPIED, INTERPOLATED)
FROM_LABELS = (COPIED, INTERPOLATED)  # they hold the label itself on prompted slices


class Draw(Protocol):
    """Draws prompts of a strategy from the labels of a case, as its other prompts were drawn."""

    def __call__(self, strategy: PromptStrategy, *, frames: Mapping[int, AbstractSet[int]]) -> list[Prompt]: ...


def make_baselines(
    labels: NDArray[np.uint8],
    prompted: Mapping[int, AbstractSet[int]],
    extents: Extents,
    mode: Mode,
    given: Sequence[Prompt],
    draw: Draw,
    *,
    several: bool = False,
) -> dict[str, Segmentation]:
    """The baselines of one case by name, for the objects and slices in ``prompted`` (object id -> slices).

    ``labels``: (D, H, W), 0 is background. ``extents``: where objects may be, see `usframe.prompting.frames`.
    ``given``: prompts with a box; other boxes are drawn with the pieces, margin and noise of ``draw``. An object
    without a label on a slice has no box there. ``several``: objects may be prompted on more than one slice, so
    that there is something between them.
    """
    if mode == "propagate":
        answers = {COPIED: copy_label(labels, prompted, extents)}
        if several:
            answers[INTERPOLATED] = interpolate_label(labels, prompted, extents)
        return answers
    there = {(prompt.object_id, prompt.frame) for prompt in given}
    missing = {one: {frame for frame in frames if (one, frame) not in there} for one, frames in prompted.items()}
    boxes = [*given, *draw(_box, frames=missing)]
    return {name: fill_boxes(boxes, labels.shape, ellipse=name == ELLIPSE) for name in (FILLED, ELLIPSE)}


def frames_of(prompts: Sequence[Prompt]) -> dict[int, set[int]]:
    """Object id -> the slices it is prompted on."""
    frames: dict[int, set[int]] = {}
    for prompt in prompts:
        frames.setdefault(prompt.object_id, set()).add(prompt.frame)
    return frames


def fill_boxes(boxes: Sequence[Prompt], shape: tuple[int, ...], *, ellipse: bool = False) -> Segmentation:
    """All pixels of each box, or those of the inscribed ellipse, in a volume of ``shape`` (D, H, W).

    Where objects overlap the smaller box wins, so that one inside another is seen. The ellipse is that of the
    pixel centres: ((x - cx) / (w / 2))² + ((y - cy) / (h / 2))² <= 1 for a box of w x h pixels.
    """
    planes = Planes(shape, np.uint8)
    for frame in sorted({prompt.frame for prompt in boxes}):
        here = [prompt for prompt in boxes if prompt.frame == frame]
        planes.put(frame, _fill(here, shape[1:], ellipse=ellipse))
    return _answer(planes.array(), {prompt.object_id for prompt in boxes})


def _fill(boxes: Sequence[Prompt], shape: tuple[int, ...], *, ellipse: bool) -> NDArray[np.uint8]:
    plane = np.zeros(shape, np.uint8)
    for prompt in sorted(boxes, key=_area, reverse=True):
        assert prompt.box is not None
        first, last = np.ceil(prompt.box[:2]).astype(int), np.floor(prompt.box[2:]).astype(int)
        x, y = (np.arange(first[axis], last[axis] + 1) for axis in (0, 1))
        centre, half = (prompt.box[:2] + prompt.box[2:]) / 2, (prompt.box[2:] - prompt.box[:2] + 1) / 2
        across, down = ((x - centre[0]) / half[0]) ** 2, ((y - centre[1]) / half[1]) ** 2
        inside = down[:, None] + across <= 1 if ellipse else np.full((len(y), len(x)), True)
        plane[first[1] : last[1] + 1, first[0] : last[0] + 1][inside] = prompt.object_id
    return plane


def copy_label(
    labels: NDArray[np.uint8], prompted: Mapping[int, AbstractSet[int]], extents: Extents | None = None
) -> Segmentation:
    """The label (D, H, W) of each object's nearest prompted slice, on every slice of its extent.

    Of two prompted slices equally near, the earlier is copied; it has no noise. Where copies of objects overlap,
    the one from the nearer slice wins, then the smaller id.
    """
    planes = Planes(labels.shape, np.uint8)
    for frame in range(len(labels)):
        plane = np.zeros(labels.shape[1:], np.uint8)
        copies = []
        for object_id, frames in prompted.items():
            first, last = (extents or {}).get(object_id, (0, len(labels) - 1))
            if frames and first <= frame <= last:
                nearest = min(frames, key=lambda other: (abs(other - frame), other))
                copies.append((abs(nearest - frame), object_id, nearest))
        for _, object_id, nearest in sorted(copies, reverse=True):
            plane[labels[nearest] == object_id] = object_id
        planes.put(frame, plane)
    return _answer(planes.array(), set(prompted))


def interpolate_label(
    labels: NDArray[np.uint8], prompted: Mapping[int, AbstractSet[int]], extents: Extents | None = None
) -> Segmentation:
    """The shape of each object between the prompted slices that have its label (D, H, W), see `usframe.shape`.

    Before the first and behind the last of them the label is copied. Where objects overlap, the one that the pixel
    lies deeper in wins, then the smaller id.
    """
    planes = Planes(labels.shape, np.uint8)
    shapes = {
        object_id: Interpolation({frame: labels[frame] == object_id for frame in sorted(frames)})
        for object_id, frames in sorted(prompted.items())
        if frames
    }
    for frame in range(len(labels)):
        plane, deepest = np.zeros(labels.shape[1:], np.uint8), np.zeros(labels.shape[1:], np.float32)
        for object_id, shape in shapes.items():
            first, last = (extents or {}).get(object_id, (0, len(labels) - 1))
            if first <= frame <= last:
                depth, seen = shape(frame), deepest[shape.window]
                plane[shape.window][depth > seen] = object_id
                np.maximum(depth, seen, out=seen)
        planes.put(frame, plane)
    return _answer(planes.array(), set(prompted))


def _box(mask: NDArray[np.bool_], /, *, frame: int, object_id: int, rng: np.random.Generator) -> Prompt:
    x, y = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return Prompt(frame, object_id, box=np.array([x[0], y[0], x[-1], y[-1]], np.float32))


def _area(prompt: Prompt) -> float:
    assert prompt.box is not None
    return float(np.prod(prompt.box[2:] - prompt.box[:2] + 1))


def _answer(mask: NDArray[np.uint8], objects: AbstractSet[int]) -> Segmentation:
    return Segmentation(mask, tuple(sorted(objects)), np.full((len(objects), len(mask)), np.nan, np.float32))
