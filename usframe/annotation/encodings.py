"""The features of slices that somebody looks at again and again, within a bound."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from usframe.encoding.features import tensors_of
from usframe.inference.verbs import encode_slices
from usframe.intensity import Slices
from usframe.types import Backbone, Features

ROOM = 2 << 30  # bytes


class Encoded:
    """The features (B = 1) of a slice of ``data`` (D, H, W) by its number; the last used stay, in ``room`` bytes.

    They are as the network gave them: one that was forgotten and encoded again gives the same mask, bit for bit.
    """

    def __init__(self, data: Slices, backbone: Backbone, room: int = ROOM) -> None:
        self.data, self.backbone, self.room = data, backbone, room
        self.kept: OrderedDict[int, Any] = OrderedDict()
        self.bytes = 0

    def __call__(self, frame: int) -> Features:
        if frame not in self.kept:
            with torch.inference_mode():
                self.kept[frame] = encode_slices(self.backbone, self.data[frame : frame + 1])
            self.bytes += _size(self.kept[frame])
        self.kept.move_to_end(frame)
        while self.bytes > self.room and len(self.kept) > 1:
            _, forgotten = self.kept.popitem(last=False)
            self.bytes -= _size(forgotten)
        return self.kept[frame]


def _size(features: Features) -> int:
    return sum(tensor.nbytes for tensor in tensors_of(features))
