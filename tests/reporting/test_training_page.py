"""What a person sees after a training."""

import csv

import cv2
import pytest
from whole_pages import check_whole

from usframe.reporting.training import print_gains, write_gains, write_training


def score(prompt, dice, *, case="a", object_id=1):
    return {"case": case, "prompt": prompt, "object": object_id, "dice": dice}


BEFORE = [score("box", 0.5), score("box", 0.7, case="b"), score("box", 0.8, object_id=2), score("point", 0.4)]
AFTER = [{**one, "dice": one["dice"] + 0.1} for one in BEFORE]


def test_gains_are_means_over_cases_and_then_over_objects(tmp_path, capsys):
    gains = write_gains(tmp_path, BEFORE, AFTER)
    print_gains(gains, tmp_path, best_step=50)
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "Mean Dice of the validation cases, before and with the best weights (step 50)",
        "prompt  object  before  after    gain",
        "box          1   0.600  0.700  +0.100",
        "box          2   0.800  0.900  +0.100",
        "box       mean   0.700  0.800  +0.100",
        "point        1   0.400  0.500  +0.100",
    ]
    with (tmp_path / "gains.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["prompt", "object", "name", "before", "after", "n", "gain"]
    assert [row["n"] for row in rows] == ["2", "1", "", "1"]


def test_objects_are_called_by_their_names(tmp_path, capsys):
    gains = write_gains(tmp_path, BEFORE, AFTER, {1: "nerve", 3: "elsewhere"})
    print_gains(gains, tmp_path, best_step=1)
    assert [row["name"] for row in gains] == ["nerve", "", "", "nerve"]
    assert "box     1 nerve   0.600" in capsys.readouterr().out


@pytest.mark.parametrize("terms", [("focal", "dice", "iou", "presence", "total"), ("rim", "total")])
def test_the_page_and_the_curve_are_written_whatever_the_losses(tmp_path, terms):
    line = {"step": 25, "seconds": 7.1, **dict.fromkeys(terms, 0.1), "dice box": 0.9, "mean dice": 0.9}
    run = {
        **{"command": "usframe run finetune", "date": "now", "backbone": "demo", "checkpoint": None, "seed": 1},
        **{"device_name": "a device", "processes": 1, "seconds": 19.4, "split": {"train": 2, "val": 1}},
        "parameters": {"decoder": {"trained": 1163493, "frozen": 0}},
    }
    gains = write_gains(tmp_path, BEFORE, AFTER)
    write_training(tmp_path, [line, {**line, "step": 50}], gains, run, best_step=50)
    page = (tmp_path / "report.html").read_text()
    for words in ("Training of demo", "+0.100", "1,163,493", "usframe run finetune", "not for clinical use"):
        assert words in page
    (tmp_path / "curve.csv").touch()  # the training's own
    check_whole(page, tmp_path, figures=2)
    assert cv2.imread(str(tmp_path / "curve.png")).shape[1] == 1600
