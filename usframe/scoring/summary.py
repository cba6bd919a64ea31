"""Statistics over the cases of a run, and the table that is printed at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from usframe.scoring.metrics import SCORES, Row

MACRO = "macro"


def summarise(rows: Sequence[Row], *, seed: int = 0, resamples: int = 2000) -> dict[str, Any]:
    """``{prompt: {object: {slices: {score: statistics}}}}`` over cases, ready for JSON.

    Objects are ids as text, and "macro": the mean over the objects of each case that have a defined score.
    Statistics: mean, sd (of a sample) and median over cases, ci95 (percentile bootstrap of that mean which draws
    patients with all their cases), n cases of n_groups patients, n_undefined. What is undefined, such as the ci95
    of one patient, is None.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in [*sorted(rows, key=lambda row: row["object"]), *_macro(rows)]:
        groups.setdefault((row["prompt"], str(row["object"]), row["slices"]), []).append(row)
    summary: dict[str, Any] = {prompt: {} for prompt in dict.fromkeys(row["prompt"] for row in rows)}
    for (prompt, name, slices), members in groups.items():
        patients = [row["group"] for row in members]
        summary[prompt].setdefault(name, {})[slices] = {
            score: _statistics([row[score] for row in members], patients, seed, resamples) for score in SCORES
        }
    return summary


def _macro(rows: Iterable[Row]) -> list[Row]:
    """One row per case, prompt and set of slices: the mean over its objects."""
    cases: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        cases.setdefault((row["case"], row["prompt"], row["slices"], row["group"]), []).append(row)
    return [
        {"prompt": prompt, "object": MACRO, "slices": slices, "group": group}
        | {score: _mean([row[score] for row in objects]) for score in SCORES}
        for (_, prompt, slices, group), objects in cases.items()
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _statistics(
    values: Sequence[float | None], patients: Sequence[str], seed: int, resamples: int
) -> dict[str, Any]:
    by_patient: dict[str, list[float]] = {}
    for patient, value in zip(patients, values, strict=True):
        if value is not None:
            by_patient.setdefault(patient, []).append(value)
    defined = np.array([value for value in values if value is not None])
    n = len(defined)
    return {
        "mean": float(defined.mean()) if n else None,
        "sd": float(defined.std(ddof=1)) if n > 1 else None,
        "median": float(np.median(defined)) if n else None,
        "ci95": _interval(list(by_patient.values()), seed, resamples) if len(by_patient) > 1 else None,
        "n": n,
        "n_groups": len(by_patient),
        "n_undefined": len(values) - n,
    }


def _interval(patients: Sequence[Sequence[float]], seed: int, resamples: int) -> list[float]:
    """Percentiles of the mean over cases when patients are drawn with replacement."""
    sums, counts = np.array([sum(cases) for cases in patients]), np.array([len(cases) for cases in patients])
    drawn = np.random.default_rng(seed).integers(len(patients), size=(resamples, len(patients)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return [float(bound) for bound in np.percentile(means, (2.5, 97.5))]


def table(summary: Mapping[str, Any], marks: Mapping[str, str], unit: str = "mm", *, split: bool = False) -> str:
    """A summary as plain text, a line per prompt.

    Over all slices the Dice of every object and of their mean, HD95 in ``unit`` and NSD of the mean; with ``split``
    the mean Dice of prompted and of unprompted slices beside it. ``marks``: prompt -> what is to be said about it.
    """
    objects = sorted({name for found in summary.values() for name in found} - {MACRO}, key=int)
    split_names = ("prompted", "unprompted") if split else ()
    marked = any(marks.get(prompt) for prompt in summary)
    heading = ["prompt", *(f"object {name}" for name in objects), "macro", *split_names, f"HD95 {unit}", "NSD", "n"]
    lines = [heading + ["note"] * marked]
    for prompt, found in summary.items():
        macro = found[MACRO]
        cells = [_number(found[name]["all"]["dice"]) if name in found else "-" for name in objects]
        cells += [_spread(macro["all"]["dice"]), *(_number(macro[slices]["dice"]) for slices in split_names)]
        cells += [_number(macro["all"]["hd95_mm"], 1), _number(macro["all"]["nsd"]), str(macro["all"]["dice"]["n"])]
        lines.append([prompt, *cells, *([marks.get(prompt, "")] * marked)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = {0, len(widths) - 1} if marked else {0}
    rows = [
        "  ".join(str.ljust(cell, width) if n in left else str.rjust(cell, width) for n, (cell, width) in pairs)
        for pairs in (list(enumerate(zip(line, widths, strict=True))) for line in lines)
    ]
    return "\n".join(["Dice over all slices: mean of n cases, ± sd", *map(str.rstrip, rows)])


def _number(statistics: Mapping[str, Any], digits: int = 3) -> str:
    return "-" if statistics["mean"] is None else f"{statistics['mean']:.{digits}f}"


def _spread(statistics: Mapping[str, Any]) -> str:
    return _number(statistics) + ("" if statistics["sd"] is None else f" ± {statistics['sd']:.3f}")
