"""The files of a finished run that tell its story: tables, summary, failures, run.json and the report."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from usframe.files import write_csv, write_json
from usframe.launch import describe_run
from usframe.metrics import summarise, table, write_metrics
from usframe.report import write_report
from usframe.schema import Predict
from usframe.types import Backbone

INTERRUPTED = "interrupted"
SETTINGS = (
    "mode",
    "frames",
    "patience",
    "z_range",
    "layout",
    "intensity",
    "components",
    "box_margin",
    "multimask",
)
NUMBER = re.compile(r"\d[\d.e+-]*")


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
    failures = list_failures(results)
    run = describe_work(config, backbone, results, seconds, processes)
    summary = {
        "cases": {"total": len(results), "failed": len(failures)},
        "slices": run["slices"],
        "scores": summarise(rows, seed=config.seed),
    }
    write_metrics(out / "metrics.csv", rows)
    write_csv(out / "failures.csv", ("case", "stage", "error"), failures)
    write_json(out / "summary.json", summary)
    write_json(out / "run.json", run)
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


def describe_work(
    config: Predict, backbone: Backbone, results: Sequence[CaseResult], seconds: float, processes: int
) -> dict[str, Any]:
    """What run.json holds."""
    return {
        **describe_run(config, backbone, processes, seconds),
        "volumes": config.volumes,
        "labels": config.labels,
        "prompts": list(config.prompts),
        **{key: getattr(config, key) for key in SETTINGS},
        "noise": asdict(config.noise),
        "postprocess": asdict(config.postprocess),
        "oracle_prompts": sorted({name for result in results for name in result.oracle_prompts}),
        **_totals(config, results, seconds),
        "notes": _notes(results),
    }


def list_failures(results: Sequence[CaseResult]) -> list[dict[str, str]]:
    """The rows of failures.csv."""
    return [
        {"case": result.case, "stage": result.stage, "error": result.error} for result in results if result.error
    ]


def print_failures(results: Sequence[CaseResult]) -> None:
    """One line on standard error for every case that failed, and one for those that Ctrl-C left undone."""
    for result in results:
        if result.error and result.stage != INTERRUPTED:
            print(f"Error: case {result.case} ({result.stage}): {result.error}", file=sys.stderr)
    if undone := [result.case for result in results if result.stage == INTERRUPTED]:
        print(f"Error: interrupted, {counted(len(undone), 'case')} not done (see failures.csv)", file=sys.stderr)


def print_results(answer: Mapping[str, Any], seconds: float) -> None:
    """The scores, what was assumed, and where the files are, for the terminal."""
    cases, slices = answer["cases"], answer["slices"]
    empty = slices["without_object"]
    done = cases["total"] - cases["failed"]
    if answer["scores"]:
        print(table(answer["scores"]))
    for note in answer["notes"]:
        print(f"note: {note}")
    print(
        f"{done} of {counted(cases['total'], 'case')}, {counted(slices['encoded'], 'slice')} in {seconds:.0f} s"
        + ("; no labels, no scores" if empty is None else f"; {counted(empty, 'slice')} without an object")
    )
    parts = ("masks", "overlays", "metrics.csv", "summary.json", "report.html")
    print(f"Wrote {answer['out']}/: {', '.join(part for part in parts if Path(answer['out'], part).exists())}")


def _totals(config: Predict, results: Sequence[CaseResult], seconds: float) -> dict[str, Any]:
    """Slices and seconds of all cases together; without labels, nobody knows which slices have no object."""
    stages: dict[str, float] = {}
    slices: dict[str, Any] = {"total": 0, "encoded": 0, "without_object": 0 if config.labels else None}
    for result in results:
        for stage, spent in result.seconds.items():
            stages[stage] = round(stages.get(stage, 0.0) + spent, 4)
        for kind, count in result.slices.items():
            slices[kind] += count
    speed = round(slices["encoded"] / seconds, 3) if seconds else 0.0
    return {"slices": slices, "seconds_per_stage": stages, "slices_per_second": speed}


def _notes(results: Sequence[CaseResult]) -> list[str]:
    """Every note once, with the number of cases it holds for; those that differ in numbers only are one."""
    found: dict[str, tuple[str, list[str]]] = {}
    for result in results:
        for note in dict.fromkeys(result.notes):
            found.setdefault(NUMBER.sub("#", note), (note, []))[1].append(result.case)
    return [f"{note} ({counted(len(cases), 'case')}, first {cases[0]})" for note, cases in found.values()]


def counted(number: int, what: str) -> str:
    """1 case, 2 cases."""
    return f"{number} {what}{'' if number == 1 else 's'}"
