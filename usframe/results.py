"""The files of a finished run that tell its story: tables, summary, failures, run.json and the report."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usframe.launch import describe_run
from usframe.metrics import summarise, table, write_metrics
from usframe.report import write_report
from usframe.schema import Predict
from usframe.types import Backbone


@dataclass
class CaseResult:
    """What one case leaves behind besides its masks; plain data, gathered from all processes."""

    case: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    slices: dict[str, int] = field(default_factory=dict)
    oracle_prompts: list[str] = field(default_factory=list)
    stage: str = ""
    error: str = ""

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        self.stage = stage
        started = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


def write_results(
    config: Predict, backbone: Backbone, results: Sequence[CaseResult], seconds: float, processes: int
) -> dict[str, Any]:
    """Write every table of OUT and the report; returns the summary with the failures, as ``--json`` prints it."""
    out = Path(config.out or "")
    rows = [row for result in results for row in result.rows]
    done = [result.case for result in results if not result.error]
    failures = [
        {"case": result.case, "stage": result.stage, "error": result.error} for result in results if result.error
    ]
    run = {
        **describe_run(config, backbone, processes, seconds),
        "volumes": config.volumes,
        "labels": config.labels,
        "prompts": list(config.prompts),
        "oracle_prompts": sorted({name for result in results for name in result.oracle_prompts}),
        **_totals(results, seconds),
        "notes": _notes(results),
    }
    summary = {
        "cases": {"total": len(results), "failed": len(failures)},
        "slices": run["slices"],
        "scores": summarise(rows, seed=config.seed),
    }
    write_metrics(out / "metrics.csv", rows)
    _write_failures(out / "failures.csv", failures)
    _write_json(out / "summary.json", summary)
    _write_json(out / "run.json", run)
    write_report(
        out / "report.html",
        title=f"{config.backbone} on {Path(config.volumes).resolve().parent.name or config.volumes}",
        summary=summary["scores"],
        slices=run["slices"],
        overlays={
            name: [out / "overlays" / name / f"{case}.png" for case in done]
            for name in (config.prompts if config.overlays else ())
        },
        run=run,
        failures=failures,
    )
    return {"out": str(out), **summary, "failures": failures, "notes": run["notes"]}


def print_results(answer: Mapping[str, Any], seconds: float) -> None:
    """The scores, what was assumed, and where the files are, for the terminal."""
    cases, slices = answer["cases"], answer["slices"]
    done = cases["total"] - cases["failed"]
    if done:
        print(table(answer["scores"]))
    for note in answer["notes"]:
        print(f"note: {note}")
    print(
        f"{done} of {cases['total']} cases, {slices['encoded']} slices in {seconds:.0f} s; "
        f"{slices['without_object']} slices without an object were left empty"
    )
    print(f"Wrote {answer['out']}/: {'masks, metrics.csv, ' if done else ''}summary.json, report.html")


def _totals(results: Sequence[CaseResult], seconds: float) -> dict[str, Any]:
    """Slices and seconds of all cases together."""
    stages: dict[str, float] = {}
    slices = {"total": 0, "encoded": 0, "without_object": 0}
    for result in results:
        for stage, spent in result.seconds.items():
            stages[stage] = round(stages.get(stage, 0.0) + spent, 4)
        for kind, count in result.slices.items():
            slices[kind] += count
    speed = round(slices["encoded"] / seconds, 3) if seconds else 0.0
    return {"slices": slices, "seconds_per_stage": stages, "slices_per_second": speed}


def _notes(results: Sequence[CaseResult]) -> list[str]:
    """Every note once, with the number of cases it holds for."""
    count: dict[str, list[str]] = {}
    for result in results:
        for note in dict.fromkeys(result.notes):
            count.setdefault(note, []).append(result.case)
    return [f"{note} ({len(cases)} cases, first {cases[0]})" for note, cases in count.items()]


def _write_failures(path: Path, failures: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=("case", "stage", "error"))
        writer.writeheader()
        writer.writerows(failures)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
