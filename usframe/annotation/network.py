"""What the network makes of the prompts of one object: on their own slices, and on all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from usframe.annotation import strokes
from usframe.annotation.encodings import Encoded
from usframe.annotation.state import Carried, Item, Plane
from usframe.geometry import to_model
from usframe.inference.fill import fill_slices
from usframe.inference.propagate import propagate_slices
from usframe.inference.slices import decode_best
from usframe.inference.tracks import Tracking
from usframe.inference.trust import foretell
from usframe.types import Features, Prompt, Segmentation


def answer(prompt: Prompt, encoded: Encoded) -> Plane:
    """The plane of a prompt's own slice; a mask that was painted stays as it is."""
    if strokes.is_painted(prompt):
        return Plane(mask=prompt.mask, iou=1.0, presence=10.0, expected_dice=1.0)
    _, height, width = encoded.data.shape
    moved = to_model(prompt, (height, width), encoded.backbone.image_size)
    with torch.inference_mode():
        logits, iou, presence = decode_best(encoded.backbone, encoded(prompt.frame), [moved], [0])
    error: Any = foretell(iou, presence)
    return Plane(logits[0], None, float(iou[0]), float(presence[0]), 1 - float(error[0]))


def carry(item: Item, carried: Carried, encoded: Encoded, progress: Callable[[int], object]) -> Item:
    """The item with what `Carried` stands for on every slice, and with what its prompts say since.

    ``progress`` is told of each slice that is looked at.
    """

    def features(frame: int) -> Features:
        progress(1)
        return encoded(frame)

    follow = propagate_slices if carried.way == "memory" else fill_slices
    tracking, prompts = Tracking(fill=carried.way), {"": list(carried.prompts.values())}
    found = follow(encoded.data, prompts, encoded.backbone, tracking, keep_logits=True, encoded=features)[""]
    planes = {at: _plane(found, at, carried) for at in range(len(encoded.data))}
    planes |= {
        at: answer(prompt, encoded)
        for at, prompt in item.prompts.items()
        if strokes.is_painted(prompt) or carried.prompts.get(at) is not prompt
    }
    return replace(
        item, planes={at: plane for at, plane in planes.items() if at not in item.absent}, carried=carried
    )


def _plane(found: Segmentation, frame: int, carried: Carried) -> Plane:
    assert found.logits is not None
    assert found.quality is not None
    iou, presence = float(found.predicted_iou[0, frame]), float(found.quality.presence[0, frame])
    expected = 1 - float(found.quality.error[0, frame])
    if carried.way == "memory":
        return Plane(np.array(found.logits[0, frame]), None, iou, presence, expected)
    return Plane(None, found.mask[frame] > 0, iou, presence, expected)
