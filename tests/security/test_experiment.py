"""An experiment file from elsewhere: it can be refused, but it cannot hang a run, run code or look around."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from usframe.cli import main

LEVELS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
BOMB = f"task: predict\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{LEVELS}"
ATTACKS = {
    "alias bomb": (BOMB, "mine.yaml: its aliases stand for more than 100000 values"),
    "alias bomb by merging": (
        BOMB.replace("[", "{p: [").replace("]", "]}"),
        "mine.yaml: its aliases stand for more than 100000 values",
    ),
    "an alias in itself": (
        "task: predict\ncases: &a [*a]\n",
        "mine.yaml: its aliases stand for more than 100000 values",
    ),
    "a deep nest": (
        f"task: predict\ncases: {'[' * 5000}{']' * 5000}\n",
        "mine.yaml: its values are nested too deeply",
    ),
    "a huge file": (f"task: predict\n# {'x' * 2**20}\n", "mine.yaml: is larger than 1048576 bytes"),
    "an environment variable": ("task: predict\nlabel_suffix: ${oc.env:SECRET}\n", "mine.yaml:2: ${oc.env:...}"),
    "blanks in it": ('task: predict\nlabel_suffix: "${ oc.env : SECRET}"\n', "mine.yaml:2: ${ oc.env :...}"),
    "after backslashes": ("task: predict\nlabel_suffix: a\\\\${oc.env:SECRET}\n", "mine.yaml:2: ${oc.env:...}"),
    "a name put together": (
        "task: predict\nname: oc.env\nlabel_suffix: ${${name}:SECRET}\n",
        "mine.yaml:3: ${${...}",
    ),
    "another function": ("task: predict\nlabel_suffix: ${oc.create:1}\n", "mine.yaml:2: ${oc.create:...}"),
    "in the defaults": ("defaults: [override /noise: '${oc.env:SECRET}']\n", "mine.yaml:1: ${oc.env:...}"),
    "a bomb by way of another": ("defaults: [other]\n", "other.yaml: its aliases stand for more than"),
    "a variable by way of another": ("defaults: [third]\n", "third.yaml:2: ${oc.env:...}"),
    "an object": ("task: !!python/object/apply:os.system [touch ran]\n", "mine.yaml:1: could not determine"),
    "a target": ("task: predict\n_target_: os.system\n", "mine.yaml: task=predict has no key '_target_'"),
    "a plugin": ("task: predict\nplugins: [evil.py]\n", "mine.yaml: plugins can only be named on the command line"),
    "a search path": ("task: predict\nhydra: {searchpath: [pkg://evil]}\n", "mine.yaml: unknown key 'hydra'"),
}


@pytest.mark.parametrize("what", ATTACKS)
def test_an_attack_is_one_line(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, told = ATTACKS[what]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "hush")
    Path("mine.yaml").write_text(text)
    Path("other.yaml").write_text(BOMB)
    Path("third.yaml").write_text("task: predict\nlabel_suffix: ${oc.env:SECRET}\n")
    Path("evil.py").write_text("open('ran', 'w')\n")
    started = time.monotonic()
    result = CliRunner().invoke(main, ["run", "mine.yaml", "volumes=a", "labels=b"])
    assert time.monotonic() - started < 10
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert told in line
    assert "hush" not in line
    assert not Path("ran").exists()


def test_anchors_and_references_of_honest_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from usframe.tasks import compose

    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        "task: predict\nprompts: &p [box]\ncases: *p\nlabel_suffix: '\\${oc.env:X} ${mode}'\n"
    )
    config = compose("mine.yaml", ["volumes=a", "labels=b"])
    assert vars(config)["cases"] == ["box"]
    assert vars(config)["label_suffix"] == "${oc.env:X} slice"
