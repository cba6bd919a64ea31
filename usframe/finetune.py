"""Training a backbone with the same four verbs that inference uses, on Accelerate.

`pretrain` learns from simulated slices alone; it made the bundled demo checkpoint.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

from usframe.checkpoints import load_backbone
from usframe.clips import Mixture, Sample, SimulatedSlices
from usframe.decoding import best_candidates, is_ambiguous
from usframe.files import write_csv, write_json
from usframe.geometry import from_model, to_model, to_network
from usframe.launch import describe_run, launch, prepare_output
from usframe.losses import mask_losses
from usframe.plugins import Plugins
from usframe.prompting import Noise
from usframe.schema import Pretrain
from usframe.types import Backbone, Decoded

VALIDATION_SEED = 2**31  # no slice trained on is validated on: those are numbered from a multiple of 10**8


class SliceObjective(torch.nn.Module):
    """The loss of a batch of slices: encode each once, decode all its prompts, compare."""

    def __init__(self, backbone: Backbone, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.network = backbone.module
        self.verbs = backbone
        self.weights = weights

    def forward(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        size = self.verbs.image_size // 2
        losses = []
        for decoded, masks in decode_samples(self.verbs, samples):
            target = torch.from_numpy(masks).to(decoded.logits)[:, None]
            target = F.interpolate(target, size=(size, size), mode="area")[:, 0]
            losses.append((len(masks), mask_losses(decoded, target, self.weights)))
        count = sum(n for n, _ in losses)
        return {name: torch.stack([n / count * terms[name] for n, terms in losses]).sum() for name in losses[0][1]}


def decode_samples(backbone: Backbone, samples: Sequence[Sample]) -> list[tuple[Decoded, Any]]:
    """Decoded prompts with their masks (N, H, W), ambiguous prompts (three candidates) apart from the others."""
    images = np.concatenate([to_network(sample.image[None], backbone.image_size) for sample in samples])
    features = backbone.encode(torch.from_numpy(images))
    shape = samples[0].image.shape
    every = [
        (to_model(prompt, (shape[0], shape[1]), backbone.image_size), row, mask)
        for row, sample in enumerate(samples)
        for prompt, mask in zip(sample.prompts, sample.masks, strict=True)
    ]
    parts = []
    for multimask in (False, True):
        chosen = [item for item in every if is_ambiguous(item[0]) == multimask]
        if chosen:
            prompts, index, masks = zip(*chosen, strict=True)
            parts.append((backbone.decode(features, prompts, index, multimask=multimask), np.stack(masks)))
    return parts


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
    objective = SliceObjective(backbone, asdict(config.train.losses))
    settings = config.train
    optimizer = torch.optim.AdamW(
        objective.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate(step, steps=settings.steps, warmup=settings.warmup_steps)
    )
    loader = DataLoader(
        _slices(
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
            running.add(terms)
        schedule.step()
        bar.update()
        if accelerator.is_main_process and (step % settings.validate_every == 0 or step == settings.steps):
            scores = validate(backbone, config, plugins)
            curve.append({"step": step, "seconds": round(time.time() - started, 1), **running.means(), **scores})
            save_checkpoint(backbone, out)
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
    """Mean Dice over the objects of held-out simulated slices, from the clean prompt of each strategy."""
    scores = {}
    backbone.module.eval()
    for name in config.prompt:
        slices = _slices(config, plugins, config.train.validation_images, VALIDATION_SEED, strategy=name)
        dice: list[float] = []
        for start in range(0, len(slices), config.train.batch_size):
            stop = min(start + config.train.batch_size, len(slices))
            samples = [sample for sample in map(slices.__getitem__, range(start, stop)) if sample.prompts]
            with torch.inference_mode():
                parts = decode_samples(backbone, samples)
            for decoded, masks in parts:
                logits = best_candidates(decoded).logits[:, 0]
                predicted = from_model(logits.cpu().numpy(), masks.shape[1:]) > 0
                dice += list(2 * (predicted & masks).sum((1, 2)) / (predicted.sum((1, 2)) + masks.sum((1, 2))))
        scores[f"dice {name}"] = round(float(np.mean(dice)), 4)
    return scores


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


def _slices(
    config: Pretrain, plugins: Plugins, count: int, seed: int, *, strategy: str | None = None
) -> SimulatedSlices:
    names = config.prompt if strategy is None else {strategy: 1.0}
    return SimulatedSlices(
        count,
        seed=seed,
        strategy=Mixture({name: plugins.prompts.get(name) for name in names}, names),
        shape=config.simulate.shape,
        scene=config.simulate.scene,
        noise=Noise() if strategy else Noise(config.noise.box, config.noise.point, config.noise.mask),
        objects=config.train.objects_per_image,
    )
