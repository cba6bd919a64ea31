"""Tab offers values, in each shell as it asks: by the scripts' own way into the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def offered(shell: str, *words: str, folder: Path) -> list[str]:
    """What `usframe WORDS` is offered, the last of which is being typed."""
    typing = words[-1] if shell == "fish" else str(len(words))
    asked = {"COMP_WORDS": " ".join(["usframe", *words]), "COMP_CWORD": typing}
    script = "from usframe.cli import main; main(prog_name='usframe', complete_var='_USFRAME_COMPLETE')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **asked, "_USFRAME_COMPLETE": f"{shell}_complete"},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    if shell == "zsh":
        return lines[1::3]
    return [line.partition(",")[2].partition("\t")[0] for line in lines if line.partition(",")[0] == "plain"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["run", "--mode", "p"], ["propagate"]),
        (["run", "--device", "c"], ["cpu", "cuda"]),
        (["run", "-p", "box"], ["box", "box+point"]),
        (["run", "--prompt", "mask"], ["mask", "mask+point"]),
        (["run", "-i", "v", "--backbone", "dem"], ["demo", "demo-128"]),
        (["run", "--frames", "l"], ["largest"]),
        (["serve", "--device", "m"], ["mps"]),
        (["doctor", "--backbone", "meds"], ["medsam2"]),
        (["run", "zero"], ["zero_shot"]),
    ],
    ids=" ".join,
)
def test_each_shell_is_offered_the_values(shell: str, words: list[str], values: list[str], tmp_path: Path) -> None:
    assert {*offered(shell, *words, folder=tmp_path)} >= {*values}
    assert all(one.startswith(words[-1]) for one in offered(shell, *words, folder=tmp_path))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_key_and_its_value_are_one_word(shell: str, tmp_path: Path) -> None:
    assert offered(shell, "run", "propagate", "device=c", folder=tmp_path) == ["device=cpu", "device=cuda"]


@pytest.mark.parametrize("typed", [["device", "="], ["device", "=", "c"]])
def test_bash_makes_three_words_of_a_key_and_its_value(typed: list[str], tmp_path: Path) -> None:
    assert {*offered("bash", "run", "propagate", *typed, folder=tmp_path)} >= {"cpu", "cuda"}


def test_rules_of_plugins_are_offered_for_frames(tmp_path: Path) -> None:
    every = offered("zsh", "run", "--frames", "", folder=tmp_path)
    assert {"largest", "uniform:3", "every:2", "support:"} <= {*every}


def test_a_value_that_cannot_be_listed_is_typed(tmp_path: Path) -> None:
    assert offered("bash", "run", "--group", "p", folder=tmp_path) == []
