"""The files of a finished run that tell its story: tables, summary, failures, run.json and the report."""

from __future__ import annotations

import csv
import json
import platform
import resource
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from usframe.checkpoints import sha256
from usframe.config import save_experiment
from usframe.errors import RequestError
from usframe.metrics import summarise, table, write_metrics
from usframe.report import write_report
from usframe.schema import Config, Predict
from usframe.types import Backbone

PACKAGES = ("usframe", "torch", "sam2", "accelerate", "numpy", "opencv-python", "nibabel", "SimpleITK")


@dataclass
class CaseResult:
    """What one case leaves behind besides its masks; plain data, gathered from all processes."""

    case: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    slices: dict[str, int] = field(default_factory=dict)
    stage: str = ""
    error: str = ""

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        self.stage = stage
        started = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


def prepare_output(config: Config) -> Path:
    """Make OUT and keep the resolved experiment in it. Raises `RequestError` where an earlier run would be lost."""
    out = Path(config.out or "")
    if (out / "run.json").exists() and not config.overwrite:
        raise RequestError(f"{out} already holds a run; choose another -o, or add overwrite=true to replace it")
    try:
        out.mkdir(parents=True, exist_ok=True)
        save_experiment(config, out / "experiment.yaml")
    except OSError as error:
        raise RequestError(f"cannot write to {out}: {error.strerror}; choose another -o") from error
    return out


def write_results(
    config: Predict,
    backbone: Backbone,
    results: Sequence[CaseResult],
    seconds: float,
    processes: int,
    quiet: bool,
    json_output: bool,
) -> None:
    """Write every table of OUT and print what a user wants to know first."""
    out = Path(config.out or "")
    rows = [row for result in results for row in result.rows]
    failures = [
        {"case": result.case, "stage": result.stage, "error": result.error} for result in results if result.error
    ]
    run = describe_run(config, backbone, results, seconds, processes)
    summary = {
        "cases": {"total": len(results), "failed": len(failures)},
        "slices": run["slices"],
        "scores": summarise(rows, seed=config.seed),
    }
    write_metrics(out / "metrics.csv", rows)
    _write_failures(out / "failures.csv", failures)
    _write_json(out / "summary.json", summary)
    _write_json(out / "run.json", run)
    overlays = {
        name: [out / "overlays" / name / f"{result.case}.png" for result in results if not result.error]
        for name in (config.prompts if config.overlays else ())
    }
    write_report(
        out / "report.html",
        title=f"{config.backbone} on {Path(config.volumes).resolve().parent.name or config.volumes}",
        summary=summary["scores"],
        slices=run["slices"],
        overlays=overlays,
        run=run,
        failures=failures,
    )
    if json_output:
        print(json.dumps({"out": str(out), **summary, "failures": failures}, indent=2))
    elif not quiet:
        print(table(summary["scores"]))
        for note in _notes(results):
            print(f"note: {note}")
        slices = run["slices"]
        print(
            f"{len(results) - len(failures)} of {len(results)} cases, {slices['encoded']} slices in "
            f"{seconds:.0f} s ({run['slices_per_second']:.2g} slices/s); "
            f"{slices['without_object']} slices without an object were left empty"
        )
        print(f"Wrote {out}/: masks, overlays, metrics.csv, summary.json, report.html")
    for failure in failures:
        print(f"Error: case {failure['case']} ({failure['stage']}): {failure['error']}", file=sys.stderr)


def describe_run(
    config: Predict, backbone: Backbone, results: Sequence[CaseResult], seconds: float, processes: int
) -> dict[str, Any]:
    """What run.json holds: enough to repeat the run and to judge its speed."""
    stages: dict[str, float] = {}
    slices = {"total": 0, "encoded": 0, "without_object": 0}
    for result in results:
        for stage, spent in result.seconds.items():
            stages[stage] = round(stages.get(stage, 0.0) + spent, 4)
        for kind, count in result.slices.items():
            slices[kind] += count
    checkpoint = backbone.checkpoint
    device = next(backbone.module.parameters()).device
    memory = {"host_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
    if device.type == "cuda":
        memory["device_mb"] = round(torch.cuda.max_memory_allocated(device) / 2**20)
    return {
        "command": shlex.join(["usframe", *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
        "precision": config.precision,
        "processes": processes,
        "backbone": config.backbone,
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "checkpoint_sha256": None if checkpoint is None else sha256(checkpoint),
        "seed": config.seed,
        "prompts": list(config.prompts),
        "slices": slices,
        "seconds": round(seconds, 3),
        "seconds_per_stage": stages,
        "slices_per_second": round(slices["encoded"] / seconds, 3) if seconds else 0.0,
        "peak_memory": memory,
        "notes": _notes(results),
    }


def _notes(results: Sequence[CaseResult]) -> list[str]:
    """Every note once, with the number of cases it holds for."""
    count: dict[str, list[str]] = {}
    for result in results:
        for note in dict.fromkeys(result.notes):
            count.setdefault(note, []).append(result.case)
    return [f"{note} ({len(cases)} cases, first {cases[0]})" for note, cases in count.items()]


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found


def _write_failures(path: Path, failures: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=("case", "stage", "error"))
        writer.writeheader()
        writer.writerows(failures)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
