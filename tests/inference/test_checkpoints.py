"""Weights are loaded strictly, whatever the file is called, and what does not fit is named."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import usframe
from usframe import CheckpointError, RequestError
from usframe.errors import PluginError
from usframe.inference.checkpoints import find_checkpoint, sha256


@pytest.fixture(scope="module")
def state():
    network = usframe.load_backbone("demo", checkpoint="random", device="cpu").module
    return {name: value.clone() for name, value in network.state_dict().items()}


def load(path: Path) -> dict:
    return usframe.load_backbone("demo", checkpoint=path, device="cpu").module.state_dict()


@pytest.mark.parametrize("form", ["wrapped.pt", "bare.pt", "weights.safetensors"])
def test_every_form_of_a_checkpoint_loads_all_of_it(tmp_path, state, form):
    path = tmp_path / form
    if form == "weights.safetensors":
        save_file(state, path)
    else:
        torch.save({"model": state} if form == "wrapped.pt" else state, path)
    loaded = load(path)
    assert all(torch.equal(loaded[name], state[name]) for name in state)


class Settings:
    """What people keep beside their weights."""


@pytest.mark.skipif(
    not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"),
    reason="a torch before 2.6 does not say what else a checkpoint holds; the file is refused then",
)
@pytest.mark.parametrize("beside", [np.float64(0.9), np.zeros(2), Settings(), Path("data")])
@pytest.mark.parametrize("wrapper", ["model", "state_dict"])
def test_what_lies_beside_the_weights_is_left_alone(tmp_path, state, wrapper, beside):
    torch.save({wrapper: state, "epoch": 3, "beside": beside}, tmp_path / "x.pt")
    loaded = load(tmp_path / "x.pt")
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_what_cannot_be_left_alone_is_named(tmp_path, state):
    torch.save({"model": state, "log": defaultdict(list, {1: [2]})}, tmp_path / "x.pt")
    torch.save({"model": state, "best": Settings()}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name, kind in (("x.pt", "collections.defaultdict"), ("old.pt", f"{__name__}.Settings")):
        with pytest.raises(CheckpointError, match=rf"other objects than tensors \({kind}\), and none is unpickled"):
            load(tmp_path / name)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "model._orig_mod."]
)
def test_names_of_compiled_and_parallel_networks_are_known(tmp_path, state, prefix):
    torch.save({prefix + name: value for name, value in state.items()}, tmp_path / "x.pt")
    assert torch.equal(load(tmp_path / "x.pt")["no_mem_embed"], state["no_mem_embed"])


def test_a_prefix_of_some_names_is_no_prefix(tmp_path, state):
    torch.save(
        {"module.no_mem_embed" if name == "no_mem_embed" else name: state[name] for name in state},
        tmp_path / "x.pt",
    )
    with pytest.raises(CheckpointError, match=r"1 missing \(no_mem_embed\); 1 unexpected \(module\.no_mem_embed\)"):
        load(tmp_path / "x.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e300])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_one_value_that_is_not_finite_is_refused_with_the_name_of_its_tensor(tmp_path, state, value, suffix):
    wrong = {name: tensor.clone() for name, tensor in state.items()}
    wrong["no_obj_ptr"] = wrong["no_obj_ptr"].double()
    wrong["no_obj_ptr"][0, 5] = value
    path = tmp_path / f"x{suffix}"
    if suffix == ".pt":
        torch.save(wrong, path)
    else:
        save_file(wrong, path)
    with pytest.raises(CheckpointError, match=r"holds NaN or infinite values in 1 of its tensors \(no_obj_ptr\)"):
        load(path)


def test_a_network_may_be_infinite_where_it_always_is(tmp_path):
    network = torch.nn.Linear(2, 2)
    network.register_buffer("mask", torch.tensor([0.0, float("-inf")]))
    torch.save(network.state_dict(), tmp_path / "x.pt")
    usframe.load_weights(network, tmp_path / "x.pt")
    torch.save({**network.state_dict(), "mask": torch.tensor([float("inf"), 0.0])}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="mask"):
        usframe.load_weights(network, tmp_path / "x.pt")


def test_half_precision_weights_are_widened(tmp_path, state):
    path = tmp_path / "half.safetensors"
    save_file({name: value.half() if value.is_floating_point() else value for name, value in state.items()}, path)
    assert all(value.dtype != torch.float16 for value in load(path).values())


def test_a_file_that_does_not_fit_names_what_is_missing_unexpected_and_misshapen(tmp_path, state):
    wrong = dict(state)
    del wrong["no_mem_embed"]
    wrong["extra.weight"] = torch.zeros(1)
    wrong["no_obj_ptr"] = torch.zeros(1, 7)
    torch.save(wrong, tmp_path / "wrong.pt")
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "wrong.pt")
    message = str(caught.value)
    assert "wrong.pt" in message
    assert "1 missing (no_mem_embed)" in message
    assert "1 unexpected (extra.weight)" in message
    assert "no_obj_ptr (1, 7) instead of (1, 96)" in message
    assert "\n" not in message


def test_medsam2_wants_all_of_its_471_tensors(tmp_path, state):
    torch.save({"model": state}, tmp_path / "MedSAM2_latest.pt")
    with pytest.raises(CheckpointError, match="does not fit this network of 471 tensors"):
        usframe.load_backbone("medsam2", checkpoint=tmp_path / "MedSAM2_latest.pt", device="cpu")


class Bomb:
    """Pickled, it would write a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_checkpoint_cannot_run_code(tmp_path):
    (tmp_path / "bomb.pt").write_bytes(pickle.dumps({"model": Bomb(tmp_path / "ran")}))
    torch.save({"model": Bomb(tmp_path / "ran")}, tmp_path / "zipped.pt")
    torch.save({"model": Bomb(tmp_path / "ran")}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("bomb.pt", "zipped.pt", "old.pt"):
        with pytest.raises(CheckpointError, match="cannot be read as weights"):
            load(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 cut off"])
def test_a_damaged_download_is_one_line(tmp_path, content):
    for name in ("x.pt", "x.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_file_without_tensors_is_not_a_checkpoint(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "log.pt")
    with pytest.raises(CheckpointError, match="holds no state dict"):
        load(tmp_path / "log.pt")


def test_a_state_dict_of_more_than_tensors_names_what(tmp_path, state):
    torch.save({**state, "epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"its state dict has 1 values that are no tensors \(epoch\)"):
        load(tmp_path / "x.pt")


def test_checkpoints_are_looked_for_here_then_at_home_then_in_usframe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USFRAME_HOME", str(tmp_path / "home"))
    ask = {"filename": "MedSAM2_latest.pt", "source": "https://example.org/weights"}
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(None, **ask)
    assert "https://example.org/weights" in str(caught.value)
    assert str(Path("checkpoints/MedSAM2_latest.pt")) in str(caught.value)
    for folder in (tmp_path / "home" / "checkpoints", Path("checkpoints")):
        folder.mkdir(parents=True)
        (folder / "MedSAM2_latest.pt").touch()
        assert find_checkpoint(None, **ask) == folder / "MedSAM2_latest.pt"


def test_a_checkpoint_that_was_named_must_exist(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.pt does not exist"):
        load(tmp_path / "nothing.pt")


def test_impossible_devices_and_precisions_are_refused():
    for wrong in ("gpu", "cuda:x", "cpu:1"):
        with pytest.raises(RequestError, match=f"device={wrong}"):
            usframe.load_backbone("demo", checkpoint="random", device=wrong)
    with pytest.raises(RequestError, match="precision=fp16 needs a CUDA device"):
        usframe.load_backbone("demo", checkpoint="random", device="cpu", precision="fp16")
    with pytest.raises(RequestError, match="precision=int8"):
        usframe.load_backbone("demo", checkpoint="random", device="cpu", precision="int8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_says_what_is():
    with pytest.raises(RequestError, match="device=cuda is not available here"):
        usframe.load_backbone("demo", checkpoint="random", device="cuda")


def test_an_unknown_backbone_names_the_nearest():
    with pytest.raises(PluginError, match="did you mean 'medsam2'"):
        usframe.load_backbone("medsam", checkpoint="random")


@pytest.mark.parametrize(("name", "side"), [("sam2.1-tiny", 1024), ("sam2.1-tiny-512", 512), ("medsam2", 512)])
def test_a_network_is_built_at_its_own_size(name, side):
    backbone = usframe.load_backbone(name, checkpoint="random", device="cpu")
    assert backbone.image_size == side
    assert isinstance(backbone, usframe.Backbone)


def test_sha256_is_that_of_the_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_clone_of_sam2_in_the_working_folder_is_named(tmp_path):
    (tmp_path / "sam2").mkdir()
    (tmp_path / "sam2/__init__.py").touch()
    script = "import usframe; usframe.load_backbone('demo', checkpoint='random', device='cpu')"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("usframe.errors.PluginError: backbone demo cannot be built: ")
    assert last.endswith(
        "; ./sam2 hides the installed package, so type usframe, not python -m usframe, or change the folder"
    )


def test_a_network_that_waits_for_its_weights_is_the_same_but_for_the_numbers():
    from usframe_plugins.backbones.sam2_family import Undrawn, demo

    with Undrawn():
        waiting = demo.build().state_dict()
    drawn = demo.build().state_dict()
    assert {name: (value.shape, value.dtype) for name, value in waiting.items()} == {
        name: (value.shape, value.dtype) for name, value in drawn.items()
    }
    matrix = "sam_mask_decoder.transformer.layers.0.mlp.layers.0.weight"
    assert drawn[matrix].any()
    assert not waiting[matrix].any()
