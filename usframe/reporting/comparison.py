"""A finished comparison: its tables, tests, plot and report, and what the terminal says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from usframe.errors import escape
from usframe.files import write_csv, write_json
from usframe.reporting.cells import Cell, PairTest, Part, list_cells, list_tests, merge_draws, shown_cells, verdict
from usframe.reporting.comparison_page import plot, table, write_page
from usframe.reporting.quality import write_quality
from usframe.reporting.record import RunRecord
from usframe.reporting.results import FAILURE_COLUMNS, CaseResult, Failure, SliceCounts, list_failures
from usframe.reporting.run import pieces_of, write_rows
from usframe.reporting.text import counted, written
from usframe.scoring.baselines import FROM_LABELS
from usframe.scoring.summary import Summary, summarise
from usframe.scoring.table import object_names

CELL_COLUMNS = (
    *("mode", "condition", "prompt", "network", "oracle", "object", "slices", "score"),
    *("mean", "sd", "median", "ci95_low", "ci95_high", "n", "n_groups", "n_undefined", "name"),
)
FILES = ("comparison.png", "comparison.csv", "tests.csv", "metrics.csv", "summary.json", "report.html")


class ComparisonSummary(TypedDict):
    """What summary.json holds. ``cases``: ``total`` and ``failed``. ``scores``: mode -> condition -> summary.

    ``names``: of objects, by id.
    """

    cases: dict[str, int]
    slices: SliceCounts
    scores: dict[str, dict[str, Summary]]
    tests: list[PairTest]
    names: dict[str, str]


class ComparisonAnswer(ComparisonSummary):
    """What ``--json`` prints: ``table`` are the cells that are shown."""

    out: str
    table: list[Cell]
    failures: list[Failure]
    notes: list[str]


def write_comparison(out: Path, results: Sequence[CaseResult], run: RunRecord, *, title: str) -> ComparisonAnswer:
    """Write every table of OUT, the plot, run.json and the report. Raises `WriteError`.

    ``run``: what run.json holds, see `usframe.reporting.run.describe_work`.
    """
    failures = list_failures(results)
    write_quality(out, list(pieces_of(out, results).values()))
    scored = write_rows(out, results)
    names, merged = object_names(scored), merge_draws(scored)
    scores: dict[str, dict[str, Summary]] = {}
    for (mode, condition), rows in merged.items():
        scores.setdefault(mode, {})[condition] = summarise(rows, seed=run["seed"])
    cells = list_cells(scores, {*run["oracle_prompts"], *FROM_LABELS}, names)
    tests = [test for part, rows in merged.items() for test in list_tests(*part, rows)]
    summary: ComparisonSummary = {
        "cases": {"total": len(results), "failed": len(failures)},
        "slices": run["slices"],
        "scores": scores,
        "tests": tests,
        "names": names,
    }
    told = [{**cell, "network": _said(cell["network"]), "oracle": _said(cell["oracle"])} for cell in cells]
    write_csv(out / "comparison.csv", CELL_COLUMNS, told)
    write_csv(out / "tests.csv", list(PairTest.__annotations__), tests)
    write_csv(out / "failures.csv", FAILURE_COLUMNS, failures)
    write_json(out / "summary.json", summary)
    write_json(out / "run.json", run)
    shown = shown_cells(cells)
    if shown:
        plot(out / "comparison.png", shown)
    write_page(out / "report.html", title=title, cells=shown, tests=tests, run=run, failures=failures)
    return {"out": str(out), **summary, "table": shown, "failures": failures, "notes": run["notes"]}


def print_comparison(answer: ComparisonAnswer, seconds: float) -> None:
    """The table, the tests in a line each, what was assumed, and where the files are, for the terminal."""
    cases, encoded = answer["cases"], answer["slices"]["encoded"]
    if answer["table"]:
        print(table(answer["table"]))
    for (mode, condition), tests in _by_part(answer["tests"]).items():
        print(f"{mode}, {condition}: {verdict(tests)}")
    for note in answer["notes"]:
        print(escape(f"note: {note}"))
    done = f"{cases['total'] - cases['failed']} of {counted(cases['total'], 'case')}"
    print(f"{done}, {counted(encoded, 'slice')} encoded in {seconds:.0f} s")
    print(written(Path(answer["out"]), ("overlays", *FILES)))


def _by_part(tests: Iterable[PairTest]) -> dict[Part, list[PairTest]]:
    parts: dict[Part, list[PairTest]] = {}
    for test in tests:
        parts.setdefault((test["mode"], test["condition"]), []).append(test)
    return parts


def _said(value: bool) -> str:
    return str(value).lower()
