"""What a session knows, in values that never change: a verb makes a new state, and the old one can be had back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from usframe.config.schema import Fill
from usframe.geometry import from_model, label_slice
from usframe.types import Prompt

CERTAIN = 1e4  # the logit of a pixel that was painted


@dataclass(frozen=True, eq=False)
class Plane:
    """An object on a slice: decoder ``logits`` (S/4, S/4), or the ``mask`` (H, W) itself, and how sure that is."""

    logits: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    iou: float = float("nan")
    presence: float = float("nan")
    expected_dice: float = float("nan")

    def depth(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """(H, W), above 0 where the object is."""
        if self.mask is not None:
            return np.where(self.mask, CERTAIN, -CERTAIN).astype(np.float32)
        assert self.logits is not None
        return from_model(self.logits[None], shape)[0]


@dataclass(frozen=True, eq=False)
class Carried:
    """What was carried through the volume: the prompts by slice, as they were then, and the ``way``."""

    way: Fill
    prompts: Mapping[int, Prompt]


@dataclass(frozen=True, eq=False)
class Item:
    """An object: prompts and planes by slice. ``absent``: slices that it is not on, as somebody has said.

    ``locked``: its mask by slice, of which no other takes a voxel.
    """

    name: str = ""
    prompts: Mapping[int, Prompt] = field(default_factory=dict)
    planes: Mapping[int, Plane] = field(default_factory=dict)
    carried: Carried | None = None
    absent: frozenset[int] = frozenset()
    locked: Mapping[int, NDArray[np.bool_]] | None = None

    @property
    def stale(self) -> bool:
        """Whether prompts have changed since they were carried."""
        if self.carried is None:
            return False
        before = self.carried.prompts
        return before.keys() != self.prompts.keys() or any(before[at] is not self.prompts[at] for at in before)


@dataclass(frozen=True, eq=False)
class State:
    """Objects by id, the one that is drawn on, and whether somebody has accepted the whole."""

    items: Mapping[int, Item] = field(default_factory=dict)
    active: int = 1
    accepted: bool = False

    @property
    def free(self) -> dict[int, Item]:
        """The objects that have prompts and are not locked."""
        return {one: item for one, item in sorted(self.items.items()) if item.prompts and item.locked is None}

    def compose(self, frame: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """The mask (H, W) of a slice: locked objects first, else the object whose logit is largest, as in a run."""
        free = [(one, item.planes[frame]) for one, item in sorted(self.items.items()) if _is_free(item, frame)]
        plane = np.zeros(shape, np.uint8)
        if free:
            plane = label_slice(np.stack([layer.depth(shape) for _, layer in free]), [one for one, _ in free])
        for one, item in sorted(self.items.items()):
            if item.locked is not None and frame in item.locked:
                plane[item.locked[frame]] = one
        return plane

    def differs(self, other: State) -> set[int]:
        """The slices whose mask may be another in ``other``."""
        frames: set[int] = set()
        for one in self.items.keys() | other.items.keys():
            mine, theirs = (state.items.get(one, Item()) for state in (self, other))
            for before, after in ((mine.planes, theirs.planes), (mine.locked or {}, theirs.locked or {})):
                frames |= {at for at in before.keys() | after.keys() if before.get(at) is not after.get(at)}
            if (mine.locked is None) != (theirs.locked is None):
                frames |= {*mine.planes, *theirs.planes}
        return frames


def _is_free(item: Item, frame: int) -> bool:
    return item.locked is None and frame in item.planes
