"""Pretraining on simulated slices: the loop learns, and what it leaves can be used."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import usframe
from usframe.cli import main
from usframe.training.loop import learning_rate

TINY = [
    "simulate.shape=[1, 64, 64]",
    "simulate.scene=mass",
    "train.steps=2",
    "train.batch_size=2",
    "train.validate_every=1",
    "train.validation_images=2",
    "train.workers=0",
]
TRAINING = str(Path(__file__).parents[2] / "checkpoints/training/01_slices.yaml")


def pretrain(out, *more: str):
    return CliRunner().invoke(main, ["run", TRAINING, "-o", str(out), "--device", "cpu", *TINY, *more])


def test_pretraining_leaves_a_checkpoint_that_loads_and_a_curve(tmp_path):
    result = pretrain(tmp_path / "out")
    assert result.exit_code == 0, result.output
    with (tmp_path / "out" / "curve.csv").open(newline="") as file:
        curve = list(csv.DictReader(file))
    assert [row["step"] for row in curve] == ["1", "2"]
    assert {"focal", "dice", "iou", "presence", "total", "dice box", "dice point"} <= set(curve[0])
    full = usframe.load_backbone("demo", checkpoint=tmp_path / "out" / "checkpoint_last.pt", device="cpu")
    half = usframe.load_backbone("demo", checkpoint=tmp_path / "out" / "checkpoint_last.safetensors", device="cpu")
    for name, value in half.module.state_dict().items():
        torch.testing.assert_close(value, full.module.state_dict()[name], atol=1e-3, rtol=1e-3)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["seed"] == 1


def test_the_same_seed_trains_the_same_weights(tmp_path):
    states = []
    for out in ("a", "b"):
        pretrain(tmp_path / out, "train.validate_every=2")
        states.append(torch.load(tmp_path / out / "checkpoint_last.pt")["model"])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


DEADLY = """
import os
from pathlib import Path
from usframe import hookimpl

calls = 0

def deadly(frames, masks, *, rng):
    global calls
    calls += 1
    armed = Path("armed")
    if armed.exists() and calls == int(armed.read_text()):
        armed.unlink()
        os._exit(9)
    return frames, masks

@hookimpl
def usframe_register_augmentations(register):
    register("deadly", deadly)
"""


@pytest.mark.parametrize("killed_at", [1, 9])
def test_a_training_that_was_killed_goes_on_to_the_same_weights(tmp_path, monkeypatch, killed_at):
    """The process dies in the middle of a step; the same command goes on, and every bit is as if it had not."""
    monkeypatch.chdir(tmp_path)
    Path("deadly.py").write_text(DEADLY)
    more = ["train.steps=5", "train.save_every=2", "train.validate_every=3", "train.ema=0.9"]
    more += ["train.interpolate=0.5", "plugins=[deadly.py]"]

    def train(out):
        words = ["run", TRAINING, "-o", out, "--device", "cpu", *TINY, *more, "augment={deadly: 1.0}"]
        return subprocess.run([sys.executable, "-m", "usframe", *words], capture_output=True, text=True)

    assert train("whole").returncode == 0
    Path("armed").write_text(str(killed_at))
    assert train("killed").returncode == 9
    again = train("killed")
    assert again.returncode == 0, again.stderr
    whole, gone_on = (torch.load(Path(out, "checkpoint_last.pt"))["model"] for out in ("whole", "killed"))
    assert all(torch.equal(whole[name], gone_on[name]) for name in whole)
    curves = [Path(out, "curve.csv").read_text() for out in ("whole", "killed")]
    whole, gone_on = (re.sub(r"^(\d+),[\d.]+", r"\1", curve, flags=re.MULTILINE) for curve in curves)
    assert whole == gone_on


def test_other_settings_do_not_go_on_with_an_earlier_training(tmp_path):
    assert pretrain(tmp_path / "out").exit_code == 0
    refused = pretrain(tmp_path / "out", "train.learning_rate=0.5")
    assert refused.exit_code == 2
    assert "holds a run with other settings (train.learning_rate=0.0015)" in refused.output


def test_the_learning_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(step, steps=100, warmup=10) for step in range(101)]
    assert rates[0] == 0.1
    assert rates[9] == 1
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0)


def test_two_processes_train_as_one_with_their_batches_together(tmp_path):
    """Same samples per step, same loss and weights within float tolerance; each file is written by one of them."""
    more = ["train.steps=3", "train.validate_every=1", "train.recipe=both", "train.validation_volumes=2"]
    words = ["-m", "usframe", "run", TRAINING, "--device", "cpu", *TINY, *more, "simulate.shape=[2,64,64]"]
    spread = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for start, out, size in (([], "one", 4), (spread, "two", 2)):
        command = [sys.executable, *start, *words, "-o", str(tmp_path / out), f"train.batch_size={size}"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / out / "checkpoint_last.pt")["model"] for out in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=2e-4, rtol=1e-3)
    lines = []
    for out in ("one", "two"):
        with (tmp_path / out / "curve.csv").open(newline="") as file:
            lines.append([{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)])
    assert [line["step"] for line in lines[1]] == [1, 2, 3]
    for first, second in zip(*lines, strict=True):
        for term in ("focal", "dice", "iou", "presence", "total"):
            assert second[term] == pytest.approx(first[term], abs=2e-4)
        assert second["dice mask"] == pytest.approx(first["dice mask"], abs=0.05)
