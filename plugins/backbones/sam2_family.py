"""The networks that can be named: SAM 2.1 in four sizes, MedSAM2, and the demo network.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024; Ma et al., "MedSAM2: Segment Anything in 3D
Medical Images and Videos", 2025 (SAM 2.1 Hiera-tiny at 512 pixels).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from usframe import find_checkpoint, load_weights

from .sam2_verbs import Sam2Backbone

RANDOM = "random"


@dataclass(frozen=True)
class Architecture:
    """A network of the family: its YAML, input size, and the checkpoint it is published with."""

    config: str
    image_size: int
    checkpoint: str
    source: str

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

    def __call__(self, *, checkpoint: Path | None, device: str, precision: str) -> Sam2Backbone:
        network = self.build()
        if str(checkpoint) == RANDOM:
            return Sam2Backbone(network, None, device, precision)
        path = find_checkpoint(checkpoint, filename=self.checkpoint, source=self.source)
        load_weights(network, path)
        return Sam2Backbone(network, path, device, precision)


def _sam21(short: str, name: str) -> Architecture:
    filename = f"sam2.1_hiera_{name}.pt"
    source = f"https://dl.fbaipublicfiles.com/segment_anything_2/092824/{filename}"
    return Architecture(f"sam2:configs/sam2.1/sam2.1_hiera_{short}.yaml", 1024, filename, source)


demo = Architecture(
    "usframe_plugins.backbones:demo.yaml",
    256,
    "demo.safetensors",
    "`make checkpoint`, which trains it",
)
demo_128 = replace(demo, image_size=128)
sam21_tiny = _sam21("t", "tiny")
sam21_small = _sam21("s", "small")
sam21_base_plus = _sam21("b+", "base_plus")
sam21_large = _sam21("l", "large")
sam21_tiny_512, sam21_small_512, sam21_base_plus_512, sam21_large_512 = (
    replace(network, image_size=512) for network in (sam21_tiny, sam21_small, sam21_base_plus, sam21_large)
)
medsam2 = replace(
    sam21_tiny_512,
    checkpoint="MedSAM2_latest.pt",
    source="https://huggingface.co/wanglab/MedSAM2/resolve/main/MedSAM2_latest.pt",
)
