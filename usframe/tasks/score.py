"""Scores for masks that are there already, whoever made them: the workflow behind `usframe report`."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from usframe.config.schema import Score
from usframe.data.case import Case
from usframe.data.cases import pair_cases, read_labels, read_volume
from usframe.data.patients import read_patients
from usframe.errors import PairingError, ReadError, UsframeError
from usframe.geometry import normalise_intensity
from usframe.plugins.load import Plugins
from usframe.reporting.overlay import write_overlay
from usframe.reporting.record import describe_host
from usframe.reporting.run import CaseResult, count_totals, counted, print_failures, print_results, write_tables
from usframe.scoring.metrics import About, score_case, score_slices
from usframe.tasks.launch import prepare_folder
from usframe.types import Segmentation, Volume

MODE = "given"


def evaluate(config: Score, plugins: Plugins, *, quiet: bool = False, json_output: bool = False) -> int:
    """Score every mask that has labels; returns the exit status, 1 if some case failed.

    Raises `RequestError` before any file is read where the request cannot be met.
    """
    started = time.perf_counter()
    cases, notes = find_masks(config, plugins)
    prepare_folder(config)
    hidden = quiet or json_output or not sys.stderr.isatty()
    results = [score_masks(case, config, plugins) for case in tqdm(cases, unit="case", disable=hidden)]
    seconds = time.perf_counter() - started
    print_failures(results)
    totals = count_totals(results, labelled=True)
    run = {
        **describe_host(config, seconds),
        **{key: getattr(config, key) for key in ("masks", "labels", "volumes")},
        **totals,
        "notes": [*notes, *totals["notes"]],
    }
    answer = write_tables(
        Path(config.out or ""),
        results,
        title=f"{config.name} of {config.masks}",
        mode=MODE,
        seed=config.seed,
        run=run,
        overlays=[config.name] if config.volumes else [],
    )
    if json_output:
        print(json.dumps(answer, indent=2))
    elif not quiet:
        print_results(answer, seconds)
    return int(any(result.error for result in results))


def find_masks(config: Score, plugins: Plugins) -> tuple[list[Case], list[str]]:
    """Cases with the mask as their volume, and a note on labels without a mask. Raises `PairingError`."""
    masks, labels = Path(config.masks), Path(config.labels)
    cases = pair_cases(masks, labels, readers=plugins.readers, label_suffix=config.label_suffix, role="masks")
    if config.volumes:
        images = {
            case.name: case.volume for case in pair_cases(Path(config.volumes), None, readers=plugins.readers)
        }
        if missing := [case.name for case in cases if case.name not in images]:
            raise PairingError(*(f"volumes={config.volumes}: no volume for case {name}" for name in missing))
        cases = [replace(case, columns={"image": str(images[case.name])}) for case in cases]
    patients = read_patients(config.group, [case.name for case in cases])
    spare = len(pair_cases(labels, None, readers=plugins.readers)) - len(cases) if labels.is_dir() else 0
    notes = [f"{counted(spare, 'file')} of {labels} have no mask, so they are in no score"] if spare > 0 else []
    return [replace(case, group=patients[case.name]) for case in cases], notes


def score_masks(case: Case, config: Score, plugins: Plugins) -> CaseResult:
    """Read the mask and the labels of one case and score it; a failure is part of the result, never raised."""
    result = CaseResult(case.name)
    try:
        with result.timed("read"):
            reference, answer, spacing_mm = _read(case, config, plugins, result.notes)
        empty = len(reference) - int(reference.any((1, 2)).sum())
        result.slices = {"total": len(reference), "encoded": 0, "without_object": empty}
        with result.timed("score"):
            about = About(case.name, config.name, MODE, case.group)
            for score in (score_case, score_slices) if config.metrics.per_slice else (score_case,):
                result.rows += score(about, reference, answer, spacing_mm, config.metrics, prompted={}, oracle={})
        if image := case.columns.get("image"):
            with result.timed("overlay"):
                _draw(Path(image), reference, answer, spacing_mm, case, config, plugins)
    except UsframeError as error:
        result.error = str(error)
        result.rows.clear()
    return result


def _read(
    case: Case, config: Score, plugins: Plugins, notes: list[str]
) -> tuple[NDArray[np.uint8], Segmentation, tuple[float, float, float] | None]:
    """Reference and answer, both (D, H, W) on the voxels of the labels, and the spacing of these."""
    assert case.labels is not None
    labels = read_volume(case.labels, layout=config.layout, plugins=plugins)
    reference, mask = (
        read_labels(replace(case, labels=path), labels, layout=config.layout, plugins=plugins)
        for path in (case.labels, case.volume)
    )
    notes += [*reference.notes, *(note for note in mask.notes if note not in reference.notes)]
    if labels.spacing_mm is None:
        notes.append("voxel size unknown: hd95_mm, assd_mm and the tolerance of nsd are in pixels")
    objects = tuple(int(one) for one in np.unique(mask.data) if one)
    unknown = np.full((len(objects), len(mask.data)), np.nan, np.float32)
    return reference.data, Segmentation(mask.data, objects, unknown), labels.spacing_mm


def _draw(
    image: Path,
    reference: NDArray[np.uint8],
    answer: Segmentation,
    spacing_mm: tuple[float, float, float] | None,
    case: Case,
    config: Score,
    plugins: Plugins,
) -> None:
    volume: Volume = read_volume(image, layout=config.layout, plugins=plugins)
    if volume.data.shape != reference.shape:
        raise ReadError(f"{image}: a volume of {volume.data.shape} for labels of (D, H, W) = {reference.shape}")
    data, _ = normalise_intensity(volume.data, config.intensity)
    path = Path(config.out or "") / "overlays" / config.name / f"{case.name}.png"
    write_overlay(path, data, reference, answer.mask, [], title=case.name, spacing_mm=spacing_mm)
