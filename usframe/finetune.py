"""Training a backbone with the same four verbs that inference uses, on Accelerate.

`pretrain` learns from simulated slices alone; it made the bundled demo checkpoint.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from usframe.augmentation import Augment
from usframe.checkpoints import load_backbone
from usframe.clips import Clips, Mixture, SimulatedClips
from usframe.decoding import best_candidates
from usframe.files import write_csv, write_json
from usframe.frames import choose_frames
from usframe.geometry import from_model
from usframe.launch import describe_run, launch, prepare_output
from usframe.objectives import Objective, decode_samples, encode_samples
from usframe.plugins import Plugins
from usframe.prompting import Noise, make_prompts
from usframe.propagate import propagate_slices
from usframe.schema import Pretrain
from usframe.simulation import simulate
from usframe.types import Backbone

VALIDATION_SEED = 2**31  # no slice trained on is validated on: those are numbered from a multiple of 10**8


def learning_rate(step: int, *, steps: int, warmup: int) -> float:
    """Linear warm-up, then half a cosine down to zero, as a share of the peak."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def pretrain(config: Pretrain, plugins: Plugins, *, quiet: bool = False) -> int:
    """Train ``config.backbone`` on simulated slices; leaves a checkpoint and its curve in ``config.out``.

    Raises `RequestError` where the device or the checkpoint does not fit. Returns the exit status.
    """
    accelerator = launch(config, training=True)
    backbone = load_backbone(
        config.backbone,
        checkpoint=config.checkpoint,
        device=str(accelerator.device),
        precision="fp32",
        plugins=plugins,
    )
    objective = Objective(backbone, asdict(config.train.losses), config.train.recipe)
    settings = config.train
    optimizer = torch.optim.AdamW(
        objective.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate(step, steps=settings.steps, warmup=settings.warmup_steps)
    )
    loader = DataLoader(
        _clips(
            config,
            plugins,
            settings.steps * settings.batch_size * accelerator.num_processes,
            config.seed * 10**8,
        ),
        batch_size=settings.batch_size,
        num_workers=settings.workers,
        collate_fn=list,
        persistent_workers=settings.workers > 0,
    )
    objective, optimizer, schedule, loader = accelerator.prepare(objective, optimizer, schedule, loader)
    average = AveragedModel(backbone.module, avg_fn=moving_average(settings.ema))
    out = prepare_output(config, accelerator)
    curve: list[dict[str, float]] = []
    started, running = time.time(), Running()
    bar = tqdm(total=settings.steps, disable=quiet or not accelerator.is_main_process or not sys.stderr.isatty())
    for step, samples in enumerate(loader, start=1):
        samples = [sample for sample in samples if sample.prompts]
        if samples:
            backbone.module.train()
            terms = objective(samples)
            accelerator.backward(terms["total"])
            accelerator.clip_grad_norm_(objective.parameters(), settings.gradient_clip)
            optimizer.step()
            optimizer.zero_grad()
            average.update_parameters(backbone.module)
            running.add(terms)
        schedule.step()
        bar.update()
        if accelerator.is_main_process and (step % settings.validate_every == 0 or step == settings.steps):
            with averaged(backbone, average):
                scores = validate(backbone, config, plugins)
                save_checkpoint(backbone, out)
            curve.append({"step": step, "seconds": round(time.time() - started, 1), **running.means(), **scores})
            write_csv(out / "curve.csv", list(curve[0]), curve)
            if not quiet:
                tqdm.write("  ".join(f"{name} {value:g}" for name, value in curve[-1].items()), file=sys.stderr)
    bar.close()
    if accelerator.is_main_process:
        run = describe_run(config, backbone, accelerator.num_processes, time.time() - started)
        write_json(out / "run.json", run)
        write_json(out / "summary.json", curve[-1])
    return 0


def validate(backbone: Backbone, config: Pretrain, plugins: Plugins) -> dict[str, float]:
    """Mean Dice over the objects of held-out simulated images: slices from the clean prompt of each strategy, and

    the unprompted slices of volumes from one box per object on its largest slice, where the recipe trains memory.
    """
    backbone.module.eval()
    scores = {f"dice {name}": _slice_dice(backbone, config, plugins, name) for name in config.prompt}
    if config.train.recipe != "slice":
        scores["dice propagated"] = _propagated_dice(backbone, config, plugins)
    return {name: round(value, 4) for name, value in scores.items()}


def _slice_dice(backbone: Backbone, config: Pretrain, plugins: Plugins, strategy: str) -> float:
    clips = _clips(config, plugins, config.train.validation_images, VALIDATION_SEED, strategy=strategy)
    dice: list[float] = []
    for start in range(0, len(clips), config.train.batch_size):
        stop = min(start + config.train.batch_size, len(clips))
        samples = [sample for sample in map(clips.__getitem__, range(start, stop)) if sample.prompts]
        with torch.inference_mode():
            parts = decode_samples(backbone, encode_samples(backbone, samples), samples)
        for decoded, masks in parts:
            logits = best_candidates(decoded).logits[:, 0]
            predicted = from_model(logits.cpu().numpy(), masks.shape[1:]) > 0
            dice += list(2 * (predicted & masks).sum((1, 2)) / (predicted.sum((1, 2)) + masks.sum((1, 2))))
    return float(np.mean(dice))


def _propagated_dice(backbone: Backbone, config: Pretrain, plugins: Plugins) -> float:
    _, height, width = config.simulate.shape
    dice: list[float] = []
    for number in range(config.train.validation_volumes):
        scan = simulate(VALIDATION_SEED + number, shape=(24, height, width), scene=config.simulate.scene)
        chosen = choose_frames(scan.labels, "largest")
        prompts = make_prompts(
            scan.labels, plugins.prompts.get("box"), frames=[f for c in chosen.values() for f in c]
        )
        prompts = [prompt for prompt in prompts if prompt.frame in chosen[prompt.object_id]]
        mask = propagate_slices(scan.image, {"": prompts}, backbone)[""].mask
        for prompt in prompts:
            given, wanted = mask == prompt.object_id, scan.labels == prompt.object_id
            given[prompt.frame] = wanted[prompt.frame] = False
            if total := given.sum() + wanted.sum():
                dice.append(2 * (given & wanted).sum() / total)
    return float(np.mean(dice))


def moving_average(decay: float) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor | int], torch.Tensor]:
    """An exponential moving average of weights that forgets faster while it is young; ``decay`` 0 is none."""

    def update(average: torch.Tensor, value: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        return torch.lerp(average, value, 1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return update


@contextmanager
def averaged(backbone: Backbone, average: AveragedModel) -> Iterator[None]:
    """The backbone with the averaged weights, for as long as it is scored and saved."""
    live, backbone.module = backbone.module, average.module
    try:
        yield
    finally:
        backbone.module = live


def save_checkpoint(backbone: Backbone, out: Path) -> None:
    """``checkpoint_last.pt`` as MedSAM2 stores it, and the same weights in half precision as .safetensors."""
    state = {name: value.detach().cpu().contiguous() for name, value in backbone.module.state_dict().items()}
    torch.save({"model": state}, out / "checkpoint_last.pt.part")
    (out / "checkpoint_last.pt.part").replace(out / "checkpoint_last.pt")
    half = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    save_file(half, out / "checkpoint_last.safetensors")


class Running:
    """Means of the loss terms since they were last asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, terms: Mapping[str, torch.Tensor]) -> None:
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())
        self.count += 1

    def means(self) -> dict[str, float]:
        means = {name: round(value / self.count, 4) for name, value in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


def _clips(config: Pretrain, plugins: Plugins, count: int, seed: int, *, strategy: str | None = None) -> Clips:
    """Samples to train on, or slices to validate ``strategy`` on."""
    names = config.prompt if strategy is None else {strategy: 1.0}
    _, height, width = config.simulate.shape
    longest = config.simulate.shape[0] if strategy is None else 1
    augment = {name: (plugins.augmentations.get(name), share) for name, share in config.augment.items()}
    return Clips(
        count,
        SimulatedClips((longest, height, width), scene=config.simulate.scene, shortest=2),
        seed=seed,
        strategy=Mixture({name: plugins.prompts.get(name) for name in names}, names),
        noise=Noise() if strategy else Noise(config.noise.box, config.noise.point, config.noise.mask),
        objects=config.train.objects_per_image,
        rounds=1 if strategy else config.train.prompts_per_object,
        augment=Augment(augment) if strategy is None and augment else None,
    )
