"""`checkpoints/local_memory.py`: the last memory layer of the demo network looks in place."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sam2.modeling.position_encoding import apply_rotary_enc, compute_axial_cis
from usframe_checkpoints import local_memory

import usframe
from usframe.inference.checkpoints import read_weights
from usframe.simulation import simulate
from usframe.types import Backbone

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "checkpoints/demo.safetensors"
LAST = "memory_attention.layers.2."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("local")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_memory, "SLICES", local_memory.SLICES[:40])
        local_memory.main(BUNDLED, out)
    return out / "checkpoint_last.pt"


def load(checkpoint: Path) -> Backbone:
    return usframe.load_backbone("demo", checkpoint=checkpoint, device="cpu", precision="fp32")


def test_no_other_weight_is_changed(made: Path) -> None:
    before, after = read_weights(BUNDLED), read_weights(made)
    assert before.keys() == after.keys()
    for name, weight in before.items():
        assert name.startswith(LAST) or torch.equal(weight.float(), after[name]), name


def test_each_place_attends_to_itself_most_and_hardly_beyond_its_neighbours(made: Path) -> None:
    attention = load(made).module.memory_attention.layers[-1].cross_attn_image
    side, width = 16, len(attention.q_proj.bias)
    turns = compute_axial_cis(dim=width, end_x=side, end_y=side, theta=10000.0)
    queries, keys = (p.bias.expand(1, 1, side**2, width) for p in (attention.q_proj, attention.k_proj))
    queries, keys = apply_rotary_enc(queries, keys, freqs_cis=turns)
    weights = (queries @ keys.transpose(-1, -2) / width**0.5).softmax(-1)[0, 0].detach().numpy()
    rows, columns = np.divmod(np.arange(side**2), side)
    away = np.maximum(abs(rows[:, None] - rows), abs(columns[:, None] - columns))
    assert np.array_equal(weights.argmax(1), np.arange(side**2))
    assert (weights * (away <= 1)).sum(1).min() > 0.95


def test_a_mask_is_carried_to_an_equal_slice_better_than_without_the_layer(made: Path) -> None:
    backbone = load(made)
    silenced = load(made)
    with torch.no_grad():
        silenced.module.memory_attention.layers[-1].cross_attn_image.out_proj.weight.zero_()
    scores = {
        name: np.mean([carried(net, seed) for seed in range(8)])
        for name, net in (("with", backbone), ("without", silenced))
    }
    assert scores["with"] > scores["without"] + 0.02, scores


def carried(backbone: Backbone, seed: int) -> float:
    """Dice of what a mask prompt on slice 0 becomes on the same picture in slice 1, mean over objects."""
    scan = simulate(seed, shape=(1, 256, 256), faint=1.0)
    volume = usframe.Volume(np.repeat(scan.image, 2, axis=0))
    dice = []
    for one in np.unique(scan.labels)[1:]:
        mask = scan.labels[0] == one
        prompt = usframe.Prompt(0, int(one), mask=mask)
        answer = usframe.segment(volume, [prompt], backbone, mode="propagate").mask[1] == one
        dice.append(2 * (answer & mask).sum() / (answer.sum() + mask.sum()))
    return float(np.mean(dice))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"model": {"other": torch.zeros(1)}}, tmp_path / "other.pt")
    done = subprocess.run(
        [sys.executable, ROOT / "checkpoints/local_memory.py", tmp_path / "other.pt", tmp_path / "out"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "other weights than those of the demo network" in done.stderr
    assert not (tmp_path / "out").exists()
