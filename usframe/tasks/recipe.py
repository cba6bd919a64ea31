"""What the trainings have in common: network, strategies, samples, objective and validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator

from usframe.config.named import bound
from usframe.config.schema import Metrics, Trained
from usframe.data.clips import Source
from usframe.errors import PluginError, UsframeError
from usframe.inference.checkpoints import load_backbone
from usframe.plugins import Plugins
from usframe.plugins.registry import blame
from usframe.scoring.metrics import Scoring
from usframe.training.augmentation import Augment
from usframe.training.clips import Clips, Free, Mixture
from usframe.training.objectives import Encoder, encode_samples
from usframe.training.parameters import set_up
from usframe.training.validation import Validation
from usframe.types import Backbone, PromptStrategy


def load_trainable(config: Trained, accelerator: Accelerator, plugins: Plugins) -> Backbone:
    """The backbone of ``config`` on the device of this process, set up as ``config.train`` says.

    Its weights stay float32 whatever the precision is: Accelerate computes in less where that is safe.
    """
    backbone = load_backbone(
        config.backbone,
        checkpoint=config.checkpoint,
        device=str(accelerator.device),
        precision="fp32",
        plugins=plugins,
    )
    set_up(backbone, config.train)
    return backbone


def strategies_of(config: Trained, plugins: Plugins) -> dict[str, PromptStrategy]:
    """The prompt strategies of a training by what they are called in its tables."""
    return {named.label: bound(named, plugins) for named in config.strategies()}


def make_samples(
    config: Trained, source: Source, plugins: Plugins, *, objects: Sequence[int] = (), **options: Any
) -> Clips:
    """The training samples of ``source``; ``options`` of `Clips`. ``objects``: those that free prompts are for."""
    augmentations = {named.name: (bound(named, plugins), named.number) for named in config.augmentations()}
    shares = {named.label: named.number for named in config.strategies()}
    mixture = Mixture(strategies_of(config, plugins), shares)
    return Clips(
        source,
        seed=config.seed,
        strategy=mixture,
        free=Free(mixture.everywhere, mixture.free, tuple(objects)) if mixture.free else None,
        noise=config.noise,
        objects=config.train.objects_per_image,
        rounds=config.train.prompts_per_object,
        augment=Augment(augmentations) if augmentations else None,
        **options,
    )


def make_objective(
    config: Trained, backbone: Backbone, plugins: Plugins, encode: Encoder | None = None
) -> torch.nn.Module:
    """What a training step minimises, as ``train.recipe`` has it, of the losses in ``train.losses``.

    Raises `PluginError` for a recipe that cannot be built.
    """
    recipe = plugins.objectives.get(config.train.recipe)
    losses = {named.name: (bound(named, plugins), named.number) for named in config.losses()}
    encoder: Encoder = encode or (lambda samples: encode_samples(backbone, samples))
    try:
        objective = recipe(backbone, losses, encode=encoder, corrections=config.train.corrections)
    except UsframeError:
        raise
    except Exception as error:
        raise PluginError(f"train.recipe={config.train.recipe} cannot be built: {blame(error)}") from error
    if not isinstance(objective, torch.nn.Module):
        got = type(objective).__name__
        raise PluginError(f"train.recipe={config.train.recipe} is no recipe: it made a {got}, not a torch module")
    return objective


def validation_of(
    config: Trained,
    backbone: Backbone,
    strategies: dict[str, PromptStrategy],
    plugins: Plugins,
    accelerator: Accelerator,
) -> Validation:
    """Dice from each of ``strategies``."""
    scoring = Scoring({"dice": plugins.metrics.get("dice")}, Metrics())
    return Validation(backbone, strategies, scoring, accelerator)
