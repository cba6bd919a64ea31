"""What slice mode, propagation and training agree on about prompts and the decoder's candidates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from usframe.config.schema import Multimask
from usframe.errors import RequestError
from usframe.prompting.frames import Extents
from usframe.types import Decoded, Prompt

ABSENT = -32.0  # logit of every pixel of a slice where the object is not seen


def is_ambiguous(prompt: Prompt) -> bool:
    """Whether the prompt is a single click, which may mean a part as well as the whole."""
    return prompt.box is None and prompt.mask is None and prompt.points is not None and len(prompt.points) == 1


def wants_candidates(prompt: Prompt, multimask: Multimask) -> bool:
    """Whether the decoder shall propose three masks: ``always``, ``never``, or ``auto``: for ambiguous prompts."""
    return multimask == "always" or (multimask == "auto" and is_ambiguous(prompt))


def best_candidates(decoded: Decoded) -> Decoded:
    """Only the candidate of highest predicted IoU for each prompt: M = 1."""
    best, rows = decoded.iou.argmax(1), torch.arange(len(decoded.iou), device=decoded.iou.device)
    tokens = None if decoded.tokens is None else decoded.tokens[rows, best][:, None]
    return Decoded(decoded.logits[rows, best][:, None], decoded.iou[rows, best][:, None], decoded.presence, tokens)


def check_prompts(
    prompt_sets: Mapping[Any, Iterable[Prompt]], shape: tuple[int, ...], extents: Extents | None = None
) -> None:
    """Raise `RequestError` for prompts that lie beyond a volume of ``shape`` (D, H, W) or their ``extents``."""
    for prompt in (prompt for prompts in prompt_sets.values() for prompt in prompts):
        if not 0 <= prompt.frame < shape[0]:
            raise RequestError(
                f"a prompt names slice {prompt.frame}, but the last slice of the volume is {shape[0] - 1}"
            )
        if not 1 <= prompt.object_id <= 255:
            raise RequestError(f"a prompt names object {prompt.object_id}; object ids run from 1 to 255")
        first, last = (extents or {}).get(prompt.object_id, (0, shape[0] - 1))
        if not first <= prompt.frame <= last:
            raise RequestError(
                f"a prompt names slice {prompt.frame}, but its object's z_range is {first} to {last}"
            )
        if prompt.mask is not None and prompt.mask.shape != shape[1:]:
            raise RequestError(f"a mask prompt has shape {prompt.mask.shape}, but slices are {shape[1:]}")
