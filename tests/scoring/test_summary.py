"""Statistics over cases and patients."""

import json

import pytest

from usframe.scoring.metrics import METRICS
from usframe.scoring.summary import added_scores, mean, mean_scores, score_notes, summarise

SCORES = (*METRICS, "predicted_iou")


def row(case, dice, *, prompt="box", object_id=1, slices="all", group=None, asked=True, lost=None, **scores):
    """A row of a clean prompt in which nothing but the Dice and ``scores`` is defined."""
    return {
        **{"case": case, "prompt": prompt, "draw": 0, "mode": "slice", "object": object_id, "slices": slices},
        **{"n_slices": 1, "volume_ml": None, "reference_volume_ml": None, "unit": "mm", "oracle": False},
        **{"asked": asked, "measured": "3D" if lost is None else "2D per frame", "undefined_frames": lost},
        **{"name": "", "group": group or case, "scores": {**dict.fromkeys(SCORES), "dice": dice, **scores}},
    }


def test_the_summary_of_four_cases():
    rows = [row(f"case{n}", dice) for n, dice in enumerate([0.2, 0.4, 0.6, 1.0, None])]
    found = summarise(rows)["box"]["1"]["all"]["dice"]
    assert found["mean"] == pytest.approx(0.55)
    assert found["median"] == pytest.approx(0.5)
    assert found["sd"] == pytest.approx((0.35 / 3) ** 0.5)
    assert (found["n"], found["n_undefined"]) == (4, 1)
    low, high = found["ci95"]
    assert 0.2 <= low < 0.55 < high <= 1.0


def test_the_interval_is_a_percentile_bootstrap_that_the_seed_repeats():
    rows = [row(f"case{n}", n % 2) for n in range(100)]
    first = summarise(rows, seed=1)["box"]["1"]["all"]["dice"]["ci95"]
    assert first == pytest.approx([0.4, 0.6], abs=0.03)
    assert first == summarise(rows, seed=1)["box"]["1"]["all"]["dice"]["ci95"]


def test_one_case_has_neither_deviation_nor_interval():
    found = summarise([row("only", 0.7)])["box"]["1"]["all"]["dice"]
    assert found == {"mean": 0.7, "sd": None, "median": 0.7, "ci95": None, "n": 1, "n_groups": 1, "n_undefined": 0}


def test_macro_is_the_mean_over_the_objects_of_each_case():
    rows = [
        row("a", 0.4, object_id=1),
        row("a", 0.8, object_id=2),
        row("b", None, object_id=1),
        row("b", 1.0, object_id=2),
        row("c", None, object_id=1),
    ]
    summary = summarise(rows)["box"]
    assert list(summary) == ["1", "2", "macro"]
    macro = summary["macro"]["all"]["dice"]
    assert macro["mean"] == pytest.approx((0.6 + 1.0) / 2)
    assert (macro["n"], macro["n_undefined"]) == (2, 1)


def test_the_summary_is_strict_json_with_every_score():
    summary = summarise([row("a", 0.5), row("a", 0.5, slices="prompted"), row("a", None, slices="unprompted")])
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert tuple(summary["box"]["macro"]["unprompted"]) == SCORES
    nothing = {"mean": None, "sd": None, "median": None, "ci95": None, "n": 0, "n_groups": 0, "n_undefined": 1}
    assert summary["box"]["1"]["all"]["hd95_mm"] == nothing


def test_cases_of_one_patient_are_not_taken_as_independent():
    """Ten recordings of each of four patients, who differ: the interval is that of four, not of forty."""
    levels = (0.2, 0.4, 0.6, 0.8)
    together = [row(f"p{n}_run{k}", dice, group=f"p{n}") for n, dice in enumerate(levels) for k in range(10)]
    apart = [{**one, "group": one["case"]} for one in together]
    grouped, single = (summarise(rows)["box"]["1"]["all"]["dice"] for rows in (together, apart))
    assert (grouped["n"], grouped["n_groups"], single["n_groups"]) == (40, 4, 40)
    assert grouped["mean"] == single["mean"]
    widths = [found["ci95"][1] - found["ci95"][0] for found in (grouped, single)]
    assert widths[0] > 2.5 * widths[1]
    assert (
        summarise([row("a", 0.4, group="p"), row("b", 0.6, group="p")])["box"]["1"]["all"]["dice"]["ci95"] is None
    )


def test_the_scores_of_other_packages_are_summarised_too_where_a_row_has_them():
    rows = [row("a", 0.5, rim=0.25), row("b", 0.7, rim=None), row("c", 0.9)]
    summary = summarise(rows)
    found = summary["box"]["macro"]["all"]["rim"]
    assert (found["mean"], found["n"], found["n_undefined"]) == (0.25, 1, 2)
    assert added_scores(summary) == ["rim"]
    assert added_scores(summarise(rows[2:])) == []


def test_means_are_over_what_is_defined():
    assert mean([0.5, None, 1.0]) == 0.75
    assert mean([None]) is mean([]) is None
    scores = mean_scores([row("a", 0.5, rim=0.25), row("a", None)])
    assert (scores["dice"], scores["rim"], scores["nsd"]) == (0.5, 0.25, None)


def test_the_distance_of_a_case_that_lost_an_object_is_undefined_not_that_of_the_others():
    """The second object was missed in case b: its Dice is 0, and no mean hides that it has no distance."""
    rows = [
        *(row("a", 0.8, object_id=one, hd95_mm=float(one), nsd=0.5) for one in (1, 2)),
        row("b", 0.9, object_id=1, hd95_mm=1.0, nsd=0.9),
        row("b", 0.0, object_id=2, hd95_mm=None, nsd=0.0),
    ]
    macro = summarise(rows)["box"]["macro"]["all"]
    assert (macro["hd95_mm"]["mean"], macro["hd95_mm"]["n"], macro["hd95_mm"]["n_undefined"]) == (1.5, 1, 1)
    assert macro["dice"]["mean"] == pytest.approx((0.8 + 0.45) / 2)
    assert macro["nsd"]["mean"] == pytest.approx((0.5 + 0.45) / 2)


def test_an_object_that_neither_shows_is_left_out_of_the_macro_and_a_missing_predicted_iou_too():
    rows = [row("a", 0.8, hd95_mm=2.0, predicted_iou=0.9), row("a", None, object_id=2), row("a", 0.6, object_id=3)]
    rows[2]["scores"] |= {"hd95_mm": 4.0}
    macro = summarise(rows)["box"]["macro"]["all"]
    assert [macro[name]["mean"] for name in ("dice", "hd95_mm", "predicted_iou")] == [pytest.approx(0.7), 3, 0.9]


def test_an_object_that_no_case_was_asked_for_is_left_out_of_the_macro_and_named():
    rows = [row("a", 0.8), *(row("a", 0.0, object_id=one, asked=False) for one in (2, 3))]
    summary = summarise(rows)["box"]
    assert summary["macro"]["all"]["dice"]["mean"] == 0.8
    assert summary["2"]["all"]["dice"]["mean"] == 0
    assert score_notes(rows) == [
        "no case has a prompt for objects 2, 3: scored, but left out of the mean of objects"
    ]


def test_a_case_without_a_prompt_for_an_object_that_others_were_asked_for_missed_it():
    rows = [
        *(row("a", 0.8, object_id=one) for one in (1, 2)),
        row("b", 0.8, object_id=1),
        row("b", 0.0, object_id=2, asked=False),
    ]
    assert summarise(rows)["box"]["macro"]["all"]["dice"]["mean"] == pytest.approx((0.8 + 0.4) / 2)
    assert score_notes(rows) == [
        "objects without a prompt in some cases, though not in others, count as missed there: 2 (1)"
    ]


def test_where_nothing_was_asked_for_the_macro_is_undefined_and_counted():
    macro = summarise([row("a", 0.0, asked=False)])["box"]["macro"]["all"]["dice"]
    assert (macro["mean"], macro["n"], macro["n_undefined"]) == (None, 0, 1)


def test_frames_without_a_distance_are_counted_for_each_prompt():
    rows = [
        *(row(case, 0.5, lost=lost) | {"n_slices": 9} for case, lost in (("a", 2), ("b", 1), ("c", 0))),
        row("a", 0.5, lost=4, prompt="point") | {"n_slices": 9},
        row("a", 0.5, lost=4, slices="unprompted") | {"n_slices": 9},
        row("d", 0.0, lost=1),
    ]
    assert score_notes(rows) == [
        "frames on which only the labels or only the answer show an object have no distance: box 3, point 4"
    ]


def test_without_a_row_there_is_a_summary_all_the_same():
    assert summarise([]) == {}
    assert added_scores({}) == []
