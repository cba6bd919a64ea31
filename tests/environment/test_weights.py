"""`usframe weights`: a hub on this machine serves what is asked for by name; files are verified and converted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from conftest import usframe_
from safetensors.torch import load_file

import usframe
from usframe.environment.catalogue import PUBLISHED
from usframe.inference.weights import read_weights

DEMO = Path(__file__).parents[2] / "checkpoints" / "demo.safetensors"
PLACE = "/wanglab/MedSAM2/resolve/main/MedSAM2_latest.pt"


@contextmanager
def hub(content: bytes | None) -> Iterator[str]:
    """A server that holds ``content`` at `PLACE`, with the headers of the Hub, and nothing else."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            found = content if self.path == PLACE else None
            self.send_response(404 if found is None else 200)
            if found is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", str(len(found or b"")))
            self.send_header("ETag", '"0123"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write((content if self.path == PLACE else None) or b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def get(name: str, endpoint: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the Hub's library reads its settings when it is imported."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hub"), "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        [sys.executable, "-m", "usframe", "weights", "get", name],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def medsam2(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Weights of MedSAM2's shape, in half precision."""
    network = usframe.load_backbone("medsam2", checkpoint="random", device="cpu").module
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.save({"model": {name: value.half() for name, value in network.state_dict().items()}}, path)
    return path.read_bytes()


def test_weights_are_had_by_name_and_then_found(medsam2: bytes, tmp_path: Path) -> None:
    with hub(medsam2) as endpoint:
        done = get("MedSAM2_latest", endpoint, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fits medsam2" in done.stdout
    assert (tmp_path / "checkpoints" / "MedSAM2_latest.pt").read_bytes() == medsam2


def test_weights_of_another_network_are_told(tmp_path: Path) -> None:
    with hub(DEMO.read_bytes()) as endpoint:
        done = get("MedSAM2_latest.pt", endpoint, tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("Error: ") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("there", [True, False])
def test_a_hub_without_the_file_or_without_an_answer_is_one_line(there: bool, tmp_path: Path) -> None:
    with hub(None) as endpoint:
        done = get("MedSAM2_latest", endpoint if there else "http://127.0.0.1:9", tmp_path)
    assert done.returncode == 2
    assert "MedSAM2_latest.pt could not be had from wanglab/MedSAM2" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    done = usframe_("weights", "get", "MedSAM2_lates")
    assert done.exit_code == 2
    assert "did you mean 'MedSAM2_latest'?" in done.output


def test_the_list_says_what_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USFRAME_HOME", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "sam2.1_hiera_small.pt").touch()
    rows = {row["file"]: row for row in json.loads(usframe_("weights", "list", "--json").output)}
    assert rows["sam2.1_hiera_small.pt"]["found"] == str(tmp_path / "checkpoints" / "sam2.1_hiera_small.pt")
    assert rows["sam2.1_hiera_large.pt"]["found"] is None
    told = usframe_("weights", "list").output
    assert all(one.name in told and one.licence in told for one in PUBLISHED)


def test_the_sizes_are_those_of_the_networks() -> None:
    for one in PUBLISHED:
        if one.backbone in ("medsam2", "sam2.1-small"):
            network = usframe.load_backbone(one.backbone, checkpoint="random", device="cpu").module
            assert sum(value.numel() for value in network.parameters()) == one.parameters


def test_a_file_is_verified(tmp_path: Path) -> None:
    found = json.loads(usframe_("weights", "verify", str(DEMO), "--json").output)
    assert found["fits"] == ["demo", "demo-128"]
    assert found["types"] == ["float16"]
    state = load_file(DEMO)
    first = next(name for name, value in state.items() if value.is_floating_point())
    torch.save(state | {first: torch.full_like(state[first], torch.nan)}, tmp_path / "broken.pt")
    done = usframe_("weights", "verify", str(tmp_path / "broken.pt"), "--backbone", "demo")
    assert done.exit_code == 2
    assert "holds NaN or infinite values" in done.output


@pytest.mark.parametrize(("name", "half"), [("whole.pt", False), ("half.safetensors", True)])
def test_weights_are_converted(tmp_path: Path, name: str, half: bool) -> None:
    stored = {key: value.float() for key, value in load_file(DEMO).items()}
    torch.save({"state_dict": stored, "epoch": 3}, tmp_path / "trained.pt")
    target = tmp_path / name
    done = usframe_("weights", "export", str(tmp_path / "trained.pt"), str(target), *["--half"] * half)
    assert done.exit_code == 0, done.output
    written = read_weights(target)
    assert written.keys() == stored.keys()
    assert {value.dtype for value in written.values()} == {torch.float16 if half else torch.float32}
    assert all(torch.equal(written[key].float(), stored[key]) for key in stored)
    assert "fits demo" in usframe_("weights", "verify", str(target), "--backbone", "demo").output
    again = usframe_("weights", "export", str(tmp_path / "trained.pt"), str(target))
    assert again.exit_code == 2
    assert "is there already" in again.output


def test_weights_are_mixed(tmp_path: Path) -> None:
    one = {key: value.float() for key, value in load_file(DEMO).items()}
    torch.save(one, tmp_path / "one.pt")
    more = {key: value + 1 if value.is_floating_point() else value for key, value in one.items()}
    torch.save(more, tmp_path / "two.pt")
    files = [str(tmp_path / name) for name in ("one.pt", "two.pt", "mixed.pt")]
    assert usframe_("weights", "mix", *files, "--share", "0.25").exit_code == 0
    mixed = read_weights(tmp_path / "mixed.pt")
    assert all(torch.allclose(mixed[key], value + 0.25) for key, value in one.items() if value.is_floating_point())
    torch.save({"another": torch.ones(2)}, tmp_path / "two.pt")
    done = usframe_("weights", "mix", *files[:2], str(tmp_path / "none.pt"))
    assert done.exit_code == 2
    assert "hold weights of different networks" in done.output
    assert not (tmp_path / "none.pt").exists()


@pytest.mark.parametrize("target", ["weights.onnx", "weights"])
def test_a_form_that_is_not_written_is_told(tmp_path: Path, target: str) -> None:
    done = usframe_("weights", "export", str(DEMO), str(tmp_path / target))
    assert done.exit_code == 2
    assert ".pt or .safetensors" in done.output
