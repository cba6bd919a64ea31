"""The numbers of a comparison, and what a person sees of them."""

import csv

import pytest
from whole_pages import check_whole

from usframe.reporting.cells import list_tests, merge_draws, verdict
from usframe.reporting.comparison import write_comparison
from usframe.reporting.comparison_page import plot, table
from usframe.reporting.results import CaseResult
from usframe.scoring.metrics import METRICS, SLICES
from usframe.scoring.summary import patient_dice


def scored(prompt, dice, *, draw=0, mode="slice", slices="all", object_id=1, asked=True, **scores):
    """A row per patient, two cases to a patient from the sixth on."""
    known = dict.fromkeys((*METRICS, "predicted_iou"))
    return [
        {
            **{
                "case": f"c{n}",
                "prompt": prompt,
                "draw": draw,
                "mode": mode,
                "object": object_id,
                "slices": slices,
            },
            **{"n_slices": 1, "volume_ml": None, "reference_volume_ml": None, "unit": "mm", "oracle": False},
            **{"asked": asked, "measured": "3D", "undefined_frames": None, "name": ""},
            **{"group": f"g{min(n, 6)}", "scores": known | {"dice": value} | scores},
        }
        for n, value in enumerate(dice)
    ]


def test_patients_are_compared_not_cases():
    patients = patient_dice(scored("box", [0.1] * 6 + [0.2, 0.4]))["box"]
    assert len(patients) == 7
    assert patients["g6"] == pytest.approx(0.3)


def test_strategies_and_baselines_are_two_families_of_tests():
    rows = [
        *scored("box", [0.9, 0.91, 0.92, 0.93, 0.94, 0.95]),
        *scored("point", [0.5, 0.52, 0.54, 0.56, 0.58, 0.6]),
        *scored("ellipse", [0.7, 0.71, 0.72, 0.73, 0.74, 0.75]),
    ]
    tests = {(test["first"], test["second"]): test for test in list_tests("slice", "clean", rows)}
    assert tests["box", "point"]["p"] == tests["box", "point"]["p_holm"] == pytest.approx(2 / 64)
    assert tests["box", "ellipse"]["family"] == "no network"
    assert tests["box", "ellipse"]["p_holm"] == pytest.approx(4 / 64)
    assert set(tests) == {("box", "point"), ("box", "ellipse"), ("point", "ellipse")}


def test_a_comparison_that_no_scores_could_decide_says_so_instead_of_finding_no_difference():
    """Seven patients who all differ: the p of ten tests is at best 10 x 2 / 2^7 = 0.156, that of one 0.016."""
    names = ("box", "point", "mask", "box+point", "mask+point")
    rows = [
        row
        for n, name in enumerate(names)
        for row in scored(name, [0.5 + n / 10 + patient / 1000 * (n + 1) for patient in range(7)])
    ]
    tests = list_tests("slice", "clean", rows)
    assert min(test["p_holm"] for test in tests) == pytest.approx(20 / 128)
    assert verdict(tests) == "cannot be decided with n = 7 patients (10 tests need at least 9)"
    pair = list_tests("slice", "clean", rows[:14])
    assert verdict(pair) == "1 of 1 pair differ (Holm p < 0.05)"
    both = [*pair, *(test | {"family": "no network"} for test in tests)]
    assert verdict(both) == (
        "1 of 1 pair differ (Holm p < 0.05), the others cannot be decided with n = 7 patients "
        "(10 tests need at least 9)"
    )
    assert verdict(list_tests("slice", "clean", [row for row in rows[:14] if row["group"] == "g0"])) == (
        "cannot be decided with n = 1 patient (1 test needs at least 6)"
    )


def test_objects_that_no_case_was_asked_for_are_not_compared():
    rows = [*scored("box", [0.8, 0.6]), *scored("box", [0.0, 0.0], object_id=2, asked=False)]
    assert patient_dice(rows)["box"] == {"g0": 0.8, "g1": 0.6}


def test_a_distance_that_one_draw_lost_is_undefined_in_their_mean():
    rows = [*scored("box", [0.5], draw=1, hd95_mm=2.0), *scored("box", [0.0], draw=2, hd95_mm=None)]
    (row,) = merge_draws(rows)["slice", "noised"]
    assert (row["scores"]["dice"], row["scores"]["hd95_mm"]) == (0.25, None)


def test_undefined_scores_of_a_draw_are_left_out_of_its_mean():
    rows = [row for draw, dice in ((1, 0.4), (2, 0.6), (3, None)) for row in scored("box", [dice], draw=draw)]
    (row,) = merge_draws(rows)["slice", "noised"]
    assert (row["prompt"], row["scores"]["dice"]) == ("box", pytest.approx(0.5))


def test_a_strategy_may_be_called_what_it_likes():
    name = "box (noised 2)"
    merged = merge_draws([*scored(name, [0.5]), *scored(name, [0.7], draw=1)])
    assert [(part, row["prompt"]) for part, (row,) in merged.items()] == [
        (("slice", "clean"), name),
        (("slice", "noised"), name),
    ]


def test_oracles_are_marked_and_undefined_cells_are_dashes(tmp_path):
    cell = {"mode": "slice", "condition": "clean", "prompt": "mask", "network": True, "oracle": True, "n": 2}
    values = {"mean": 0.9, "ci95_low": 0.8, "ci95_high": 1.0}
    cells = [{**cell, **values}, {**cell, "prompt": "box", "oracle": False, **dict.fromkeys(values)}]
    text = table(cells)
    assert "0.900 [0.800, 1.000] *" in text
    assert "* oracle: the prompt holds" in text
    assert text.splitlines()[3].split() == ["box", "-"]
    plot(tmp_path / "comparison.png", cells)
    assert (tmp_path / "comparison.png").stat().st_size > 5000


def test_the_scores_of_other_packages_are_compared_by_name(tmp_path):
    rows = [row for part in SLICES for draw in (0, 1) for row in scored("box", [0.5], draw=draw, slices=part)]
    for row in rows:
        row["scores"]["rim"] = 0.25 + row["draw"] / 2
    run = {
        **{"command": "usframe run", "date": "now", "backbone": "demo", "checkpoint": None, "device": "cpu"},
        **{"frames": "largest", "seed": 0, "notes": ["a note"], "oracle_prompts": [], "seeds": 1},
        "slices": {"total": 1, "encoded": 2, "without_object": 0},
        "noised": {"box": 0.1, "point": 0.25, "mask": 2},
    }
    failed = CaseResult("d", stage="read", error="d.nii: damaged")
    answer = write_comparison(tmp_path, [CaseResult("c0", rows), failed], run, title="demo on <hearts>")
    assert answer["cases"] == {"total": 2, "failed": 1}
    with (tmp_path / "comparison.csv").open(newline="") as file:
        means = {(cell["condition"], cell["mean"]) for cell in csv.DictReader(file) if cell["score"] == "rim"}
    assert means == {("clean", "0.25"), ("noised", "0.75")}
    page = (tmp_path / "report.html").read_text()
    for words in (
        "demo on &lt;hearts&gt;",
        "d.nii: damaged",
        "1 failed case</a>",
        "a note",
        "not for clinical use",
    ):
        assert words in page
    check_whole(page, tmp_path, figures=1)
