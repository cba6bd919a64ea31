"""The whole product on real recordings, where they are at hand: masks on the source grid, plausible scores."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from usframe.cli import main

DATA = Path(__file__).parents[1] / "../shared/data"
CASES = {
    "camus": ["patient0001", "patient0050"],
    "carotid": ["seq01_run1"],
    "nerve": ["0000", "0040"],
    "fetal_head": ["000_HC"],
}


@pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings are not part of a clone")
@pytest.mark.parametrize("name", CASES)
def test_real_recordings_are_segmented_on_their_own_grid(name, tmp_path):
    volumes, labels = DATA / name / "volumes", DATA / name / "labels"
    request = [
        "run",
        "-i",
        str(volumes),
        "-l",
        str(labels),
        "-o",
        str(tmp_path),
        "-p",
        "box+point",
        "-p",
        "mask+point",
    ]
    chosen = f"cases=[{','.join(CASES[name])}]"
    result = CliRunner().invoke(main, [*request, "--backbone", "demo", "--device", "cpu", "components=all", chosen])
    assert result.exit_code == 0, result.output
    for prompt in ("box+point", "mask+point"):
        for case in CASES[name]:
            (source,) = volumes.glob(f"{case}.*")
            mask = tmp_path / "masks" / prompt / source.name
            if source.name.endswith(".nii.gz"):
                before, after = nib.load(source), nib.load(mask)
                assert after.shape == before.shape
                np.testing.assert_array_equal(after.affine, before.affine)
                for field in ("pixdim", "qform_code", "sform_code", "xyzt_units"):
                    np.testing.assert_array_equal(after.header[field], before.header[field])
            else:
                assert mask.is_file()
    with (tmp_path / "metrics.csv").open(newline="") as file:
        table = [row for row in csv.DictReader(file) if row["slices"] == "all" and row["dice"]]
    dice = {
        prompt: [float(row["dice"]) for row in table if row["prompt"] == prompt]
        for prompt in ("box+point", "mask+point")
    }
    assert np.mean(dice["mask+point"]) > 0.85
    assert np.mean(dice["box+point"]) > 0.6
