"""A file is complete or not there."""

import os

import pytest

from usframe.errors import WriteError
from usframe.files import HIDDEN, Manifest, write_file


def test_text_and_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for content in ("lüne\n", b"\xff\x00"):
        write_file(path, content)
        assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_a_file_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(WriteError, match=r"a: cannot be written \(Is a directory\)$"):
        write_file(tmp_path / "a", "text")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(WriteError, match=r"b: cannot be written"):
        write_file(tmp_path / "file" / "b", "text")


def test_content_and_name_are_on_disk_before_the_next_step(tmp_path, monkeypatch):
    steps = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append((tmp_path / "a").exists()), real(handle)))
    write_file(tmp_path / "a", "text")
    assert steps == [False, True]


def test_a_long_name_and_one_that_is_no_unicode_can_be_written(tmp_path):
    name = "n" * 250 + ".txt"
    write_file(tmp_path / name, "a\udcff")
    assert (tmp_path / name).read_bytes() == b"a\\udcff"


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / HIDDEN).mkdir()
    made = Manifest(tmp_path)
    made.start()
    yield made
    Manifest.current = None


def test_a_run_replaces_and_removes_its_own_files_alone(tmp_path, manifest):
    for content in ("one", "two"):
        write_file(tmp_path / "masks/a", content)
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(WriteError, match=r"mine: is there, but not as a run of usframe wrote it"):
        write_file(tmp_path / "mine", "theirs")
    Manifest(tmp_path).remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == [HIDDEN, "mine"]
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_line_of_the_list_that_was_cut_off_costs_no_other(tmp_path, manifest):
    write_file(tmp_path / "a", "one")
    with manifest.path.open("a") as file:
        file.write('\n{"path": "b", "sha')
    write_file(tmp_path / "c", "two")
    again = Manifest(tmp_path)
    assert again.owns(tmp_path / "a")
    assert again.owns(tmp_path / "c")
