"""Rules of plugins that choose the slices to prompt an object on, asked and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.errors import CaseError
from usframe.plugins.arguments import takes
from usframe.plugins.registry import blame
from usframe.types import Selection


def is_played(rule: Selection) -> bool:
    """Whether a rule wants to be asked again after every answer."""
    return takes(rule, "expected")


def select(
    name: str,
    rule: Selection,
    area: NDArray[np.intp],
    count: int,
    *,
    seed: int,
    object_id: int,
    chosen: Sequence[int] = (),
    expected: NDArray[np.float64] | None = None,
) -> tuple[int, ...]:
    """The slices, ascending, that a rule chooses for an object with ``area`` (D,) pixels on each of them.

    ``count``: how many it is asked for, at most, besides those that are ``chosen`` already. ``expected`` (D,): the
    Dice of the answer to these, None where there is no answer. Chance depends on ``seed``, that of the case, the
    object, and how many are chosen. Raises `CaseError`, naming the rule, for one that fails or answers something
    else.
    """
    offered = {
        "rng": np.random.default_rng([seed, object_id, len(chosen)]),
        "chosen": tuple(chosen),
        "expected": np.full(len(area), np.nan) if expected is None else expected.copy(),
    }
    who = f"selection {name}"
    try:
        answer: Any = rule(area.copy(), count, **{key: one for key, one in offered.items() if takes(rule, key)})
        found = list(answer)
    except Exception as error:
        raise CaseError(f"{who} failed on object {object_id}: {blame(error)}") from error
    if problem := _problem(found, area, count, chosen):
        raise CaseError(f"{who} cannot be used for object {object_id}: {problem}")
    return tuple(sorted(map(int, found)))


def _problem(found: Sequence[Any], area: NDArray[np.intp], count: int, chosen: Sequence[int]) -> str:
    """What is wrong with an answer; nothing where it can be prompted."""
    for one in found:
        if isinstance(one, bool) or not isinstance(one, int | np.integer):
            return f"it answered {one!r}, which is no slice number"
        if not 0 <= one < len(area):
            return f"it answered slice {one}, and the last slice is {len(area) - 1}"
        if not area[one]:
            return f"it answered slice {one}, which does not show the object"
        if one in chosen:
            return f"it answered slice {one}, which is prompted already"
    if len(set(found)) < len(found):
        return "it answered a slice twice"
    return f"it answered {len(found)} slices instead of at most {count}" if len(found) > count else ""
