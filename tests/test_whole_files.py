"""A file is complete or not there."""

import pytest

from usframe.errors import WriteError
from usframe.files import write_file


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
