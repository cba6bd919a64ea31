"""The record of a run names the very file of the weights, and does so before the run."""

import hashlib
import platform
from pathlib import Path
from types import SimpleNamespace

import pytest

from usframe.config.schema import Predict
from usframe.errors import RequestError
from usframe.reporting.record import describe_run, identify


def with_weights(path):
    return SimpleNamespace(checkpoint=path)


def test_a_network_is_known_by_the_hash_of_its_weights(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"weights")
    identity = identify(with_weights(path), "demo")
    path.unlink()
    run = describe_run(Predict(seed=3), identity, "cpu", 2, 1.23456)
    assert run["checkpoint_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert (run["backbone"], run["checkpoint"]) == ("demo", str(path))
    assert (run["device"], run["device_name"], run["precision"]) == ("cpu", platform.machine(), "fp32")
    assert (run["processes"], run["seconds"], run["seed"]) == (2, 1.235, 3)


def test_fresh_weights_have_no_file():
    run = describe_run(Predict(), identify(with_weights(None), "demo"), "cpu", 1, 0.0)
    assert run["checkpoint"] is run["checkpoint_sha256"] is None


@pytest.mark.parametrize("place", [Path("random"), Path("somewhere", "else.pt")])
def test_a_file_that_cannot_be_read_is_one_line_that_names_the_backbone(place):
    with pytest.raises(RequestError, match=f"backbone blob says that its weights are those of {place}") as raised:
        identify(with_weights(place), "blob")
    assert "\n" not in str(raised.value)
