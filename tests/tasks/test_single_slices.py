"""A folder of frames: each file is a case of one slice, and no task takes them silently for patients or clips."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from usframe.cli import main

CPU = ("--backbone", "demo", "--checkpoint", "random", "--device", "cpu")
PATIENTS = "cases are single slices, and each counts as a patient of its own"
NOTHING = "every slice is prompted, so there is nothing to propagate"


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Four frames of a clip in files of their own."""
    for folder in ("volumes", "labels", "masks"):
        (tmp_path / folder).mkdir()
    for n in range(4):
        label = np.zeros((24, 32), np.uint8)
        label[4 + n : 14 + n, 8:20] = 1
        for folder, picture in (("volumes", 40 + 120 * label), ("labels", label), ("masks", label)):
            cv2.imwrite(str(tmp_path / folder / f"frame_{n:03d}.png"), picture)
    return tmp_path


def told(folder: Path, command: str, *words: str) -> str:
    given = [*command.split(), "-l", str(folder / "labels"), "-o", str(folder / "out"), *words]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0, done.output
    return done.output


COMMANDS = {
    "run": ("-p", "box", *CPU),
    "run propagate": CPU,
    "run compare_prompts": ("prompts=[box]", "seeds=1", *CPU),
    "run finetune": ("--dry-run", *CPU),
    "prepare": (),
    "report": (),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_noted_once_that_each_counts_as_a_patient_unless_the_request_says_whose_they_are(frames, command):
    where = ("--masks", str(frames / "masks")) if command == "report" else ("-i", str(frames / "volumes"))
    printed = told(frames, command, *where, *COMMANDS[command])
    assert printed.count(f"note: 4 {PATIENTS}") == 1
    assert "group=" in printed
    assert "stack the frames into one file" in printed
    again = told(frames, command, *where, *COMMANDS[command], "overwrite=true", "group='[0-2]$|3$'")
    assert PATIENTS not in again


def test_a_dry_run_says_so_too(frames):
    words = ("-i", str(frames / "volumes"), *CPU, "--dry-run")
    assert told(frames, "run", *words).count(f"note: 4 {PATIENTS}") == 1
    (note,) = json.loads(told(frames, "run", *words, "--json"))["notes"]
    assert note.startswith(f"4 {PATIENTS}")


def test_what_is_propagated_to_nothing_is_noted_and_has_no_score(frames):
    printed = told(frames, "run propagate", "-i", str(frames / "volumes"), *CPU, "group='^frame'")
    assert f"note: {NOTHING} and no unprompted slice to score (4 cases, first frame_000)" in printed
    with (frames / "out/metrics.csv").open(newline="") as file:
        unprompted = [row for row in csv.DictReader(file) if row["slices"] == "unprompted"]
    assert {(row["n_slices"], row["dice"]) for row in unprompted} == {("0", "")}


def test_volumes_and_slice_mode_have_neither_note(data):
    propagated = CliRunner().invoke(main, ["run", "propagate", *data.request()[1:]]).output
    assert PATIENTS not in propagated
    assert NOTHING not in propagated
    assert NOTHING not in CliRunner().invoke(main, data.request("overwrite=true")).output


def test_frames_of_one_patient_have_no_interval(frames):
    told(frames, "run", "-i", str(frames / "volumes"), "-p", "box", *CPU, "group='^frame'")
    dice = json.loads((frames / "out/summary.json").read_text())["scores"]["box"]["macro"]["all"]["dice"]
    assert (dice["n"], dice["n_groups"], dice["ci95"]) == (4, 1, None)
