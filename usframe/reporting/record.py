"""The record of what ran where: enough to repeat a run and to judge its speed."""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from usframe.config.schema import Common, Networked
from usframe.inference.checkpoints import resolve_precision, sha256
from usframe.types import Backbone

PACKAGES = ("usframe", "torch", "sam2", "accelerate", "numpy", "opencv-python", "nibabel", "SimpleITK")


def describe_run(config: Networked, backbone: Backbone, processes: int, seconds: float) -> dict[str, Any]:
    """The part of run.json that every task with a network has: enough to repeat it and to judge its speed."""
    device = next(backbone.module.parameters()).device
    checkpoint = backbone.checkpoint
    return describe_host(config, seconds) | {
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "precision": resolve_precision(config.precision, str(device)),
        "processes": processes,
        "backbone": config.backbone,
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "checkpoint_sha256": None if checkpoint is None else sha256(checkpoint),
        "peak_memory": _peak_memory(device),
    }


def describe_host(config: Common, seconds: float) -> dict[str, Any]:
    """The part of run.json that every task has."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["usframe", *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "platform": platform.platform(),
        "seed": config.seed,
        "seconds": round(seconds, 3),
        "peak_memory": _peak_memory(torch.device("cpu")),
    }


def _peak_memory(device: torch.device) -> dict[str, int]:
    """The most memory this process had so far, in MiB; the host's is not known on Windows."""
    peak = {}
    if sys.platform != "win32":
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        peak["host_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
    if device.type == "cuda":
        peak["device_mb"] = torch.cuda.max_memory_allocated(device) // 2**20
    return peak


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
