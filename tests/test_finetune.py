"""Pretraining on simulated slices: the loop learns, and what it leaves can be used."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import usframe
from usframe.cli import main
from usframe.clips import Mixture, SimulatedSlices
from usframe.finetune import SliceObjective, learning_rate
from usframe.losses import WEIGHTS
from usframe.plugins import load_plugins

TINY = [
    "simulate.shape=[1, 64, 64]",
    "simulate.scene=mass",
    "train.steps=2",
    "train.batch_size=2",
    "train.validate_every=1",
    "train.validation_images=2",
    "train.workers=0",
]


@pytest.fixture(scope="module")
def strategies():
    registry = load_plugins().prompts
    return {name: registry.get(name) for name in registry.names()}


def pretrain(out, *more: str):
    return CliRunner().invoke(main, ["run", "pretrain_demo", "-o", str(out), "--device", "cpu", *TINY, *more])


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


def test_an_earlier_training_is_not_overwritten_unasked(tmp_path):
    assert pretrain(tmp_path / "out").exit_code == 0
    before = (tmp_path / "out" / "checkpoint_last.pt").read_bytes()
    refused = pretrain(tmp_path / "out", "seed=9")
    assert refused.exit_code == 2
    assert (tmp_path / "out" / "checkpoint_last.pt").read_bytes() == before


def test_a_few_steps_on_one_batch_lower_its_loss(strategies):
    torch.manual_seed(0)
    backbone = usframe.load_backbone("demo", checkpoint="random", device="cpu")
    slices = SimulatedSlices(2, seed=0, strategy=strategies["box"], shape=(1, 64, 64), scene="mass")
    objective = SliceObjective(backbone, WEIGHTS)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3)
    totals = []
    for _ in range(12):
        terms = objective([slices[0], slices[1]])
        optimizer.zero_grad()
        terms["total"].backward()
        optimizer.step()
        totals.append(float(terms["total"].detach()))
    assert totals[-1] < 0.8 * totals[0]


def test_a_slice_depends_on_its_seed_alone(strategies):
    first = SimulatedSlices(3, seed=5, strategy=strategies["point"], shape=(1, 64, 64))
    later = SimulatedSlices(9, seed=6, strategy=strategies["point"], shape=(1, 64, 64))
    np.testing.assert_array_equal(first[2].image, later[1].image)
    np.testing.assert_array_equal(first[2].masks, later[1].masks)


def test_every_sample_has_one_prompt_per_mask_and_no_more_objects_than_asked_for(strategies):
    slices = SimulatedSlices(20, seed=0, strategy=strategies["box"], shape=(1, 96, 96), objects=2)
    for number in range(len(slices)):
        sample = slices[number]
        assert len(sample.prompts) == len(sample.masks) <= 2
        for prompt, mask in zip(sample.prompts, sample.masks, strict=True):
            left, top, right, bottom = prompt.box.astype(int)
            assert mask[top : bottom + 1, left : right + 1].any()


def test_a_mixture_draws_its_strategies_in_their_shares(strategies):
    mixture = Mixture(strategies, {"box": 3, "point": 1})
    mask, rng = np.ones((8, 8), bool), np.random.default_rng(0)
    boxes = [mixture(mask, frame=0, object_id=1, rng=rng).box is not None for _ in range(400)]
    assert 0.68 < np.mean(boxes) < 0.82


def test_the_learning_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(step, steps=100, warmup=10) for step in range(101)]
    assert rates[0] == 0.1
    assert rates[9] == 1
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0)
