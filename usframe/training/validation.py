"""How good a network is during its training: the Dice of every prompt on held-out volumes, object by object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, TypeVar

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray

from usframe.config.schema import Mode
from usframe.inference.segment import segment_sets
from usframe.inference.tracks import Tracking
from usframe.intensity import Slices
from usframe.plugins.arguments import needs_labels
from usframe.prompting.frames import choose_frames
from usframe.prompting.strategies import make_prompts
from usframe.scoring.baselines import frames_of
from usframe.scoring.metrics import RowKey, Scoring, score_case
from usframe.scoring.rows import without
from usframe.types import Backbone, Prompt, PromptStrategy, Segmentation

T = TypeVar("T")
PROPAGATED = "propagated"


class ValidationScore(TypedDict):
    """The Dice of one object of a held-out case, from one strategy."""

    case: str
    object: int
    prompt: str
    dice: float


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A held-out case. ``image``: (D, H, W) float32 in 0-1, ``labels``: (D, H, W), segmented in ``mode``.

    ``ignored``: (D, H, W), the voxels that nobody has judged.
    """

    name: str
    image: Slices
    labels: NDArray[np.uint8]
    mode: Mode = "slice"
    ignored: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class Validation:
    """What is validated: a network, from each of ``strategies`` by name. ``scoring``: holds the metric ``dice``."""

    backbone: Backbone
    strategies: Mapping[str, PromptStrategy]
    scoring: Scoring
    accelerator: Accelerator

    def score_all(self, cases: Sequence[T], read: Callable[[T], Iterable[HeldOut]]) -> list[ValidationScore]:
        """The scores of all cases, shared out over the processes and gathered in each."""
        self.backbone.module.eval()
        mine = [
            score
            for case in cases[self.accelerator.process_index :: self.accelerator.num_processes]
            for held_out in read(case)
            for score in self.score(held_out)
        ]
        return sorted(gather_object(mine), key=lambda score: (score["case"], score["object"], score["prompt"]))

    def score(self, held_out: HeldOut) -> Iterator[ValidationScore]:
        """From clean prompts on each labelled slice, over all slices; or, to propagate, from each object's largest
        slice, over its slices without a prompt.
        """
        labels, mode, known = held_out.labels, held_out.mode, getattr(self.backbone, "learned", ())
        tracks = mode == "propagate"
        for name, (prompts, answer) in self.answer(held_out).items():
            if held_out.ignored is not None:
                answer = replace(answer, mask=without(answer.mask, held_out.ignored))
            key = RowKey(held_out.name, held_out.name, mode, f"{name} {PROPAGATED}" if tracks else name)
            prompted = frames_of(prompts) if tracks else {}
            for row in score_case(key, labels, answer, None, self.scoring, prompted=prompted, oracle={}):
                dice = row["scores"]["dice"]
                untaught = not needs_labels(self.strategies[name]) and known and row["object"] not in known
                if not untaught and row["slices"] == ("unprompted" if tracks else "all") and dice is not None:
                    yield {"case": row["case"], "object": row["object"], "prompt": row["prompt"], "dice": dice}

    def answer(self, held_out: HeldOut) -> dict[str, tuple[list[Prompt], Segmentation]]:
        """Strategy -> its prompts for the objects that the network knows, and what it answers."""
        image, labels, mode = held_out.image, held_out.labels, held_out.mode
        chosen = choose_frames(labels, "largest") if mode == "propagate" else None
        sets = {name: make_prompts(labels, one, frames=chosen) for name, one in self.strategies.items()}
        known = getattr(self.backbone, "learned", ())
        sets = {name: [p for p in asked if not p.learned or p.object_id in known] for name, asked in sets.items()}
        answers = segment_sets(image, sets, self.backbone, mode, Tracking())
        return {name: (sets[name], answer) for name, answer in answers.items()}


def mean_dice(scores: Iterable[ValidationScore]) -> dict[str, float]:
    """Mean Dice by prompt: over cases for each object, then over objects."""
    by_prompt: dict[str, dict[int, list[float]]] = {}
    for score in scores:
        by_prompt.setdefault(score["prompt"], {}).setdefault(score["object"], []).append(score["dice"])
    return {
        prompt: float(np.mean([np.mean(dice) for dice in objects.values()]))
        for prompt, objects in by_prompt.items()
    }
