"""Which slices of an object are prompted, and between which slices it is looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import values_of
from usframe.config.schema import frames_problems, prompt_file, selection_in, z_range_problems
from usframe.errors import CaseError, RequestError
from usframe.selection import spread

Extents = Mapping[int, tuple[int, int]]
Select: TypeAlias = Callable[[str, NDArray[np.intp], int, int], tuple[int, ...]]


def choose_frames(
    labels: NDArray[Any], rule: str | Sequence[int], extents: Extents | None = None, select: Select | None = None
) -> dict[int, tuple[int, ...]]:
    """Object id -> the slices of ``labels`` (D, H, W; 0 is background) to prompt it on, ascending; maybe none.

    Slices are chosen among those that show the object, within its ``extents``. ``largest``: where it has most
    pixels. ``middle``, ``first``: in the order of slices. ``every:N``: the first and every N-th after it.
    ``uniform:K``: K spread evenly, or all where there are fewer. ``NAME:K``: the answer of ``select`` (name, area,
    K, object). A list names them. Raises `RequestError` for another rule, `CaseError` for a list that goes beyond
    the volume.
    """
    rule = rule if isinstance(rule, str) else list(rule)
    if problems := frames_problems(rule):
        raise RequestError(*problems)
    if prompt_file(rule):
        raise RequestError(f"frames={rule} brings its own prompts")
    if not isinstance(rule, str) and max(rule) >= len(labels):
        raise CaseError(f"frames={rule}: the last slice of the volume is {len(labels) - 1}")
    named = selection_in(rule)
    if named and not select:
        raise RequestError(f"frames={rule} is a rule of a plugin, which nobody has brought")
    chosen: dict[int, tuple[int, ...]] = {}
    for object_id, area in areas_of(labels, extents).items():
        if not area.any():
            chosen[object_id] = ()
        elif named and select:
            chosen[object_id] = select(named[0], area, named[1], object_id)
        else:
            chosen[object_id] = tuple(map(int, _pick(area, rule)))
    return chosen


def areas_of(labels: NDArray[Any], extents: Extents | None = None) -> dict[int, NDArray[np.intp]]:
    """Object id -> its pixels (D,) on each slice of ``labels`` (D, H, W), 0 beyond its extent."""
    areas = {}
    for object_id in _objects(labels):
        area = np.array([np.count_nonzero(plane == object_id) for plane in labels])
        first, last = (extents or {}).get(object_id, (0, len(labels) - 1))
        area[:first] = area[last + 1 :] = 0
        areas[object_id] = area
    return areas


def choose_surest(
    sure: Mapping[int, NDArray[np.floating[Any]]], rule: str | Sequence[int]
) -> dict[int, tuple[int, ...]]:
    """Object id -> the slices to begin with where no label says where it is; maybe none.

    ``sure``: object id -> how sure it is that an object was found on each slice, (D,), 0 where it was not.
    ``uniform:K``, or another rule with a number, takes the surest slice of each of K stretches, ``every:N`` of each
    N slices, ``first``, ``middle`` and a list are those among the slices that show it, and ``largest`` is the
    surest of all.
    """
    return {one: tuple(_stretches(values, rule)) if values.any() else () for one, values in sure.items()}


def _stretches(sure: NDArray[np.floating[Any]], rule: str | Sequence[int]) -> Iterator[int]:
    shown = np.flatnonzero(sure)
    name, _, number = rule.partition(":") if isinstance(rule, str) else ("", "", "")
    if not number:
        yield from map(int, _pick(sure, rule))
        return
    count = -(-len(shown) // int(number)) if name == "every" else int(number)
    for stretch in np.array_split(shown, min(count, len(shown))):
        yield int(stretch[sure[stretch].argmax()])


def find_extents(z_range: Any, depth: int, labels: NDArray[Any] | None = None) -> dict[int, tuple[int, int]]:
    """Object id -> its first and last slice as ``z_range`` states them; no entry is the whole volume.

    ``z_range``: (first, last) for all objects, ``labels`` (each from its first to its last slice in ``labels``),
    or None. Raises `RequestError` for another, `CaseError` where it begins beyond the last of ``depth`` slices.
    """
    z_range = z_range if z_range is None or isinstance(z_range, str) else list(z_range)
    if problems := z_range_problems(z_range):
        raise RequestError(*problems)
    if z_range is None:
        return {}
    if z_range == "labels":
        if labels is None:
            raise RequestError("z_range=labels needs labels")
        shown = {one: np.flatnonzero([(plane == one).any() for plane in labels]) for one in _objects(labels)}
        return {object_id: (int(frames[0]), int(frames[-1])) for object_id, frames in shown.items()}
    first, last = z_range
    if first >= depth:
        raise CaseError(f"z_range={z_range} begins beyond the last slice, which is {depth - 1}")
    return dict.fromkeys(range(1, 256), (first, min(last, depth - 1)))


def _objects(labels: NDArray[Any]) -> list[int]:
    return [int(value) for value in values_of(labels) if value]


def _pick(area: NDArray[Any], rule: str | Sequence[int]) -> NDArray[np.intp]:
    shown = np.flatnonzero(area)
    if not isinstance(rule, str):
        return np.intersect1d(shown, np.array(rule))
    name, _, number = rule.partition(":")
    if name == "largest":
        return np.array([area.argmax()])
    if name == "middle":
        return shown[[len(shown) // 2]]
    if name == "first":
        return shown[:1]
    if name == "every":
        return shown[:: int(number)]
    return spread(shown, int(number))
