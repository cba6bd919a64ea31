"""A finished budget: its tables, picture and report, and what the terminal says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypedDict

from usframe.errors import escape
from usframe.files import write_csv, write_json
from usframe.reporting.budget.page import heading, lines_of, plot, write_page
from usframe.reporting.record import RunRecord
from usframe.reporting.results import FAILURE_COLUMNS, CaseResult, Failure, SliceCounts, list_failures
from usframe.reporting.text import columns, counted, written
from usframe.scoring.budget import (
    Cell,
    Reached,
    RuleTest,
    averaged,
    compare_rules,
    find_reached,
    list_cells,
    merge_seeds,
    say_better,
    say_reached,
)
from usframe.scoring.metrics import Row
from usframe.scoring.table import object_names, write_metrics

FILES = ("budget.png", "budget.csv", "metrics.csv", "summary.json", "report.html")


class BudgetSummary(TypedDict):
    """What summary.json holds. ``cases``: ``total`` and ``failed``. ``sentences``: all of it in words."""

    cases: dict[str, int]
    slices: SliceCounts
    scores: list[Cell]
    targets: list[Reached]
    tests: list[RuleTest]
    sentences: list[str]
    names: dict[str, str]


class BudgetAnswer(BudgetSummary):
    """What ``--json`` prints."""

    out: str
    failures: list[Failure]
    notes: list[str]


def write_budget(
    out: Path,
    results: Sequence[CaseResult],
    run: RunRecord,
    *,
    title: str,
    target: Sequence[float],
    played: Collection[str],
) -> BudgetAnswer:
    """Write every table of OUT, the plot, run.json and the report. Raises `WriteError`.

    ``run``: what run.json holds, see `usframe.reporting.run.describe_work`. ``played``: the rules that were asked
    after every answer.
    """
    failures = list_failures(results)
    scored = [row for result in results for row in result.rows]
    rows, names = merge_seeds(scored), object_names(scored)
    cells = list_cells(rows, names, seed=run["seed"])
    reached, tests = find_reached(cells, target), compare_rules(rows, played)
    most = max((cell["slices"] for cell in cells), default=0)
    summary: BudgetSummary = {
        "cases": {"total": len(results), "failed": len(failures)},
        "slices": run["slices"],
        "scores": cells,
        "targets": reached,
        "tests": tests,
        "sentences": [*say_reached(reached, most), *say_better(tests, cells)],
        "names": names,
    }
    write_metrics(out / "metrics.csv", list(map(_with_draw, scored)))
    write_csv(out / "budget.csv", list(Cell.__annotations__), cells)
    write_csv(out / "failures.csv", FAILURE_COLUMNS, failures)
    write_json(out / "summary.json", summary)
    write_json(out / "run.json", run)
    if shown := averaged(cells):
        plot(out / "budget.png", shown, target)
    write_page(
        out / "report.html",
        title=title,
        cells=cells,
        sentences=summary["sentences"],
        tests=tests,
        target=target,
        run=run,
        failures=failures,
    )
    return {"out": str(out), **summary, "failures": failures, "notes": run["notes"]}


def print_budget(answer: BudgetAnswer, seconds: float) -> None:
    """The table, what it says, what was assumed, and where the files are, for the terminal."""
    cases, encoded = answer["cases"], answer["slices"]["encoded"]
    if shown := averaged(answer["scores"]):
        print(heading(shown))
        print(_table(shown))
    for line in answer["sentences"]:
        print(escape(line))
    for note in answer["notes"]:
        print(escape(f"note: {note}"))
    done = f"{cases['total'] - cases['failed']} of {counted(cases['total'], 'case')}"
    print(f"{done}, {counted(encoded, 'slice')} encoded in {seconds:.0f} s")
    print(written(Path(answer["out"]), FILES))


def _table(cells: Sequence[Cell]) -> str:
    """A line per rule and way, a column per number of slices."""
    numbers = sorted({cell["slices"] for cell in cells})
    lines = [["rule", "fill", *map(str, numbers)]]
    for rule, fill, found in lines_of(cells):
        means = [found[number]["mean"] if number in found else None for number in numbers]
        lines.append([rule, fill, *("-" if one is None else f"{one:.3f}" for one in means)])
    return columns(lines)


def _with_draw(row: Row) -> Row:
    """The row as metrics.csv has it: of a rule that chose several times, which time is said."""
    return {**row, "prompt": f"{row['prompt']} (draw {row['draw']})", "draw": 0} if row["draw"] else row
