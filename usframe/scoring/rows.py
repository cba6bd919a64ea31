"""Which scores a case gets: those of the answers, and those of the answers without a network."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from usframe.config.schema import Predict, prompt_file
from usframe.data.case import Case
from usframe.prompting.frames import Extents
from usframe.scoring.baselines import COPIED, frames_of, make_baselines
from usframe.scoring.metrics import About, Frames, Row, score_case, score_slices
from usframe.types import Prompt, Segmentation, Volume


def score_answer(
    case: Case,
    name: str,
    answer: Segmentation,
    volume: Volume,
    labels: NDArray[np.uint8],
    prompts: Sequence[Prompt],
    config: Predict,
) -> list[Row]:
    """The rows of metrics.csv for one answer to ``prompts``, and those per slice where they are asked for."""
    oracle = oracle_frames(prompts, labels, config)
    return _score(case, name, answer, volume, labels, frames_of(prompts), oracle, config)


def score_baselines(
    case: Case,
    volume: Volume,
    labels: NDArray[np.uint8],
    prompts: Mapping[str, Sequence[Prompt]],
    extents: Extents,
    config: Predict,
) -> list[Row]:
    """The same for the answers without a network, on the slices that any strategy prompted."""
    asked = [prompt for strategy in prompts.values() for prompt in strategy]
    frames = frames_of(asked)
    answers = make_baselines(labels, asked, extents, config, case_seed(case, config))
    return [
        row
        for name, answer in answers.items()
        for row in _score(case, name, answer, volume, labels, frames, frames if name == COPIED else {}, config)
    ]


def _score(
    case: Case,
    name: str,
    answer: Segmentation,
    volume: Volume,
    labels: NDArray[np.uint8],
    prompted: Frames,
    oracle: Frames,
    config: Predict,
) -> list[Row]:
    about = About(case.name, name, config.mode, case.group or case.name)
    scorers = (score_case, score_slices) if config.metrics.per_slice else (score_case,)
    return [
        row
        for score in scorers
        for row in score(about, labels, answer, volume.spacing_mm, config.metrics, prompted=prompted, oracle=oracle)
    ]


def case_seed(case: Case, config: Predict) -> int:
    """The seed of all that is drawn for a case, whatever other cases there are."""
    return zlib.crc32(f"{config.seed}/{case.name}".encode())


def oracle_frames(
    prompts: Sequence[Prompt], labels: NDArray[np.uint8] | None, config: Predict
) -> dict[int, set[int]]:
    """Object id -> the slices prompted with their own label mask: made from it, or in a file and the same."""
    if labels is None:
        return {}
    drawn = not prompt_file(config.frames)
    return frames_of(
        [
            prompt
            for prompt in prompts
            if prompt.mask is not None
            and (drawn or np.array_equal(prompt.mask, labels[prompt.frame] == prompt.object_id))
        ]
    )
