"""The record of what ran where: enough to repeat a run and to judge its speed."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypedDict

import torch

from usframe.config.schema import Common, Networked
from usframe.errors import RequestError
from usframe.inference.checkpoints import resolve_precision, sha256
from usframe.reporting.results import SliceCounts
from usframe.types import Backbone

PACKAGES = ("usframe", "torch", "sam2", "accelerate", "numpy", "opencv-python", "nibabel", "SimpleITK")

OF_NETWORK = (
    *("versions", "platform", "device", "device_name", "precision"),
    *("backbone", "checkpoint", "checkpoint_sha256"),
)


class RunRecord(TypedDict, total=False):
    """What run.json holds: the first part is every task's, the next every network's, then what tasks add."""

    date: str
    command: str
    versions: dict[str, str]
    platform: str
    seed: int
    seconds: float
    peak_memory: dict[str, int]

    device: str
    device_name: str
    precision: str
    processes: int
    shards: int
    backbone: str
    checkpoint: str | None
    checkpoint_sha256: str | None

    volumes: str | None
    labels: str | None
    slices: SliceCounts
    seconds_per_stage: dict[str, float]
    notes: list[str]

    masks: str

    prompts: list[Any]
    mode: str
    frames: str | list[int]
    fill: str
    drift: dict[str, Any]
    patience: int
    z_range: str | list[int] | None
    layout: str
    intensity: str
    components: str
    box_margin: float
    multimask: str
    noise: dict[str, float]
    postprocess: dict[str, Any]
    oracle_prompts: list[str]
    slices_per_second: float
    idle_share: float
    noised: dict[str, float]
    seeds: int
    budget: dict[str, Any]

    parameters: Mapping[str, Mapping[str, int]]
    split: dict[str, int]
    loader_share: float
    embeddings: dict[str, int]


@dataclass(frozen=True)
class Identity:
    """Which network it is: its name, the file of its weights, None for fresh ones, and that file's SHA-256."""

    backbone: str
    checkpoint: Path | None
    sha256: str | None


def identify(backbone: Backbone, name: str) -> Identity:
    """The identity of the backbone ``name``, before the first case: its file may be gone after the last.

    Raises `RequestError` where the file that it names cannot be read.
    """
    checkpoint = backbone.checkpoint
    if checkpoint is None:
        return Identity(name, None, None)
    try:
        return Identity(name, Path(checkpoint), sha256(Path(checkpoint)))
    except OSError as error:
        raise RequestError(
            f"backbone {name} says that its weights are those of {checkpoint}, which cannot be read "
            f"({error.strerror or error}); its `checkpoint` must be a file, or None for fresh weights"
        ) from error


def describe_run(
    config: Networked, identity: Identity, device: torch.device | str, processes: int, seconds: float
) -> RunRecord:
    """The part of run.json that every task with a network has: enough to repeat it and to judge its speed."""
    device = torch.device(device)
    cuda = device.type == "cuda"
    return {
        **describe_host(config, seconds),
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if cuda else platform.machine(),
        "precision": resolve_precision(config.precision, str(device)),
        "processes": processes,
        "backbone": identity.backbone,
        "checkpoint": None if identity.checkpoint is None else str(identity.checkpoint),
        "checkpoint_sha256": identity.sha256,
        "peak_memory": _peak_memory(device),
    }


def joined_record(runs: Sequence[Mapping[str, Any]], config: Networked) -> tuple[RunRecord, list[str]]:
    """The same of a run that is put together of those of its shards, and a note on what these differ in.

    ``seconds`` and ``processes`` are summed.
    """
    first = runs[0]
    told = {key: dict.fromkeys(str(run.get(key)) for run in runs) for key in ("device_name", "precision")}
    peaks = [(kind, most) for run in runs for kind, most in run["peak_memory"].items()]
    record: RunRecord = {
        **describe_host(config, sum(run["seconds"] for run in runs)),
        **{key: first[key] for key in OF_NETWORK},  # type: ignore[typeddict-item]
        "processes": sum(run["processes"] for run in runs),
        "shards": len(runs),
        "peak_memory": {kind: max(most for one, most in peaks if one == kind) for kind, _ in peaks},
    }
    return record, [f"shards differ in {key}: {', '.join(words)}" for key, words in told.items() if len(words) > 1]


def describe_host(config: Common, seconds: float) -> RunRecord:
    """The part of run.json that every task has."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["usframe", *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}},
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


def version_of(package: str) -> str:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
