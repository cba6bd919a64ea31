"""Prompts that need no labels: for which objects, and on which slices propagation begins with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from usframe.crop import Window
from usframe.errors import CaseError, RequestError
from usframe.inference.segment import segment_sets
from usframe.inference.tracks import Tracking
from usframe.intensity import Slices
from usframe.prompting.frames import choose_surest
from usframe.types import Backbone, Prompt, Segmentation

K = TypeVar("K")


def learned_objects(backbone: Backbone) -> tuple[int, ...]:
    """The ids of the objects that a backbone has learned prompts of. Raises `RequestError` where there are none."""
    if found := tuple(getattr(backbone, "learned", ())):
        return found
    where = f"checkpoint {backbone.checkpoint}" if backbone.checkpoint else "this backbone"
    raise RequestError(
        f"{where} has learned no prompts; usframe run finetune train.parameters=prompt makes one that has"
    )


def check_known(labelled: Sequence[int], known: Sequence[int], what: str) -> None:
    """Raises `CaseError` where the labels show an object that is none of those ``known`` by a ``what``."""
    if missing := [str(one) for one in labelled if one not in known]:
        there = ", ".join(map(str, known))
        raise CaseError(f"object {', '.join(missing)} of the labels has no {what}; there are those of {there}")


def begin_surest(
    data: Slices,
    sets: Mapping[K, Sequence[Prompt]],
    backbone: Backbone,
    rule: str | Sequence[int],
    tracking: Tracking,
    *,
    window: Window | None = None,
    batch_size: int = 8,
    progress: Callable[[int], object] = lambda slices: None,
) -> dict[K, list[Prompt]]:
    """Of prompts on all slices of ``data`` (D, H, W) those that propagation begins with.

    Each slice is answered by itself, and ``rule`` (see `choose_surest`) chooses among those that show the object.
    """
    answers = segment_sets(
        data, sets, backbone, "slice", tracking, window, batch_size=batch_size, progress=progress
    )
    chosen = {key: choose_surest(how_sure(answer), rule) for key, answer in answers.items()}
    return {
        key: [prompt for prompt in prompts if prompt.frame in chosen[key].get(prompt.object_id, ())]
        for key, prompts in sets.items()
    }


def surest_masks(answer: Segmentation) -> list[Prompt]:
    """The mask of each object on the slice where the network's own prediction of its IoU is highest."""
    prompts = []
    for row, one in enumerate(answer.object_ids):
        shown = np.array([(plane == one).any() for plane in answer.mask])
        if shown.any():
            frame = int(np.where(shown, answer.predicted_iou[row], -1).argmax())
            prompts.append(Prompt(frame, one, mask=answer.mask[frame] == one))
    return prompts


def how_sure(answer: Segmentation) -> dict[int, NDArray[np.float64]]:
    """Object id -> the Dice that is expected of its mask on each slice (D,), 0 where it has none."""
    assert answer.quality is not None
    expected = 1 - np.nan_to_num(answer.quality.error, nan=1.0)
    shown = {one: np.array([(plane == one).any() for plane in answer.mask]) for one in answer.object_ids}
    return {one: np.where(shown[one], expected[row], 0) for row, one in enumerate(answer.object_ids)}
