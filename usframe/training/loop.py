"""The training loop: steps, validation, checkpoints and a state from which an interrupted training goes on.

It knows neither where samples come from nor how they are scored: the tasks `pretrain` and `finetune` say so.
"""

from __future__ import annotations

import copy
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from usframe.config.schema import Train
from usframe.errors import CaseError, TrainingError
from usframe.files import write_csv
from usframe.training.clips import Sample
from usframe.training.parameters import make_optimizers
from usframe.training.resume import Progress, load_state, save_state
from usframe.training.weights import interpolated, moving_average, save_weights, swapped
from usframe.types import Backbone

Score = Callable[[], Mapping[str, float]]


def fit(
    objective: torch.nn.Module,
    backbone: Backbone,
    samples: Dataset[Sample],
    settings: Train,
    accelerator: Accelerator,
    out: Path,
    score: Score,
    *,
    quiet: bool = False,
) -> Progress:
    """Train ``objective`` on ``samples``, in their order, and leave checkpoints, state and curve in ``out``.

    ``score`` gives the Dice values of a validation by name, in every process. A state that ``out`` holds already is
    gone on from, bit for bit on a CPU. Raises `TrainingError` for a loss that is no number and for memory that does
    not suffice; the last state stays.
    """
    start = copy.deepcopy(backbone.module.state_dict()) if settings.interpolate < 1 else {}
    optimizers = make_optimizers(backbone, settings)
    share = partial(learning_rate, steps=settings.steps, warmup=settings.warmup_steps)
    schedules = [torch.optim.lr_scheduler.LambdaLR(optimizer, share) for optimizer in optimizers]
    objective, *optimizers = accelerator.prepare(objective, *optimizers)
    average = AveragedModel(backbone.module, avg_fn=moving_average(settings.ema)) if settings.ema else None
    if settings.tracker != "none":
        accelerator.init_trackers("usframe" if settings.tracker == "wandb" else settings.tracker)
    progress = Progress()
    accelerator.register_for_checkpointing(progress, *schedules, *([average] if average else []))
    load_state(accelerator, out)
    loader = _load(samples, settings, accelerator, progress.step)
    bar = tqdm(
        total=settings.steps,
        initial=progress.step,
        unit="step",
        disable=quiet or not accelerator.is_main_process or not sys.stderr.isatty(),
    )
    started = time.monotonic() - progress.seconds
    while progress.step < settings.steps and not _stale(progress, settings):
        backbone.module.train()
        begun = time.monotonic()
        batches = [next(loader) for _ in range(settings.accumulate)]
        loaded = time.monotonic()
        progress.losses.append(_step(objective, optimizers, batches, settings, accelerator, progress.step + 1))
        progress.loading += loaded - begun
        progress.stepping += time.monotonic() - loaded
        if average:
            average.update_parameters(backbone.module)
        for schedule in schedules:
            schedule.step()
        bar.update()
        progress.step += 1
        progress.seconds = time.monotonic() - started
        last = progress.step == settings.steps
        if last or progress.step % settings.validate_every == 0:
            kept = interpolated(average.module if average else backbone.module, start, settings.interpolate)
            with swapped(backbone, kept), _told_with_step(progress.step):
                _validate(backbone, accelerator, progress, score, out, quiet)
        if last or progress.step % settings.save_every == 0 or progress.step % settings.validate_every == 0:
            save_state(accelerator, out)
    bar.close()
    return progress


def learning_rate(step: int, *, steps: int, warmup: int) -> float:
    """Linear warm-up, then half a cosine down to zero, as a share of the peak."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def _load(samples: Dataset[Sample], settings: Train, accelerator: Accelerator, done: int) -> Iterator[list[Sample]]:
    """Batches of this process from step ``done`` on; a step has ``accumulate`` of them per process."""
    processes, rank = accelerator.num_processes, accelerator.process_index
    size, per_step = settings.batch_size, settings.accumulate * settings.batch_size * processes
    order = [
        first + n
        for first in range(done * per_step, settings.steps * per_step, size * processes)
        for n in range(rank * size, (rank + 1) * size)
    ]
    return iter(
        DataLoader(
            Subset(samples, order),
            batch_size=size,
            num_workers=settings.workers,
            collate_fn=list,
            generator=torch.Generator(),
        )
    )


def _step(
    objective: torch.nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    batches: Sequence[list[Sample]],
    settings: Train,
    accelerator: Accelerator,
    number: int,
) -> dict[str, float]:
    """One optimizer step; the loss is the mean over the decoded masks of all its batches and processes."""
    try:
        return _update(objective, optimizers, batches, settings, accelerator, number)
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"out of memory at step {number} on {_where(batches)}; take {_advice(settings)}. "
            "What was trained so far is kept"
        ) from error


def _update(
    objective: torch.nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    batches: Sequence[list[Sample]],
    settings: Train,
    accelerator: Accelerator,
    number: int,
) -> dict[str, float]:
    terms, masks = _backward(objective, batches, accelerator)
    share = accelerator.reduce(torch.tensor(float(masks), device=accelerator.device), "mean").reciprocal()
    values = torch.stack([accelerator.reduce(value, "mean") * share for value in terms.values()]).tolist()
    means = dict(zip(terms, values, strict=True))
    if not math.isfinite(means["total"]):
        raise TrainingError(
            f"the loss is {means['total']} at step {number} on {_where(batches)}; look at these images and labels, "
            "or lower train.learning_rate. What was trained so far is kept"
        )
    torch._foreach_mul_([p.grad for p in objective.parameters() if p.grad is not None], share)
    if settings.gradient_clip:
        accelerator.clip_grad_norm_(objective.parameters(), settings.gradient_clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return means


def _backward(
    objective: torch.nn.Module, batches: Sequence[list[Sample]], accelerator: Accelerator
) -> tuple[dict[str, torch.Tensor], int]:
    """Gradients of all batches; the terms summed over their decoded masks, and how many masks these are."""
    terms: dict[str, torch.Tensor] = {}
    masks = 0
    for n, batch in enumerate(batches, start=1):
        with nullcontext() if n == len(batches) else accelerator.no_sync(objective):
            sums, count = objective(batch)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Grad strides do not match")  # of 1x1 convolutions
                accelerator.backward(sums["total"])
        masks += count
        for name, value in sums.items():
            terms[name] = terms.get(name, 0) + value.detach()
    return terms, masks


def _where(batches: Sequence[list[Sample]]) -> str:
    return "; ".join(dict.fromkeys(sample.origin for batch in batches for sample in batch))


def _advice(settings: Train) -> str:
    """What takes less memory, the least costly first."""
    advice = []
    if settings.batch_size > 1:
        half = settings.batch_size // 2
        advice.append(f"train.batch_size={half} train.accumulate={settings.accumulate * 2}")
    if settings.parameters == "all":
        if not settings.checkpointing:
            advice.append("train.checkpointing=true")
        advice.append("train.parameters=decoder")
    return ", or ".join(advice) or "a smaller network, or clips of fewer slices"


def _validate(
    backbone: Backbone,
    accelerator: Accelerator,
    progress: Progress,
    score: Score,
    out: Path,
    quiet: bool,
) -> None:
    """Score the weights and keep them as ``checkpoint_last``; the best so far are ``checkpoint_best``, too."""
    backbone.module.eval()
    scores = score()
    mean = sum(scores.values()) / max(len(scores), 1)
    better = mean > progress.best
    if better:
        progress.best, progress.best_step = mean, progress.step
    seconds = round(progress.seconds, 1)
    named = {f"dice {name}": value for name, value in scores.items()}
    losses, progress.losses = progress.losses, []
    terms = {name: sum(step[name] for step in losses) / len(losses) for name in losses[0]}
    line = {"step": progress.step, "seconds": seconds, **terms, **named, "mean dice": mean}
    progress.curve.append({name: round(value, 5) for name, value in line.items()})
    accelerator.log({name: value for name, value in progress.curve[-1].items() if name != "step"}, progress.step)
    if accelerator.is_main_process:
        for name in ("last", "best") if better else ("last",):
            save_weights(backbone, out, f"checkpoint_{name}")
        write_csv(out / "curve.csv", list(progress.curve[-1]), progress.curve)
        if not quiet:
            words = "  ".join(f"{name} {value:g}" for name, value in progress.curve[-1].items())
            tqdm.write(words, file=sys.stderr)


@contextmanager
def _told_with_step(step: int) -> Iterator[None]:
    """A network that can no longer answer ends the training, in one line that names the step."""
    try:
        yield
    except CaseError as error:
        raise TrainingError(
            f"the validation at step {step} failed: {error}. Where weights went astray, lower train.learning_rate. "
            "What was trained so far is kept"
        ) from error


def _stale(progress: Progress, settings: Train) -> bool:
    """Whether so many validations in a row brought nothing better that early stopping ends the training."""
    waited = (progress.step - progress.best_step) // settings.validate_every
    return bool(settings.stop_after and progress.curve and waited >= settings.stop_after)
