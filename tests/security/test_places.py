"""No name leads out of OUT."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from usframe.cli import main
from usframe.config.named import Named
from usframe.errors import escape


@pytest.mark.parametrize(
    "name", ["../../x", "/tmp/x", "..", ".", "a/b", "a\\b", "a\nb", "a\x1b[2J", "", ".hidden", "n" * 101]
)
def test_masks_are_not_called_like_a_place(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["report", "--masks", "a", "--labels", "b", "--name", name, "-o", "out"])
    assert result.exit_code == 2
    told = f"name={escape(name)} is not possible; write a name without / and \\ that begins with no dot"
    assert result.output == f"Error: {told}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["../../x", "/tmp/x", "..\\x", "a\nb", "a\0b"])
def test_arguments_of_a_prompt_make_one_folder(value: str) -> None:
    label = Named("prompt", "point", "prompts", {"how": value}).label
    assert label.startswith("point(how=")
    assert Path("OUT", label).resolve().parent == Path("OUT").resolve()
    assert escape(label) == label
