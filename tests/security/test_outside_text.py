"""Text from outside, names of files above all, is printed and written so that it says nothing but itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from usframe.cli import main
from usframe.errors import escape, safe_cell

NAMES = {
    "line end": ("a\nError: all is lost.yaml", "a\\nError: all is lost.yaml"),
    "carriage return": ("a\rb.yaml", "a\\rb.yaml"),
    "escape code": ("a\x1b[2Jb.yaml", "a\\x1b[2Jb.yaml"),
    "C1 control": ("a\x9b2Jb.yaml", "a\\x9b2Jb.yaml"),
    "direction of writing": ("a\u202eb.yaml", "a\\u202eb.yaml"),
    "line separator": ("a\u2028b.yaml", "a\\u2028b.yaml"),
    "no UTF-8": ("a\udcffb.yaml", "a\\udcffb.yaml"),
}


@pytest.mark.parametrize("what", NAMES)
def test_a_name_with_codes_in_it_is_spelt_out_on_one_line(what: str) -> None:
    name, told = NAMES[what]
    result = CliRunner().invoke(main, ["run", name, "-i", "a", "-l", "b"])
    assert (result.exit_code, result.output) == (2, f"Error: {told}: there is no such experiment file\n")


def test_names_in_other_scripts_stay_as_they_are() -> None:
    for name in ("Zähne_µ", "超音波　画像", "скан 1", "a\u00a0b", "👩‍⚕️"):
        assert escape(name) == name


@pytest.mark.parametrize("coding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_lacks_a_letter_gets_it_spelt_out(tmp_path: Path, coding: str) -> None:
    words = [sys.executable, "-m", "usframe", "run", "é±超.yaml"]
    environment = {**os.environ, "PYTHONIOENCODING": coding, "PYTHONUTF8": "0"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True)
    told = "é±超".encode(coding, "backslashreplace")
    assert (done.returncode, done.stderr) == (2, b"Error: " + told + b".yaml: there is no such experiment file\n")


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", '=HYPERLINK("http://x")'])
def test_a_cell_is_no_formula(cell: str) -> None:
    assert safe_cell(cell) == f"'{cell}"


def test_numbers_and_common_names_are_cells_as_they_are() -> None:
    for cell in (-1.5, None, 3, "-1.5", "+3", "-inf", "case_1", "a=b", "1-2"):
        assert safe_cell(cell) == cell
    assert safe_cell("a\n=1") == "a\\n=1"
