"""The part of the slices that the scan fills, which is all of a reconstructed volume that the network is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import Planes, blocks
from usframe.intensity import Grey, Slices
from usframe.types import Prompt, Segmentation

DARK = 0.02  # grey up to which a pixel is background
MARGIN = 0.05  # of each side of the scan, around it
MOST = 0.8  # share of the slice from which on it is left as it is


@dataclass(frozen=True)
class Window:
    """The rows of slices (H, W) from ``top`` to before ``bottom``, the columns from ``left`` to before ``right``.

    It is the same on all slices of a volume, whose places propagation compares.
    """

    top: int
    bottom: int
    left: int
    right: int
    shape: tuple[int, int]

    def __str__(self) -> str:
        return f"rows {self.top} to {self.bottom - 1} and columns {self.left} to {self.right - 1}"

    def part(self, data: Slices) -> Slices:
        """The slices (D, bottom - top, right - left) that ``data`` (D, H, W) has there."""
        if isinstance(data, Grey):
            return replace(data, stored=self._of(data.stored))
        return self._of(data)

    def prompt(self, prompt: Prompt) -> Prompt:
        """A prompt in pixels of the part; what lies beyond its edge is moved there."""
        height, width = self.bottom - self.top, self.right - self.left
        box, points, mask = prompt.box, prompt.points, prompt.mask
        corner, last = np.array([self.left, self.top]), np.array([width - 1, height - 1])
        if box is not None:
            box = np.clip(box.reshape(2, 2) - corner, 0, last).ravel().astype(box.dtype)
        if points is not None:
            points = np.clip(points - corner, 0, last).astype(points.dtype)
        return replace(prompt, box=box, points=points, mask=None if mask is None else self._of(mask))

    def whole(self, answer: Segmentation) -> Segmentation:
        """An answer for the part as one for the slices, background beyond it."""
        planes = Planes((len(answer.mask), *self.shape), np.uint8)
        for frame, mask in enumerate(answer.mask):
            if mask.any():
                plane = np.zeros(self.shape, np.uint8)
                self._of(plane)[:] = mask
                planes.put(frame, plane)
        return replace(answer, mask=planes.array())

    def _of(self, array: NDArray[Any]) -> NDArray[Any]:
        return array[..., self.top : self.bottom, self.left : self.right]


def find_window(data: Slices, labels: NDArray[np.uint8] | None = None) -> Window | None:
    """The smallest window with all that is no background on any slice of ``data`` (D, H, W) in 0-1, and a margin.

    ``labels`` (D, H, W) are inside, too. None where the scan fills the slices, or nothing is there at all.
    """
    shape = (data.shape[1], data.shape[2])
    shown = np.zeros(shape, bool)
    for part in blocks(data.shape):
        shown |= (data[part] > DARK).any(0)
        if labels is not None:
            shown |= labels[part].any(0)
    if not shown.any():
        return None
    top, bottom = _around(np.flatnonzero(shown.any(1)), shape[0])
    left, right = _around(np.flatnonzero(shown.any(0)), shape[1])
    if (bottom - top) * (right - left) > MOST * shown.size:
        return None
    return Window(top, bottom, left, right, shape)


def _around(places: Sequence[int] | NDArray[np.intp], length: int) -> tuple[int, int]:
    """From the first to behind the last of the places, with the margin, within 0 to ``length``."""
    first, stop = int(places[0]), int(places[-1]) + 1
    margin = int(np.ceil(MARGIN * (stop - first)))
    return max(first - margin, 0), min(stop + margin, length)
