"""Training on volumes with labels: the task `finetune`, from two folders to a better checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from usframe.config.schema import Finetune
from usframe.data.case import Case
from usframe.data.cases import pair_cases
from usframe.data.patients import read_patients
from usframe.data.splits import Split, check_leakage, make_splits, read_splits, write_splits
from usframe.errors import RequestError
from usframe.files import write_json
from usframe.inference.checkpoints import load_weights
from usframe.inference.propagate import check_memory
from usframe.plugins.load import Plugins
from usframe.prompting.strategies import Noise
from usframe.reporting.record import describe_run
from usframe.reporting.run import counted
from usframe.reporting.training import print_gains, write_gains, write_training
from usframe.tasks.launch import launch, prepare_output
from usframe.training.augmentation import Augment
from usframe.training.clips import Clips, Mixture
from usframe.training.embeddings import Embeddings
from usframe.training.labelled import Known, LabelledClips, Volumes, look_through, spread
from usframe.training.loop import fit, load_trainable
from usframe.training.lora import merge_adapters
from usframe.training.objectives import Objective
from usframe.training.parameters import count_parameters, encoder_is_frozen
from usframe.training.validation import Held, Score, mean_dice, score_all
from usframe.types import Backbone, PromptStrategy

BEFORE, EMBEDDINGS = "before.json", "embeddings"


def finetune(config: Finetune, plugins: Plugins, *, quiet: bool = False, dry_run: bool = False) -> int:
    """Train ``config.backbone`` on labelled volumes; leaves checkpoints, curves and scores in ``config.out``.

    A dry run reads every file, says what would be trained on what, and writes nothing.
    Raises `RequestError` where the request cannot be met, `CaseError` for a file that cannot be used, and
    `TrainingError` where the training cannot go on. Returns the exit status.
    """
    started = time.monotonic()
    cases, split = find_split(config, plugins)
    accelerator = launch(config, training=True)
    backbone = load_trainable(config, accelerator, plugins)
    check_trainable(config, backbone)
    read = Volumes(config, plugins)
    known = {name: look_through(cases[name], read) for name in (*split.train, *split.val)}
    if accelerator.is_main_process and (dry_run or not quiet):
        plan = describe_training(config, split, known, count_parameters(backbone))
        print(f"{plan}\nNothing was written." if dry_run else plan)
    if dry_run:
        accelerator.end_training()
        return 0
    strategies = {name: plugins.prompts.get(name) for name in config.prompt}
    out = prepare_output(config, accelerator, resume=True)
    if accelerator.is_main_process:
        write_splits(out / "splits.json", [split])
    held = [known[name] for name in split.val]

    def score() -> list[Score]:
        return score_all(backbone, held, lambda case: hold(case, read, config), strategies, accelerator)

    before = _before(out, score, accelerator)
    progress = fit(
        Objective(
            backbone,
            asdict(config.train.losses),
            config.train.recipe,
            Embeddings(backbone, out / EMBEDDINGS) if config.train.cache else None,
            config.train.corrections,
        ),
        backbone,
        make_clips(config, [known[name] for name in split.train], read, strategies, plugins),
        config.train,
        accelerator,
        out,
        lambda: mean_dice(score()),
        quiet=quiet,
    )
    parameters = count_parameters(backbone)
    merge_adapters(backbone.module)
    load_weights(backbone.module, out / "checkpoint_best.pt")
    after = score()
    if accelerator.is_main_process:
        run = describe_run(config, backbone, accelerator.num_processes, time.monotonic() - started)
        run |= {"parameters": parameters, "split": {k: len(v) for k, v in asdict(split).items()}}
        write_json(out / "run.json", run)
        gains = write_gains(out, before, after)
        write_training(out, progress.curve, gains, run, best_step=progress.best_step)
        if not quiet:
            print_gains(gains, out, best_step=progress.best_step)
    accelerator.end_training()
    return 0


def check_trainable(config: Finetune, backbone: Backbone) -> None:
    """Raises `RequestError` where the backbone cannot be trained as ``config.train`` says."""
    if config.train.cache and not encoder_is_frozen(backbone):
        raise RequestError(
            f"train.cache={config.train.cache} keeps what the encoder answers, so this must not change; set "
            "train.parameters=decoder or decoder+memory"
        )
    if config.train.recipe != "slice":
        check_memory(backbone)


def describe_training(
    config: Finetune, split: Split, known: Mapping[str, Known], parameters: Mapping[str, Mapping[str, int]]
) -> str:
    """What is trained on what, in a few lines for the terminal."""
    lines = []
    for part, names in (("train", split.train), ("validate", split.val)):
        patients = len({known[name].case.group for name in names})
        shown, empty = (sum(len(getattr(known[name], which)) for name in names) for which in ("shown", "empty"))
        lines.append(
            f"{part:8}  {counted(len(names), 'case')} of {counted(patients, 'patient')}: "
            f"{counted(shown, 'slice')} with an object, {empty} without"
        )
    for part, count in parameters.items():
        lines.append(f"{part:8}  {count['trained']:>11,} parameters trained, {count['frozen']:>11,} frozen")
    steps, batch = config.train.steps, config.train.batch_size * config.train.accumulate
    samples = f"{counted(steps, 'step')} of {batch} {config.train.recipe} samples per process"
    return "\n".join([*lines, f"{samples}, {config.backbone}"])


def find_split(config: Finetune, plugins: Plugins) -> tuple[dict[str, Case], Split]:
    """The cases by name, and which of them train and validate. Raises `RequestError`."""
    found = pair_cases(
        Path(config.volumes), Path(config.labels), readers=plugins.readers, label_suffix=config.label_suffix
    )
    patients = read_patients(config.group, [case.name for case in found])
    if config.splits is None:
        split = make_splits(patients, folds=1, val=config.val, test=0, seed=config.seed)[0]
    else:
        folds = read_splits(Path(config.splits), list(patients))
        if config.fold >= len(folds):
            raise RequestError(
                f"fold={config.fold} is not possible; {config.splits} has folds 0 to {len(folds) - 1}"
            )
        split = folds[config.fold]
        check_leakage(split, patients)
    return {case.name: replace(case, group=patients[case.name]) for case in found}, split


def make_clips(
    config: Finetune,
    cases: Sequence[Known],
    read: Volumes,
    strategies: dict[str, PromptStrategy],
    plugins: Plugins,
) -> Clips:
    """The training samples of ``cases``."""
    train = config.train
    augmentations = {name: (plugins.augmentations.get(name), rate) for name, rate in config.augment.items()}
    source = LabelledClips(
        cases,
        read,
        length=1 if train.recipe == "slice" else train.clip_length,
        seed=config.seed,
        empty=train.empty,
        versions=train.cache,
    )
    return Clips(
        source,
        seed=config.seed,
        strategy=Mixture(strategies, config.prompt),
        noise=Noise(config.noise.box, config.noise.point, config.noise.mask),
        objects=train.objects_per_image,
        rounds=train.prompts_per_object,
        smallest=1,
        augment=Augment(augmentations) if augmentations else None,
    )


def hold(known: Known, read: Volumes, config: Finetune) -> Iterator[Held]:
    """A held-out case as slices and, where memory is trained, as a volume."""
    data, labels = read(known.case)
    frames = np.array(list(spread(known.shown, config.train.validation_slices)))
    yield Held(known.case.name, data[frames], labels[frames])
    if config.train.recipe != "slice":
        yield Held(known.case.name, data, labels, "propagate")


def _before(out: Path, score: object, accelerator: Accelerator) -> list[Score]:
    """The scores before the first step, kept for a training that goes on."""
    path = out / BEFORE
    if path.exists():
        kept: list[Score] = json.loads(path.read_text(encoding="utf-8"))["scores"]
        return kept
    assert callable(score)
    scores: list[Score] = score()
    if accelerator.is_main_process:
        write_json(path, {"scores": scores})
    accelerator.wait_for_everyone()
    return scores
