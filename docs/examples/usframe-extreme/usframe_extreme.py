"""Four clicks on the leftmost, topmost, rightmost and bottommost pixel of the object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usframe import Prompt, hookimpl
from usframe.hookspecs import Register


def extreme(mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator) -> Prompt | None:
    """Four clicks on the leftmost, topmost, rightmost and bottommost pixel of the object.

    Extreme points: Maninis et al., "Deep Extreme Cut", 2018. Of several pixels that are as far out, the middle one.
    ``mask``: (H, W), the object on one slice. None where it is not there.
    """
    if not mask.any():
        return None
    pixels = np.argwhere(mask)[:, ::-1]  # rows and columns to x and y
    ends = [(axis, end(pixels[:, axis])) for end in (np.min, np.max) for axis in (0, 1)]
    points = [_middle(pixels[pixels[:, axis] == value]) for axis, value in ends]
    return Prompt(frame, object_id, points=np.array(points, np.float32), point_labels=np.ones(4, np.int64))


def _middle(pixels: NDArray[np.intp]) -> NDArray[np.intp]:
    return pixels[len(pixels) // 2]


@hookimpl
def usframe_register_prompts(register: Register) -> None:
    register("extreme", extreme)
