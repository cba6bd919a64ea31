"""Make the linear models of `usframe.inference.trust` from labelled volumes.

    python benchmarks/trust.py DATA:K [DATA:K]... [KEY=VALUE]...

DATA holds volumes/ and labels/; K slices of each object, spread evenly, are prompted with their masks (experiment
`fill`, whose other keys may be given, such as ``backbone=demo``). On every other slice of the object the
logarithms of the errors (1 - Dice) of shape, memory and blend are regressed on `Trust.features`, each DATA:K
counting the same. Prints the weights, and for each DATA:K the mean errors and how well their order is foretold:
Spearman's rank correlation, and the share of the worst tenth of the slices that is among the first fifth.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from usframe.config.schema import Predict
from usframe.inference.blend import Blend
from usframe.inference.fill import Walk
from usframe.inference.spool import Spool
from usframe.inference.tracks import Tracking
from usframe.inference.trust import LEAST, dice, logarithm
from usframe.inference.verbs import with_memory
from usframe.plugins import load_plugins
from usframe.tasks import compose
from usframe.tasks.experiment import Experiment, Variant
from usframe.tasks.predict import choose_cases, load_backbone

WAYS = ("shape", "memory", "blend")
Table = NDArray[np.float64]


def main(*words: str) -> None:
    given = [word for word in words if "=" in word]
    sets = {word: measure(*word.rsplit(":", 1), *given) for word in words if "=" not in word}
    features = np.concatenate([one for one, _ in sets.values()])
    errors = np.concatenate([one for _, one in sets.values()])
    alike = np.sqrt(np.concatenate([np.full(len(one), 1 / len(one)) for one, _ in sets.values()]))[:, None]
    weights, *_ = np.linalg.lstsq(features * alike, errors * alike)
    for name, column in zip(WAYS, weights.T, strict=True):
        print(f"{name:7}", ", ".join(f"{weight:.3f}" for weight in column))
    for name, (known, wrong) in sets.items():
        foretold, real = known @ weights[:, 2], wrong[:, 2]
        worst = {*np.argsort(-real)[: max(1, len(real) // 10)]} & {*np.argsort(-foretold)[: len(real) // 5]}
        mean = ", ".join(f"{way} {np.mean(np.exp(wrong[:, n]) - LEAST):.4f}" for n, way in enumerate(WAYS))
        rank = float(spearmanr(foretold, real).statistic)
        print(f"{name}: {mean}; rank {rank:.3f}, worst {len(worst) / max(1, len(real) // 10):.2f}")


def measure(data: str, slices: str, *given: str) -> tuple[Table, Table]:
    """Features (N, 6) of every slice and object, and the logarithms (N, 3) of the errors of the `WAYS`."""
    where = [f"volumes={data}/volumes", f"labels={data}/labels", "prompts=[mask]", f"frames=uniform:{slices}"]
    config = compose("fill", [*where, "device=cpu", *given])
    assert isinstance(config, Predict)
    found = [row for rows in fill_all(config) for row in rows]
    features, errors = zip(*found, strict=True)
    return np.array(features), np.array(errors)


def fill_all(config: Predict) -> Iterator[list[tuple[Table, list[float]]]]:
    """The rows of every case."""
    plugins = load_plugins()
    experiment = Experiment.of(config, plugins)
    backbone = load_backbone(config.backbone, checkpoint=config.checkpoint, device="cpu", plugins=plugins)
    for case in choose_cases(config, plugins):
        reading, extents = experiment.read(case)
        assert reading.labels is not None
        sets, _ = experiment.prompts(case, reading, extents, "propagate")
        prompts, shape = sets[Variant("propagate", "mask")], reading.labels.shape
        with Spool() as spool, torch.inference_mode():
            features = spool.encodings(reading.data, backbone, {*range(len(reading.data))}, lambda slices: None)
            answers = spool.answers({p.object_id for p in prompts}, shape[0], backbone.image_size // 4)
            blend, tracking = Blend(shape, answers, extents), Tracking(fill="both")
            for track in tracking.tracks(prompts):
                Walk(with_memory(backbone), track, features, shape, tracking).fill(answers, blend)
            yield [row for one in answers.objects for row in rows_of(blend, one, reading.labels == one)]


def rows_of(blend: Blend, one: int, truth: NDArray[np.bool_]) -> Iterator[tuple[Table, list[float]]]:
    """Features and logarithms of errors of an object on the slices that show it and have no prompt."""
    for frame in map(int, np.flatnonzero(truth.any((1, 2)))):
        if len(blend.shown[one]) > 1 and frame not in blend.shown[one]:
            ways = blend.ways(one, frame)
            assert ways.seen is not None
            masks = (ways.outline > 0, ways.seen > 0, ways.depth > 0)
            if masks[1].any():
                yield ways.features, [logarithm(1 - dice(mask, truth[frame])) for mask in masks]


if __name__ == "__main__":
    main(*sys.argv[1:])
