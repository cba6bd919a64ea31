"""The verbs of a backbone, asked for what its contract promises: a plugin's mistake is one line that names it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from usframe.errors import CaseError, RequestError, UsframeError
from usframe.geometry import IMAGENET_MEAN, IMAGENET_STD, to_side
from usframe.plugins.registry import blame
from usframe.types import Backbone, Decoded, Features, Memory, MemoryBackbone, Prompt


def encode(backbone: Backbone, images: torch.Tensor) -> Features:
    """Embed ``images`` (B, 3, S, S). Raises `CaseError` where the backbone fails."""
    with _blamed(backbone, "encode"):
        return backbone.encode(images)


def encode_slices(backbone: Backbone, slices: NDArray[np.float32]) -> Features:
    """Embed ``slices`` (B, H, W) in 0-1, prepared on the device as `usframe.geometry.to_network` does it."""
    device = device_of(backbone)
    grey = torch.from_numpy(to_side(slices, backbone.image_size)).to(device)[:, None]
    mean, deviation = (torch.from_numpy(one).to(device)[:, None, None] for one in (IMAGENET_MEAN, IMAGENET_STD))
    return encode(backbone, (grey - mean).div_(deviation))


def device_of(backbone: Backbone) -> torch.device:
    return next(backbone.module.parameters(), torch.empty(0)).device


def decode(
    backbone: Backbone,
    features: Features,
    prompts: Sequence[Prompt | None],
    index: Sequence[int],
    *,
    multimask: bool = False,
    keep_masks: bool = False,
) -> Decoded:
    """`usframe.types.Backbone.decode`, its answer checked. Raises `CaseError` where it is not what was promised."""
    with _blamed(backbone, "decode"):
        decoded = backbone.decode(features, prompts, index, multimask=multimask, keep_masks=keep_masks)
    if problem := _unusable(decoded, len(prompts), backbone.image_size // 4):
        raise CaseError(f"backbone {_name_of(backbone)}: decode returned {problem}")
    return decoded


def memorize(backbone: MemoryBackbone, features: Features, decoded: Decoded) -> Any:
    with _blamed(backbone, "memorize"):
        return backbone.memorize(features, decoded)


def condition(
    backbone: MemoryBackbone,
    features: Features,
    memories: Sequence[Memory],
    *,
    frame: int,
    length: int,
    reverse: bool,
) -> Features:
    with _blamed(backbone, "condition"):
        return backbone.condition(features, memories, frame=frame, length=length, reverse=reverse)


def with_memory(backbone: Backbone) -> MemoryBackbone:
    """The backbone, which can propagate. Raises `RequestError` for one that has no memory."""
    if isinstance(backbone, MemoryBackbone):
        return backbone
    raise RequestError(f"backbone {_name_of(backbone)} has no memory to propagate with; use mode=slice")


@contextmanager
def _blamed(backbone: Backbone, verb: str) -> Iterator[None]:
    try:
        yield
    except (UsframeError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise CaseError(f"backbone {_name_of(backbone)}: {verb} failed: {blame(error)}") from error


def _unusable(decoded: object, prompts: int, side: int) -> str:
    """What is wrong with a decoder's answer; nothing, and it can be used."""
    if not isinstance(decoded, Decoded):
        return f"a {type(decoded).__name__} instead of a Decoded"
    masks = decoded.iou.shape[1] if decoded.iou.ndim == 2 else 0
    wanted = {"logits": (prompts, masks, side, side), "iou": (prompts, masks), "presence": (prompts,)}
    for name, shape in wanted.items():
        values = getattr(decoded, name)
        if tuple(values.shape) != shape or not masks or values.dtype != torch.float32:
            got = f"{str(values.dtype).removeprefix('torch.')} {tuple(values.shape)}"
            return f"{name} of {got} for {prompts} prompts, not float32 of (N, M, S/4, S/4), (N, M) and (N,)"
    if torch.is_grad_enabled():  # a training looks at its loss
        return ""
    finite = decoded.logits.isfinite().all() & decoded.iou.isfinite().all() & ~decoded.presence.isnan().any()
    return "" if finite else "NaN or infinite values; check its weights, or use precision=fp32"


def _name_of(backbone: Backbone) -> str:
    """The class of the backbone, not that of one which keeps its encodings, and the file it is in."""
    kind = type(getattr(backbone, "behind", backbone))
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return f"{kind.__name__} ({Path(file).name if file else kind.__module__})"
