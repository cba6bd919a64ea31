"""From volumes and labels to masks, scores and a report: the workflow behind `usframe run`.

Cases are shared out over Accelerate's processes. Each process writes the masks and overlays of its own cases; the
first one writes the tables.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import gather_object
from tqdm import tqdm

from usframe.cases import pair_cases, read_labels, read_volume
from usframe.checkpoints import load_backbone
from usframe.errors import CaseError, PairingError, UsframeError
from usframe.frames import choose_frames
from usframe.geometry import normalise_intensity
from usframe.launch import launch, prepare_output
from usframe.metrics import score_case
from usframe.plugins import Plugins
from usframe.prompting import Noise, make_prompts
from usframe.propagate import propagate_slices
from usframe.report import write_overlay
from usframe.results import INTERRUPTED, CaseResult, print_failures, print_results, write_results
from usframe.schema import Predict
from usframe.segmentation import segment_slices
from usframe.types import Backbone, Case, Prompt, Volume
from usframe.writers import mask_suffix, write_mask


def predict(config: Predict, plugins: Plugins, *, quiet: bool = False, json_output: bool = False) -> int:
    """Run an experiment over all its cases; returns the exit status, 1 if some case failed.

    Raises `RequestError` before any case is touched where the request cannot be met.
    """
    cases = find_cases(config, plugins)
    accelerator = launch(config)
    backbone = load_backbone(
        config.backbone,
        checkpoint=config.checkpoint,
        device=str(accelerator.device),
        precision=config.precision,
        plugins=plugins,
    )
    prepare_output(config, accelerator)
    mine = share_cases(cases, accelerator.num_processes, config, plugins)[accelerator.process_index]
    started = time.perf_counter()
    hidden = quiet or json_output or not accelerator.is_main_process or not sys.stderr.isatty()
    results, interrupted = run_cases(mine, config, plugins, backbone, hidden)
    everyone = sorted(gather_object(results), key=lambda result: result.case)
    if accelerator.is_main_process:
        seconds = time.perf_counter() - started
        print_failures(everyone)
        answer = write_results(config, backbone, everyone, seconds, accelerator.num_processes)
        if json_output:
            print(json.dumps(answer, indent=2))
        elif not quiet:
            print_results(answer, seconds)
    accelerator.end_training()
    if interrupted:
        raise KeyboardInterrupt
    return int(any(result.error for result in everyone))


def find_cases(config: Predict, plugins: Plugins) -> list[Case]:
    """The cases of a request, those named in ``cases=`` where it names some. Raises `PairingError`."""
    labels = None if config.labels is None else Path(config.labels)
    cases = pair_cases(Path(config.volumes), labels, readers=plugins.readers, label_suffix=config.label_suffix)
    if not config.cases:
        return cases
    known = {case.name: case for case in cases}
    if unknown := [name for name in config.cases if name not in known]:
        raise PairingError(f"cases={','.join(unknown)} not found in {config.volumes}; it has {', '.join(known)}")
    return [known[name] for name in config.cases]


def share_cases(cases: Sequence[Case], processes: int, config: Predict, plugins: Plugins) -> list[list[Case]]:
    """One list of cases per process, of about equal numbers of voxels (largest first to the least loaded)."""
    if processes == 1:
        return [list(cases)]
    voxels = {case.name: _voxels(case, config, plugins) for case in cases}
    shares: list[list[Case]] = [[] for _ in range(processes)]
    load = [0] * processes
    for case in sorted(cases, key=lambda case: (-voxels[case.name], case.name)):
        least = load.index(min(load))
        shares[least].append(case)
        load[least] += voxels[case.name]
    return shares


def run_cases(
    cases: Sequence[Case], config: Predict, plugins: Plugins, backbone: Backbone, hidden: bool
) -> tuple[list[CaseResult], bool]:
    """The result of every case, and whether Ctrl-C cut them short: those not done are failures then."""
    results: list[CaseResult] = []
    try:
        for case in tqdm(cases, unit="case", disable=hidden):
            with tqdm(desc=case.name, unit="slice", leave=False, disable=hidden) as bar:
                results.append(run_case(case, config, plugins, backbone, bar.update))
    except KeyboardInterrupt:
        left = cases[len(results) :]
        results += [CaseResult(case.name, stage=INTERRUPTED, error="not done") for case in left]
        return results, True
    return results, False


def run_case(
    case: Case, config: Predict, plugins: Plugins, backbone: Backbone, progress: Callable[[int], object]
) -> CaseResult:
    """Read, prompt, segment, write and score one case; a failure is part of the result, never raised."""
    result = CaseResult(case.name)
    try:
        _run_stages(case, config, plugins, backbone, result, progress)
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
        prompts = prompt_case(case, labels.data, config, plugins)
    result.oracle_prompts = [name for name, asked in prompts.items() if any(p.mask is not None for p in asked)]
    frames = {prompt.frame for asked in prompts.values() for prompt in asked}
    with_object = int(labels.data.any((1, 2)).sum())
    result.slices = {
        "total": len(data),
        "encoded": len(data) if config.mode == "propagate" and frames else len(frames),
        "without_object": len(data) - with_object,
    }
    with result.timed("segment"):
        if config.mode == "propagate":
            answers = propagate_slices(data, prompts, backbone, multimask=config.multimask, progress=progress)
        else:
            answers = segment_slices(
                data,
                prompts,
                backbone,
                multimask=config.multimask,
                batch_size=config.batch_size,
                progress=progress,
            )
    out = Path(config.out or "")
    for name, answer in answers.items():
        with result.timed("write"):
            write_mask(mask_path(out, name, case), answer.mask, volume, plugins=plugins)
        with result.timed("score"):
            prompted: dict[int, set[int]] = {}
            for prompt in prompts[name]:
                prompted.setdefault(prompt.object_id, set()).add(prompt.frame)
            result.rows += score_case(
                case.name, name, config.mode, labels.data, answer, volume.spacing_mm, prompted
            )
        if config.overlays:
            with result.timed("overlay"):
                write_overlay(
                    out / "overlays" / name / f"{case.name}.png",
                    data,
                    labels.data,
                    answer.mask,
                    prompts[name],
                    spacing_mm=volume.spacing_mm,
                    title=f"{case.name}  {name}",
                )


def read_case(case: Case, config: Predict, plugins: Plugins, notes: list[str]) -> tuple[Volume, Volume, np.ndarray]:
    """Volume, labels (a `Volume` of uint8) and the intensities in 0-1 (D, H, W); appends what was assumed."""
    volume = read_volume(case.volume, layout=config.layout, plugins=plugins)
    labels = read_labels(case, volume, layout=config.label_layout or config.layout, plugins=plugins)
    try:
        data, repaired = normalise_intensity(volume.data, config.intensity)
    except CaseError as error:
        raise CaseError(f"{case.volume}: {error}") from error
    notes += [*volume.notes, *labels.notes, *repaired]
    return volume, labels, data


def prompt_case(case: Case, labels: np.ndarray, config: Predict, plugins: Plugins) -> dict[str, list[Prompt]]:
    """The prompts of every strategy, drawn from the run's seed and the case's name alone.

    Slice mode prompts every object on every slice that shows it, propagation on the slices that ``frames`` chooses.
    """
    seed = zlib.crc32(f"{config.seed}/{case.name}".encode())
    chosen = choose_frames(labels, config.frames if config.mode == "propagate" else "every:1")
    prompts = {
        name: make_prompts(
            labels,
            plugins.prompts.get(name),
            components=config.components,
            box_margin=config.box_margin,
            noise=Noise(config.noise.box, config.noise.point, config.noise.mask),
            seed=seed,
            frames={frame for frames in chosen.values() for frame in frames},
        )
        for name in config.prompts
    }
    return {name: [p for p in asked if p.frame in chosen[p.object_id]] for name, asked in prompts.items()}


def mask_path(out: Path, prompt: str, case: Case) -> Path:
    """``OUT/masks/<prompt>/<case><suffix>``, the suffix of the source where that can hold a mask."""
    return out / "masks" / prompt / f"{case.name}{mask_suffix(case.suffix)}"


def _voxels(case: Case, config: Predict, plugins: Plugins) -> int:
    _, entry = plugins.readers.for_path(case.volume)
    try:
        return int(np.prod(plugins.readers.get(entry.name)().shape(case.volume, layout=config.layout)))
    except UsframeError:
        return 0
