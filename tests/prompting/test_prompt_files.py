"""Prompts from a file: what a row may say, and what is said about rows that are wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import AFFINE

from usframe import CaseError, RequestError, Volume
from usframe.cli import main
from usframe.plugins.load import load_plugins
from usframe.prompting.files import place_prompts, read_prompt_file

PLUGINS = load_plugins()
VOLUME = Volume(np.zeros((6, 40, 60), np.uint8))


@pytest.fixture
def table(tmp_path):
    """Write lines to prompts.csv and read them."""

    def written(*lines: str):
        (tmp_path / "prompts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_prompt_file(tmp_path / "prompts.csv")

    return written


def place(rows, extents=None):
    return place_prompts(rows, VOLUME, extents or {}, plugins=PLUGINS)


def test_a_box_in_one_cell_or_in_four_columns(table):
    one = table("case,frame,object,box", "a,3,1,10 5 20 30", 'a,4,2,"10,5,20,30"')["a"]
    four = table("case,frame,object,x0,y0,x1,y1", "a,3,1,10,5,20,30", "a,4,2,10,5,20,30")["a"]
    for row, again in zip(place(one), place(four), strict=True):
        assert (row.frame, row.object_id) == (again.frame, again.object_id)
        assert row.box.tolist() == again.box.tolist() == [10, 5, 20, 30]


def test_a_box_of_the_first_two_pixels_is_no_normalised_one(table):
    assert place(table("case,frame,object,box", "a,3,1,0 0 1 1")["a"])[0].box.tolist() == [0, 0, 1, 1]


def test_points_have_a_label_and_lie_inside_without_one(table):
    (prompt,) = place(table("case,frame,object,points", "a,3,1,10 5; 20 30 0; 7.5 8 1")["a"])
    assert prompt.points.tolist() == [[10, 5], [20, 30], [7.5, 8]]
    assert prompt.point_labels.tolist() == [1, 0, 1]


def test_json_says_the_same(table, tmp_path):
    rows = [
        {"case": "a", "frame": 3, "object": 1, "box": [10, 5, 20, 30], "points": [[11, 6], [30, 30, 0]]},
        {"case": "b", "frame": 0, "object": 2, "x0": 1, "y0": 2, "x1": 3, "y1": 4},
    ]
    (tmp_path / "prompts.json").write_text(json.dumps(rows))
    found = read_prompt_file(tmp_path / "prompts.json")
    (prompt,) = place(found["a"])
    assert prompt.box.tolist() == [10, 5, 20, 30]
    assert prompt.point_labels.tolist() == [1, 0]
    assert place(found["b"])[0].box.tolist() == [1, 2, 3, 4]


def test_a_label_file_is_the_slice_or_the_whole_volume(table, tmp_path):
    whole = np.zeros((6, 40, 60), np.uint8)
    whole[3, 5:9, 10:20] = 2
    np.save(tmp_path / "whole.npy", whole)
    cv2.imwrite(str(tmp_path / "one.png"), (whole[3] > 0).astype(np.uint8) * 255)
    prompts = place(table("case,frame,object,mask", "a,3,2,whole.npy", "a,5,7,one.png")["a"])
    for prompt in prompts:
        np.testing.assert_array_equal(prompt.mask, whole[3] > 0)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,-1,1,1 2 3 4,,", "frame=-1: slices are counted from 0"),
        ("a,1.5,1,1 2 3 4,,", "frame=1.5 is not a whole number"),
        ("a,x,1,1 2 3 4,,", "frame: 'x' is not a number"),
        ("a,1,0,1 2 3 4,,", "object=0: object ids run from 1 to 255"),
        ("a,1,1,1 2 3,,", "box has 3 numbers, not x0, y0, x1, y1"),
        ("a,1,1,5 2 3 4,,", "ends before it begins"),
        ("a,1,1,1 2 3 nan,,", "box: 'nan' is not a number"),
        ("a,1,1,0.2 0.3 0.5 0.6,,", "box 0.2 0.3 0.5 0.6 looks normalised; usframe takes pixels"),
        ("a,1,1,0 0 1 0.5,,", "box 0 0 1 0.5 looks normalised; usframe takes pixels"),
        ("a,1,1,,1 2 3 4,", "are not x y label; x y label"),
        ("a,1,1,,1 2 0,", "has neither a box nor a mask nor a point with label 1"),
        ("a,1,1,,,", "has neither a box nor a mask nor a point with label 1"),
        ("a,1,1,,,gone.png", "gone.png: there is no such file"),
        (",1,1,1 2 3 4,,", "names no case"),
        ("a,1,1,1,2,3,4", "has more cells than there are columns"),
    ],
)
def test_a_bad_row_is_one_line_with_its_number(table, row, problem):
    with pytest.raises(RequestError) as caught:
        table("case,frame,object,box,points,mask", "a,1,1,1 2 3 4,,", row)
    (line,) = caught.value.problems
    assert "prompts.csv:3: " in line
    assert problem in line


def test_all_bad_rows_are_named_at_once(table):
    with pytest.raises(RequestError) as caught:
        table("case,frame,object,box", *["a,1,1,1"] * 30)
    assert len(caught.value.problems) == 21
    assert "10 more rows like these" in caught.value.problems[-1]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("case,frame,object,boxx", "unknown column 'boxx'; known: case, frame, object, box, x0"),
        ("case,object,box", "its first line names no column frame"),
    ],
)
def test_columns_are_known_by_name(table, header, problem):
    with pytest.raises(RequestError, match=problem):
        table(header, "a,1,1,1 2 3 4")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(RequestError, match=r"prompts\.csv cannot be read: No such file"):
        read_prompt_file(tmp_path / "prompts.csv")
    (tmp_path / "prompts.json").write_text("{\n  3")
    with pytest.raises(RequestError, match=r"prompts\.json:2: "):
        read_prompt_file(tmp_path / "prompts.json")
    (tmp_path / "prompts.json").write_text("{}")
    with pytest.raises(RequestError, match="must be a list of rows"):
        read_prompt_file(tmp_path / "prompts.json")


def test_everything_that_does_not_fit_the_volume_is_named_at_once(table, tmp_path):
    np.save(tmp_path / "small.npy", np.ones((6, 10, 10), np.uint8))
    np.save(tmp_path / "empty.npy", np.zeros((6, 40, 60), np.uint8))
    rows = table(
        "case,frame,object,box,points,mask",
        "a,6,1,1 2 3 4,,",
        "a,5,1,1 2 60 4,,",
        "a,5,1,,60 2,",
        "a,5,1,,,small.npy",
        "a,5,1,,,empty.npy",
        "a,2,1,1 2 3 4,,",
        "a,5,1,1 2 3 4,,",
    )
    with pytest.raises(CaseError) as caught:
        place(rows["a"], {1: (3, 5)})
    problems = str(caught.value).split("; ")
    assert ["prompts.csv:" + str(n) in problem for n, problem in enumerate(problems, 2)] == [True] * 6
    for part, problem in zip(
        (
            "frame=6, but the last slice of the volume is 5",
            "is no xyxy box within 60 x 40 pixels",
            "lie outside the slice of 60 x 40 pixels",
            "has the shape (D, H, W) = (6, 10, 10), the volume (6, 40, 60)",
            "shows nothing of object 1 on slice 5",
            "frame=2 lies outside z_range, which is 3 to 5 for the object",
        ),
        problems,
        strict=True,
    ):
        assert part in problem


# whole runs


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def request(data, *more: str) -> list[str]:
    """Without labels."""
    asked = data.request(*more)
    return [word for n, word in enumerate(asked) if "-l" not in (word, asked[n - 1])]


@pytest.fixture
def prompts(data):
    """Both objects of two of the three cases; the second on two slices of case_2."""
    path = data.out.parent / "prompts.csv"
    path.write_text(
        "case,frame,object,box,points\n"
        "case_0,2,1,4 8 20 24,\n"
        "case_0,1,2,,32 24; 5 5 0\n"
        "case_2,1,1,4 8 20 24,\n"
        "case_2,4,1,4 8 20 24,\n"
    )
    return f"frames=file:{path}"


@pytest.mark.parametrize("mode", ["slice", "propagate"])
def test_a_run_needs_no_labels_then_and_has_no_scores(data, prompts, mode):
    result = run(*request(data, "--mode", mode, prompts))
    assert result.exit_code == 0, result.output
    assert "no labels, no scores" in result.output
    assert "there is no prompt in" in result.output  # case_1
    for number in range(3):
        mask = nib.load(data.out / "masks" / "file" / f"case_{number}.nii.gz")
        np.testing.assert_allclose(mask.affine, AFFINE, atol=1e-6)
        assert (data.out / "overlays" / "file" / f"case_{number}.png").is_file()
        assert set(np.unique(mask.dataobj)) <= ({0} if number == 1 else {0, 1, 2})
    summary = json.loads((data.out / "summary.json").read_text())
    assert summary["slices"]["without_object"] is None
    assert summary["slices"]["encoded"] == (4 if mode == "slice" else 11)
    assert summary["scores"] == {}
    assert len((data.out / "metrics.csv").read_text().splitlines()) == 1
    again = run("run", str(data.out / "experiment.yaml"), "overwrite=true")
    assert again.exit_code == 0, again.output


def test_with_labels_the_answers_are_scored(data, prompts):
    assert run(*data.request("--mode", "propagate", prompts)).exit_code == 0
    with (data.out / "metrics.csv").open() as file:
        table = [row for row in csv.DictReader(file) if row["prompt"] == "file"]
    rows = {(row["case"], row["object"], row["slices"]): row for row in table}
    assert rows["case_2", "1", "prompted"]["n_slices"] == "2"
    assert rows["case_0", "2", "prompted"]["n_slices"] == "1"
    assert json.loads((data.out / "run.json").read_text())["prompts"] == ["file"]


def test_a_mask_is_an_oracle_only_where_it_is_the_label(data):
    path = data.out.parent / "prompts.csv"
    for name, oracle in (("labels/case_0.nii.gz", ["file"]), ("other.nii.gz", [])):
        labels = np.asanyarray(nib.load(data.labels / "case_0.nii.gz").dataobj).copy()
        labels[:16] = 0
        nib.save(nib.Nifti1Image(labels, AFFINE), data.out.parent / "other.nii.gz")
        path.write_text(f"case,frame,object,mask\ncase_0,2,1,{name}\n")
        result = run(*data.request(f"frames=file:{path}", "overwrite=true"))
        assert result.exit_code == 0, result.output
        assert json.loads((data.out / "run.json").read_text())["oracle_prompts"] == oracle


def test_a_case_that_is_not_there_is_named_before_anything_runs(data, prompts):
    path = prompts.removeprefix("frames=file:")
    with Path(path).open("a") as file:
        file.write("case_7,0,1,1 2 3 4,\n")
    result = run(*request(data, prompts))
    assert result.exit_code == 2
    assert "prompts.csv:6: there is no volume for case case_7 (did you mean" in result.output
    assert not data.out.exists()


def test_a_dry_run_counts_the_prompts_of_the_file(data, prompts):
    result = run(*request(data, "--dry-run", prompts))
    assert result.exit_code == 0, result.output
    assert "no labels" in result.output
    assert "prompts: 2 file -> " in result.output
    assert "objects none, prompts file, backbone demo" in result.output


@pytest.mark.parametrize("word", ["box_margin=3", "noise.point=0.5", "prompts=[box]"])
def test_what_is_for_prompts_made_from_labels_is_refused(data, prompts, word):
    result = run(*request(data, prompts, word))
    assert result.exit_code == 2
    assert word.split("=")[0] in result.output


def test_a_mask_outside_the_folder_of_the_prompts_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "asked").mkdir()
    (tmp_path / "mask.nii.gz").write_bytes(b"mask")
    path = tmp_path / "asked/prompts.csv"
    path.write_text("case,frame,object,mask\na,1,1,../mask.nii.gz\n")
    with pytest.raises(RequestError, match=r"prompts\.csv:2: mask=.* lies outside .*; allow_outside=true reads it"):
        read_prompt_file(path)
    assert read_prompt_file(path, allow_outside=True)["a"][0].mask == path.parent / "../mask.nii.gz"
