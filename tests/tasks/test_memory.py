"""A long volume needs less memory than three times its array, and what waits on disk changes no result."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from usframe import arrays
from usframe.cli import main

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "memory.py"


def write_volume(folder: Path, suffix: str, depth: int, side: int) -> int:
    """Noise, with two objects on the six slices in the middle; the bytes of its array."""
    rng, (y, x) = np.random.default_rng(0), np.ogrid[:side, :side]
    volume = np.tile(rng.integers(0, 255, (1, side, side), np.uint8), (depth, 1, 1))
    labels = np.zeros_like(volume)
    for one in (1, 2):
        labels[depth // 2 - 3 : depth // 2 + 3, np.hypot(y - side / 2, x - side * one / 3) < side / 9] = one
    for name, array in (("volumes", volume), ("labels", labels)):
        (folder / name).mkdir(parents=True)
        if suffix == ".npy":
            np.save(folder / name / "a.npy", array)
        else:
            nib.save(nib.Nifti1Image(array.T, np.diag([0.3, 0.3, 0.5, 1])), folder / name / f"a{suffix}")
    return volume.nbytes


def peak(folder: Path) -> float:
    """Bytes of memory of its own that a run in slice mode needs, with scores, pictures and masks."""
    command = [sys.executable, str(BENCHMARK), "--run", str(folder), "slice"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-3]) * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize("suffix", [".npy", ".nii.gz"])
def test_a_run_needs_no_more_than_three_times_the_stored_volume(tmp_path, suffix):
    write_volume(tmp_path / "small", suffix, 7, 48)
    stored = write_volume(tmp_path / "large", suffix, 300, 512)
    assert peak(tmp_path / "large") - peak(tmp_path / "small") < 2 * stored


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_many_cases_need_no_more_than_four_times_one_of_them(tmp_path):
    """Three are in hand at a time: one is read, one with the network, one scored and drawn."""
    write_volume(tmp_path / "small", ".nii.gz", 7, 48)
    stored = write_volume(tmp_path / "large", ".nii.gz", 300, 512)
    for folder in ("volumes", "labels"):
        for copy in "bcdef":
            shutil.copy(tmp_path / "large" / folder / "a.nii.gz", tmp_path / "large" / folder / f"{copy}.nii.gz")
    assert peak(tmp_path / "large") - peak(tmp_path / "small") < 4 * stored


@pytest.mark.parametrize("mode", ["slice", "propagate"])
def test_what_waits_on_disk_is_what_would_be_in_memory(data, mode, monkeypatch):
    """The same files, to the byte, with prompts that are masks, post-processing and tables of single slices."""
    more = ("-p", "mask", "-p", "box", "--mode", mode, "metrics.per_slice=true", "baselines=true")
    steps = "postprocess={largest_component: {}}"
    kept = []
    for large in (arrays.LARGE, 0):
        monkeypatch.setattr(arrays, "LARGE", large)
        result = CliRunner().invoke(main, [*data.request(*more, steps, f"out={data.out}_{large}")])
        assert result.exit_code == 0, result.output
        out = Path(f"{data.out}_{large}")
        files = [*out.glob("masks/*/*"), *out.glob("overlays/*/*"), *out.glob("metrics*.csv")]
        kept.append({file.relative_to(out): file.read_bytes() for file in files})
    assert len(kept[0]) == 14
    assert kept[0] == kept[1]
