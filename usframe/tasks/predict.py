"""From volumes and labels to masks, scores and a report: the workflow behind `usframe run`.

Cases are shared out over Accelerate's processes. Each process writes the masks and overlays of its own cases; the
first one writes the tables.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object
from tqdm import tqdm

from usframe.config.schema import Predict, prompt_file
from usframe.data.case import Case
from usframe.data.cases import pair_cases
from usframe.data.patients import read_patients
from usframe.errors import PairingError, UsframeError
from usframe.inference.checkpoints import load_backbone
from usframe.inference.propagate import check_memory
from usframe.plugins.load import Plugins
from usframe.plugins.registry import nearest
from usframe.prompting.files import read_prompt_file
from usframe.reporting.run import INTERRUPTED, CaseResult, print_failures, print_results, write_results
from usframe.tasks.launch import launch, prepare_output
from usframe.tasks.stages import run_case
from usframe.types import Backbone


@dataclass(frozen=True)
class Work:
    """What is done with each case, how the results are written, and how they are shown."""

    run: Callable[..., CaseResult]
    write: Callable[..., dict[str, Any]]
    show: Callable[[Mapping[str, Any], float], None]


def predict(config: Predict, plugins: Plugins, *, quiet: bool = False, json_output: bool = False) -> int:
    """Run an experiment over all its cases; returns the exit status, 1 if some case failed.

    Raises `RequestError` before any case is touched where the request cannot be met.
    """
    cases, accelerator, backbone = start(config, plugins)
    if config.mode == "propagate":
        check_memory(backbone)
    work = Work(run_case, write_results, print_results)
    return run_work(work, cases, config, plugins, backbone, accelerator, quiet=quiet, json_output=json_output)


def start(config: Predict, plugins: Plugins) -> tuple[list[Case], Accelerator, Backbone]:
    """The cases, processes and network of a request. Raises `RequestError` where they cannot be had."""
    cases = find_cases(config, plugins)
    accelerator = launch(config)
    backbone = load_backbone(
        config.backbone,
        checkpoint=config.checkpoint,
        device=str(accelerator.device),
        precision=config.precision,
        plugins=plugins,
    )
    return cases, accelerator, backbone


def run_work(
    work: Work,
    cases: Sequence[Case],
    config: Predict,
    plugins: Plugins,
    backbone: Backbone,
    accelerator: Accelerator,
    *,
    quiet: bool,
    json_output: bool,
) -> int:
    """Do ``work`` on all cases, shared out over the processes; returns the exit status, 1 if some case failed."""
    prepare_output(config, accelerator)
    mine = share_cases(cases, accelerator.num_processes, config, plugins)[accelerator.process_index]
    started = time.perf_counter()
    hidden = quiet or json_output or not accelerator.is_main_process or not sys.stderr.isatty()
    results, interrupted = run_cases(work.run, mine, config, plugins, backbone, hidden)
    everyone = sorted(gather_object(results), key=lambda result: result.case)
    if accelerator.is_main_process:
        seconds = time.perf_counter() - started
        print_failures(everyone)
        answer = work.write(config, backbone, everyone, seconds, accelerator.num_processes)
        if json_output:
            print(json.dumps(answer, indent=2))
        elif not quiet:
            work.show(answer, seconds)
    accelerator.end_training()
    if interrupted:
        raise KeyboardInterrupt
    return int(any(result.error for result in everyone))


def find_cases(config: Predict, plugins: Plugins) -> list[Case]:
    """The cases of a request, those named in ``cases=`` where it names some, and whose they are.

    Raises `PairingError`, and `RequestError` for a case without a patient.
    """
    labels = None if config.labels is None else Path(config.labels)
    cases = pair_cases(Path(config.volumes), labels, readers=plugins.readers, label_suffix=config.label_suffix)
    if file := prompt_file(config.frames):
        cases = add_prompts(cases, Path(file))
    known = {case.name: case for case in cases}
    if unknown := [name for name in config.cases if name not in known]:
        raise PairingError(f"cases={','.join(unknown)} not found in {config.volumes}; it has {', '.join(known)}")
    patients = read_patients(config.group, config.cases or list(known))
    return [replace(known[name], group=patient) for name, patient in patients.items()]


def add_prompts(cases: Sequence[Case], path: Path) -> list[Case]:
    """The cases with their rows of a prompt file. Raises `RequestError` for bad rows and for unknown cases."""
    rows = read_prompt_file(path)
    names = [case.name for case in cases]
    if unknown := [name for name in rows if name not in names]:
        wrong = [(rows[name][0].where, f"case {name}{nearest(name, names)}") for name in unknown]
        raise PairingError(*(f"{where}: there is no volume for {case}" for where, case in wrong))
    return [replace(case, prompts=tuple(rows.get(case.name, ()))) for case in cases]


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
    run: Callable[..., CaseResult],
    cases: Sequence[Case],
    config: Predict,
    plugins: Plugins,
    backbone: Backbone,
    hidden: bool,
) -> tuple[list[CaseResult], bool]:
    """The result of every case, and whether Ctrl-C cut them short: those not done are failures then."""
    results: list[CaseResult] = []
    try:
        for case in tqdm(cases, unit="case", disable=hidden):
            with tqdm(desc=case.name, unit="slice", leave=False, disable=hidden) as bar:
                results.append(run(case, config, plugins, backbone, bar.update))
    except KeyboardInterrupt:
        left = cases[len(results) :]
        results += [CaseResult(case.name, stage=INTERRUPTED, error="not done") for case in left]
        return results, True
    return results, False


def _voxels(case: Case, config: Predict, plugins: Plugins) -> int:
    _, entry = plugins.readers.for_path(case.volume)
    try:
        return int(np.prod(plugins.readers.get(entry.name)().shape(case.volume, layout=config.layout)))
    except UsframeError:
        return 0
