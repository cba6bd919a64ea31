"""The stages of one case: read, prompt, segment, write, score, draw.

A failure is a part of the case's result: the other cases of the run go on.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from usframe.config.schema import FROM_FILE, Predict, prompt_file
from usframe.data.case import Case
from usframe.data.cases import read_labels, read_volume
from usframe.data.writers import mask_suffix, write_mask
from usframe.errors import CaseError, UsframeError
from usframe.geometry import normalise_intensity
from usframe.inference.postprocess import clean_mask, min_voxels
from usframe.inference.propagate import propagate_slices
from usframe.inference.slices import segment_slices
from usframe.plugins.load import Plugins
from usframe.prompting.files import place_prompts
from usframe.prompting.frames import Extents, choose_frames, find_extents
from usframe.prompting.strategies import Noise, make_prompts
from usframe.reporting.overlay import write_overlay
from usframe.reporting.run import CaseResult
from usframe.scoring.rows import case_seed, oracle_frames, score_answer, score_baselines
from usframe.types import Backbone, Prompt, Segmentation, Volume


def run_case(
    case: Case, config: Predict, plugins: Plugins, backbone: Backbone, progress: Callable[[int], object]
) -> CaseResult:
    """Read, prompt, segment, write and score one case; a failure is part of the result, never raised."""
    return run_stages(_run_stages, case, config, plugins, backbone, progress)


def run_stages(
    stages: Callable[..., None],
    case: Case,
    config: Predict,
    plugins: Plugins,
    backbone: Backbone,
    progress: Callable[[int], object],
) -> CaseResult:
    """Call ``stages`` on a case; what it raises becomes part of the result."""
    result = CaseResult(case.name)
    try:
        stages(case, config, plugins, backbone, result, progress)
    except torch.OutOfMemoryError:
        result.error = f"out of memory on {config.device}; lower batch_size (now {config.batch_size})"
    except UsframeError as error:
        result.error = str(error)
    except Exception as error:  # a bug in one case must not cost the others; its traceback is shown
        traceback.print_exc()
        result.error = f"{type(error).__name__}: {error}"
    if result.error:
        result.rows.clear()
    return result


def _run_stages(
    case: Case,
    config: Predict,
    plugins: Plugins,
    backbone: Backbone,
    result: CaseResult,
    progress: Callable[[int], object],
) -> None:
    with result.timed("read"):
        volume, labels, data = read_case(case, config, plugins, result.notes)
    with result.timed("prompt"):
        extents = find_extents(config.z_range, len(data), labels)
        prompts = prompt_case(case, volume, labels, extents, config, plugins, result.notes)
    result.oracle_prompts = [name for name, asked in prompts.items() if oracle_frames(asked, labels, config)]
    result.slices = {"total": len(data), "encoded": 0}
    if labels is not None:
        result.slices["without_object"] = len(data) - int(labels.any((1, 2)).sum())

    def count(slices: int) -> None:
        result.slices["encoded"] += slices
        progress(slices)

    with result.timed("segment"):
        answers = segment_case(data, prompts, extents, backbone, config, count)
    out = Path(config.out or "")
    for name, answer in answers.items():
        if any(asdict(config.postprocess).values()):
            with result.timed("postprocess"):
                answer = clean_answer(answer, volume, config)
        with result.timed("write"):
            write_mask(mask_path(out, name, case), answer.mask, volume, plugins=plugins)
        if labels is not None:
            with result.timed("score"):
                result.rows += score_answer(case, name, answer, volume, labels, prompts[name], config)
        if config.overlays:
            with result.timed("overlay"):
                write_overlay(
                    out / "overlays" / name / f"{case.name}.png",
                    data,
                    labels,
                    answer.mask,
                    prompts[name],
                    spacing_mm=volume.spacing_mm,
                    title=f"{case.name}  {name}",
                )
    if config.baselines and labels is not None:
        with result.timed("score"):
            result.rows += score_baselines(case, volume, labels, prompts, extents, config)


def clean_answer(answer: Segmentation, volume: Volume, config: Predict) -> Segmentation:
    """The answer with its mask as ``postprocess`` leaves it."""
    mask = clean_mask(answer.mask, **asdict(config.postprocess), spacing_mm=volume.spacing_mm)
    return replace(answer, mask=mask)


def read_case(
    case: Case, config: Predict, plugins: Plugins, notes: list[str]
) -> tuple[Volume, NDArray[np.uint8] | None, NDArray[np.float32]]:
    """Volume, labels (D, H, W) where there are any, intensities in 0-1 (D, H, W); appends what was assumed."""
    volume = read_volume(case.volume, layout=config.layout, plugins=plugins)
    notes += volume.notes
    labels = None
    if case.labels is not None:
        read = read_labels(case, volume, layout=config.label_layout or config.layout, plugins=plugins)
        notes += read.notes
        labels = read.data
        if volume.spacing_mm is None:
            notes.append("voxel size unknown: hd95_mm, assd_mm and the tolerance of nsd are in pixels")
    try:
        min_voxels(config.postprocess.min_volume_ml, volume.spacing_mm)
        data, repaired = normalise_intensity(volume.data, config.intensity)
    except CaseError as error:
        raise CaseError(f"{case.volume}: {error}") from error
    notes += repaired
    return volume, labels, data


def prompt_case(
    case: Case,
    volume: Volume,
    labels: NDArray[np.uint8] | None,
    extents: Extents,
    config: Predict,
    plugins: Plugins,
    notes: list[str],
) -> dict[str, list[Prompt]]:
    """The prompts of every strategy, drawn from the run's seed and the case's name alone, or those of the file.

    Slice mode prompts every object on every slice that shows it, propagation on the slices that ``frames`` chooses,
    both within ``extents``. Appends what gets no prompt.
    """
    if prompt_file(config.frames):
        if not case.prompts:
            notes.append(f"there is no prompt in {prompt_file(config.frames)}, so the mask is empty")
        layout = config.label_layout or config.layout
        return {FROM_FILE: place_prompts(case.prompts, volume, extents, layout=layout, plugins=plugins)}
    assert labels is not None
    chosen = choose_frames(labels, config.frames if config.mode == "propagate" else "every:1", extents)
    if left := [str(object_id) for object_id, frames in chosen.items() if not frames]:
        where = f"z_range={config.z_range}" if config.z_range else f"frames={config.frames}"
        notes.append(f"no prompt for object {', '.join(left)}, which {where} misses")
    prompts = {
        name: make_prompts(
            labels,
            plugins.prompts.get(name),
            components=config.components,
            box_margin=config.box_margin,
            noise=Noise(config.noise.box, config.noise.point, config.noise.mask),
            seed=case_seed(case, config),
            frames={frame for frames in chosen.values() for frame in frames},
        )
        for name in config.prompts
    }
    return {name: [p for p in asked if p.frame in chosen[p.object_id]] for name, asked in prompts.items()}


def segment_case(
    data: NDArray[np.float32],
    prompts: Mapping[str, Sequence[Prompt]],
    extents: Extents,
    backbone: Backbone,
    config: Predict,
    progress: Callable[[int], object],
) -> dict[str, Segmentation]:
    if config.mode == "slice":
        batch, multimask = config.batch_size, config.multimask
        return segment_slices(data, prompts, backbone, multimask=multimask, batch_size=batch, progress=progress)
    return propagate_slices(
        data,
        prompts,
        backbone,
        multimask=config.multimask,
        patience=config.patience,
        extents=extents,
        progress=progress,
    )


def mask_path(out: Path, prompt: str, case: Case) -> Path:
    """``OUT/masks/<prompt>/<case><suffix>``, the suffix of the source where that can hold a mask."""
    return out / "masks" / prompt / f"{case.name}{mask_suffix(case.suffix)}"
