"""Encodings kept on disk: made once for all runs and trainings, and never a reason to lose one."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from conftest import DataSet, usframe_
from safetensors.torch import save
from toy_backbones import Toy, ToyWithMemory

from usframe.encoding.embeddings import MARK, Store, kept_by, open_store
from usframe.errors import RequestError
from usframe.types import MemoryBackbone


def images(number: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((number, 3, 32, 32), np.float32))


class Counting(ToyWithMemory):
    """It counts the slices it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded = 0

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        self.encoded += len(images)
        return super().encode(images)


def store_in(folder: Path, limit: float = 1.0) -> Store:
    return open_store(folder, limit)


def test_a_slice_is_encoded_once_and_the_answer_is_the_same_whether_it_was_there(tmp_path: Path) -> None:
    network = Counting()
    kept = kept_by(store_in(tmp_path), network)
    with torch.no_grad():
        first = kept.encode(images(3))
        again = kept.encode(images(5))
        plain = ToyWithMemory().encode(images(3))
    assert network.encoded == 5
    assert (kept.store.hits, kept.store.misses) == (3, 5)
    assert torch.equal(first, again[:3])
    torch.testing.assert_close(first, plain, atol=1e-3, rtol=1e-3)


def test_a_process_of_its_own_encodes_no_slice_that_is_there(tmp_path: Path) -> None:
    with torch.no_grad():
        first = kept_by(store_in(tmp_path), Counting()).encode(images(4))
        other = Counting()
        kept = kept_by(store_in(tmp_path), other)
        again = kept.encode(images(4))
    assert (kept.store.hits, kept.store.misses) == (4, 0)
    assert other.encoded == 1  # an empty slice, which shows how features are made up
    assert torch.equal(first, again)


def test_other_weights_and_other_slices_are_not_taken_for_these(tmp_path: Path) -> None:
    other = Counting()
    with torch.no_grad():
        kept_by(store_in(tmp_path), Counting()).encode(images(2))
        other.module.weight.add_(0.25)
        kept = kept_by(store_in(tmp_path), other)
        answer = kept.encode(images(2))
        torch.testing.assert_close(answer, other.encode(images(2)), atol=1e-3, rtol=1e-3)
        kept.encode(images(2, seed=1))
    assert kept.store.hits == 0


def test_full_precision_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    with torch.no_grad():
        kept = kept_by(Store(tmp_path, half=False), Toy())
        kept.encode(images(2))
        assert torch.equal(kept.encode(images(2)), Toy().encode(images(2)))


def test_what_is_kept_of_a_backbone_has_its_verbs_and_no_others(tmp_path: Path) -> None:
    assert isinstance(kept_by(Store(tmp_path), ToyWithMemory()), MemoryBackbone)
    assert not isinstance(kept_by(Store(tmp_path), Toy()), MemoryBackbone)
    with pytest.raises(AttributeError):
        _ = kept_by(Store(tmp_path), Toy()).learned


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another"])
def test_a_damaged_file_is_one_line_and_its_slice_is_encoded_again(tmp_path: Path, damage: str) -> None:
    with torch.no_grad():
        first = kept_by(store_in(tmp_path), Toy()).encode(images(1))
        (file,) = tmp_path.glob("*.features")
        content = bytearray(file.read_bytes())
        content[-5] ^= 1
        other = Store(tmp_path / "other")
        other.put("a", torch.zeros(1, 7))
        shown = {"cut": content[:100], "flipped": content, "empty": b"", "another": other._path("a").read_bytes()}
        file.write_bytes(shown[damage])
        kept = kept_by(store_in(tmp_path), Toy())
        assert torch.equal(kept.encode(images(1)), first)
        assert (kept.store.hits, kept.store.misses) == (0, 1)
        (note,) = kept.store.notes
        assert note.startswith(f"{file}: is ")
        assert note.endswith("so the slice was encoded again")
        assert torch.equal(kept_by(store_in(tmp_path), Toy()).encode(images(1)), first)


def test_a_file_that_may_only_be_read_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    store = store_in(tmp_path)
    store.put("a" * 64, torch.ones(1, 2))
    monkeypatch.setattr(os, "utime", refused)
    found = store.get("a" * 64, torch.zeros(1, 2))
    assert found is not None
    assert torch.equal(found, torch.ones(1, 2))
    assert store.notes == []


def test_tensors_of_other_names_are_not_taken(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    content = save({"weights": torch.ones(1, 2)})
    store._path("a" * 64).write_bytes(zlib.crc32(content).to_bytes(4, "big") + content)
    assert store.get("a" * 64, torch.zeros(1, 2)) is None
    assert "is an embedding of another shape" in store.notes[0]


def test_values_beyond_half_precision_are_not_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    large = torch.full((1, 2), 1e6)
    assert torch.equal(store.put("a" * 64, large), large)
    assert not store.has("a" * 64)


def test_beyond_the_limit_what_was_used_longest_ago_goes_and_nothing_else(tmp_path: Path) -> None:
    features = torch.zeros(1, 500)
    store = store_in(tmp_path, limit=5e-6)  # 5 kB, for four of them
    foreign = tmp_path / "mine.features"
    foreign.write_bytes(b"x" * 100)
    for number in range(4):
        store.put(f"{number:064}", features)
        os.utime(store._path(f"{number:064}"), (number, number))
    assert store.get(f"{0:064}", features) is not None  # now it is the one that was used last
    store.put(f"{4:064}", features)
    left = {int(path.stem) for path in tmp_path.glob("0*.features")}
    assert {0, 4} <= left
    assert 1 not in left
    assert foreign.exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(RequestError, match="holds other files; name a folder that is empty or not there yet"):
        open_store(tmp_path, 1)
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="cannot be written to"):
        open_store(tmp_path / "file" / "deeper", 1)


def test_a_disk_without_room_costs_a_note_and_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    store = store_in(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    with torch.no_grad():
        assert kept_by(store, Toy()).encode(images(2)).shape == (2, 2, 8, 8)
    assert store.notes[0] == f"{tmp_path}: not all embeddings could be kept (No space left on device)"
    assert not [*tmp_path.glob("*.features")]


def run(data: DataSet, out: str, *more: str | Path) -> tuple[dict[str, Any], Path]:
    """run.json and OUT of a run with the network that comes with usframe."""
    folder = data.out.with_name(out)
    words = ["-i", data.volumes, "-l", data.labels, "-o", folder, "--backbone", "demo", "--device", "cpu"]
    done = usframe_("run", *words, *more)
    assert done.exit_code == 0, done.output
    return json.loads((folder / "run.json").read_text()), folder


def masks(out: Path) -> dict[str, Any]:
    return {str(file.relative_to(out)): np.asanyarray(nib.load(file).dataobj) for file in out.glob("masks/*/*.gz")}


def test_runs_in_both_modes_share_encodings_and_say_so(data: DataSet, tmp_path: Path) -> None:
    cache = f"cache.embeddings={tmp_path / 'kept'}"
    plain, without = run(data, "plain", "-p", "box")
    first, cold = run(data, "first", "-p", "box", cache)
    second, warm = run(data, "second", "-p", "box", cache)
    assert "kept" not in plain["slices"]
    assert first["slices"]["kept"] == 0
    assert second["slices"]["kept"] == second["slices"]["encoded"] > 0
    for name, mask in masks(warm).items():
        assert np.array_equal(mask, masks(cold)[name])
        other = masks(without)[name]
        assert 2 * ((mask == other) & (mask > 0)).sum() / ((mask > 0).sum() + (other > 0).sum()) > 0.99
    walked, _ = run(data, "walked", "-p", "box", "--mode", "propagate", cache)
    assert 0 < walked["slices"]["kept"] < walked["slices"]["encoded"]  # the slices without an object are new


def test_a_training_of_the_decoder_encodes_nothing_that_a_run_has(data: DataSet, tmp_path: Path) -> None:
    cache = f"cache.embeddings={tmp_path / 'kept'}"
    run(data, "first", "-p", "box", cache)
    more = ["train.parameters=decoder", "augment={}", "train.empty=0", "train.steps=8", "train.batch_size=2"]
    trained, out = run(data, "trained", "finetune", *more, "train.cache=1", "train.validate_every=8", cache)
    assert trained["embeddings"]["made"] == 0
    assert trained["embeddings"]["kept"] > 0
    assert not (out / "embeddings").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["cache.embeddings=OUT/kept"], "lies inside out="),
        (["cache.embeddings=VOLUMES/kept"], "lies inside volumes="),
        (["finetune", "cache.embeddings=OTHER"], "set train.cache=1 or more, too"),
        (["cache.limit=-1"], "cache.limit=-1"),
    ],
)
def test_a_folder_that_cannot_be_meant_is_refused(data: DataSet, words: list[str], told: str) -> None:
    places = {"OUT": str(data.out), "VOLUMES": str(data.volumes), "OTHER": str(data.out.with_name("other"))}
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    done = usframe_(*data.request(*words))
    assert done.exit_code == 2
    assert told in done.output
    assert not [*data.volumes.parent.rglob(MARK)]


def test_a_dry_run_makes_no_folder(data: DataSet, tmp_path: Path) -> None:
    done = usframe_(*data.request("-p", "box", "--dry-run", f"cache.embeddings={tmp_path / 'kept'}"))
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "kept").exists()
