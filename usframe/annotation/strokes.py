"""What a hand does on a slice, as a prompt: clicks, a box, a scribble, a lasso, a brush."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.errors import RequestError
from usframe.prompting.clicks import depths_of, with_points
from usframe.types import Prompt

Points = NDArray[np.float32]
Mask = NDArray[np.bool_]
CLICKS = 3  # that a scribble becomes, at most
WIDTH = 5  # pixels of a scribble's line


def blank(frame: int, object_id: int) -> Prompt:
    """The prompt of a slice on which nothing has been drawn."""
    return Prompt(frame, object_id, learned=True)


def click(prompt: Prompt, xy: Sequence[float], *, inside: bool) -> Prompt:
    """One more point (x, y), in the object or outside it. Raises `RequestError` for a first one outside."""
    return _clicked(prompt, np.array([xy], np.float32), prompt.box, prompt.mask, inside=inside)


def unclick(prompt: Prompt, number: int) -> Prompt | None:
    """The prompt without its point ``number``; None where nothing is left that lies in the object.

    Raises `RequestError` for a point that is not there.
    """
    points, labels = prompt.points, prompt.point_labels
    count = 0 if points is None else len(points)
    if points is None or labels is None or not 0 <= number < count:
        raise RequestError(f"slice {prompt.frame} has no point {number}, it has {count} of them, counted from 0")
    points, labels = np.delete(points, number, 0), np.delete(labels, number)
    if prompt.box is None and prompt.mask is None and not labels.any():
        return None
    left = (points, labels) if len(points) else (None, None)
    return replace(prompt, points=left[0], point_labels=left[1])


def boxed(prompt: Prompt, corners: Sequence[float]) -> Prompt:
    """The box x0, y0, x1, y1, whichever corners it was drawn from, in the place of an earlier one and of a mask."""
    x0, x1 = sorted((corners[0], corners[2]))
    y0, y1 = sorted((corners[1], corners[3]))
    return replace(prompt, box=np.array([x0, y0, x1, y1], np.float32), mask=None, learned=False)


def scribbled(prompt: Prompt, path: Points, seen: Mask, *, inside: bool) -> Prompt:
    """A line through points (N, 2): clicks along it, and the mask (H, W) ``seen`` with the line or without."""
    return _gone_over(prompt, _line(path, seen.shape, WIDTH), _along(path), seen, inside=inside)


def gone_over(prompt: Prompt, line: Mask, seen: Mask, *, inside: bool) -> Prompt:
    """A scribble as the pixels (H, W) that it went over. Raises `RequestError` where there are none."""
    if not line.any():
        raise RequestError(f"the scribble on slice {prompt.frame} holds no pixel")
    return _gone_over(prompt, line, _within(line), seen, inside=inside)


def lassoed(prompt: Prompt, path: Points, seen: Mask, *, inside: bool) -> Prompt:
    """A closed line through points (N, 2): see `enclosed`."""
    area = np.zeros(seen.shape, np.uint8)
    cv2.fillPoly(area, [np.round(path).astype(np.int32)], color=1)
    return enclosed(prompt, area > 0, seen, inside=inside)


def enclosed(prompt: Prompt, area: Mask, seen: Mask, *, inside: bool) -> Prompt:
    """What a lasso holds, (H, W), is the object, or no part of it.

    Raises `RequestError` for a lasso around nothing, and where nothing of the object (H, W) ``seen`` is left.
    """
    if not area.any():
        raise RequestError(f"the lasso on slice {prompt.frame} holds no pixel")
    if not inside:
        return painted(prompt, seen & ~area)
    y, x = np.unravel_index(depths_of(area).argmax(), area.shape)
    return _clicked(prompt, np.array([[x, y]], np.float32), None, area, inside=True)


def painted(prompt: Prompt, mask: Mask) -> Prompt:
    """The object as brush and eraser left it, (H, W): taken as it is. Raises `RequestError` for nothing."""
    if not mask.any():
        raise RequestError(f"nothing of the object is left on slice {prompt.frame}; clear the slice instead")
    return Prompt(prompt.frame, prompt.object_id, mask=mask)


def brushed(seen: Mask, path: Points, width: int, *, inside: bool) -> Mask:
    """The mask (H, W) ``seen`` after a brush of ``width`` pixels, or an eraser, along points (N, 2)."""
    return _with(seen, _line(path, seen.shape, width), inside=inside)


def is_painted(prompt: Prompt) -> bool:
    """Whether a prompt is a mask and nothing else, so that no network has to answer it."""
    return prompt.mask is not None and prompt.points is None and prompt.box is None


def _clicked(
    prompt: Prompt, points: Points, box: NDArray[np.float32] | None, mask: Mask | None, *, inside: bool
) -> Prompt:
    prompt = with_points(prompt, points, np.full(len(points), int(inside), np.int64))
    if box is None and mask is None and not np.any(prompt.point_labels):
        raise RequestError(
            f"the first point on slice {prompt.frame} lies outside the object; begin with one inside"
        )
    return replace(prompt, box=box, mask=mask)


def _gone_over(prompt: Prompt, line: Mask, points: Points, seen: Mask, *, inside: bool) -> Prompt:
    mask = _with(seen, line, inside=inside)
    return _clicked(prompt, points, None, mask if mask.any() else None, inside=inside)


def _with(seen: Mask, line: Mask, *, inside: bool) -> Mask:
    return seen | line if inside else seen & ~line


def _within(line: Mask) -> Points:
    """Up to `CLICKS` pixels (N, 2): the line is cut across into equal parts, and each gives its deepest."""
    rows, columns = np.nonzero(line)
    pixels = np.stack([columns, rows], 1).astype(np.float32)
    centred = pixels - pixels.mean(0)
    along = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1]
    parts = np.array_split(np.argsort(along, kind="stable"), CLICKS if np.ptp(along) >= 2 * WIDTH else 1)
    depth = depths_of(line)[rows, columns]
    return np.stack([pixels[part[depth[part].argmax()]] for part in parts])


def _line(path: Points, shape: tuple[int, ...], width: int) -> Mask:
    line = np.zeros(shape, np.uint8)
    corners = np.round(path[[0, *range(len(path))]]).astype(np.int32)  # a point alone is a line to itself
    cv2.polylines(line, [corners], isClosed=False, color=1, thickness=width)
    return line > 0


def _along(path: Points) -> Points:
    """Up to `CLICKS` points, evenly spread along a line through points (N, 2)."""
    steps = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(0)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    if along[-1] < 2 * WIDTH:
        return path[len(path) // 2][None]
    places = (np.arange(CLICKS) + 0.5) / CLICKS * along[-1]
    spread = np.stack([np.interp(places, along, path[:, axis]) for axis in (0, 1)], 1)
    return np.round(spread).astype(np.float32)
