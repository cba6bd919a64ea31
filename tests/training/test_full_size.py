"""The network that users train: one step of MedSAM2's, of random weights, with its encoder recomputed.

In bf16 where the processor has that; emulated, one step takes minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DataSet, write_case

PROCESSOR = Path("/proc/cpuinfo")
PRECISION = "bf16" if PROCESSOR.exists() and "avx512_bf16" in PROCESSOR.read_text() else "fp32"


@pytest.mark.parametrize("recipe", ["slice", "clip"])
def test_one_step_of_medsam2(tmp_path: Path, recipe: str) -> None:
    data = DataSet(tmp_path / "volumes", tmp_path / "labels", tmp_path / "out")
    for number in range(2):
        write_case(data, f"case_{number}", 3, seed=number)
    where = ["-i", str(data.volumes), "-l", str(data.labels), "-o", str(data.out)]
    network = ["--backbone", "medsam2", "--checkpoint", "random", "--device", "cpu", "--precision", PRECISION]
    small = [
        "train.steps=1",
        "train.batch_size=1",
        "train.clip_length=2",
        "train.validation_slices=1",
        "prompt={box: 1}",
        "val=0.5",
    ]
    keys = [f"train.recipe={recipe}", "train.checkpointing=true", "train.tracker=none"]
    command = [sys.executable, "-m", "usframe", "run", "finetune", *where, *network, *small, *keys]
    done = subprocess.run(command, capture_output=True, text=True)  # a process has one precision to train with
    assert done.returncode == 0, done.stderr
    run = json.loads((data.out / "run.json").read_text())
    assert run["parameters"]["encoder"]["trained"] > 25e6
    assert run["peak_memory"]["host_mb"] > 0
    assert (data.out / "checkpoint_best.pt").stat().st_size > 100e6
