"""The files and the table of a comparison, made from the rows of its metrics.csv."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, product
from pathlib import Path
from typing import Any

from usframe.config.schema import Compare
from usframe.files import write_csv, write_json
from usframe.reporting.comparison_page import plot, table, write_page
from usframe.reporting.run import CaseResult, counted, describe_work, list_failures, write_rows
from usframe.scoring.baselines import BASELINES, COPIED
from usframe.scoring.metrics import SCORES, Row
from usframe.scoring.statistics import holm, paired_test
from usframe.scoring.summary import MACRO, summarise
from usframe.types import Backbone

CLEAN, NOISED = "clean", "noised"
JUDGED = {"slice": "all", "propagate": "unprompted"}  # mode -> the slices that the table and the tests are about
DRAWN = re.compile(r"(.+) \(noised \d+\)")
CELL_COLUMNS = ("mode", "condition", "prompt", "network", "oracle", "object", "slices", "score")
STATISTICS = ("mean", "sd", "median", "ci95_low", "ci95_high", "n", "n_groups", "n_undefined")
TEST_COLUMNS = (
    "mode",
    "condition",
    "slices",
    "family",
    "first",
    "second",
    "n",
    "difference",
    "p",
    "p_holm",
    "undefined",
)
ALPHA = 0.05


def drawn_name(prompt: str, draw: int) -> str:
    """What a strategy is called in metrics.csv: its name, with the number of the draw where that is noised."""
    return f"{prompt} (noised {draw})" if draw else prompt


def write_comparison(
    config: Compare,
    backbone: Backbone,
    results: Sequence[CaseResult],
    seconds: float,
    processes: int,
    *,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write every table of OUT, the plot and the report; returns what ``--json`` prints."""
    out = Path(config.out or "")
    rows = write_rows(out, results)
    failures = list_failures(results)
    run = describe_work(config, backbone, results, seconds, processes)
    run |= {"noised": asdict(config.noised), "seeds": config.seeds, "notes": [*notes, *run["notes"]]}
    merged = merge_draws(rows)
    scores: dict[str, dict[str, Any]] = {}
    for (mode, condition), members in merged.items():
        scores.setdefault(mode, {})[condition] = summarise(members, seed=config.seed)
    cells = list_cells(scores, {*run["oracle_prompts"], COPIED})
    tests = [test for key, members in merged.items() for test in list_tests(*key, members)]
    summary = {
        "cases": {"total": len(results), "failed": len(failures)},
        "slices": run["slices"],
        "scores": scores,
        "tests": tests,
    }
    told = [cell | {key: str(cell[key]).lower() for key in ("network", "oracle")} for cell in cells]
    write_csv(out / "comparison.csv", (*CELL_COLUMNS, *STATISTICS), told)
    write_csv(out / "tests.csv", TEST_COLUMNS, tests)
    write_csv(out / "failures.csv", ("case", "stage", "error"), failures)
    write_json(out / "summary.json", summary)
    write_json(out / "run.json", run)
    shown = shown_cells(cells)
    if shown:
        plot(out / "comparison.png", shown)
    title = f"{config.backbone} on {Path(config.volumes).resolve().parent.name or config.volumes}"
    write_page(out / "report.html", title=title, cells=shown, tests=tests, run=run, failures=failures)
    return {"out": str(out), **summary, "table": shown, "failures": failures, "notes": run["notes"]}


def print_comparison(answer: Mapping[str, Any], seconds: float) -> None:
    """The table, the tests in a line each, what was assumed, and where the files are, for the terminal."""
    cases, slices = answer["cases"], answer["slices"]
    if answer["table"]:
        print(table(answer["table"]))
    for (mode, condition), tests in _by_part(answer["tests"]).items():
        known = [test["p_holm"] for test in tests if test["p_holm"] is not None]
        differ = sum(p < ALPHA for p in known)
        undefined = f", {len(tests) - len(known)} undefined" if len(known) < len(tests) else ""
        print(
            f"{mode}, {condition}: {differ} of {counted(len(tests), 'pair')} differ (Holm p < {ALPHA}){undefined}"
        )
    for note in answer["notes"]:
        print(f"note: {note}")
    done = cases["total"] - cases["failed"]
    print(
        f"{done} of {counted(cases['total'], 'case')}, {counted(slices['encoded'], 'slice')} encoded "
        f"in {seconds:.0f} s"
    )
    parts = (
        "overlays",
        "comparison.png",
        "comparison.csv",
        "tests.csv",
        "metrics.csv",
        "summary.json",
        "report.html",
    )
    print(f"Wrote {answer['out']}/: {', '.join(part for part in parts if Path(answer['out'], part).exists())}")


def _by_part(tests: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for test in tests:
        parts.setdefault((test["mode"], test["condition"]), []).append(test)
    return parts


def merge_draws(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """(mode, condition) -> rows under the plain names of strategies; noised ones are means over the draws."""
    draws: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        noised = DRAWN.fullmatch(row["prompt"])
        prompt, condition = (noised[1], NOISED) if noised else (row["prompt"], CLEAN)
        key = (row["mode"], condition, prompt, row["case"], row["object"], row["slices"])
        draws.setdefault(key, []).append(row)
    merged: dict[tuple[str, str], list[Row]] = {}
    for (mode, condition, prompt, *_), drawn in draws.items():
        row = {**drawn[0], "prompt": prompt} | {score: _mean(row[score] for row in drawn) for score in SCORES}
        merged.setdefault((mode, condition), []).append(row)
    return merged


def list_cells(scores: Mapping[str, Any], oracles: Collection[str]) -> list[dict[str, Any]]:
    """The rows of comparison.csv from a summary by mode and condition; ``oracles`` had the label as a prompt."""
    return [
        {
            "mode": mode,
            "condition": condition,
            "prompt": prompt,
            "network": prompt not in BASELINES,
            "oracle": slices != "unprompted" and prompt in oracles,
            "object": name,
            "slices": slices,
            "score": score,
            "ci95_low": (found["ci95"] or (None, None))[0],
            "ci95_high": (found["ci95"] or (None, None))[1],
            **{key: found[key] for key in STATISTICS if key in found},
        }
        for mode, conditions in scores.items()
        for condition, prompts in conditions.items()
        for prompt, objects in prompts.items()
        for name, by_slices in objects.items()
        for slices in by_slices
        for score, found in by_slices[slices].items()
    ]


def shown_cells(cells: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those of the table and the plot: Dice, mean of objects, on the slices that count in each mode."""
    return [
        dict(cell)
        for cell in cells
        if (cell["object"], cell["score"], cell["slices"]) == (MACRO, "dice", JUDGED[cell["mode"]])
    ]


def list_tests(mode: str, condition: str, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows of tests.csv for one mode and condition: each pair of strategies, and each with each baseline.

    Compared is the Dice of patients: the mean over the objects of each case, then over the patient's cases. The two
    families of tests are corrected by `holm` apart.
    """
    slices = JUDGED[mode]
    patients = patient_dice(row for row in rows if row["slices"] == slices)
    strategies = [name for name in patients if name not in BASELINES]
    baselines = [name for name in patients if name in BASELINES]
    families = {"strategies": combinations(strategies, 2), "no network": product(strategies, baselines)}
    found = []
    for family, pairs in families.items():
        named = list(pairs)
        tests = [paired_test(patients[first], patients[second]) for first, second in named]
        adjusted = holm([test.p for test in tests])
        for (first, second), test, p_holm in zip(named, tests, adjusted, strict=True):
            what = (mode, condition, slices, family, first, second)
            values = (test.n, test.difference, test.p, p_holm, test.reason)
            found.append(dict(zip(TEST_COLUMNS, (*what, *values), strict=True)))
    return found


def patient_dice(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Prompt -> patient -> Dice, of those that have one."""
    cases: dict[tuple[Any, ...], list[float | None]] = {}
    prompts: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        prompts.setdefault(row["prompt"], {})
        cases.setdefault((row["prompt"], row["group"], row["case"]), []).append(row["dice"])
    for (prompt, patient, _), values in cases.items():
        if (dice := _mean(values)) is not None:
            prompts[prompt].setdefault(patient, []).append(dice)
    return {
        prompt: {patient: sum(dice) / len(dice) for patient, dice in patients.items()}
        for prompt, patients in prompts.items()
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
