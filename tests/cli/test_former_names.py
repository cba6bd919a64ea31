"""Who types what the MedSAM2 ultrasound guide says is told the new name, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import usframe_

from usframe.config.guide import COMMANDS, OPTIONS

SETTINGS = """\
dataset:
  train_root: /path/to/training_data/train
  train_label_root: /path/to/training_data/train
  val_root: /path/to/training_data/val
  val_label_root: /path/to/training_data/val
  modality: ultrasound
  prompt_type: mask+point
"""


def told(*words: str | Path) -> str:
    done = usframe_(*words)
    assert done.exit_code == 2
    (line,) = (line for line in done.output.splitlines() if line.startswith("Error: "))
    return line


@pytest.mark.parametrize(("name", "now"), COMMANDS.items())
def test_former_commands(name: str, now: str) -> None:
    assert told(name, "-i", "x") == f"Error: No such command {name!r}; type {now}"
    assert told(f"{name}.py").endswith(now)


@pytest.mark.parametrize(("name", "now"), OPTIONS.items())
def test_former_options(name: str, now: str) -> None:
    assert told("run", name, "x") == f"Error: No such option {name}; {now}"
    assert told("run", name.replace("_", "-"), "x").endswith(now)


@pytest.mark.parametrize(("device", "now"), [("0", "cuda:0"), ("0,1", "accelerate launch")])
def test_former_devices(device: str, now: str) -> None:
    assert now in told("run", "-i", "x", "-l", "y", "--device", device)


def test_a_former_settings_file(tmp_path: Path) -> None:
    (tmp_path / "ultrasound_finetune.yaml").write_text(SETTINGS)
    line = told("run", tmp_path / "ultrasound_finetune.yaml")
    assert "usframe run finetune -i VOLUMES -l LABELS -o OUT 'prompt={mask+point: 1}'" in line
    assert "/path/to/training_data/train and /path/to/training_data/val" in line
