"""Points that are added to a prompt, and where the next one corrects most.

Clicks deepest inside the largest error: Sofiiuk et al., "Reviving iterative training with mask guidance for
interactive segmentation", 2022.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.types import Prompt

Mask = NDArray[np.bool_]


def with_points(prompt: Prompt, points: NDArray[np.float32], labels: NDArray[Any]) -> Prompt:
    """The prompt with more ``points`` (N, 2), x and y, after its own; ``labels`` (N,): 1 inside, 0 outside."""
    if prompt.points is not None and prompt.point_labels is not None:
        points = np.concatenate([prompt.points, points])
        labels = np.concatenate([prompt.point_labels, labels])
    return replace(prompt, points=points, point_labels=labels, learned=False)


def correcting_click(
    missing: Mask, extra: Mask, rng: np.random.Generator | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    """A point (1, 2) and its label (1,) in the deeper of two errors (H, W); None where nothing is wrong.

    It is the deepest pixel, or with ``rng`` any that is at least half as deep.
    """
    depths = [depths_of(error) for error in (missing, extra)]
    label = int(depths[0].max() >= depths[1].max())
    depth = depths[1 - label]
    if not depth.any():
        return None
    if rng is None:
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    else:
        y, x = rng.choice(np.argwhere(depth >= depth.max() / 2))
    return np.array([[x, y]], np.float32), np.array([label])


def depths_of(area: Mask) -> NDArray[np.float32]:
    """How far each pixel (H, W) is from what lies outside, in pixels."""
    return np.asarray(
        cv2.distanceTransform(np.pad(area, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32
    )
