"""usframe: MedSAM2 on labelled ultrasound volumes.

The public names below are imported on first use, so that ``import usframe`` stays instant.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Augmentation": "usframe.types",
    "Backbone": "usframe.types",
    "Decoded": "usframe.types",
    "Grid": "usframe.types",
    "Memory": "usframe.types",
    "MemoryBackbone": "usframe.types",
    "Metric": "usframe.types",
    "Prompt": "usframe.types",
    "PromptStrategy": "usframe.types",
    "Reader": "usframe.types",
    "Segmentation": "usframe.types",
    "Volume": "usframe.types",
    "CaseError": "usframe.errors",
    "CheckpointError": "usframe.errors",
    "PluginError": "usframe.errors",
    "ReadError": "usframe.errors",
    "RequestError": "usframe.errors",
    "TrainingError": "usframe.errors",
    "UsframeError": "usframe.errors",
    "WriteError": "usframe.errors",
    "hookimpl": "usframe.hookspecs",
    "find_checkpoint": "usframe.inference.checkpoints",
    "finetune": "usframe.tasks.python",
    "load_backbone": "usframe.inference.checkpoints",
    "load_plugins": "usframe.plugins",
    "load_weights": "usframe.inference.checkpoints",
    "read_volume": "usframe.data.reading",
    "segment": "usframe.inference.segment",
    "simulate": "usframe.simulation",
    "write_mask": "usframe.data.writers",
}

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'usframe' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
