"""All strategies side by side, in both modes, with clean and with noised prompts: the task `compare`.

A case is read once. In each mode its slices are encoded once for all strategies and all draws of their prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from usframe.config.schema import Compare, Noise, modes_of
from usframe.data.case import Case
from usframe.errors import RequestError
from usframe.inference.propagate import check_memory
from usframe.plugins.load import Plugins
from usframe.prompting.frames import find_extents
from usframe.reporting.comparison import drawn_name, print_comparison, write_comparison
from usframe.reporting.overlay import write_overlay
from usframe.reporting.run import CaseResult
from usframe.scoring.rows import oracle_frames, score_answer, score_baselines
from usframe.tasks.predict import Work, run_work, start
from usframe.tasks.stages import clean_answer, prompt_case, read_case, run_stages, segment_case
from usframe.types import Backbone


def compare(config: Compare, plugins: Plugins, *, quiet: bool = False, json_output: bool = False) -> int:
    """Run a comparison over all its cases; returns the exit status, 1 if some case failed.

    A backbone without memory is compared in slice mode alone, with a note. Raises `RequestError` before any case
    is touched where the request cannot be met.
    """
    cases, accelerator, backbone = start(config, plugins)
    notes = []
    if "propagate" in modes_of(config):
        try:
            check_memory(backbone)
        except RequestError:
            if config.mode == "propagate":
                raise
            config = replace(config, mode="slice")
            notes.append(f"propagation is left out: the backbone {config.backbone} has no memory")
    work = Work(partial(run_stages, compare_case), partial(write_comparison, notes=notes), print_comparison)
    return run_work(work, cases, config, plugins, backbone, accelerator, quiet=quiet, json_output=json_output)


def draws(config: Compare) -> list[Compare]:
    """The request with clean prompts, then once for every draw of the noised ones, each with a seed of its own."""
    noised = Noise(config.noised.box, config.noised.point, config.noised.mask)
    return [config, *(replace(config, noise=noised, seed=config.seed + n) for n in range(1, config.seeds + 1))]


def compare_case(
    case: Case,
    config: Compare,
    plugins: Plugins,
    backbone: Backbone,
    result: CaseResult,
    progress: Callable[[int], object],
) -> None:
    """Read a case and score every strategy, mode and draw of it into ``result``."""
    with result.timed("read"):
        volume, labels, data = read_case(case, config, plugins, result.notes)
        assert labels is not None
        extents = find_extents(config.z_range, len(data), labels)
    empty = len(data) - int(labels.any((1, 2)).sum())
    result.slices = {"total": len(data), "encoded": 0, "without_object": empty}

    def count(slices: int) -> None:
        result.slices["encoded"] += slices
        progress(slices)

    for mode in modes_of(config):
        settings = draws(replace(config, mode=mode))
        with result.timed("prompt"):
            drawn = [prompt_case(case, volume, labels, extents, one, plugins, result.notes) for one in settings]
        sets = {(name, draw): asked for draw, by_name in enumerate(drawn) for name, asked in by_name.items()}
        for (name, _), asked in sets.items():
            if oracle_frames(asked, labels, config) and name not in result.oracle_prompts:
                result.oracle_prompts.append(name)
        with result.timed("segment"):
            named = {drawn_name(*key): asked for key, asked in sets.items()}
            answers = segment_case(data, named, extents, backbone, settings[0], count)
        for (name, draw), asked in sets.items():
            answer = answers.pop(drawn_name(name, draw))
            with result.timed("postprocess"):
                answer = clean_answer(answer, volume, config)
            with result.timed("score"):
                result.rows += score_answer(
                    case, drawn_name(name, draw), answer, volume, labels, asked, settings[draw]
                )
            if config.overlays and draw == 0:
                with result.timed("overlay"):
                    write_overlay(
                        Path(config.out or "") / "overlays" / mode / name / f"{case.name}.png",
                        data,
                        labels,
                        answer.mask,
                        asked,
                        spacing_mm=volume.spacing_mm,
                        title=f"{case.name}  {name}  {mode}",
                    )
        for draw, prompts in enumerate(drawn if config.baselines else ()):
            with result.timed("score"):
                rows = score_baselines(case, volume, labels, prompts, extents, settings[draw])
                result.rows += [{**row, "prompt": drawn_name(row["prompt"], draw)} for row in rows]
