"""Which slices of an object are prompted when it is to be propagated through the volume."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.errors import RequestError
from usframe.schema import frames_problems


def choose_frames(labels: NDArray[Any], rule: str) -> dict[int, tuple[int, ...]]:
    """Object id -> the slices of ``labels`` (D, H, W; 0 is background) to prompt it on, ascending.

    Slices are chosen among those that show the object. ``largest``: where it has most pixels. ``middle``,
    ``first``: in the order of slices. ``every:N``: the first and every N-th after it. ``uniform:K``: K spread
    evenly, or all where there are fewer. Raises `RequestError` for another rule.
    """
    if problems := frames_problems(rule):
        raise RequestError(*problems)
    areas = {int(object_id): (labels == object_id).sum((1, 2)) for object_id in np.unique(labels) if object_id}
    return {object_id: tuple(map(int, _pick(area, rule))) for object_id, area in areas.items()}


def _pick(area: NDArray[np.intp], rule: str) -> NDArray[np.intp]:
    shown, (name, _, number) = np.flatnonzero(area), rule.partition(":")
    if name == "largest":
        return np.array([area.argmax()])
    if name == "middle":
        return shown[[len(shown) // 2]]
    if name == "first":
        return shown[:1]
    if name == "every":
        return shown[:: int(number)]
    count = min(int(number), len(shown))
    return shown[((np.arange(count) + 0.5) * len(shown) / count).astype(int)]
