"""The packages in docs/examples: installed by pip, held to their own tests, and used by the real command."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import DataSet, usframe_

from usframe.plugins.kinds import KINDS
from usframe.plugins.load import load_plugins

EXAMPLES = Path(__file__).parents[3] / "docs/examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, as building leaves files behind, and a package that is new beside them."""
    folder = tmp_path_factory.mktemp("sources")
    left = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True, ignore=left)
    assert usframe_("plugins", "new", "prompt", "fresh", "-o", folder / "usframe-fresh").exit_code == 0
    return folder


@pytest.fixture(scope="module")
def site(sources: Path) -> Path:
    """Where pip has installed them."""
    folder = sources.with_name("site")
    pip = ["pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    packages = [str(path) for path in sorted(sources.iterdir())]
    done = subprocess.run([sys.executable, "-m", *pip, *packages], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)


@pytest.mark.usefixtures("installed")
def test_there_is_one_of_every_kind_and_pip_installs_it() -> None:
    plugins = load_plugins()
    assert plugins.broken == []
    owners = {kind: {entry.owner for entry in plugins[kind]} for kind in KINDS}
    assert all(any(f"{name} 0.1.0" in found for name in NAMES) for found in owners.values()), owners
    assert "usframe-fresh 0.1.0" in owners["prompt"]


def test_they_pass_their_own_tests(sources: Path, site: Path) -> None:
    words = ["-q", "-c", os.devnull, "--rootdir", str(sources), "-p", "no:cacheprovider"]
    folders = [str(sources / name / "tests") for name in NAMES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, *folders],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=sources,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def clip(tmp_path: Path) -> DataSet:
    """A bright disc that moves, as .pgm, and its label."""
    made = DataSet(tmp_path / "volumes", tmp_path / "labels", tmp_path / "out")
    y, x = np.mgrid[:48, :64]
    disc = np.stack([np.hypot(y - 24, x - 28 - n) < 9 for n in range(5)])
    for folder, pictures in ((made.volumes, 40 + 150 * disc), (made.labels, 1 * disc)):
        folder.mkdir()
        stored = b"".join(b"P5 64 48 255\n" + picture.astype(np.uint8).tobytes() for picture in pictures)
        (folder / "clip.pgm").write_bytes(stored)
    return made


@pytest.mark.usefixtures("installed")
def test_a_clip_is_read_prompted_segmented_tidied_scored_and_written(clip: DataSet) -> None:
    done = usframe_(*clip.request("-p", "extreme", "--backbone", "grey", "postprocess=[steady]"))
    assert done.exit_code == 0, done.output
    row = next(row for row in rows_of(clip.out / "metrics.csv") if row["prompt"] == "extreme")
    assert float(row["dice"]) > 0.5
    assert abs(float(row["volume_difference"])) < 60
    assert (clip.out / "masks/extreme/clip.pgm").read_bytes().startswith(b"P5 64 48 255\n")


@pytest.mark.usefixtures("installed")
def test_it_is_carried_from_the_slices_that_the_rule_chooses(clip: DataSet) -> None:
    words = clip.request("-p", "mask", "--mode", "propagate", "--backbone", "grey-memory", "frames=turns:2")
    done = usframe_(*words)
    assert done.exit_code == 0, done.output
    prompted = [row["frame"] for row in rows_of(clip.out / "quality.csv") if row["distance"] == "0"]
    assert len(prompted) == 2
    assert float(rows_of(clip.out / "metrics.csv")[0]["dice"]) > 0.7


@pytest.mark.usefixtures("installed")
def test_a_network_is_trained_with_the_loss_and_the_augmentation(data: DataSet) -> None:
    first, *words = data.request("train.steps=1", "train.batch_size=1", "train.validate_every=1")
    done = usframe_(first, "finetune", *words, "train.losses.tversky=1", "augment.reverberation=1")
    assert done.exit_code == 0, done.output
    assert "tversky" in rows_of(data.out / "curve.csv")[0]
