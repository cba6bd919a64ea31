"""The stages of one case: read, prompt, segment, write, score, draw, for every variant of the prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from usframe.arrays import release, values_of
from usframe.config.schema import Mode, Predict, chooses_several
from usframe.data.axis import voxel_ml
from usframe.data.case import Case
from usframe.data.meshes import write_surfaces
from usframe.data.reading import Reading
from usframe.data.writers import mask_suffix, write_mask
from usframe.errors import CaseError, UsframeError
from usframe.inference.postprocess import clean_mask
from usframe.inference.segment import segment_sets
from usframe.inference.tracks import Tracking
from usframe.plugins.registry import blame
from usframe.prompting.frames import Extents
from usframe.reporting.overlay import write_overlay
from usframe.reporting.page.slices import CaseSlices, slices_path
from usframe.reporting.results import CaseResult
from usframe.scoring.baselines import frames_of
from usframe.scoring.measures import REFERENCE, MeasureRow, measure_rows
from usframe.scoring.metrics import RowKey
from usframe.scoring.quality import quality_rows, scores_of
from usframe.scoring.rows import Scores
from usframe.session.loop import Progress
from usframe.tasks.experiment import Experiment, Variant
from usframe.tasks.found import find_objects
from usframe.types import Backbone, Prompt, Segmentation

K = TypeVar("K")


def run_stages(
    experiment: Experiment, backbone: Backbone, case: Case, result: CaseResult, progress: Progress
) -> Iterator[None]:
    """Read, prompt, segment, write, score and draw one case into ``result``, in the three steps of `run_lanes`.

    Raises `CaseError`.
    """
    config = experiment.config
    reading, extents = begin(experiment, case, result)
    with result.timed("prompt"):
        prompted = {mode: experiment.prompts(case, reading, extents, mode) for mode in config.modes}
    yield

    def count(slices: int) -> None:
        result.slices["encoded"] += slices
        progress(slices)

    segmented: list[tuple[Mode, dict[Variant, list[Prompt]], dict[Variant, Segmentation]]] = []
    for mode, (sets, notes) in prompted.items():
        with result.timed("segment"):
            found = find_objects(experiment, case, reading, extents, mode, backbone, count)
            result.notes += notes + found.notes
            sets |= found.prompts
            asked = {variant: prompts for variant, prompts in sets.items() if variant not in found.answers}
            answers = found.answers | segment_case(config, reading, asked, extents, mode, backbone, count)
        segmented.append((mode, sets, answers))
    yield
    seen = CaseSlices.of(case.name, reading) if config.overlays and not experiment.compared else None
    for mode, sets, answers in segmented:
        for variant, prompts in sets.items():
            reading.rest()
            finish(experiment, case, reading, variant, prompts, answers.pop(variant), result, seen)
        if config.baselines and reading.labels is not None:
            with result.timed("score"):
                true = {variant: sets[variant] for variant in sets if variant.prompt not in config.fallbacks()}
                for scores in score_baselines(experiment, case, reading, true, extents, mode):
                    result.add(scores)
    if reading.labels is not None and not experiment.compared:
        result.measures[:0] = measure_labels(config, case, reading)
    if seen:
        with result.timed("overlay"), drawn_if_possible(result):
            seen.write(slices_path(config.folder, case.name), reading.data)


def begin(experiment: Experiment, case: Case, result: CaseResult) -> tuple[Reading, Extents]:
    """Read a case, and note in ``result`` what was assumed and how many slices it has. Raises `CaseError`."""
    with result.timed("read"):
        reading, extents = experiment.read(case)
    result.notes += reading.notes
    result.slices = {"total": len(reading.data), "encoded": 0}
    if reading.empty_slices is not None:
        result.slices["without_object"] = reading.empty_slices
    return reading, extents


def segment_case(
    config: Predict,
    reading: Reading,
    sets: Mapping[K, Sequence[Prompt]],
    extents: Extents,
    mode: Mode,
    backbone: Backbone,
    progress: Progress,
) -> dict[K, Segmentation]:
    """The answer to every set of prompts. Raises `CaseError` where memory does not suffice."""
    tracking = Tracking(config.multimask, config.patience, extents, config.drift, config.fill)
    try:
        return segment_sets(
            reading.data,
            sets,
            backbone,
            mode,
            tracking,
            reading.window,
            batch_size=config.batch_size,
            progress=progress,
        )
    except torch.OutOfMemoryError as error:
        device = next((one.device for one in backbone.module.parameters()), config.device)
        advice = (
            f"lower batch_size (now {config.batch_size})" if mode == "slice" else "prompt fewer slices or objects"
        )
        raise CaseError(f"out of memory on {device}; {advice}, or take device=cpu") from error


def finish(
    experiment: Experiment,
    case: Case,
    reading: Reading,
    variant: Variant,
    prompts: Sequence[Prompt],
    answer: Segmentation,
    result: CaseResult,
    seen: CaseSlices | None = None,
) -> None:
    """Tidy one answer, write it, score it, draw it, and add it to what is ``seen`` on the page."""
    config, volume, labels = experiment.config, reading.volume, reading.labels
    aside = variant.prompt in config.fallbacks()
    if experiment.steps:
        with result.timed("postprocess"):
            answer = replace(answer, mask=clean_mask(answer.mask, experiment.steps, volume.spacing_mm))
    if not experiment.compared:
        with result.timed("write"):
            write_answer(experiment, case, reading, variant.prompt, answer)
    if variant.draw == 0:
        key = row_key(case, reading, variant)
        drawn = frames_of([prompt for prompt in prompts if not prompt.learned])
        result.quality += quality_rows(key, answer, drawn, scores_of(prompts), expected=not aside)
        if not experiment.compared and not aside:
            result.measures += measure_rows(
                key, answer.mask, answer.object_ids, volume.spacing_mm, millilitres(reading)
            )
    if aside:
        result.notes.append(told_of(variant.prompt, prompts, answer))
        return
    if labels is not None:
        with result.timed("score"):
            result.add(experiment.reference(reading).score(row_key(case, reading, variant), answer, prompts))
    if config.overlays and variant.draw == 0:
        with result.timed("overlay"), drawn_if_possible(result):
            names = (variant.mode, variant.prompt) if experiment.compared else (variant.prompt,)
            write_overlay(
                config.folder.joinpath("overlays", *names, f"{case.name}.png"),
                reading.data,
                labels,
                answer.mask,
                prompts,
                spacing_mm=volume.spacing_mm,
                title="  ".join((case.name, *names[::-1])),
            )
            if seen:
                seen.add(variant.prompt, answer, prompts)


def told_of(name: str, prompts: Sequence[Prompt], answer: Segmentation) -> str:
    """What became of prompts on slices that show no object."""
    asked = {prompt.frame for prompt in prompts}
    shown = sum(bool(answer.mask[frame].any()) for frame in asked)
    return f"{name}: of {len(asked)} slices without an object, prompted all the same, {shown} show one in the mask"


def write_answer(experiment: Experiment, case: Case, reading: Reading, prompt: str, answer: Segmentation) -> None:
    """Write the mask of an answer, and its surfaces where they are asked for."""
    config, volume = experiment.config, reading.volume
    path, plugins = mask_path(config.folder, prompt, case, config.mask_format), experiment.plugins
    write_mask(path, answer.mask, volume, names=reading.names, plugins=plugins)
    if config.surface != "none":
        folder = config.folder / "surfaces" / prompt
        write_surfaces(folder, case.name, answer.mask, volume, per_frame=reading.per_frame)
    release(answer.mask)


def measure_labels(config: Predict, case: Case, reading: Reading) -> Iterator[MeasureRow]:
    """The measures of the labels themselves."""
    assert reading.labels is not None
    key = row_key(case, reading, Variant(config.modes[0], REFERENCE))
    objects = [one for one in values_of(reading.labels) if one]
    known = None if reading.known is not None else millilitres(reading)
    return measure_rows(key, reading.labels, objects, reading.volume.spacing_mm, known)


@contextmanager
def drawn_if_possible(result: CaseResult) -> Iterator[None]:
    """A picture that cannot be drawn is a note, and costs no score."""
    try:
        yield
    except Exception as error:
        why = str(error) if isinstance(error, UsframeError) else blame(error)
        result.notes.append(f"the picture could not be drawn: {why}")


def score_baselines(
    experiment: Experiment,
    case: Case,
    reading: Reading,
    sets: Mapping[Variant, Sequence[Prompt]],
    extents: Extents,
    mode: Mode,
) -> Iterator[Scores]:
    """The scores of the answers without a network, for the prompts of each draw that were made from labels."""
    drawn = {variant: prompts for variant, prompts in sets.items() if not experiment.is_free(variant)}
    if not drawn and mode == "propagate":
        return
    for draw in range(len(experiment.draws)):
        asked = [p for variant, prompts in (drawn or sets).items() if variant.draw == draw for p in prompts]
        key = row_key(case, reading, Variant(mode, "", draw))
        drawing = experiment.drawing(case, reading, draw)
        yield experiment.reference(reading).score_baselines(
            key, asked, extents, mode, drawing, several=chooses_several(experiment.config.frames)
        )


def millilitres(reading: Reading) -> float | None:
    """The volume of a voxel; None in a clip, which has none."""
    return None if reading.per_frame else voxel_ml(reading.volume)


def row_key(case: Case, reading: Reading, variant: Variant) -> RowKey:
    patient = case.group or case.name
    return RowKey(case.name, patient, variant.mode, variant.prompt, variant.draw, reading.names)


def mask_path(out: Path, prompt: str, case: Case, mask_format: str) -> Path:
    """``OUT/masks/<prompt>/<case><suffix>``, the suffix of the source where that can hold a mask."""
    return out / "masks" / prompt / f"{case.name}{mask_suffix(case.suffix, mask_format)}"
