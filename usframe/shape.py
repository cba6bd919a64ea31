"""The outline of an object between two slices that show it, from signed distances.

Shape-based interpolation: Raya & Udupa, IEEE Trans Med Imaging 1990; Herman et al., IEEE Comput Graph Appl 1992.
Here both outlines are first moved to where the object's centre is on the way, so that an object which moves further
than it is wide keeps its shape, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Distance: TypeAlias = NDArray[np.float32]
FAR = np.float32(1e4)  # what a picture without an outline has everywhere, negative where it shows no object


def signed_distance(mask: NDArray[np.bool_]) -> Distance:
    """How far each pixel of (H, W) is inside the object, in pixels; negative outside, 0 on its outline.

    The outline lies half way between pixels inside and outside; the edge of the picture is none.
    """
    from scipy.ndimage import distance_transform_edt

    if not mask.any() or mask.all():
        return np.full(mask.shape, FAR if mask.any() else -FAR, np.float32)
    found: Any = np.where(mask, distance_transform_edt(mask) - 0.5, 0.5 - distance_transform_edt(~mask))
    return found.astype(np.float32)


class Interpolation:
    """One object between the slices that show it; before the first and behind the last it is as there."""

    def __init__(self, shown: Mapping[int, NDArray[np.bool_]]) -> None:
        """``shown``: slice number -> mask (H, W) of the object, for one slice at least."""
        from scipy.ndimage import center_of_mass

        self.frames = sorted(shown)
        self.window = (
            _span([mask.any(1) for mask in shown.values()]),
            _span([mask.any(0) for mask in shown.values()]),
        )
        masks = {frame: mask[self.window] for frame, mask in shown.items()}
        self.distances = {frame: signed_distance(mask) for frame, mask in masks.items()}
        self.centres = {frame: np.array(center_of_mass(mask)) for frame, mask in masks.items() if mask.any()}

    def __call__(self, frame: int) -> Distance:
        """The signed distances (h, w) on a slice, in the rows and columns of ``window``; all else is outside."""
        before = [one for one in self.frames if one <= frame]
        behind = [one for one in self.frames if one >= frame]
        if not (before and behind):
            return self.distances[self.frames[0] if behind else self.frames[-1]]
        first, last = before[-1], behind[0]
        if first == last or not {first, last} <= self.centres.keys():
            return self.distances[first if frame - first <= last - frame else last]
        share = (frame - first) / (last - first)
        way = self.centres[last] - self.centres[first]
        return (1 - share) * self._moved(first, share * way) + share * self._moved(last, (share - 1) * way)

    def _moved(self, frame: int, by: NDArray[np.float64]) -> Distance:
        """The distances of a slice, moved ``by`` rows and columns."""
        distance = self.distances[frame]
        move = np.array([[1, 0, by[1]], [0, 1, by[0]]])
        moved: Any = cv2.warpAffine(distance, move, distance.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        return moved


def _span(shown: list[Any]) -> slice:
    """All places that one of ``shown`` has, and around them half of what the widest has: what can be reached."""
    places = np.flatnonzero(np.any(shown, axis=0))
    if not len(places):
        return slice(0, len(shown[0]))
    widest = max(np.ptp(np.flatnonzero(there)) + 1 if there.any() else 0 for there in shown)
    return slice(max(int(places[0]) - widest // 2 - 1, 0), int(places[-1]) + widest // 2 + 2)


def clipped_distance(mask: NDArray[np.bool_], limit: float) -> Distance:
    """`signed_distance`, but no further than ``limit`` pixels from the outline."""
    if not mask.any():
        return np.full(mask.shape, -limit, np.float32)
    margin = int(limit) + 1
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    near = tuple(slice(max(int(one[0]) - margin, 0), int(one[-1]) + margin + 1) for one in (rows, columns))
    found = np.full(mask.shape, -limit, np.float32)
    found[near] = np.clip(signed_distance(mask[near]), -limit, limit)
    return found
