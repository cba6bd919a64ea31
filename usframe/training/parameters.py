"""Which parameters are trained, and how fast each.

A backbone that can be trained in part says which part a parameter belongs to, and how deep in the encoder it
is: ``part_of(name)`` gives ``encoder``, ``memory``, ``decoder`` or ``prompt``, ``depth_of(name)`` 0 (input) to 1
(output).
Layer-wise decay of the learning rate: Howard & Ruder, ULMFiT, 2018; in vision transformers, Bao et al., BEiT, 2022.
Muon: Jordan et al., 2024, with the step size of Liu et al., "Muon is scalable for LLM training", 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from usframe.config.schema import LEARNED, Train
from usframe.errors import RequestError
from usframe.training.lora import add_adapters, is_adapter
from usframe.types import Backbone

PARTS = ("encoder", "memory", "decoder", "prompt")
TRAINED = {
    "prompt": ("prompt",),
    "prompt+decoder": ("prompt", "decoder"),
    "decoder": ("decoder",),
    "decoder+memory": ("decoder", "memory"),
    "lora": ("decoder", "memory", "prompt"),
    "all": PARTS,
}
LAYERS = 12  # steps in which the rate falls from the encoder's output to its input


def set_up(backbone: Backbone, settings: Train) -> None:
    """Leave only ``train.parameters`` trainable, and recompute the encoder where ``train.checkpointing`` says so.

    ``lora`` is adapters of the encoder, and all the rest. Raises `RequestError` where the backbone cannot do so.
    """
    if next(backbone.module.parameters(), None) is None:
        raise RequestError("this backbone has no parameters, so there is nothing to train; take another backbone")
    if settings.optimizer == "muon" and not hasattr(torch.optim, "Muon"):
        raise RequestError(
            f"train.optimizer=muon needs torch 2.9 or later, this is {torch.__version__}; use train.optimizer=adamw"
        )
    trained = TRAINED[settings.parameters]
    if len(trained) < len(PARTS) and not hasattr(backbone, "part_of"):
        raise RequestError(
            f"train.parameters={settings.parameters} is not possible: this backbone does not say what its parts "
            "are; use train.parameters=all"
        )
    if settings.parameters == "lora":
        add_adapters(backbone.module, settings.lora_rank, lambda layer: _part(backbone, layer) == "encoder")
    for name, parameter in backbone.module.named_parameters():
        parameter.requires_grad_(_part(backbone, name) in trained or is_adapter(name))
    if settings.checkpointing:
        if not hasattr(backbone, "checkpoint_encoder"):
            raise RequestError("train.checkpointing=true is not possible: this backbone cannot recompute layers")
        backbone.checkpoint_encoder()


def learn_prompts(backbone: Backbone, objects: Sequence[int]) -> None:
    """Give the backbone fresh prompts, which are trained, for those of the ``objects`` that it has learned none of.

    Raises `RequestError` where it cannot have any.
    """
    if not hasattr(backbone, "learn"):
        raise RequestError(f"this backbone cannot learn prompts; leave prompt.{LEARNED} out")
    backbone.learn(objects)


def encoder_is_frozen(backbone: Backbone) -> bool:
    """Whether no parameter that `encode` uses is trained, so that its answer stays the same."""
    return hasattr(backbone, "part_of") and not any(
        parameter.requires_grad
        for name, parameter in backbone.module.named_parameters()
        if _part(backbone, name) == "encoder"
    )


def make_optimizers(backbone: Backbone, settings: Train) -> list[torch.optim.Optimizer]:
    """AdamW for the trained parameters; where ``optimizer`` is ``muon``, Muon for the weights of linear layers.

    The encoder has ``encoder_learning_rate`` (that of the others where it is null), times ``layer_decay`` to the
    power of how many of twelve layers a parameter lies below the encoder's output. On CUDA a step of AdamW is one
    fused kernel.
    """
    linear = {
        f"{name}.weight"
        for name, module in backbone.module.named_modules()
        if settings.optimizer == "muon" and isinstance(module, torch.nn.Linear)
    }
    groups: dict[bool, dict[float, list[Any]]] = {False: {}, True: {}}
    for name, parameter in backbone.module.named_parameters():
        if parameter.requires_grad:
            groups[name in linear].setdefault(_rate(backbone, name, settings), []).append(parameter)
    others, matrices = (
        [{"params": members, "lr": rate} for rate, members in groups[which].items()] for which in (False, True)
    )
    optimizers: list[torch.optim.Optimizer] = []
    if others:
        cuda = all(members[0].is_cuda for members in groups[False].values())
        optimizers.append(torch.optim.AdamW(others, weight_decay=settings.weight_decay, fused=cuda or None))
    if matrices:
        decay = settings.weight_decay
        optimizers.append(torch.optim.Muon(matrices, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return optimizers


def count_parameters(backbone: Backbone) -> dict[str, dict[str, int]]:
    """``{part: {"trained": n, "frozen": n}}``, numbers of single weights."""
    table = {part: {"trained": 0, "frozen": 0} for part in PARTS}
    for name, parameter in backbone.module.named_parameters():
        table[_part(backbone, name)]["trained" if parameter.requires_grad else "frozen"] += parameter.numel()
    return {part: count for part, count in table.items() if part != "prompt" or any(count.values())}


def _part(backbone: Backbone, name: str) -> str:
    part_of = getattr(backbone, "part_of", None)
    return "decoder" if part_of is None else str(part_of(name))


def _rate(backbone: Backbone, name: str, settings: Train) -> float:
    if _part(backbone, name) != "encoder":
        return settings.learning_rate
    rate = settings.learning_rate if settings.encoder_learning_rate is None else settings.encoder_learning_rate
    depth_of = getattr(backbone, "depth_of", None)
    depth = 1.0 if depth_of is None else float(depth_of(name))
    return rate * float(settings.layer_decay ** round(LAYERS * (1 - depth)))
