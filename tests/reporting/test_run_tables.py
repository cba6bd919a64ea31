"""What a run leaves behind besides its masks: tables for the terminal and for files, and the cases that failed."""

import csv
import json

import pytest

from usframe.config.schema import Compare, Predict
from usframe.reporting.results import INTERRUPTED, CaseResult, count_totals, list_failures, print_failures
from usframe.reporting.run import describe_work, print_results, table, write_results
from usframe.reporting.run_page import RunSummary
from usframe.scoring.metrics import METRICS, SLICES
from usframe.scoring.summary import summarise

HEADING = "Dice over all slices: mean of n cases, ± sd"
SCORES = (*METRICS, "predicted_iou")


def row(case, dice, *, prompt="box", object_id=1, slices="all", oracle=False, unit="mm", measured="3D", **scores):
    known = {**dict.fromkeys(SCORES), "dice": dice, "hd95_mm": 3.25, "nsd": 0.5}
    return {
        **{"case": case, "prompt": prompt, "draw": 0, "mode": "slice", "object": object_id, "slices": slices},
        **{"n_slices": 1, "volume_ml": None, "reference_volume_ml": None, "unit": unit, "oracle": oracle},
        **{"asked": True, "measured": measured, "undefined_frames": None, "name": ""},
        **{"group": case, "scores": known | scores},
    }


def every_set(*rows):
    return [{**one, "slices": slices} for one in rows for slices in SLICES]


ROWS = every_set(
    row("a", 0.5),
    row("b", 0.7),
    row("a", 0.9, object_id=10),
    row("a", 1.0, object_id=2, prompt="mask+point"),
)


def test_the_table_has_a_line_per_prompt_and_a_column_per_object():
    assert table(summarise(ROWS), {}).splitlines() == [
        HEADING,
        "prompt      object 1  object 2  object 10          macro  HD95 mm    NSD  n",
        "box            0.600         -      0.900  0.700 ± 0.000      3.2  0.500  2",
        "mask+point         -     1.000          -          1.000      3.2  0.500  1",
    ]


def test_the_table_marks_what_is_no_answer_of_a_network_and_splits_prompted_from_unprompted_slices():
    rows = [one for one in ROWS if one["prompt"] == "mask+point"]
    assert table(summarise(rows), {"mask+point": "oracle"}, "px", split=True).splitlines()[1:] == [
        "prompt      object 2  macro  prompted  unprompted  HD95 px    NSD  n  note",
        "mask+point     1.000  1.000     1.000       1.000      3.2  0.500  1  oracle",
    ]


def test_the_scores_of_other_packages_are_columns_of_the_table():
    rows = every_set(row("a", 0.5, rim=0.125, far=None), row("b", 0.7, rim=0.375, far=None))
    assert table(summarise(rows), {}).splitlines()[1:] == [
        "prompt  object 1          macro  HD95 mm    NSD    rim  far  n  undefined",
        "box        0.600  0.600 ± 0.141      3.2  0.500  0.250    -  2  far 2",
    ]


def test_the_table_counts_the_cases_that_lack_a_score_and_says_of_which_prompt():
    rows = every_set(
        row("a", 0.5, hd95_mm=4.0),
        row("b", 0.0, hd95_mm=None, nsd=0.0),
        row("c", None, hd95_mm=None, nsd=None, rim=None),
        *(row(case, 0.5, prompt="point") for case in "abc"),
    )
    assert table(summarise(rows), {"point": "oracle"}).splitlines()[1:] == [
        "prompt  object 1          macro  HD95 mm    NSD  rim  n  undefined                     note",
        "box        0.250  0.250 ± 0.354      4.0  0.250    -  2  Dice 1, HD95 2, NSD 1, rim 3",
        "point      0.500  0.500 ± 0.000      3.2  0.500    -  3  rim 3                         oracle",
    ]


def test_without_a_row_the_table_has_a_heading_all_the_same():
    assert table({}, {}).splitlines() == [HEADING, "prompt  macro  HD95 mm  NSD  n"]


@pytest.fixture
def results():
    """Two cases that were scored, one that failed, and one that was not begun."""
    first = CaseResult("a", every_set(row("a", 0.5), row("a", 1.0, prompt="mask", oracle=True)))
    first.rows += every_set(row("a", 0.7, prompt="copied label", oracle=True))
    first.slice_rows = [{**row("a", 0.5), "frame": 3}]
    first.slices, first.seconds = {"total": 9, "encoded": 7, "without_object": 2}, {"read": 0.5}
    second = CaseResult(
        "b", every_set(row("b", 0.7, unit="px", measured="2D per frame", rim=0.5)), notes=["gap of 2 mm"]
    )
    second.slices, second.seconds = {"total": 5, "encoded": 4, "without_object": 1}, {"read": 0.25, "score": 1.0}
    left = CaseResult("d", stage=INTERRUPTED, error="not done")
    return [first, second, CaseResult("c", notes=["gap of 3 mm"], stage="read", error="c.nii: damaged"), left]


RUN = {"command": "usframe run", "backbone": "demo", "seed": 0, "seconds": 2.0}


def test_every_table_of_a_run_is_written_and_shown(results, tmp_path, capsys):
    run = describe_work(Predict(volumes="in", labels="lab", prompts=["box", "mask"]), RUN, results, ["all odd"])
    answer = write_results(tmp_path, results, run, title="demo on in", mode="slice")
    print_results(answer, 2.0)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        metrics = list(csv.DictReader(file))
    assert [one["rim"] for one in metrics if one["case"] == "b"] == ["0.5"] * 3
    with (tmp_path / "metrics_per_slice.csv").open(newline="") as file:
        assert [one["frame"] for one in csv.DictReader(file)] == ["3"]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary == {key: answer[key] for key in RunSummary.__annotations__}
    assert summary["marks"] == {"mask": "oracle", "copied label": "no network"}
    assert summary["unit"] == "mm or px"
    assert summary["measured"] == "2D per frame or 3D"
    assert json.loads(json.dumps(answer)) == answer
    assert answer["failures"] == [
        {"case": "c", "stage": "read", "error": "c.nii: damaged"},
        {"case": "d", "stage": "interrupted", "error": "not done"},
    ]
    printed = capsys.readouterr().out.splitlines()
    assert "HD95 mm or px, 2D per frame or 3D" in printed[1]
    assert printed[-4:] == [
        "note: all odd",
        "note: gap of 2 mm (2 cases, first b)",
        "2 of 4 cases, 11 slices in 2 s; 3 slices without an object",
        f"Wrote {tmp_path}/: metrics.csv, summary.json, report.html",
    ]


def test_what_is_in_no_macro_is_a_note_of_the_run(results):
    results[0].rows += every_set(row("a", 0.0, object_id=4) | {"asked": False})
    run = describe_work(Predict(volumes="in", labels="lab", prompts=["box", "mask"]), RUN, results)
    assert run["notes"][0] == "no case has a prompt for object 4: scored, but left out of the mean of objects"


def test_single_slices_have_a_file_only_where_they_are_scored(results, tmp_path):
    results[0].slice_rows.clear()
    run = describe_work(Predict(volumes="in", labels="lab"), RUN, results)
    write_results(tmp_path, results, run, title="demo on in", mode="slice")
    assert not (tmp_path / "metrics_per_slice.csv").exists()


def test_the_record_says_what_was_asked_for_and_what_the_cases_add_up_to(results):
    noise = Compare().noised
    config = Compare(volumes="in", labels="lab", prompts=["box", {"point": {"count": 3}}], noised=noise, seeds=2)
    run = describe_work(config, RUN, results)
    assert run["prompts"] == ["box", {"point": {"count": 3}}]
    assert run["oracle_prompts"] == ["mask"]
    assert run["slices"] == {"total": 14, "encoded": 11, "without_object": 3}
    assert run["seconds_per_stage"] == {"read": 0.75, "score": 1.0}
    assert run["slices_per_second"] == 5.5
    assert (run["noised"], run["seeds"]) == (vars(noise), 2)
    assert json.loads(json.dumps(run)) == run


def test_slices_without_an_object_are_not_counted_where_there_are_no_labels(results):
    assert count_totals(results, labelled=False)["slices"] == {"total": 14, "encoded": 11, "without_object": None}


def test_a_case_that_failed_is_a_line_on_standard_error(results, capsys):
    print_failures(results)
    assert capsys.readouterr().err.splitlines() == [
        "Error: case c (read): c.nii: damaged",
        "Error: interrupted, 1 case not done (see failures.csv)",
    ]
    assert [failure["case"] for failure in list_failures(results)] == ["c", "d"]
