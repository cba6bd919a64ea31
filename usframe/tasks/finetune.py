"""Training on volumes with labels: the task `finetune`, from two folders to a better checkpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from usframe.config.schema import LEARNED, Finetune
from usframe.data.cache import describe_inputs
from usframe.data.case import Case
from usframe.data.cases import find_cases
from usframe.data.patients import note_single_slices, with_patients
from usframe.data.splits import Split, check_leakage, make_splits, read_fold, write_splits
from usframe.errors import CaseError, RequestError, escape
from usframe.files import write_json
from usframe.inference.checkpoints import load_weights
from usframe.inference.verbs import with_memory
from usframe.objects import name_objects
from usframe.plugins import Plugins
from usframe.reporting.record import RunRecord, describe_run, identify
from usframe.reporting.results import CaseResult, count_totals, print_failures
from usframe.reporting.text import counted
from usframe.reporting.training import print_gains, write_gains, write_training
from usframe.session.loop import Progress, run_cases, stop_if_interrupted
from usframe.tasks import Output
from usframe.tasks.launch import launch, leave, prepare_output
from usframe.tasks.recipe import load_trainable, make_objective, make_samples, strategies_of, validation_of
from usframe.training import resume
from usframe.training.embeddings import embeddings_for
from usframe.training.examples import Answered, before_training, draw_examples
from usframe.training.labelled import LabelledClips, ScannedCase, Volumes, hold_out, scan_case
from usframe.training.loop import fit
from usframe.training.lora import merge_adapters
from usframe.training.parameters import count_parameters, encoder_is_frozen, learn_prompts
from usframe.training.validation import mean_dice
from usframe.types import Backbone

EMBEDDINGS = "embeddings"


@dataclass(frozen=True, eq=False)
class Training:
    """What is trained on what: all that a dry run finds out. ``notes``: what was assumed about the files."""

    config: Finetune
    backbone: Backbone
    read: Volumes
    split: Split
    scanned: Mapping[str, ScannedCase]
    notes: Sequence[str]

    def part(self, names: Sequence[str]) -> list[ScannedCase]:
        return [self.scanned[name] for name in names]

    def facts(self) -> dict[str, Any]:
        """Who is in which part, and the files of each case: what a training that goes on must find again."""
        found: dict[str, Any] = {}
        for part, names in asdict(self.split).items():
            for name in names:
                found[f"{part}.{name}"] = self._describe(name)
        return found

    def _describe(self, name: str) -> dict[str, Any]:
        return describe_inputs(self.scanned[name].case, self.read.plugins) if name in self.scanned else {}

    def objects(self) -> list[int]:
        """The ids of all objects that are trained on."""
        return sorted({one for scanned in self.part(self.split.train) for one in scanned.objects})

    def describe(self) -> str:
        """What is trained on what, in a few lines for the terminal."""
        lines = []
        for part, names in (("train", self.split.train), ("validate", self.split.val)):
            cases = self.part(names)
            patients = len({one.case.group for one in cases})
            shown, empty = sum(len(one.shown) for one in cases), sum(len(one.empty) for one in cases)
            lines.append(
                f"{part:8}  {counted(len(names), 'case')} of {counted(patients, 'patient')}: "
                f"{counted(shown, 'slice')} with an object, {empty} without"
            )
        for part, count in count_parameters(self.backbone).items():
            lines.append(f"{part:8}  {count['trained']:>11,} parameters trained, {count['frozen']:>11,} frozen")
        train = self.config.train
        samples = f"{train.batch_size * train.accumulate} {train.recipe} samples per process"
        lines.append(f"{counted(train.steps, 'step')} of {samples}, {self.config.backbone}")
        return "\n".join(map(escape, [*lines, *(f"note: {note}" for note in self.notes)]))


def finetune(config: Finetune, plugins: Plugins, output: Output) -> int:
    """Train ``config.backbone`` on labelled volumes; leaves checkpoints, curves and scores in ``config.out``.

    Raises `RequestError` where the request cannot be met, `CaseError` for files that cannot be used, and
    `TrainingError` where the training cannot go on. Returns the exit status.
    """
    started = time.monotonic()
    training, accelerator = start(config, plugins, output)
    backbone, split = training.backbone, training.split
    identity = identify(backbone, config.backbone)
    if accelerator.is_main_process and not output.quiet:
        print(training.describe())
    facts = {"checkpoint_sha256": identity.sha256} | training.facts()
    out = prepare_output(config, accelerator, facts=facts)
    if accelerator.is_main_process:
        write_splits(out / "splits.json", [split])
    validation = validation_of(config, backbone, strategies_of(config, plugins), plugins, accelerator)
    held_out, tracks = training.part(split.val), config.train.recipe != "slice"
    read = partial(hold_out, read=training.read, slices=config.train.validation_slices, volume=tracks)
    score = partial(validation.score_all, held_out, read)

    def look() -> Answered:
        examples = draw_examples(validation, held_out, read) if accelerator.is_main_process else []
        return {"scores": score(), "examples": examples}

    before = before_training(out, look, accelerator)
    encode = embeddings_for(config, backbone, out / EMBEDDINGS)
    progress = fit(
        make_objective(config, backbone, plugins, encode),
        backbone,
        make_samples(
            config, make_source(training), plugins, objects=training.objects(), smallest=1, ignore=config.ignore
        ),
        config.train,
        accelerator,
        out,
        lambda: mean_dice(score()),
        quiet=output.quiet,
    )
    parameters = count_parameters(backbone)
    merge_adapters(backbone.module)
    load_weights(backbone.module, out / "checkpoint_best.pt")
    after = look()
    if accelerator.is_main_process:
        seconds = time.monotonic() - started
        run = describe_run(config, identity, accelerator.device, accelerator.num_processes, seconds)
        run |= {"parameters": parameters, "split": {part: len(names) for part, names in asdict(split).items()}}
        run |= {"notes": list(training.notes), "loader_share": progress.loader_share}
        if encode:
            run["notes"] += encode.store.notes
            run |= {"embeddings": {"kept": encode.store.hits, "made": encode.store.misses}}
        _write(out, before, after, progress, run, training.read.names, output)
    leave(accelerator)
    return 0


def _write(
    out: Path,
    before: Answered,
    after: Answered,
    progress: resume.Progress,
    run: RunRecord,
    names: Mapping[int, str],
    output: Output,
) -> None:
    """Write what a training has shown, and say it. Raises `WriteError`."""
    write_json(out / "run.json", run)
    gains = write_gains(out, before["scores"], after["scores"], names)
    examples = [before.get("examples", []), after.get("examples", [])]
    write_training(out, progress.curve, gains, run, best_step=progress.best_step, examples=examples)
    if not output.quiet:
        print_gains(gains, out, best_step=progress.best_step)


def dry_run(config: Finetune, plugins: Plugins, output: Output) -> int:
    """Read every file, say what would be trained on what, and write nothing. Raises as `finetune` does."""
    training, accelerator = start(config, plugins, output)
    if accelerator.is_main_process:
        print(f"{training.describe()}\nNothing was written.")
    leave(accelerator)
    return 0


def start(config: Finetune, plugins: Plugins, output: Output) -> tuple[Training, Accelerator]:
    """The network and the data, all of it looked at. Raises `RequestError` and `CaseError`."""
    cases, split = find_split(config, plugins)
    accelerator = launch(config, training=True)
    backbone = load_trainable(config, accelerator, plugins)
    check_trainable(config, backbone)
    read = Volumes(config, plugins)
    scanned: dict[str, ScannedCase] = {}

    def scan(case: Case, result: CaseResult, progress: Progress) -> None:
        with result.timed("read"):
            scanned[case.name] = scan_case(case, read)
        result.notes += read.notes[case.name]

    wanted = [cases[name] for name in (*split.train, *split.val)]
    results = run_cases(scan, wanted, output, main=accelerator.is_main_process)
    stop_if_interrupted(results)
    if failed := [result for result in results if result.error]:
        if accelerator.is_main_process:
            print_failures(results)
        leave(accelerator)
        first = "mend or leave out the files" if len(failed) > 1 else "mend or leave out its files"
        raise CaseError(f"{len(failed)} of {counted(len(results), 'case')} cannot be used; {first}")
    alone = note_single_slices((one.length for one in scanned.values()), config.group)
    notes = count_totals(results, labelled=True, notes=alone)["notes"]
    training = Training(config, backbone, read, split, scanned, notes)
    if LEARNED in config.prompt:
        learn_prompts(backbone, training.objects())
    return training, accelerator


def check_trainable(config: Finetune, backbone: Backbone) -> None:
    """Raises `RequestError` where the backbone cannot be trained as ``config.train`` says."""
    if config.train.cache and not encoder_is_frozen(backbone):
        raise RequestError(
            f"train.cache={config.train.cache} keeps what the encoder answers, so this must not change; set "
            "train.parameters=prompt, decoder or decoder+memory"
        )
    if config.train.recipe != "slice":
        with_memory(backbone)


def find_split(config: Finetune, plugins: Plugins) -> tuple[dict[str, Case], Split]:
    """The cases by name, and which of them train and validate. Raises `RequestError`."""
    objects = name_objects(config.objects, config.labels)
    cases = with_patients(find_cases(config, config.labels, plugins, objects=objects), config.group)
    patients = {case.name: case.group for case in cases}
    if config.splits is None:
        split = make_splits(patients, folds=1, val=config.val, test=0, seed=config.seed)[0]
    else:
        split = read_fold(Path(config.splits), config.fold, list(patients))
        check_leakage(split, patients)
    return {case.name: case for case in cases}, split


def make_source(training: Training) -> LabelledClips:
    """The clips of the training cases."""
    config, train = training.config, training.config.train
    return LabelledClips(
        training.part(training.split.train),
        training.read,
        length=1 if train.recipe == "slice" else train.clip_length,
        seed=config.seed,
        empty=train.empty,
        versions=train.cache,
    )
