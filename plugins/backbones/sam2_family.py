"""The networks that can be named: SAM 2.1 in four sizes, MedSAM2, and the demo network.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024; Ma et al., "MedSAM2: Segment Anything in 3D
Medical Images and Videos", 2025 (SAM 2.1 Hiera-tiny at 512 pixels).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from usframe import find_checkpoint, load_weights
from usframe.types import Weights

from .learned_prompts import learn, objects_in
from .sam2_verbs import Sam2Backbone


class Undrawn(TorchFunctionMode):
    """Within it, what torch's layers draw at random, for others to take its place, is zero."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in (torch.nn.init.kaiming_uniform_, torch.nn.init.uniform_):
            return given["tensor"].data.zero_()
        return func(*args, **given)


@dataclass(frozen=True)
class Network:
    """A factory of backbones: what the network is, its YAML, input size, and the checkpoint it is published with.

    ``about`` becomes the docstring of the factory.
    """

    about: str
    config: str
    image_size: int
    checkpoint: str
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.about)

    def build(self) -> Any:
        """The SAM2Base network with fresh weights."""
        from hydra.utils import instantiate
        from omegaconf import OmegaConf

        package, _, name = self.config.partition(":")
        config = OmegaConf.create((files(package) / name).read_text(encoding="utf-8")).model
        config.image_size = self.image_size
        grid = [self.image_size // 16] * 2
        config.memory_attention.layer.self_attention.feat_sizes = grid
        config.memory_attention.layer.cross_attention.feat_sizes = grid
        return instantiate(config)

    def __call__(self, *, weights: Weights, device: str, precision: str) -> Sam2Backbone:
        """Raises `CheckpointError` for weights that are missing or do not fit."""
        if weights == "random":
            return Sam2Backbone(self.build(), None, device, precision)
        given = weights if isinstance(weights, Path) else None
        path = find_checkpoint(given, filename=self.checkpoint, source=self.source)
        with Undrawn():
            network = self.build()
        load_weights(network, path, prepare=partial(_make_room, network))
        return Sam2Backbone(network, path, device, precision)


def _make_room(network: Any, state: Mapping[str, Any]) -> None:
    """For the prompts that a fine-tuned checkpoint has learned."""
    if objects := objects_in(state):
        learn(network, objects)


def _by_name(filename: str) -> str:
    return f"(`usframe weights get {filename.removesuffix('.pt')}` does so)"


def _sam21(short: str, name: str, image_size: int) -> Network:
    filename = f"sam2.1_hiera_{name}.pt"
    trunk = name.replace("_plus", "+")
    return Network(
        f"SAM 2.1 Hiera-{trunk} at {image_size} pixels, trained on photographs and videos at 1024.",
        f"sam2:configs/sam2.1/sam2.1_hiera_{short}.yaml",
        image_size,
        filename,
        f"https://dl.fbaipublicfiles.com/segment_anything_2/092824/{filename} {_by_name(filename)}",
    )


demo = Network(
    "The demo network: a small SAM 2 at 256 pixels, trained on simulated ultrasound.",
    "usframe_plugins.backbones:demo.yaml",
    256,
    "demo.safetensors",
    "`make checkpoint`, which trains it",
)
demo_128 = replace(demo, image_size=128, about="The demo network at 128 pixels: faster and coarser, for trials.")
sam21_tiny, sam21_tiny_512 = (_sam21("t", "tiny", size) for size in (1024, 512))
sam21_small, sam21_small_512 = (_sam21("s", "small", size) for size in (1024, 512))
sam21_base_plus, sam21_base_plus_512 = (_sam21("b+", "base_plus", size) for size in (1024, 512))
sam21_large, sam21_large_512 = (_sam21("l", "large", size) for size in (1024, 512))
medsam2 = replace(
    sam21_tiny_512,
    about="MedSAM2: SAM 2.1 Hiera-tiny at 512 pixels, trained on medical images and videos.",
    checkpoint="MedSAM2_latest.pt",
    source="https://huggingface.co/wanglab/MedSAM2/resolve/main/MedSAM2_latest.pt " + _by_name("MedSAM2_latest.pt"),
)
