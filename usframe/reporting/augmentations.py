"""A sheet of pictures: what augmentations do to one slice, a column each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from usframe.reporting.style import (
    BACKGROUND,
    Picture,
    caption,
    colour_of,
    draw_contour,
    grey_picture,
    pad,
    write_picture,
)

SIDE, GAP, MOST = 224, 4, 8  # columns beside each other
Drawn = Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]


def draw_sheet(path: Path, columns: Sequence[tuple[str, Drawn]]) -> None:
    """Write a PNG with a column per name: the middle slices of its draws with the outlines of their masks.

    A draw is frames (T, H, W) in 0-1 and masks (T, O, H, W). Raises `WriteError`.
    """
    drawn = [_column(name, draws) for name, draws in columns]
    some = range(min(MOST, len(drawn)), MOST // 2, -1) or [len(drawn)]
    across = min(some, key=lambda n: -len(drawn) % n)  # as few empty places as can be
    drawn += [np.full_like(drawn[0], BACKGROUND)] * (-len(drawn) % across)
    write_picture(path, np.vstack([np.hstack(drawn[n : n + across]) for n in range(0, len(drawn), across)]))


def _column(name: str, draws: Drawn) -> Picture:
    """The draws one below the other, under their name."""
    pictures = [_picture(frames[len(frames) // 2], masks[len(masks) // 2]) for frames, masks in draws]
    return np.vstack([caption(name, SIDE + GAP, 4), *pictures])


def _picture(image: NDArray[np.float32], masks: NDArray[np.bool_]) -> Picture:
    picture = grey_picture(image, (SIDE, SIDE))
    for number, mask in enumerate(masks):
        draw_contour(picture, mask, colour_of(number + 1), width=1)
    return pad(picture, 0, GAP, GAP, 0)
