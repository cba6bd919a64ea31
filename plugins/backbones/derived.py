"""What is computed from weights alone, and computed again only when they have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch


class Derived:
    """Values by their key, each with the state of the weights that it was made of."""

    def __init__(self) -> None:
        self.made: dict[Any, tuple[Any, torch.Tensor]] = {}

    def __call__(self, key: Any, weights: Sequence[torch.Tensor], make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The value of ``key``: ``make()``, unless made of the same ``weights`` in the same precision before."""
        narrowed = torch.is_autocast_enabled(weights[0].device.type)
        state = narrowed, state_of(weights)
        made = self.made.get(key)
        if made is None or made[0] != state:
            made = self.made[key] = (state, make())
        return made[1]


def state_of(weights: Iterable[torch.Tensor]) -> list[tuple[int, int]]:
    """What changes when one of ``weights`` does."""
    return [(one.data_ptr(), 0 if one.is_inference() else one._version) for one in weights]
