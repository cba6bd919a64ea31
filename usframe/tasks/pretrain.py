"""Training on simulated clips alone: the task `pretrain`, which made the bundled demo checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict

from usframe.config.schema import Pretrain
from usframe.files import write_json
from usframe.plugins.load import Plugins
from usframe.prompting.strategies import Noise
from usframe.reporting.record import describe_run
from usframe.simulation import simulate
from usframe.simulation.clips import SimulatedClips
from usframe.tasks.launch import launch, prepare_output
from usframe.training.augmentation import Augment
from usframe.training.clips import Clips, Mixture
from usframe.training.loop import fit, load_trainable
from usframe.training.objectives import Objective
from usframe.training.parameters import count_parameters
from usframe.training.validation import Held, mean_dice, score_all

VALIDATION_SEED = 2**31  # nothing trained on is validated on: those seeds begin at a multiple of 10**8
DEPTH = 24  # slices of a held-out volume


def pretrain(config: Pretrain, plugins: Plugins, *, quiet: bool = False) -> int:
    """Train ``config.backbone`` on simulated clips; leaves checkpoints and their curve in ``config.out``.

    Raises `RequestError` where the device or the checkpoint does not fit, `TrainingError` where the training cannot
    go on. Returns the exit status.
    """
    accelerator = launch(config, training=True)
    backbone = load_trainable(config, accelerator, plugins)
    strategies = {name: plugins.prompts.get(name) for name in config.prompt}
    augmentations = {name: (plugins.augmentations.get(name), rate) for name, rate in config.augment.items()}
    drawn = config.simulate
    clips = Clips(
        SimulatedClips(
            drawn.shape,
            seed=config.seed * 10**8,
            scene=drawn.scene,
            faint=drawn.faint,
            clutter=drawn.clutter,
            shortest=2,
        ),
        seed=config.seed,
        strategy=Mixture(strategies, config.prompt),
        noise=Noise(config.noise.box, config.noise.point, config.noise.mask),
        objects=config.train.objects_per_image,
        rounds=config.train.prompts_per_object,
        augment=Augment(augmentations) if augmentations else None,
    )
    out = prepare_output(config, accelerator, resume=True)
    started = time.monotonic()

    def score() -> dict[str, float]:
        held = range(config.train.validation_images)
        found = score_all(backbone, held, lambda n: hold_slice(config, n), strategies, accelerator)
        if config.train.recipe != "slice":
            held = range(config.train.validation_volumes)
            boxes = {"box": plugins.prompts.get("box")}
            found += score_all(backbone, held, lambda n: hold_volume(config, n), boxes, accelerator)
        return mean_dice({**score, "object": 0} for score in found)

    progress = fit(
        Objective(backbone, asdict(config.train.losses), config.train.recipe, corrections=config.train.corrections),
        backbone,
        clips,
        config.train,
        accelerator,
        out,
        score,
        quiet=quiet,
    )
    if accelerator.is_main_process:
        run = describe_run(config, backbone, accelerator.num_processes, time.monotonic() - started)
        write_json(out / "run.json", {**run, "parameters": count_parameters(backbone)})
        write_json(out / "summary.json", progress.curve[-1])
    accelerator.end_training()
    return 0


def hold_slice(config: Pretrain, number: int) -> Iterable[Held]:
    """A held-out slice of the simulator."""
    shape = (1, config.simulate.shape[1], config.simulate.shape[2])
    scan = simulate(VALIDATION_SEED + number, shape=shape, scene=config.simulate.scene)
    yield Held(f"slice {number}", scan.image, scan.labels)


def hold_volume(config: Pretrain, number: int) -> Iterable[Held]:
    """A held-out volume, to be propagated through."""
    shape = (DEPTH, config.simulate.shape[1], config.simulate.shape[2])
    scan = simulate(VALIDATION_SEED + number, shape=shape, scene=config.simulate.scene)
    yield Held(f"volume {number}", scan.image, scan.labels, "propagate")
