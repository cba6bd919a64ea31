"""The state of a training that somebody else left runs no code when it is gone on from."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from usframe import CheckpointError
from usframe.inference.weights import check_state
from usframe.training.resume import Progress


class Code:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_code_in_a_state_is_refused_and_not_run(tmp_path: Path) -> None:
    path, ran = tmp_path / "custom_checkpoint_0.pkl", tmp_path / "ran"
    torch.save(Code(ran), path)
    zipped = path.read_bytes()
    for content in (zipped, pickle.dumps(Code(ran)), pickle.dumps(Code(ran), 2), b"", zipped[:50]):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"custom_checkpoint_0\.pkl: is damaged or holds other objects"):
            check_state(tmp_path)
    assert not ran.exists()


def test_how_far_a_training_has_come_is_numbers(tmp_path: Path) -> None:
    progress = Progress(step=3, curve=[{"dice": 0.5}], losses=[{"total": float("nan")}])
    torch.save(progress.state_dict(), tmp_path / "custom_checkpoint_0.pkl")
    check_state(tmp_path)
