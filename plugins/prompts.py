"""The built-in prompt strategies: from the mask of an object on a slice to what a user would have drawn."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe import Prompt


def mask(mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator) -> Prompt | None:
    """The object itself."""
    return Prompt(frame, object_id, mask=mask) if mask.any() else None


def point(
    mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator, count: int = 1
) -> Prompt | None:
    """Positive clicks inside the object, ``count`` of them where it is large enough; see `clicks`."""
    if not mask.any():
        return None
    points = clicks(mask, count)
    return Prompt(frame, object_id, points=points, point_labels=np.ones(len(points), np.int64))


def box(mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator) -> Prompt | None:
    """The tight box around the object."""
    return Prompt(frame, object_id, box=tight_box(mask)) if mask.any() else None


def mask_and_point(
    mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator, count: int = 1
) -> Prompt | None:
    """The object itself and ``count`` clicks inside it."""
    prompt = point(mask, frame=frame, object_id=object_id, rng=rng, count=count)
    return prompt and replace(prompt, mask=mask)


def box_and_point(
    mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator, count: int = 1
) -> Prompt | None:
    """The tight box and ``count`` clicks inside the object."""
    prompt = point(mask, frame=frame, object_id=object_id, rng=rng, count=count)
    return prompt and replace(prompt, box=tight_box(mask))


def learned(*, frame: int, object_id: int, rng: np.random.Generator) -> Prompt:
    """No label at all: what the backbone has learned of the object (``train.parameters=prompt``)."""
    return Prompt(frame, object_id, learned=True)


def tight_box(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """First and last column and row of a non-empty mask (H, W), as (4,) xyxy."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float32)


def clicks(mask: NDArray[np.bool_], count: int) -> NDArray[np.float32]:
    """Up to ``count`` pixels (N, 2) xy of a non-empty mask (H, W): `click`, then each as far from those before it.

    Around each lies a disc of half the depth of the object there; the next is the pixel deepest in what is left of
    the object without the discs, the first of several in reading order, and there is none once nothing is left.
    Raises `ValueError` for a ``count`` below 1.
    """
    if count < 1:
        raise ValueError(f"count={count}: a point prompt has at least one click")
    found = [click(mask)]
    if count == 1:
        return np.stack(found)
    columns, rows = np.meshgrid(np.arange(mask.shape[1]), np.arange(mask.shape[0]))
    depth, left = depth_of(mask), mask
    while len(found) < count:
        x, y = found[-1].astype(int)
        left = left & (np.hypot(columns - x, rows - y) > depth[y, x] / 2)
        if not left.any():
            break
        found.append(deepest(left))
    return np.stack(found)


def click(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A pixel (x, y) of a non-empty mask (H, W): its centroid or, where that lies outside, its deepest pixel."""
    left, top, right, bottom = tight_box(mask).astype(int)
    piece = mask[top : bottom + 1, left : right + 1]
    moments = cv2.moments(piece.astype(np.uint8), binaryImage=True)
    x, y = (round(moments[axis] / moments["m00"]) for axis in ("m10", "m01"))
    if not piece[y, x]:
        return deepest(mask)
    return np.array([left + x, top + y], np.float32)


def deepest(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The pixel (x, y) of a non-empty mask (H, W) farthest from all outside it, the first of several."""
    y, x = np.unravel_index(depth_of(mask).argmax(), mask.shape)
    return np.array([x, y], np.float32)


def depth_of(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The distance (H, W) of each pixel to the nearest one outside the object, in pixels.

    The image border counts as outside, so that an object cut off by it is not clicked on its edge.
    """
    padded = np.pad(mask.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1], np.float32)
