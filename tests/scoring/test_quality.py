"""What is told about an answer without labels: rows per slice, what is expected of a case, what to label next."""

import csv
import json
import shutil

import numpy as np
import pytest
from conftest import usframe_

from usframe.files import HIDDEN
from usframe.quality import Quality
from usframe.scoring.quality import MEDIAN, expect, quality_rows, suggest
from usframe.scoring.table import RowKey
from usframe.types import Segmentation

KEY = RowKey("a", "a", "propagate", "box", names={2: "wall"})


def answer(errors: list[float], area: int = 4) -> Segmentation:
    """Object 2 with so many pixels on every slice, and the error that is expected there."""
    depth = len(errors)
    mask = np.zeros((depth, 4, 4), np.uint8)
    mask.reshape(depth, -1)[:, :area] = 2
    ones = np.ones((1, depth), np.float32)
    quality = Quality(3 * ones, np.nan * ones, np.array([errors], np.float32))
    return Segmentation(mask, (2,), 0.8 * ones, quality=quality)


def table(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_answered_slice_has_a_row_with_its_distance_to_the_prompts():
    rows = quality_rows(KEY, answer([0.0, 0.1, 0.2, 0.3]), {2: {0, 3}})
    assert [row["distance"] for row in rows] == [0, 1, 1, 0]
    assert [row["expected_dice"] for row in rows] == [1.0, 0.9, 0.8, 0.7]
    assert (rows[0]["object"], rows[0]["name"], rows[0]["area_px"], rows[0]["presence"]) == (2, "wall", 4, 3.0)
    assert rows[0]["agreement"] is None


def test_a_slice_that_was_not_looked_at_has_no_row():
    part = answer([0.1, 0.1, 0.1], area=0)
    part.predicted_iou[0, 1] = np.nan
    assert [row["frame"] for row in quality_rows(KEY, part, {2: {0}})] == [0, 2]


def test_a_case_is_expected_to_be_as_good_as_its_slices_by_their_pixels():
    rows = quality_rows(KEY, answer([0.0, 0.1, 0.3]), {2: {0}})
    rows[2]["area_px"] = 12
    expected = expect(rows)
    assert expected is not None
    assert expected["dice"] == pytest.approx(1 - MEDIAN[False] * (0.1 * 4 + 0.3 * 12) / 16)
    assert 0 <= expected["low"] < expected["dice"] < expected["high"] <= 1


def test_where_every_slice_is_prompted_they_are_what_is_expected():
    expected = expect(quality_rows(KEY, answer([0.2, 0.2]), {2: {0, 1}}))
    assert expected is not None
    assert expected["dice"] == pytest.approx(1 - MEDIAN[False] * 0.2)
    assert expect([]) is None


def test_next_come_the_slices_of_the_lowest_quality_away_from_prompts_and_from_each_other():
    errors = np.full(20, 0.1)
    errors[[1, 9, 10, 15]] = 0.9, 0.5, 0.6, 0.4
    rows = suggest(quality_rows(KEY, answer(list(errors)), {2: {0}}))
    assert [(row["rank"], row["frame"]) for row in rows[:2]] == [(1, 10), (2, 15)]  # 1 is beside 0, 9 beside 10
    assert len(rows) == 3


@pytest.mark.parametrize("labelled", [True, False])
def test_a_run_tells_about_every_slice_also_without_labels(data, tmp_path, labelled):
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("case,frame,object,box\n" + "".join(f"case_{n},1,1,4 7 20 23\n" for n in range(3)))
    words = data.request(f"frames=file:{prompts}", "--mode", "propagate")
    if not labelled:
        at = words.index("-l")
        del words[at : at + 2]
    done = usframe_(*words)
    assert done.exit_code == 0, done.output
    told = table(data.out / "quality.csv")
    assert {(row["case"], row["frame"]) for row in told} == {
        (f"case_{n}", str(frame)) for n, depth in enumerate((5, 4, 6)) for frame in range(depth)
    }
    assert all(0 <= float(row["expected_dice"]) <= 1 for row in told)
    assert {row["distance"] for row in told if row["frame"] == "1"} == {"0"}
    expected = json.loads((data.out / "summary.json").read_text())["expected"]["file"]
    assert {*expected} == {"case_0", "case_1", "case_2"}
    assert expected["case_0"]["1"]["low"] <= expected["case_0"]["1"]["dice"]
    assert ("Least sure" in done.output) is not labelled  # scores say more
    following = table(data.out / "next.csv")
    assert {(row["case"], row["frame"]) for row in following if row["rank"] == "1"} <= {
        (row["case"], row["frame"]) for row in told if int(row["distance"]) > 1
    }
    assert "expected Dice" in (data.out / "report.html").read_text(encoding="utf-8")


def test_a_run_that_goes_on_has_the_same_tables_and_mends_what_was_damaged(data):
    words = data.request("-p", "box")
    usframe_(*words)
    before = (data.out / "quality.csv").read_bytes()
    pieces = sorted((data.out / HIDDEN / "cases" / "slices").iterdir())
    assert len(pieces) == 3
    pieces[0].write_text("[[1, 2]]")
    pieces[1].unlink()
    done = usframe_(*words)
    assert done.exit_code == 0, done.output
    assert (data.out / "quality.csv").read_bytes() == before


def test_masks_that_are_scored_tell_nothing(data):
    masks = data.labels.with_name("masks")
    shutil.copytree(data.labels, masks)
    assert usframe_("report", "--masks", masks, "-l", data.labels, "-o", data.out).exit_code == 0
    assert not (data.out / "quality.csv").exists()
