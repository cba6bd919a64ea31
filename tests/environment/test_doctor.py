"""`usframe doctor`: every finding that is not as it should be comes with its cure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import usframe_

from usframe.environment import checks
from usframe.plugins import load_plugins


def findings(*words: str) -> tuple[int, list[dict[str, str]]]:
    done = usframe_("doctor", "--device", "cpu", "--json", *words)
    return done.exit_code, json.loads(done.output)


def test_a_sound_machine_segments_a_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, found = findings()
    assert status == 0
    by_check = {one["check"]: one for one in found}
    assert by_check["torch"]["found"] == torch.__version__
    assert "one slice from a box in" in by_check["network"]["found"]
    assert all(one["cure"] for one in found if one["standing"] != "ok")
    told = usframe_("doctor", "--device", "cpu").output
    assert "usframe weights get MedSAM2_latest" in told
    assert told.endswith("0 problems\n")


def test_damaged_weights_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "MedSAM2_latest.pt").write_bytes(b"half a download")
    status, found = findings()
    assert status == 1
    assert [one["check"] for one in found if one["standing"] == "problem"] == ["weights"]
    assert any("usframe weights get MedSAM2_latest" in one["cure"] for one in found)


def test_a_broken_plugin_and_a_missing_network_are_problems(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from usframe import hookimpl\n\n\n@hookimpl\ndef usframe_register_prompts(register):\n"
        "    register('mine', 'nowhere_to_be_found:strategy')\n"
    )
    status, found = findings("--plugin", str(plugin), "--backbone", "medsam2")
    problems = {one["check"]: one["found"] for one in found if one["standing"] == "problem"}
    assert status == 1
    assert "nowhere_to_be_found" in problems["plugins"]
    assert "MedSAM2_latest.pt was not found" in problems["network"]


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("ImportError: libGL.so.1: cannot open", "libgl1"),
        ("ImportError: numpy", "--force-reinstall"),
    ],
)
def test_opencv_that_does_not_import_has_its_cure(monkeypatch: pytest.MonkeyPatch, said: str, cure: str) -> None:
    monkeypatch.setattr(checks, "_import_fails", lambda module: said)
    (finding,) = checks.opencv()
    assert finding.standing == "problem"
    assert cure in finding.cure


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails():
        raise OSError("no such disk")
        yield

    monkeypatch.setattr(checks, "disk", fails)
    found = [one for one in checks.examine(load_plugins(), "demo", "random", "cpu") if one.check == "disk"]
    assert [(one.standing, one.found) for one in found] == [("problem", "OSError: no such disk")]
