"""The numbers of a comparison: its rows over draws, what they come to in each part, and the tests between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations, product
from typing import Any, TypeAlias, TypedDict

from usframe.errors import escape
from usframe.reporting.results import GIVEN, NO_NETWORK
from usframe.reporting.text import counted
from usframe.scoring.baselines import BASELINES
from usframe.scoring.metrics import Row
from usframe.scoring.statistics import ALPHA, holm, least_patients, paired_test
from usframe.scoring.summary import MACRO, Summary, mean_scores, patient_dice

CLEAN, NOISED = "clean", "noised"
JUDGED = {"slice": "all", GIVEN: "all", "propagate": "unprompted"}  # mode -> the slices of the table and the tests

Part: TypeAlias = tuple[str, str]  # mode and condition


class Cell(TypedDict):
    """A row of comparison.csv: one score of one object (or `MACRO`) from one prompt in one part.

    ``network``: whether it is a network's answer. ``oracle``: whether the prompt held the label. ``name``: of the
    object, "" where it has none. Statistics as in `usframe.scoring.summary.Statistics`.
    """

    mode: str
    condition: str
    prompt: str
    network: bool
    oracle: bool
    object: str
    slices: str
    score: str
    mean: float | None
    sd: float | None
    median: float | None
    ci95_low: float | None
    ci95_high: float | None
    n: int
    n_groups: int
    n_undefined: int
    name: str


class PairTest(TypedDict):
    """A row of tests.csv: ``n`` patients, mean ``difference`` of first minus second, why p is ``undefined``."""

    mode: str
    condition: str
    slices: str
    family: str
    first: str
    second: str
    n: int
    difference: float | None
    p: float | None
    p_holm: float | None
    undefined: str


def merge_draws(rows: Iterable[Row]) -> dict[Part, list[Row]]:
    """(mode, condition) -> rows, of which the noised ones are means over the draws."""
    draws: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        part = (row["mode"], NOISED if row["draw"] else CLEAN)
        draws.setdefault((part, row["prompt"], row["case"], row["object"], row["slices"]), []).append(row)
    merged: dict[Part, list[Row]] = {}
    for (part, *_), drawn in draws.items():
        merged.setdefault(part, []).append({**drawn[0], "scores": mean_scores(drawn)})
    return merged


def list_cells(
    scores: Mapping[str, Mapping[str, Summary]], oracles: Collection[str], names: Mapping[str, str]
) -> list[Cell]:
    """The rows of comparison.csv from a summary by mode and condition.

    ``oracles`` had the label as a prompt. ``names``: of objects, by id.
    """
    return [
        cell
        for mode, conditions in scores.items()
        for condition, prompts in conditions.items()
        for prompt in prompts
        for cell in _cells_of(mode, condition, prompt, prompts, oracles, names)
    ]


def _cells_of(
    mode: str, condition: str, prompt: str, summary: Summary, oracles: Collection[str], names: Mapping[str, str]
) -> Iterable[Cell]:
    for name, by_slices in summary[prompt].items():
        for slices, scores in by_slices.items():
            for score, found in scores.items():
                low, high = found["ci95"] or (None, None)
                yield {
                    "mode": mode,
                    "condition": condition,
                    "prompt": prompt,
                    "network": prompt not in BASELINES,
                    "oracle": slices != "unprompted" and prompt in oracles,
                    "object": name,
                    "slices": slices,
                    "score": score,
                    "mean": found["mean"],
                    "sd": found["sd"],
                    "median": found["median"],
                    "ci95_low": low,
                    "ci95_high": high,
                    "n": found["n"],
                    "n_groups": found["n_groups"],
                    "n_undefined": found["n_undefined"],
                    "name": names.get(name, ""),
                }


def shown_cells(cells: Iterable[Cell]) -> list[Cell]:
    """Those of the table and the plot: Dice, mean of objects, on the slices that count in each mode."""
    return [
        cell
        for cell in cells
        if (cell["object"], cell["score"], cell["slices"]) == (MACRO, "dice", JUDGED[cell["mode"]])
    ]


def list_tests(mode: str, condition: str, rows: Iterable[Row]) -> list[PairTest]:
    """The rows of tests.csv for one mode and condition: each pair of strategies, and each with each baseline.

    Compared is the Dice of patients: the mean over the objects of each case, then over the patient's cases. The two
    families of tests are corrected by `holm` apart.
    """
    slices = JUDGED[mode]
    patients = patient_dice([row for row in rows if row["slices"] == slices])
    strategies = [name for name in patients if name not in BASELINES]
    baselines = [name for name in patients if name in BASELINES]
    families = {"strategies": combinations(strategies, 2), NO_NETWORK: product(strategies, baselines)}
    found: list[PairTest] = []
    for family, pairs in families.items():
        named = list(pairs)
        tests = [paired_test(patients[first], patients[second]) for first, second in named]
        adjusted = holm([test.p for test in tests])
        found += [
            {
                "mode": mode,
                "condition": condition,
                "slices": slices,
                "family": family,
                "first": first,
                "second": second,
                "n": test.n,
                "difference": test.difference,
                "p": test.p,
                "p_holm": p_holm,
                "undefined": test.reason,
            }
            for (first, second), test, p_holm in zip(named, tests, adjusted, strict=True)
        ]
    return found


def verdict(tests: Iterable[PairTest]) -> str:
    """How many pairs of one mode and condition differ, and which tests could never have said so."""
    families: dict[str, list[PairTest]] = {}
    for test in tests:
        families.setdefault(test["family"], []).append(test)
    decidable: list[PairTest] = []
    hopeless: dict[int, int] = {}
    patients = 0
    for family in families.values():
        known = [test for test in family if test["p_holm"] is not None]
        number, most = len(known) or len(family), max(test["n"] for test in family)
        if most < least_patients(number) and not any(_differs(test) for test in known):
            hopeless[number], patients = least_patients(number), max(patients, most)
        else:
            decidable += family
    said = []
    if decidable:
        differ, undefined = sum(map(_differs, decidable)), sum(test["p_holm"] is None for test in decidable)
        said.append(f"{differ} of {counted(len(decidable), 'pair')} differ (Holm p < {ALPHA})")
        said += [f"{undefined} undefined"] * bool(undefined)
    if hopeless:
        needed = ", ".join(
            f"{counted(tests, 'test')} need{'s' * (tests == 1)} at least {least}"
            for tests, least in hopeless.items()
        )
        which = "the others " if decidable else ""
        said.append(f"{which}cannot be decided with n = {counted(patients, 'patient')} ({needed})")
    return ", ".join(said)


def _differs(test: PairTest) -> bool:
    return test["p_holm"] is not None and test["p_holm"] < ALPHA


def told(test: PairTest) -> str:
    """A test as a line: the mean difference in Dice over patients, p corrected by Holm where there are several."""
    pair = escape(f"{test['first']} - {test['second']}")
    if test["p_holm"] is None or test["difference"] is None:
        return f"{pair}: {test['undefined']}"
    number = counted(test["n"], "patient")
    return f"{pair}: Dice {test['difference']:+.3f}, p = {test['p_holm']:.3f} (Wilcoxon, Holm; {number})"
