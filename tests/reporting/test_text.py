"""Plain text for the terminal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usframe.reporting.text import columns, counted, picture, written


def test_columns_are_aligned_two_spaces_apart_without_blanks_at_the_end():
    lines = [["prompt", "n", "note"], ["box", "10", ""]]
    assert columns(lines) == "prompt  n   note\nbox     10"
    assert columns(lines, left={0, 2}) == "prompt   n  note\nbox     10"
    assert columns(lines, left=()) == "prompt   n  note\n   box  10"


def test_a_table_without_lines_is_empty():
    assert columns([]) == ""


cells = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=5)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1))
def test_cells_of_a_column_begin_or_end_below_each_other(lines):
    first, second, third = (max(map(len, column)) for column in zip(*lines, strict=True))
    for line, shown in zip(lines, columns(lines, left={0, 1}).split("\n"), strict=True):
        assert shown.split() == list(line)
        assert shown.startswith(line[0])
        assert shown.startswith(line[1], first + 2)
        assert len(shown) == first + 2 + second + 2 + third


@pytest.mark.parametrize(("number", "words"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases")])
def test_things_are_counted_in_words(number, words):
    assert counted(number, "case") == words


def test_only_what_is_there_was_written(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "metrics.csv").touch()
    names = ("masks", "overlays", "metrics.csv")
    assert written(tmp_path, names) == f"Wrote {tmp_path}/: masks, metrics.csv"


def test_a_picture_is_dark_to_bright_and_twice_as_many_letters_as_lines():
    plane = np.zeros((40, 40), np.float32)
    plane[:20, 20:] = 0.5
    lines = picture(plane, width=8, height=4)
    assert lines == ["    @@@@", "    @@@@", "", ""]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (192, 224)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_any_slice_fits_the_terminal(shape, value):
    lines = picture(np.full(shape, value, np.float32))
    assert 1 <= len(lines) <= 20
    assert max(map(len, lines)) <= 48
    assert {*"".join(lines)} <= ({"@"} if value else set())
