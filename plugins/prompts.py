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


def point(mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator) -> Prompt | None:
    """One positive click inside the object, see `click`."""
    if not mask.any():
        return None
    return Prompt(frame, object_id, points=click(mask)[None], point_labels=np.ones(1, np.int64))


def box(mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator) -> Prompt | None:
    """The tight box around the object."""
    return Prompt(frame, object_id, box=tight_box(mask)) if mask.any() else None


def mask_and_point(
    mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator
) -> Prompt | None:
    """The object itself and a click inside it."""
    prompt = point(mask, frame=frame, object_id=object_id, rng=rng)
    return prompt and replace(prompt, mask=mask)


def box_and_point(
    mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator
) -> Prompt | None:
    """The tight box and a click inside the object."""
    prompt = point(mask, frame=frame, object_id=object_id, rng=rng)
    return prompt and replace(prompt, box=tight_box(mask))


def tight_box(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """First and last column and row of a non-empty mask (H, W), as (4,) xyxy."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float32)


def click(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A pixel (x, y) of a non-empty mask (H, W): its centroid or, where that lies outside, its deepest pixel.

    The image border counts as outside, so that an object cut off by it is not clicked on its edge.
    """
    left, top, right, bottom = tight_box(mask).astype(int)
    piece = mask[top : bottom + 1, left : right + 1].astype(np.uint8)
    moments = cv2.moments(piece, binaryImage=True)
    x, y = (round(moments[axis] / moments["m00"]) for axis in ("m10", "m01"))
    if not piece[y, x]:
        depth = cv2.distanceTransform(np.pad(piece, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        y, x = map(int, np.unravel_index(depth.argmax(), depth.shape))
    return np.array([left + x, top + y], np.float32)
