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

from usframe.config.schema import Predict
from usframe.files import write_csv, write_json
from usframe.reporting.overlay import write_report
from usframe.reporting.record import describe_run
from usframe.scoring.baselines import BASELINES
from usframe.scoring.metrics import SLICE_COLUMNS, Row, write_metrics
from usframe.scoring.summary import summarise, table
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
    return write_tables(
        Path(config.out or ""),
        results,
        title=f"{config.backbone} on {Path(config.volumes).resolve().parent.name or config.volumes}",
        mode=config.mode,
        seed=config.seed,
        run=describe_work(config, backbone, results, seconds, processes),
        overlays=config.prompts if config.overlays else (),
    )


def write_tables(
    out: Path,
    results: Sequence[CaseResult],
    *,
    title: str,
    mode: str,
    seed: int,
    run: dict[str, Any],
    overlays: Sequence[str],
) -> dict[str, Any]:
    """`write_results` for any task. ``run``: what run.json holds. ``overlays``: the prompts that have pictures."""
    rows = write_rows(out, results)
    failures = list_failures(results)
    summary = {
        "cases": {"total": len(results), "failed": len(failures)},
        "slices": run["slices"],
        "mode": mode,
        "scores": summarise(rows, seed=seed),
        "marks": mark_prompts(rows),
        "unit": unit_of(rows),
    }
    write_csv(out / "failures.csv", ("case", "stage", "error"), failures)
    write_json(out / "summary.json", summary)
    write_json(out / "run.json", run)
    done = [result.case for result in results if not result.error]
    write_report(
        out / "report.html",
        title=title,
        summary=summary["scores"],
        marks=summary["marks"],
        unit=summary["unit"],
        slices=run["slices"],
        overlays={name: [out / "overlays" / name / f"{case}.png" for case in done] for name in overlays},
        run=run,
        failures=failures,
    )
    return {"out": str(out), **summary, "failures": failures, "notes": run["notes"]}


def write_rows(out: Path, results: Sequence[CaseResult]) -> list[Row]:
    """Write metrics.csv, and metrics_per_slice.csv where slices were scored; returns the rows of the former."""
    rows = [row for result in results for row in result.rows]
    if per_slice := [row for row in rows if "frame" in row]:
        write_metrics(out / "metrics_per_slice.csv", per_slice, SLICE_COLUMNS)
    cases = [row for row in rows if "frame" not in row]
    write_metrics(out / "metrics.csv", cases)
    return cases


def mark_prompts(rows: Sequence[Row]) -> dict[str, str]:
    """Prompt -> what is to be said about its scores, for those that are not a network's answer to a question."""
    marks = {row["prompt"]: "no network" for row in rows if row["prompt"] in BASELINES}
    return {row["prompt"]: "oracle" for row in rows if row["oracle"]} | marks


def unit_of(rows: Sequence[Row]) -> str:
    """The unit of the distances: mm, px, or both where it differs between cases."""
    return " or ".join(sorted({row["unit"] for row in rows})) or "mm"


def describe_work(
    config: Predict, backbone: Backbone, results: Sequence[CaseResult], seconds: float, processes: int
) -> dict[str, Any]:
    """What run.json holds."""
    totals = count_totals(results, labelled=config.labels is not None)
    return {
        **describe_run(config, backbone, processes, seconds),
        "volumes": config.volumes,
        "labels": config.labels,
        "prompts": list(config.prompts),
        **{key: getattr(config, key) for key in SETTINGS},
        "noise": asdict(config.noise),
        "postprocess": asdict(config.postprocess),
        "oracle_prompts": sorted({name for result in results for name in result.oracle_prompts}),
        **totals,
        "slices_per_second": round(totals["slices"]["encoded"] / seconds, 3) if seconds else 0.0,
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
    empty, looked_at = slices["without_object"], slices["encoded"] or slices["total"]
    done = cases["total"] - cases["failed"]
    if answer["scores"]:
        split = answer["mode"] == "propagate"
        print(table(answer["scores"], answer["marks"], answer["unit"], split=split))
    for note in answer["notes"]:
        print(f"note: {note}")
    print(
        f"{done} of {counted(cases['total'], 'case')}, {counted(looked_at, 'slice')} in {seconds:.0f} s"
        + ("; no labels, no scores" if empty is None else f"; {counted(empty, 'slice')} without an object")
    )
    parts = ("masks", "overlays", "metrics.csv", "summary.json", "report.html")
    print(f"Wrote {answer['out']}/: {', '.join(part for part in parts if Path(answer['out'], part).exists())}")


def count_totals(results: Sequence[CaseResult], *, labelled: bool) -> dict[str, Any]:
    """Slices and seconds of all cases together, and what is to be known about them."""
    stages: dict[str, float] = {}
    slices: dict[str, Any] = {"total": 0, "encoded": 0, "without_object": 0 if labelled else None}
    for result in results:
        for stage, spent in result.seconds.items():
            stages[stage] = round(stages.get(stage, 0.0) + spent, 4)
        for kind, count in result.slices.items():
            slices[kind] += count
    return {"slices": slices, "seconds_per_stage": stages, "notes": _notes(results)}


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
