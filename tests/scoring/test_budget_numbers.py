"""How many slices a wanted Dice takes, and whether one rule beats another."""

from __future__ import annotations

from typing import Any

import pytest

from usframe.scoring.budget import (
    Spent,
    compare_rules,
    find_reached,
    list_cells,
    merge_seeds,
    say_better,
    say_reached,
)


def scored(rule: str, slices: int, fill: str, dice: list[float | None], draw: int = 0, one: int = 1) -> list[Any]:
    """A row per patient."""
    return [
        {
            **{"case": f"c{n}", "group": f"g{n}", "prompt": Spent(rule, slices, fill).label, "draw": draw},
            **{"object": one, "slices": "unprompted", "asked": score is not None, "scores": {"dice": score}},
            **{"name": "wall", "n_slices": 5, "undefined_frames": None, "mode": "propagate"},
        }
        for n, score in enumerate(dice)
    ]


ROWS = [
    *scored("uniform", 1, "both", [0.7, 0.8]),
    *scored("uniform", 2, "both", [0.9, 0.94]),
    *scored("next", 2, "both", [0.93, 0.93]),
    *scored("uniform", 1, "shape", [0.5, 0.5]),
    *scored("uniform", 2, "shape", [0.7, 0.7]),
]


def test_a_cell_is_the_mean_over_cases_with_its_interval():
    cells = list_cells(ROWS, {"1": "wall"})
    cell = next(cell for cell in cells if (cell["slices"], cell["fill"], cell["rule"]) == (2, "both", "uniform"))
    assert cell["mean"] == pytest.approx(0.92)
    assert (cell["object"], cell["name"], cell["n"], cell["n_groups"], cell["n_undefined"]) == (
        "1",
        "wall",
        2,
        2,
        0,
    )
    assert cell["ci95_low"] == pytest.approx(0.9)
    assert [cell["object"] for cell in cells[:2]] == ["1", "macro"]
    assert list_cells([], {}) == []


def test_what_was_not_prompted_is_undefined_and_in_no_mean():
    cells = list_cells(scored("uniform", 4, "both", [0.9, None]), {})
    assert {(cell["mean"], cell["n"], cell["n_undefined"]) for cell in cells} == {(0.9, 1, 1)}


def test_draws_of_a_case_count_as_one():
    merged = merge_seeds([row for draw in (0, 1) for row in scored("random", 2, "both", [0.6 + draw / 5], draw)])
    assert [(row["draw"], row["scores"]["dice"]) for row in merged] == [(0, pytest.approx(0.7))]


def test_the_fewest_slices_that_reach_a_dice_are_those_of_the_best_rule_and_way():
    reached = find_reached(list_cells(ROWS, {}), [0.65, 0.9, 0.99])
    assert [(one["slices"], one["rule"], one["fill"], one["alone"]) for one in reached] == [
        (1, "uniform", "both", 2),
        (2, "next", "both", None),
        (None, "next", "both", None),
    ]
    assert say_reached(reached, 2) == [
        "A mean Dice of 0.65 takes 1 slice per object (uniform, fill=both: 0.750); the shape alone takes 2.",
        "A mean Dice of 0.9 takes 2 slices per object (next, fill=both: 0.930); the shape alone takes more than 2.",
        "A mean Dice of 0.99 is not reached with up to 2 slices per object; "
        "the highest is 0.930 (next, fill=both).",
    ]
    assert find_reached([], [0.9]) == []


def duel(differences: list[float]) -> list[Any]:
    """`next` against `uniform` and `largest` over so many patients, with 1, 2 and 4 slices."""
    rows = []
    for slices in (1, 2, 4):
        rows += scored("uniform", slices, "both", [0.8] * len(differences))
        rows += scored("largest", slices, "both", [0.5] * len(differences))
        rows += scored("next", slices, "both", [0.8 + one for one in differences])
    return rows


def test_rules_are_compared_over_patients_from_two_slices_on():
    tests = compare_rules(duel([0.01 * n for n in range(1, 9)]), ["next"])
    assert [(test["other"], test["slices"], test["n"]) for test in tests] == [
        (other, slices, 8) for other in ("uniform", "largest") for slices in (2, 4)
    ]
    assert tests[0]["difference"] == pytest.approx(0.045)
    assert tests[0]["p"] == pytest.approx(2 / 2**8)
    assert tests[0]["p_holm"] == pytest.approx(4 / 2**8)
    assert compare_rules(duel([0.1] * 8), []) == []


def verdicts(differences: list[float]) -> list[str]:
    rows = duel(differences)
    return say_better(compare_rules(rows, ["next"]), list_cells(rows, {}))


def test_a_rule_that_wins_is_recommended():
    first, second, advice = verdicts([0.01 * n for n in range(1, 9)])
    assert first == (
        "next beats uniform: better in 2 and worse in 0 of 2 tests (Holm p < 0.05); it differs by +0.045 Dice on "
        "average."
    )
    assert second.startswith("next beats largest: ")
    assert advice == (
        "Of the rules that need no answer uniform has the highest Dice on average: next is worth being asked again "
        "and again."
    )


def test_a_rule_that_does_not_win_is_not():
    first, _, advice = verdicts([-0.01 * n for n in range(1, 9)])
    assert first.startswith("next does not beat uniform: better in 0 and worse in 2 of 2 tests")
    assert advice.endswith("uniform has the highest Dice on average: stay with uniform.")
    even, *_ = verdicts([0.01, -0.01, 0.02, -0.02, 0.03, -0.03, 0.04, -0.04])
    assert even.startswith("next does not beat uniform: better in 0 and worse in 0 of 2 tests")


def test_too_few_patients_decide_nothing():
    first, _, advice = verdicts([0.1, 0.2])
    assert first == (
        "Whether next beats uniform cannot be decided with n = 2 (2 tests need at least 7 patients); it differs by "
        "+0.150 Dice on average."
    )
    assert advice.endswith("stay with uniform.")
