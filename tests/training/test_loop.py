"""What the loop does when it must stop early, wait for memory, or spread a step over several batches."""

from __future__ import annotations

import csv
import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner, Result
from conftest import DataSet

from usframe.cli import main
from usframe.config.schema import Train
from usframe.training.parameters import make_optimizers

TINY = [
    "train.optimizer=adamw",
    "simulate.shape=[1, 64, 64]",
    "simulate.scene=mass",
    "train.steps=4",
    "train.batch_size=2",
    "train.validate_every=1",
    "train.validation_images=2",
    "train.workers=0",
]
HUNGRY = """
import torch
from usframe import hookimpl
from usframe_plugins.backbones.sam2_family import demo_128

calls = 0

def hungry(*, weights, device, precision):
    backbone = demo_128(weights=weights, device=device, precision=precision)
    encode = backbone.encode

    def once(images):
        global calls
        calls += torch.is_grad_enabled()
        if calls == 3:
            raise torch.OutOfMemoryError("no memory left")
        return encode(images)

    backbone.encode = once
    return backbone

@hookimpl
def usframe_register_backbones(register):
    register("hungry", hungry)
"""


WILD = ["train.learning_rate=1e30", "train.gradient_clip=0", "train.warmup_steps=0"]
TRAINING = str(Path(__file__).parents[2] / "checkpoints/training/01_slices.yaml")


def pretrain(out: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["run", TRAINING, "-o", str(out), "--device", "cpu", *TINY, *more])


def steps(out: Path) -> list[int]:
    with (out / "curve.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_two_batches_per_step_train_like_one_of_both(tmp_path: Path) -> None:
    more = ["train.optimizer=adamw", "train.steps=2"]
    assert pretrain(tmp_path / "one", *more, "train.batch_size=4").exit_code == 0
    assert pretrain(tmp_path / "two", *more, "train.accumulate=2").exit_code == 0
    one, two = (torch.load(tmp_path / out / "checkpoint_last.pt")["model"] for out in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-4, rtol=1e-3)


def test_a_training_that_gets_no_better_stops(tmp_path: Path) -> None:
    still = ["train.learning_rate=0", "train.weight_decay=0", "train.steps=9", "train.stop_after=2"]
    assert pretrain(tmp_path / "out", *still).exit_code == 0
    assert steps(tmp_path / "out") == [1, 2, 3]


def test_a_loss_that_is_no_number_names_step_and_data_and_keeps_the_state(tmp_path: Path) -> None:
    failed = pretrain(tmp_path / "out", *WILD, "train.validate_every=4", "train.save_every=1")
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[-1].startswith("Error: the loss is nan at step 2 on simulated clip 10")
    assert "lower train.learning_rate" in failed.stderr
    assert (tmp_path / "out" / "state").is_dir()


def test_a_validation_of_weights_that_are_no_numbers_names_its_step_and_is_no_checkpoint(tmp_path: Path) -> None:
    failed = pretrain(tmp_path / "out", *WILD)
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[-1].startswith(
        "Error: the validation at step 1 failed: backbone Sam2Backbone"
    )
    assert "lower train.learning_rate" in failed.stderr
    assert not list((tmp_path / "out").glob("checkpoint_*"))


def test_out_of_memory_says_what_takes_less_and_keeps_the_state(tmp_path: Path) -> None:
    """The third of four steps does not fit; the same command goes on from the second."""
    (tmp_path / "hungry.py").write_text(HUNGRY)
    with_plugin = [f"plugins=[{tmp_path / 'hungry.py'}]", "backbone=hungry"]
    failed = pretrain(tmp_path / "out", *with_plugin)
    assert failed.exit_code == 1
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("Error: out of memory at step 3 on simulated clip 100000004; simulated clip 100000005;")
    assert "train.batch_size=1 train.accumulate=2, or train.checkpointing=true, or train.parameters=decoder" in last
    assert steps(tmp_path / "out") == [1, 2]
    assert pretrain(tmp_path / "out", *with_plugin).exit_code == 0
    assert steps(tmp_path / "out") == [1, 2, 3, 4]


MUON = pytest.param(
    "muon", marks=pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="Muon came with torch 2.9")
)


@pytest.mark.parametrize("optimizer", ["adamw", MUON])
def test_both_optimizers_change_every_part_of_the_network(tmp_path: Path, optimizer: str) -> None:
    done = pretrain(tmp_path / "out", f"train.optimizer={optimizer}", "train.steps=2", "train.validate_every=2")
    assert done.exit_code == 0, done.output
    start = pretrain(tmp_path / "start", "train.learning_rate=0", "train.weight_decay=0", "train.steps=1")
    assert start.exit_code == 0
    after, before = (torch.load(tmp_path / out / "checkpoint_last.pt")["model"] for out in ("out", "start"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {
        "image_encoder.trunk.patch_embed.proj.weight",
        "image_encoder.trunk.blocks.0.attn.qkv.weight",
        "sam_mask_decoder.transformer.layers.0.mlp.layers.0.weight",
        "sam_mask_decoder.mask_tokens.weight",
    } <= moved


def test_an_optimizer_that_torch_does_not_have_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    refused = pretrain(tmp_path / "out", "train.optimizer=muon")
    assert refused.exit_code == 2
    assert "train.optimizer=muon needs torch 2.9 or later, this is" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_what_steps_wait_for_their_samples_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second whenever the loop looks: one of each step is loading, one computing."""
    monkeypatch.setattr("usframe.training.loop.time", SimpleNamespace(monotonic=count().__next__))
    assert pretrain(tmp_path / "out", "train.steps=2").exit_code == 0
    assert json.loads((tmp_path / "out/run.json").read_text())["loader_share"] == 0.5


def test_a_step_is_one_kernel_on_cuda_and_as_it_was_elsewhere() -> None:
    backbone = SimpleNamespace(module=torch.nn.Linear(2, 1, device="cuda" if torch.cuda.is_available() else "cpu"))
    (optimizer,) = make_optimizers(backbone, Train())
    assert bool(optimizer.defaults["fused"]) == torch.cuda.is_available()


BARE = """
import sys
import torch
sys.path.insert(0, {tests!r})
from toy_backbones import Toy
from usframe import hookimpl

class Bare(Toy):
    def __init__(self):
        super().__init__()
        self.module = torch.nn.Identity()

    def encode(self, images):
        raise torch.OutOfMemoryError("no memory left")

@hookimpl
def usframe_register_backbones(register):
    register("bare", lambda *, weights, device, precision: Bare())
"""


@pytest.fixture
def bare(tmp_path: Path) -> list[str]:
    """The words for a network without parameters, on which memory ends."""
    (tmp_path / "bare.py").write_text(BARE.format(tests=str(Path(__file__).parents[1])))
    return ["--backbone", "bare", "--plugin", str(tmp_path / "bare.py")]


def test_a_network_without_parameters_is_not_trained(tmp_path: Path, data: DataSet, bare: list[str]) -> None:
    line = "Error: this backbone has no parameters, so there is nothing to train; take another backbone\n"
    finetune = ["run", "finetune", "-i", str(data.volumes), "-l", str(data.labels), "-o", str(data.out)]
    for refused in (
        CliRunner().invoke(main, [*finetune, "--device", "cpu", *bare]),
        pretrain(tmp_path / "simulated", *bare),
    ):
        assert (refused.exit_code, refused.stderr) == (2, line)
    assert not data.out.exists()
    assert not (tmp_path / "simulated").exists()


def test_out_of_memory_is_told_of_a_network_without_parameters(data: DataSet, bare: list[str]) -> None:
    done = CliRunner().invoke(main, data.request("-p", "box", *bare))
    assert done.exit_code == 1
    assert "Error: case case_0 (segment): out of memory on cpu; lower batch_size (now 8)" in done.stderr
