"""Training on simulated clips alone: the task `pretrain`, which made the bundled demo checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterable

from usframe.config.schema import Pretrain
from usframe.files import write_json
from usframe.plugins import Plugins
from usframe.reporting.record import describe_run, identify
from usframe.simulation import simulate
from usframe.simulation.clips import SimulatedClips
from usframe.tasks import Output
from usframe.tasks.launch import launch, leave, prepare_output
from usframe.tasks.recipe import load_trainable, make_objective, make_samples, strategies_of, validation_of
from usframe.training.loop import fit
from usframe.training.parameters import count_parameters
from usframe.training.validation import HeldOut, mean_dice

VALIDATION_SEED = 2**31  # nothing trained on is validated on: those seeds begin at a multiple of 10**8
DEPTH = 24  # slices of a held-out volume


def pretrain(config: Pretrain, plugins: Plugins, output: Output) -> int:
    """Train ``config.backbone`` on simulated clips; leaves checkpoints and their curve in ``config.out``.

    Raises `RequestError` where the device or the checkpoint does not fit, `TrainingError` where the training cannot
    go on. Returns the exit status.
    """
    accelerator = launch(config, training=True)
    backbone = load_trainable(config, accelerator, plugins)
    identity = identify(backbone, config.backbone)
    slices = validation_of(config, backbone, strategies_of(config, plugins), plugins, accelerator)
    volumes = validation_of(config, backbone, {"box": plugins.prompts.get("box")}, plugins, accelerator)
    out = prepare_output(config, accelerator, facts={"checkpoint_sha256": identity.sha256})
    started = time.monotonic()

    def score() -> dict[str, float]:
        found = slices.score_all(range(config.train.validation_images), lambda n: hold_out_slice(config, n))
        if config.train.recipe != "slice":
            held_out = range(config.train.validation_volumes)
            found += volumes.score_all(held_out, lambda n: hold_out_volume(config, n))
        for one in found:
            one["object"] = 0
        return mean_dice(found)

    progress = fit(
        make_objective(config, backbone, plugins),
        backbone,
        make_samples(config, make_source(config), plugins),
        config.train,
        accelerator,
        out,
        score,
        quiet=output.quiet,
    )
    if accelerator.is_main_process:
        seconds = time.monotonic() - started
        run = describe_run(config, identity, accelerator.device, accelerator.num_processes, seconds)
        run |= {"parameters": count_parameters(backbone), "loader_share": progress.loader_share}
        write_json(out / "run.json", run)
        write_json(out / "summary.json", progress.curve[-1])
    leave(accelerator)
    return 0


def make_source(config: Pretrain) -> SimulatedClips:
    """The clips that are trained on, another one for every number."""
    drawn = config.simulate
    return SimulatedClips(
        drawn.shape,
        seed=config.seed * 10**8,
        scene=drawn.scene,
        faint=drawn.faint,
        clutter=drawn.clutter,
        shortest=2,
    )


def hold_out_slice(config: Pretrain, number: int) -> Iterable[HeldOut]:
    """A held-out slice of the simulator."""
    shape = (1, config.simulate.shape[1], config.simulate.shape[2])
    scan = simulate(VALIDATION_SEED + number, shape=shape, scene=config.simulate.scene)
    yield HeldOut(f"slice {number}", scan.image, scan.labels)


def hold_out_volume(config: Pretrain, number: int) -> Iterable[HeldOut]:
    """A held-out volume, to be propagated through."""
    shape = (DEPTH, config.simulate.shape[1], config.simulate.shape[2])
    scan = simulate(VALIDATION_SEED + number, shape=shape, scene=config.simulate.scene)
    yield HeldOut(f"volume {number}", scan.image, scan.labels, "propagate")
