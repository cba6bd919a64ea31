"""The network that users train: one step of MedSAM2's, of random weights, in bf16 with its encoder recomputed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import DataSet


@pytest.mark.parametrize("recipe", ["slice", "clip"])
def test_one_step_of_medsam2(data: DataSet, recipe: str) -> None:
    where = ["-i", str(data.volumes), "-l", str(data.labels), "-o", str(data.out)]
    network = ["--backbone", "medsam2", "--checkpoint", "random", "--device", "cpu", "--precision", "bf16"]
    small = [
        "train.steps=1",
        "train.batch_size=1",
        "train.clip_length=2",
        "train.validation_slices=1",
        "prompt={box: 1}",
    ]
    keys = [f"train.recipe={recipe}", "train.checkpointing=true", "train.tracker=none"]
    command = [sys.executable, "-m", "usframe", "run", "finetune", *where, *network, *small, *keys]
    done = subprocess.run(command, capture_output=True, text=True)  # a process has one precision to train with
    assert done.returncode == 0, done.stderr
    run = json.loads((data.out / "run.json").read_text())
    assert run["parameters"]["encoder"]["trained"] > 25e6
    assert run["peak_memory"]["host_mb"] > 0
    assert (data.out / "checkpoint_best.pt").stat().st_size > 100e6
