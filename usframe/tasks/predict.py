"""From volumes and labels to masks, scores and a report: the workflow behind `usframe run`.

Each of Accelerate's processes takes one case after the other, and writes its masks and overlays; the first one
writes the tables.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from accelerate import Accelerator

from usframe.config.schema import LEARNED, Predict, prompt_file
from usframe.data.case import Case
from usframe.data.cases import find_cases
from usframe.data.patients import with_patients
from usframe.data.splits import in_part
from usframe.data.writers import check_mask_format
from usframe.encoding.embeddings import KeptBackbone, Store, kept_by, open_store
from usframe.errors import PairingError, WriteError
from usframe.inference.checkpoints import load_backbone
from usframe.inference.scout import learned_objects
from usframe.inference.verbs import with_memory
from usframe.objects import name_objects
from usframe.plugins import Plugins
from usframe.plugins.messages import nearest
from usframe.prompting.detections import read_detections
from usframe.prompting.files import read_prompt_file
from usframe.reporting.record import describe_run, identify, joined_record
from usframe.reporting.results import INTERRUPTED, CaseResult, print_failures
from usframe.reporting.run import describe_work, print_results, title_of, write_results
from usframe.session import RECORD, watch
from usframe.session.folder import open_folder
from usframe.session.lanes import Steps
from usframe.session.loop import Progress, stop_if_interrupted
from usframe.session.records import Seldom, Session
from usframe.session.shards import Begun, by_size, part_of, take_over
from usframe.tasks import TASKS, Output
from usframe.tasks.experiment import Experiment
from usframe.tasks.found import with_support
from usframe.tasks.launch import launch, leave, prepare_output, save_experiment
from usframe.tasks.stages import mask_path, run_stages
from usframe.types import Backbone

Stages: TypeAlias = Callable[[Experiment, Backbone, Case, CaseResult, Progress], Iterator[None]]


def predict(config: Predict, plugins: Plugins, output: Output) -> int:
    """Run an experiment over all its cases; returns the exit status, 1 if some case failed.

    Raises `RequestError` before any case is touched where the request cannot be met.
    """
    cases, accelerator, backbone = start(config, plugins)
    if config.mode == "propagate":
        with_memory(backbone)
    return run(Experiment.of(config, plugins), cases, backbone, accelerator, report_of(config, plugins), output)


def report_of(config: Predict, plugins: Plugins) -> Report:
    pictures = config.labels_of_prompts() if config.overlays else ()
    return Report(partial(write_results, mode=config.mode, overlays=pictures), print_results)


@dataclass(frozen=True)
class Report:
    """How the results of all cases are written and shown, and what is to be noted about all of them."""

    write: Callable[..., Any]
    show: Callable[[Any, float], None]
    notes: Sequence[str] = ()


def start(config: Predict, plugins: Plugins) -> tuple[list[Case], Accelerator, Backbone]:
    """The cases, processes and network of a request. Raises `RequestError` where they cannot be had."""
    cases = choose_cases(config, plugins)
    accelerator = launch(config)
    backbone = load_network(config, plugins, str(accelerator.device))
    if place := config.cache.embeddings:
        backbone = kept_by(open_store(Path(place), config.cache.limit), backbone)
    return cases, accelerator, backbone


def load_network(config: Predict, plugins: Plugins, device: str) -> Backbone:
    """The network of a request, with all that its prompts need. Raises `RequestError` where it cannot be had."""
    backbone = load_backbone(
        config.backbone, checkpoint=config.checkpoint, device=device, precision=config.precision, plugins=plugins
    )
    if LEARNED in config.prompts:
        learned_objects(backbone)
    return backbone


def run(
    experiment: Experiment,
    cases: Sequence[Case],
    backbone: Backbone,
    accelerator: Accelerator,
    report: Report,
    output: Output,
    *,
    stages: Stages = run_stages,
) -> int:
    """Run all cases that are not done yet, in the processes that are there; the exit status, 1 if some case failed.

    ``stages``: what is done with each of them, see `usframe.session.lanes`. Of several processes the first
    one's says it all: another must not end them by its own.
    """
    config = experiment.config
    identity = identify(backbone, config.backbone)
    experiment, supported = with_support(experiment, backbone)
    cases, sharing, notes = part_of(cases, config)
    told = {"notes": list(report.notes)} if report.notes else {}
    facts = {"checkpoint_sha256": identity.sha256, **supported, **sharing, **told}
    session = Session(config.folder, experiment.plugins)
    files = [] if experiment.compared else planned(config, cases)
    prepare_output(config, accelerator, facts=facts, files=files, ready=partial(session.line_up, cases))
    rank, processes = watch.line.before.share or (accelerator.process_index, accelerator.num_processes)
    leave(accelerator)  # each process is on its own now, and none falls with another
    started, tables = time.perf_counter(), Seldom()

    def write(everyone: Sequence[CaseResult]) -> tuple[Any, float]:
        seconds = time.perf_counter() - started + session.seconds_before(everyone) / processes
        ran = describe_run(config, identity, accelerator.device, processes, seconds)
        record = describe_work(config, ran, everyone, [*notes, *report.notes])
        return report.write(config.folder, everyone, record, title=title_of(config)), seconds

    def keep(result: CaseResult) -> None:
        session.keep(result)
        if rank == 0:
            with suppress(WriteError):  # they are written once more at the end
                tables.do(lambda: write(session.results(cases, [])))

    steps: Steps = partial(stages, experiment, backbone)
    if isinstance(backbone, KeptBackbone):
        steps = counted(steps, backbone.store)
    order = by_size(cases) if processes > 1 else cases  # so that no process is left with a large one in the end
    results = session.run(steps, order, output, share=(rank, processes), keep=keep, limit=config.case_timeout)
    if rank:
        return 0
    session.wait(processes, interrupted=any(one.stage == INTERRUPTED for one in results))
    everyone = session.results(cases, results)
    print_failures(everyone)
    show(report, *write(everyone), output)
    stop_if_interrupted(everyone)
    return int(any(result.error for result in everyone))


def counted(steps: Steps, store: Store) -> Steps:
    """``steps``, with the number of slices that the network found encoded in the ``store``, and its notes."""

    def counting(case: Case, result: CaseResult, progress: Progress) -> Iterator[None]:
        left = steps(case, result, progress)
        next(left)
        yield
        had = store.hits
        next(left)
        result.slices["kept"] = store.hits - had
        result.notes += store.notes
        store.notes.clear()
        yield
        yield from left

    return counting


def show(report: Report, answer: Any, seconds: float, output: Output) -> None:
    if output.json:
        print(json.dumps(answer, indent=2))
    elif not output.quiet:
        report.show(answer, seconds)


def join(config: Predict, shards: Sequence[Begun], report: Report, output: Output) -> int:
    """Make the run of ``config`` in OUT of its finished shards; the exit status, 1 if some case failed.

    Raises `RequestError` where OUT is another run's, or a file of a shard is not as its run left it.
    """
    left = [place for shard in shards for place in shard.outputs]
    open_folder(config, [*TASKS[config.task].writes, *left], resume="same", facts=shards[0].whole)
    if not (config.folder / RECORD).exists():
        save_experiment(config, config.folder / RECORD)
    results = take_over(shards, config)
    ran, differs = joined_record([shard.record for shard in shards], config)
    record = describe_work(config, ran, results, [*differs, *shards[0].whole.get("notes", [])])
    answer = report.write(config.folder, results, record, title=title_of(config))
    print_failures(results)
    show(report, answer, record["seconds"], output)
    return int(any(result.error for result in results))


def planned(config: Predict, cases: Sequence[Case]) -> list[str]:
    """The masks that will be written, from OUT on."""
    prompts, form = [*config.labels_of_prompts(), *config.fallbacks()], config.mask_format
    paths = [mask_path(Path(), prompt, case, form) for prompt in prompts for case in cases]
    return [path.as_posix() for path in paths]


def choose_cases(config: Predict, plugins: Plugins) -> list[Case]:
    """The cases of a request, those named in ``cases=`` where it names some, and whose they are.

    Raises `PairingError`, and `RequestError` for a case without a patient, or whose mask cannot be in the format.
    """
    cases = find_cases(config, config.labels, plugins, objects=name_objects(config.objects, config.labels))
    if file := prompt_file(config.frames):
        cases = add_prompts(cases, Path(file), config)
    known = {case.name: case for case in cases}
    if unknown := [name for name in config.cases if name not in known]:
        raise PairingError(f"cases={','.join(unknown)} not found in {config.volumes}; it has {', '.join(known)}")
    chosen = in_part(config, [*known])
    if outside := [name for name in config.cases if name not in chosen]:
        raise PairingError(f"cases={','.join(outside)}: not in part {config.part} of {config.splits}")
    found = [known[name] for name in config.cases or chosen]
    check_mask_format(config.mask_format, found)
    return with_patients(found, config.group)


def add_prompts(cases: Sequence[Case], path: Path, config: Predict) -> list[Case]:
    """The cases with their rows of a prompt file. Raises `RequestError` for bad rows and for unknown cases."""
    names, outside = [case.name for case in cases], config.allow_outside
    rows = read_detections(path, names, config.detections.first_slice, allow_outside=outside)
    if rows is None:
        rows = read_prompt_file(path, allow_outside=outside)
    if unknown := [name for name in rows if name not in names]:
        wrong = [(rows[name][0].where, f"case {name}{nearest(name, names)}") for name in unknown]
        raise PairingError(*(f"{where}: there is no volume for {case}" for where, case in wrong))
    return [replace(case, prompts=tuple(rows.get(case.name, ()))) for case in cases]
