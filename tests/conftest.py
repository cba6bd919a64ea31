"""A small data set as users have it: volumes/ and labels/ of NIfTI files with an oblique affine."""

from __future__ import annotations

import math
import os
import shutil
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests that run side by side share the cores

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from usframe.cli import main

# A job in the background ignores SIGINT, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `HYPOTHESIS_PROFILE=soak`, or `--hypothesis-profile=soak`: 2,000 examples of everything that is made up.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("usual", max_examples=40, deadline=timedelta(seconds=20), suppress_health_check=SLOW)
settings.register_profile("soak", max_examples=2000, deadline=timedelta(seconds=20), suppress_health_check=SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


class DataSet(NamedTuple):
    volumes: Path
    labels: Path
    out: Path

    def request(self, *more: str) -> list[str]:
        """`usframe run` on this data with the demo network's random weights, on the CPU."""
        given = {
            **{"-i": str(self.volumes), "-l": str(self.labels), "-o": str(self.out)},
            **{"--backbone": "demo", "--checkpoint": "random", "--device": "cpu"},
        }
        usual = [word for option, value in given.items() if option not in more for word in (option, value)]
        return ["run", *usual, *more]


AFFINE = np.array([[0.4, 0.05, 0, -10], [-0.05, 0.4, 0, 7], [0, 0, 1.5, 3], [0, 0, 0, 1]])


def write_case(data: DataSet, name: str, depth: int = 5, *, seed: int = 0) -> None:
    """Two discs on grey noise; the first and last slice show neither."""
    rng = np.random.default_rng(seed)
    x, y = np.mgrid[:48, :36]
    labels = np.zeros((48, 36, depth), np.uint8)
    for k in range(1, depth - 1):
        labels[..., k][(x - 14 - k) ** 2 + (y - 12) ** 2 < 64] = 1
        labels[..., k][(x - 32) ** 2 + (y - 24) ** 2 < 40] = 2
    volume = np.clip(0.2 + 0.2 * labels + 0.1 * rng.standard_normal(labels.shape), 0, 1).astype(np.float32)
    for folder, array in ((data.volumes, volume), (data.labels, labels)):
        folder.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, AFFINE), folder / f"{name}.nii.gz")


def usframe_(*words: str | Path) -> Result:
    """The command in this process, which lets go of its OUT at the end as a process of its own does."""
    from usframe.session.folder import close_folder

    done = CliRunner().invoke(main, [str(word) for word in words])
    close_folder()
    return done


@pytest.fixture(autouse=True)
def _no_lines_while_cases_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a slow machine would print between two cases is in no test's way (`usframe.session.told`)."""
    from usframe.session import told

    monkeypatch.setattr(told, "EVERY", math.inf)


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser; where there is none the test is skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("there is no Chromium on this machine")
    with api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Three cases of 5, 4 and 6 slices."""
    made = DataSet(tmp_path / "volumes", tmp_path / "labels", tmp_path / "out")
    for number, depth in enumerate((5, 4, 6)):
        write_case(made, f"case_{number}", depth, seed=number)
    return made
