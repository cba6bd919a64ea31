"""Dice after more and more clicks, each in the middle of what is most wrong, beside that of the box.

    python benchmarks/clicks.py DATA [DATA]... [KEY=VALUE]...

DATA holds volumes/ and labels/. On every labelled slice of every object the first click is that of the strategy
`point`; each that follows lies deepest inside the largest error of the mask so far, in the object where something
is missing and outside where something is too much (`usframe.prompting.clicks`). The keys are those of `usframe
run`, such as ``backbone=demo``. Prints mean Dice over the slices of each case, then over cases.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from usframe.config.schema import Predict
from usframe.geometry import from_model, to_model
from usframe.inference.slices import decode_best
from usframe.inference.trust import dice
from usframe.inference.verbs import encode_slices
from usframe.plugins import load_plugins
from usframe.prompting.clicks import correcting_click, with_points
from usframe.prompting.strategies import make_prompts
from usframe.tasks import compose
from usframe.tasks.experiment import Experiment
from usframe.tasks.predict import choose_cases, load_backbone
from usframe.types import Backbone, Features, Prompt

CLICKS, TOLD = 8, (1, 2, 3, 5, 8)
Mask = NDArray[np.bool_]


@torch.inference_mode()
def main(*words: str) -> None:
    given = [word for word in words if "=" in word]
    print("| data | box |", " | ".join(f"{n} clicks" for n in TOLD), "| never falls by more than |")
    print("|---" * (len(TOLD) + 3) + "|")
    for data in (word for word in words if "=" not in word):
        found = np.array([np.mean([*case], axis=0) for case in measure(data, given)]).mean(0)
        fall = max(0.0, float((found[1:-1] - found[2:]).max()))
        row = " | ".join(f"{found[n]:.3f}" for n in (0, *TOLD))
        print(f"| {data} | {row} | {fall:.3f} |", flush=True)


def measure(data: str, given: Sequence[str]) -> Iterator[Iterator[list[float]]]:
    """Of every case and every object on each of its slices: the Dice of the box, then of 1 to `CLICKS` clicks."""
    config = compose("zero_shot", [f"volumes={data}/volumes", f"labels={data}/labels", "device=cpu", *given])
    assert isinstance(config, Predict)
    plugins = load_plugins()
    experiment = Experiment.of(config, plugins)
    backbone = load_backbone(config.backbone, checkpoint=config.checkpoint, device="cpu", plugins=plugins)
    strategies = [plugins.prompts.get(name) for name in ("box", "point")]
    for case in choose_cases(config, plugins):
        reading, _ = experiment.read(case)
        labels = reading.labels
        assert labels is not None
        boxes, points = (make_prompts(labels, strategy, components="merged") for strategy in strategies)
        yield (
            play(backbone, features_of(backbone, reading.data, box.frame), box, point, labels[box.frame])
            for box, point in zip(boxes, points, strict=True)
        )


def features_of(backbone: Backbone, data: NDArray[np.float32], frame: int) -> Features:
    return encode_slices(backbone, data[frame : frame + 1])


def play(
    backbone: Backbone, features: Features, box: Prompt, point: Prompt, labels: NDArray[np.uint8]
) -> list[float]:
    """The Dice of the box, then after each click, on a slice with these labels (H, W)."""
    truth = labels == box.object_id
    found = [dice(ask(backbone, features, box, truth.shape), truth)]
    for _ in range(CLICKS):
        mask = ask(backbone, features, point, truth.shape)
        found.append(dice(mask, truth))
        point = click(point, truth & ~mask, mask & ~truth)
    return found


def ask(backbone: Backbone, features: Features, prompt: Prompt, shape: tuple[int, ...]) -> Mask:
    size = (shape[0], shape[1])
    logits, _, _ = decode_best(backbone, features, [to_model(prompt, size, backbone.image_size)], [0])
    return from_model(logits, size)[0] > 0


def click(prompt: Prompt, missing: Mask, extra: Mask) -> Prompt:
    """One more click, deepest inside the larger of both errors; none where nothing is wrong."""
    found = correcting_click(missing, extra)
    return prompt if found is None else with_points(prompt, *found)


if __name__ == "__main__":
    main(*sys.argv[1:])
