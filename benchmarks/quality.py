"""How well a run foretold its own scores, and the numbers by which usframe foretells them.

    python benchmarks/quality.py OUT [OUT]...

OUT are results of `usframe run` on labelled volumes with ``metrics.per_slice=true``: their quality.csv is held
against metrics_per_slice.csv and metrics.csv. Prints for each OUT and prompt, over the slices without a prompt
(all slices in slice mode), the mean Dice and the expected one, Spearman's rank correlation, and the share of the
worst tenth of the slices that is among the fifth of the lowest expected Dice; over cases and objects how many
scores lie in the 90 % interval, and the standard deviation of the logarithm of the error about the expected one.
At the end, the weights of `usframe.inference.trust.ANSWER_ERROR` that fit all slices without an agreement, each
OUT and prompt counting the same.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from usframe.inference.trust import LEAST

Row = dict[str, str]
KEY = ("case", "prompt", "mode", "object", "frame")


def main(*places: str) -> None:
    features: list[NDArray[np.float64]] = []
    errors: list[NDArray[np.float64]] = []
    print("| run | prompt | slices | Dice | expected | rank | worst | cases | in interval | width |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for place in map(Path, places):
        true = {of(row): float(row["dice"]) for row in rows_of(place / "metrics_per_slice.csv") if row["dice"]}
        by_prompt: dict[str, list[Row]] = defaultdict(list)
        for row in rows_of(place / "quality.csv"):
            if of(row) in true and row["expected_dice"] and (row["mode"] == "slice" or row["distance"] != "0"):
                by_prompt[row["prompt"]].append(row)
        for prompt, rows in by_prompt.items():
            print(f"| {place.name} | {prompt} |", " | ".join([*judge(rows, true), *cover(place, prompt)]), "|")
            alone = [row for row in rows if not row["agreement"]]
            features.append(np.array([known(row) for row in alone]))
            errors.append(np.log(1 - np.array([true[of(row)] for row in alone]) + LEAST))
    print("ANSWER_ERROR", fit(features, errors))


def rows_of(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def of(row: Row) -> tuple[str, ...]:
    return tuple(row[key] for key in KEY)


def known(row: Row) -> list[float]:
    """What `usframe.inference.trust.foretell` knows of a slice."""
    iou, presence, distance = (float(row[key]) for key in ("predicted_iou", "presence", "distance"))
    return [1.0, np.log(max(1 - iou, 0) + LEAST), np.clip(presence, -10, 10) / 10, np.log1p(distance)]


def judge(rows: Sequence[Row], true: dict[tuple[str, ...], float]) -> list[str]:
    dice = np.array([true[of(row)] for row in rows])
    expected = np.array([float(row["expected_dice"]) for row in rows])
    worst, first = max(1, len(rows) // 10), len(rows) // 5
    found = {*np.argsort(dice)[:worst]} & {*np.argsort(expected)[:first]}
    rank = float(spearmanr(expected, dice).statistic)
    return [
        str(len(rows)),
        *(f"{x:.3f}" for x in (dice.mean(), expected.mean(), rank)),
        f"{len(found) / worst:.2f}",
    ]


def cover(place: Path, prompt: str) -> list[str]:
    """Cases and objects, the share of them whose Dice is in its interval, and how wide that should be."""
    foretold = json.loads((place / "summary.json").read_text(encoding="utf-8"))["expected"].get(prompt, {})
    inside, ratios = [], []
    for row in rows_of(place / "metrics.csv"):
        slices = "all" if row["mode"] == "slice" else "unprompted"
        expected = foretold.get(row["case"], {}).get(row["object"])
        if row["prompt"] == prompt and row["slices"] == slices and row["dice"] and expected:
            dice = float(row["dice"])
            inside.append(expected["low"] <= dice <= expected["high"])
            ratios.append(np.log(max(1 - dice, 1e-3) / max(1 - expected["dice"], 1e-3)))
    return [str(len(inside)), f"{np.mean(inside):.2f}", f"{np.std(ratios):.2f} about {np.mean(ratios):+.2f}"]


def fit(features: Sequence[NDArray[np.float64]], errors: Sequence[NDArray[np.float64]]) -> str:
    used = [n for n, one in enumerate(errors) if len(one)]
    if not used:
        return "cannot be fitted: every slice has an agreement"
    share = np.sqrt(np.concatenate([np.full(len(errors[n]), 1 / len(errors[n])) for n in used]))
    given, wanted = (np.concatenate([parts[n] for n in used]) for parts in (features, errors))
    weights, *_ = np.linalg.lstsq(given * share[:, None], wanted * share)
    return ", ".join(f"{weight:.3f}" for weight in weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
