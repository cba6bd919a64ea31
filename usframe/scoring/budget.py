"""What labelled slices buy: Dice over their number, how many a wanted Dice takes, and which rule is better."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypedDict

from usframe.config.schema import Fill
from usframe.scoring.statistics import ALPHA, holm, least_patients, paired_test
from usframe.scoring.summary import MACRO, Summary, mean_scores, patient_dice, summarise
from usframe.scoring.table import Row

FILLS: tuple[Fill, ...] = ("memory", "shape", "both")
ALONE = "shape"  # the way that looks at no image


class Spent(NamedTuple):
    """So many ``slices`` of each object, chosen by a ``rule``, and the way in which the others were filled."""

    rule: str
    slices: int
    fill: str

    @property
    def label(self) -> str:
        """What the answer is called in metrics.csv: ``uniform:4 both``."""
        return f"{self.rule}:{self.slices} {self.fill}"

    @classmethod
    def of(cls, label: str) -> Spent:
        """What a `label` was made of."""
        chosen, _, fill = label.rpartition(" ")
        rule, _, slices = chosen.rpartition(":")
        return cls(rule, int(slices), fill)


class Cell(TypedDict):
    """A row of budget.csv: Dice of one object (or `MACRO`) on its slices without a prompt.

    Statistics as in `usframe.scoring.summary.Statistics`. ``name``: of the object, "" where it has none.
    """

    rule: str
    fill: str
    slices: int
    object: str
    mean: float | None
    ci95_low: float | None
    ci95_high: float | None
    n: int
    n_groups: int
    n_undefined: int
    name: str


class Reached(TypedDict):
    """The fewest ``slices`` of an object with a mean Dice of ``target``, by the best of all rules and ways, and
    ``alone`` by the shape. Where none reaches it, ``slices`` is None, and the rest is of the highest mean.
    """

    target: float
    slices: int | None
    rule: str
    fill: str
    mean: float
    alone: int | None


class RuleTest(TypedDict):
    """``n`` patients, mean ``difference`` of the Dice of ``rule`` minus ``other``, why p is ``undefined``."""

    rule: str
    other: str
    fill: str
    slices: int
    n: int
    difference: float | None
    p: float | None
    p_holm: float | None
    undefined: str


Scored: TypeAlias = Sequence[Row]  # of slices without a prompt, prompts called as `Spent.label`


def merge_seeds(rows: Iterable[Row]) -> list[Row]:
    """The rows with the mean over the draws of a rule instead of each of them."""
    draws: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        draws.setdefault((row["prompt"], row["case"], row["object"]), []).append(row)
    return [{**drawn[0], "draw": 0, "scores": mean_scores(drawn)} for drawn in draws.values()]


def list_cells(rows: Scored, names: Mapping[str, str], *, seed: int = 0) -> list[Cell]:
    """The rows of budget.csv, in the order of the run. ``names``: of objects, by id."""
    summary: Summary = summarise(rows, seed=seed) if rows else {}
    cells: list[Cell] = []
    for label, objects in summary.items():
        spent = Spent.of(label)
        for one, by_slices in objects.items():
            found = by_slices["unprompted"]["dice"]
            low, high = found["ci95"] or (None, None)
            cells.append(
                {
                    "rule": spent.rule,
                    "fill": spent.fill,
                    "slices": spent.slices,
                    "object": one,
                    "mean": found["mean"],
                    "ci95_low": low,
                    "ci95_high": high,
                    "n": found["n"],
                    "n_groups": found["n_groups"],
                    "n_undefined": found["n_undefined"],
                    "name": names.get(one, ""),
                }
            )
    return cells


def averaged(cells: Iterable[Cell]) -> list[Cell]:
    """The cells of all objects together, as far as they have a mean."""
    return [cell for cell in cells if cell["object"] == MACRO and cell["mean"] is not None]


def find_reached(cells: Sequence[Cell], target: Sequence[float]) -> list[Reached]:
    """What each wanted Dice takes; none where nothing was scored."""
    shown = averaged(cells)
    found: list[Reached] = []
    for wanted in target if shown else ():
        enough = _fewest(shown, wanted)
        alone = _fewest([cell for cell in shown if cell["fill"] == ALONE], wanted)
        best = enough or max(shown, key=_mean)
        found.append(
            {
                "target": wanted,
                "slices": enough["slices"] if enough else None,
                "rule": best["rule"],
                "fill": best["fill"],
                "mean": _mean(best),
                "alone": alone["slices"] if alone else None,
            }
        )
    return found


def say_reached(reached: Iterable[Reached], most: int) -> list[str]:
    """A sentence per wanted Dice. ``most``: the largest number of slices that was played."""
    said = []
    for one in reached:
        alone = f"{one['alone']}" if one["alone"] else f"more than {most}"
        best = f"{one['rule']}, fill={one['fill']}"
        if one["slices"] is None:
            said.append(
                f"A mean Dice of {one['target']:g} is not reached with up to {most} slices per object; "
                f"the highest is {one['mean']:.3f} ({best})."
            )
            continue
        unit = "slice" if one["slices"] == 1 else "slices"
        said.append(
            f"A mean Dice of {one['target']:g} takes {one['slices']} {unit} per object "
            f"({best}: {one['mean']:.3f}); the shape alone takes {alone}."
        )
    return said


def compare_rules(rows: Scored, played: Collection[str]) -> list[RuleTest]:
    """Each of the rules ``played`` against every other, paired over patients, for each way and number of slices.

    A rule that is played has chosen nothing yet where there is one slice, which is left out. p values are corrected
    by Holm among the tests of two rules.
    """
    patients = patient_dice(rows)
    labels = [Spent.of(label) for label in patients]
    tests: list[RuleTest] = []
    rules = list(dict.fromkeys(spent.rule for spent in labels))
    for rule, other in ((one, two) for one in rules if one in played for two in rules if two not in played):
        mine = [spent for spent in labels if spent.rule == rule and spent.slices > 1]
        pairs = [(spent, spent._replace(rule=other)) for spent in mine]
        found = [paired_test(patients[one.label], patients[two.label]) for one, two in pairs]
        for (spent, _), test, p_holm in zip(pairs, found, holm([test.p for test in found]), strict=True):
            tests.append(
                {
                    "rule": rule,
                    "other": other,
                    "fill": spent.fill,
                    "slices": spent.slices,
                    "n": test.n,
                    "difference": test.difference,
                    "p": test.p,
                    "p_holm": p_holm,
                    "undefined": test.reason,
                }
            )
    return tests


def say_better(tests: Sequence[RuleTest], cells: Iterable[Cell]) -> list[str]:
    """A sentence for each pair of rules, whether the first beats the second, and one on what to do."""
    said, better = [], set()
    for rule, other in dict.fromkeys((test["rule"], test["other"]) for test in tests):
        mine = [test for test in tests if (test["rule"], test["other"]) == (rule, other)]
        better |= {(rule, other)} if _beats(mine) else set()
        said.append(_verdict(rule, other, mine))
    means: dict[str, list[float]] = {test["other"]: [] for test in tests}
    for cell in averaged(cells):
        if cell["rule"] in means:
            means[cell["rule"]].append(_mean(cell))
    best = max(means, key=lambda rule: sum(means[rule]) / max(len(means[rule]), 1), default="")
    for rule in dict.fromkeys(test["rule"] for test in tests):
        advice = f"{rule} is worth being asked again and again" if (rule, best) in better else f"stay with {best}"
        said.append(f"Of the rules that need no answer {best} has the highest Dice on average: {advice}.")
    return said


def _beats(tests: Iterable[RuleTest]) -> bool:
    """Whether some test says so, and none the contrary."""
    sure = [test["difference"] or 0 for test in tests if test["p_holm"] is not None and test["p_holm"] < ALPHA]
    return bool(sure) and min(sure) > 0


def _verdict(rule: str, other: str, tests: Sequence[RuleTest]) -> str:
    known = [test["difference"] for test in tests if test["difference"] is not None]
    if not known:
        return f"Whether {rule} beats {other} is unknown: no patient has both."
    about = f"it differs by {round(sum(known) / len(known), 3) + 0:+.3f} Dice on average"
    sure = [test["difference"] or 0 for test in tests if test["p_holm"] is not None and test["p_holm"] < ALPHA]
    number, most = sum(test["p"] is not None for test in tests) or len(tests), max(test["n"] for test in tests)
    if not sure and most < (least := least_patients(number)):
        few = f"{number} tests need at least {least} patients"
        return f"Whether {rule} beats {other} cannot be decided with n = {most} ({few}); {about}."
    better, verb = sum(one > 0 for one in sure), "beats" if _beats(tests) else "does not beat"
    counts = f"better in {better} and worse in {len(sure) - better} of {len(tests)} tests (Holm p < {ALPHA})"
    return f"{rule} {verb} {other}: {counts}; {about}."


def _fewest(cells: Iterable[Cell], wanted: float) -> Cell | None:
    """The cell of the fewest slices with the wanted mean, of several the highest."""
    return min(
        (one for one in cells if _mean(one) >= wanted), key=lambda one: (one["slices"], -_mean(one)), default=None
    )


def _mean(cell: Cell) -> float:
    assert cell["mean"] is not None
    return cell["mean"]
