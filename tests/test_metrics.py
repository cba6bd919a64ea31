"""Scores worked out by hand, what is undefined, and the tables made of them."""

import csv
import json

import numpy as np
import pytest

from usframe.errors import RequestError
from usframe.metrics import COLUMNS, SCORES, read_metrics, score_case, summarise, table, write_metrics
from usframe.types import Segmentation


def segmentation(mask, object_ids=(1,), predicted_iou=None):
    mask = np.asarray(mask, np.uint8)
    if predicted_iou is None:
        predicted_iou = np.full((len(object_ids), len(mask)), np.nan)
    return Segmentation(mask, tuple(object_ids), np.asarray(predicted_iou, np.float32))


def score(reference, answer, *, spacing=None, prompted=None):
    reference = np.asarray(reference, np.uint8)
    return score_case("case1", "box", "slice", reference, answer, spacing, prompted or {})


def by_slices(rows, object_id=1):
    return {row["slices"]: row for row in rows if row["object"] == object_id}


def row(case, dice, *, prompt="box", object_id=1, slices="all"):
    values = {"case": case, "prompt": prompt, "mode": "slice", "object": object_id, "slices": slices}
    return {**dict.fromkeys(COLUMNS), **values, "n_slices": 1, "dice": dice}


# Two slices of four pixels: 3 of the reference, 4 predicted, 2 shared, all of them on the first slice.
REFERENCE = [[[1, 1, 0, 0]], [[0, 0, 0, 1]]]
ANSWER = [[[1, 1, 1, 0]], [[1, 0, 0, 0]]]


def test_dice_and_iou_are_taken_over_all_voxels_of_the_slices():
    rows = by_slices(score(REFERENCE, segmentation(ANSWER), prompted={1: {0}}))
    assert rows["all"]["dice"] == pytest.approx(2 * 2 / (3 + 4))
    assert rows["all"]["iou"] == pytest.approx(2 / 5)
    assert rows["prompted"]["dice"] == pytest.approx(4 / 5)
    assert rows["prompted"]["iou"] == pytest.approx(2 / 3)
    assert rows["unprompted"]["dice"] == 0
    assert {name: rows[name]["n_slices"] for name in rows} == {"all": 2, "prompted": 1, "unprompted": 1}


def test_every_row_has_the_columns_in_order():
    for found in score(REFERENCE, segmentation(ANSWER)):
        assert tuple(found) == COLUMNS
        assert (found["case"], found["prompt"], found["mode"]) == ("case1", "box", "slice")


def test_nothing_against_nothing_is_undefined():
    empty = by_slices(score(np.zeros((2, 3, 3)), segmentation(np.zeros((2, 3, 3))), prompted={1: {0}}))
    assert [empty[name]["dice"] for name in empty] == [None, None, None]
    assert [empty[name]["iou"] for name in empty] == [None, None, None]


@pytest.mark.parametrize(("wanted", "given"), [(1, 0), (0, 1)])
def test_nothing_against_something_is_zero(wanted, given):
    rows = by_slices(score(np.full((1, 2, 2), wanted), segmentation(np.full((1, 2, 2), given))))
    assert rows["all"]["dice"] == 0
    assert rows["all"]["iou"] == 0


def test_objects_that_only_one_of_the_two_has_get_rows_too():
    rows = score([[[1, 0, 2]]], segmentation([[[1, 3, 0]]], object_ids=(1, 3)))
    assert {found["object"]: found["dice"] for found in rows if found["slices"] == "all"} == {
        1: 1,
        2: 0,
        3: 0,
    }


def test_objects_are_prompted_on_slices_of_their_own():
    labels = [[[1, 2]], [[1, 2]]]
    rows = score(labels, segmentation([[[1, 2]], [[0, 2]]], object_ids=(1, 2)), prompted={1: {0}, 2: {0, 1}})
    assert by_slices(rows, 1)["unprompted"]["dice"] == 0
    assert by_slices(rows, 2)["unprompted"]["n_slices"] == 0
    assert by_slices(rows, 2)["unprompted"]["dice"] is None


def test_volumes_are_in_millilitres_and_only_of_all_slices():
    rows = by_slices(score(REFERENCE, segmentation(ANSWER), spacing=(10, 5, 2), prompted={1: {0}}))
    assert rows["all"]["volume_ml"] == pytest.approx(4 * 0.1)
    assert rows["all"]["reference_volume_ml"] == pytest.approx(3 * 0.1)
    assert rows["prompted"]["volume_ml"] is None


def test_volumes_are_undefined_without_spacing():
    rows = by_slices(score(REFERENCE, segmentation(ANSWER)))
    assert rows["all"]["volume_ml"] is None
    assert rows["all"]["reference_volume_ml"] is None


def test_predicted_iou_is_the_mean_over_slices_with_a_prediction():
    answer = segmentation(np.ones((3, 2, 2)), predicted_iou=[[0.9, np.nan, 0.5]])
    rows = by_slices(score(np.ones((3, 2, 2)), answer, prompted={1: {0, 1}}))
    assert rows["all"]["predicted_iou"] == pytest.approx(0.7)
    assert rows["prompted"]["predicted_iou"] == pytest.approx(0.9)
    assert rows["unprompted"]["predicted_iou"] == pytest.approx(0.5)


def test_metrics_csv_leaves_undefined_scores_empty_and_reads_back(tmp_path):
    rows = score(REFERENCE, segmentation(ANSWER), spacing=(1, 0.3, 0.3), prompted={1: {0, 1}})
    write_metrics(tmp_path / "metrics.csv", rows)
    lines = list(csv.reader((tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    assert ",".join(lines[0]) == (
        "case,prompt,mode,object,slices,n_slices,dice,iou,hd95_mm,assd_mm,nsd,"
        "volume_ml,reference_volume_ml,predicted_iou"
    )
    assert lines[3] == ["case1", "box", "slice", "1", "unprompted", "0", *[""] * 8]
    assert read_metrics(tmp_path / "metrics.csv") == rows


@pytest.mark.parametrize("content", [None, "case,dice\na,1\n", ",".join(COLUMNS) + "\na,b,c,one,all,2,,,,,,,,\n"])
def test_another_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "metrics.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(RequestError) as error:
        read_metrics(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


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
    assert found == {"mean": 0.7, "sd": None, "median": 0.7, "ci95": None, "n": 1, "n_undefined": 0}


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
    rows = score(REFERENCE, segmentation(ANSWER), prompted={1: {0}})
    summary = summarise(rows)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert tuple(summary["box"]["macro"]["unprompted"]) == SCORES
    nothing = {"mean": None, "sd": None, "median": None, "ci95": None, "n": 0, "n_undefined": 1}
    assert summary["box"]["1"]["all"]["hd95_mm"] == nothing


def test_the_table_has_a_line_per_prompt_and_a_column_per_object():
    rows = [
        row("a", 0.5, object_id=1),
        row("b", 0.7, object_id=1),
        row("a", 0.9, object_id=10),
        row("a", 1.0, object_id=2, prompt="mask+point"),
    ]
    assert table(summarise(rows)).splitlines() == [
        "Dice over all slices, mean ± sd of n cases",
        "prompt           object 1  object 2  object 10          macro  n",
        "box         0.600 ± 0.141         -      0.900  0.700 ± 0.000  2",
        "mask+point              -     1.000          -          1.000  1",
    ]


def test_without_a_row_there_is_a_summary_and_a_table_all_the_same():
    assert summarise([]) == {}
    assert table({}).splitlines()[1:] == ["prompt  macro  n"]
