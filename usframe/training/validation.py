"""How good a network is during its training: the Dice of every prompt on held-out volumes, object by object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray

from usframe.inference.propagate import propagate_slices
from usframe.inference.slices import segment_slices
from usframe.prompting.frames import choose_frames
from usframe.prompting.strategies import make_prompts
from usframe.types import Backbone, PromptStrategy, Segmentation

PROPAGATED = "propagated"
Score = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Held:
    """A held-out case. ``image``: (D, H, W) float32 in 0-1, ``labels``: (D, H, W). ``mode``: slice or propagate."""

    name: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    mode: str = "slice"


def score_all(
    backbone: Backbone,
    cases: Sequence[Any],
    read: Any,
    strategies: Mapping[str, PromptStrategy],
    accelerator: Accelerator,
) -> list[Score]:
    """The scores of all cases, shared out over the processes and gathered in each; ``read(case)`` gives Helds."""
    backbone.module.eval()
    mine = [
        score
        for case in cases[accelerator.process_index :: accelerator.num_processes]
        for held in read(case)
        for score in score_held(backbone, held, strategies)
    ]
    return sorted(gather_object(mine), key=lambda score: (score["case"], score["object"], score["prompt"]))


def score_held(backbone: Backbone, held: Held, strategies: Mapping[str, PromptStrategy]) -> Iterable[Score]:
    """Dice by prompt and object.

    From clean prompts on each labelled slice, over all slices; or, to propagate, from each object's largest slice,
    over its slices without a prompt.
    """
    if held.mode == "propagate":
        yield from _propagated(backbone, held, strategies)
        return
    sets = {name: make_prompts(held.labels, strategy) for name, strategy in strategies.items()}
    for name, answer in segment_slices(held.image, sets, backbone).items():
        yield from _dice(held, name, answer, {})


def _propagated(backbone: Backbone, held: Held, strategies: Mapping[str, PromptStrategy]) -> Iterable[Score]:
    chosen = choose_frames(held.labels, "largest")
    frames = {frame for frames in chosen.values() for frame in frames}
    for name, strategy in strategies.items():
        drawn = make_prompts(held.labels, strategy, frames=frames)
        prompts = [prompt for prompt in drawn if prompt.frame in chosen[prompt.object_id]]
        answer = propagate_slices(held.image, {name: prompts}, backbone)[name]
        yield from _dice(held, f"{name} {PROPAGATED}", answer, chosen)


def _dice(held: Held, prompt: str, answer: Segmentation, prompted: Mapping[int, Sequence[int]]) -> Iterable[Score]:
    for object_id in map(int, np.unique(held.labels[held.labels != 0])):
        counted = np.full(len(held.labels), True)
        counted[list(prompted.get(object_id, ()))] = False
        wanted, given = (part[counted] == object_id for part in (held.labels, answer.mask))
        if total := int(wanted.sum() + given.sum()):
            dice = 2 * int((wanted & given).sum()) / total
            yield {"case": held.name, "object": object_id, "prompt": prompt, "dice": dice}


def mean_dice(scores: Iterable[Score]) -> dict[str, float]:
    """Mean Dice by prompt: over cases for each object, then over objects."""
    by_prompt: dict[str, dict[int, list[float]]] = {}
    for score in scores:
        by_prompt.setdefault(score["prompt"], {}).setdefault(score["object"], []).append(score["dice"])
    return {
        prompt: float(np.mean([np.mean(dice) for dice in objects.values()]))
        for prompt, objects in by_prompt.items()
    }
