"""The Dice of slices over their distance to a prompted one: how far from its prompts an answer can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

Curves: TypeAlias = dict[str, dict[str, list[list[float]]]]  # prompt -> object id -> [distance, mean, cases]


class Distances:
    """The curves of all cases together: at each distance the mean over the cases of the mean of their slices."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, dict[int, list[float]]]] = {}

    def add(self, head: Mapping[str, Any]) -> None:
        """Add a case; ``head``: see `usframe.reporting.page.slices`. Expected Dice takes the place of Dice there is
        none of.
        """
        for prompt, told in head["answers"].items():
            for one, values in told.get("dice", told.get("expected", {})).items():
                if prompted := told["prompted"].get(one):
                    self._add(self.found.setdefault(prompt, {}).setdefault(one, {}), values, prompted)

    def _add(self, found: dict[int, list[float]], values: list[float | None], prompted: list[int]) -> None:
        far = np.abs(np.arange(len(values))[:, None] - np.array(prompted)).min(1)
        known = np.array([np.nan if value is None else value for value in values])
        for distance in np.unique(far[np.isfinite(known)]).tolist():
            here = known[(far == distance) & np.isfinite(known)]
            found.setdefault(distance, []).append(float(here.mean()))

    def curves(self) -> Curves:
        """Nothing where every slice is prompted."""
        if not any(distance for objects in self.found.values() for found in objects.values() for distance in found):
            return {}
        return {
            prompt: {
                one: [[far, round(float(np.mean(dice)), 3), len(dice)] for far, dice in sorted(found.items())]
                for one, found in objects.items()
            }
            for prompt, objects in self.found.items()
        }
