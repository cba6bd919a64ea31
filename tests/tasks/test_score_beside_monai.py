"""`usframe report` on random masks has MONAI's scores: of volumes, of each slice, and of clips by their frames."""

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_surface_dice,
)
from scipy.ndimage import gaussian_filter

from usframe.cli import main

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
SPACING = (1.7, 0.6, 0.4)  # along D, H, W
SCORES = ("dice", "iou", "hd95_mm", "assd_mm", "nsd")


@pytest.fixture
def pairs(tmp_path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Three cases of a label and a mask, (D, H, W), with both on every slice."""
    found = {}
    for seed, shape in enumerate(((6, 20, 17), (3, 25, 30), (2, 14, 16))):
        field = gaussian_filter(np.random.default_rng(seed).standard_normal((2, *shape)), (0, 1, 2, 2))
        masks = field > 0.5 * field.std()
        masks[:, :, 2:5, 3:6] = True
        found[f"case_{seed}"] = (masks[0], masks[1])
        affine = np.diag([*SPACING[::-1], 1.0])
        affine[:3, 3] = (-5, 6, 7)
        for folder, mask in zip(("labels", "masks"), masks, strict=True):
            (tmp_path / folder).mkdir(exist_ok=True)
            image = nib.Nifti1Image(mask.transpose(2, 1, 0).astype(np.uint8), affine)
            nib.save(image, tmp_path / folder / f"case_{seed}.nii.gz")
    return found


def monai(label: np.ndarray, mask: np.ndarray, spacing: tuple[float, ...]) -> list[float]:
    both = [torch.from_numpy(np.ascontiguousarray(one))[None, None].float() for one in (mask, label)]
    return [
        float(score)
        for score in (
            compute_dice(*both),
            compute_iou(*both),
            compute_hausdorff_distance(*both, include_background=True, percentile=95, spacing=spacing),
            compute_average_surface_distance(*both, include_background=True, symmetric=True, spacing=spacing),
            compute_surface_dice(*both, [1.0], True, spacing=spacing),
        )
    ]


def report(folder: Path, axis: str) -> dict[str, list[dict[str, str]]]:
    """The rows of both tables over all slices, and of each slice."""
    where = ["--masks", str(folder / "masks"), "-l", str(folder / "labels"), "-o", str(folder / axis)]
    more = [f"axis={axis}", "metrics.tolerance_mm=1", "metrics.per_slice=true"]
    done = CliRunner().invoke(main, ["report", *where, *more])
    assert done.exit_code == 0, done.output
    tables = {}
    for name in ("metrics", "metrics_per_slice"):
        with (folder / axis / f"{name}.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    tables["metrics"] = [row for row in tables["metrics"] if row["slices"] == "all"]
    return tables


def numbers(row: dict[str, str]) -> list[float]:
    return [float(row[name]) for name in SCORES]


def test_a_volume_is_scored_as_by_monai_in_3d_and_each_slice_in_its_plane(pairs, tmp_path):
    tables = report(tmp_path, "space")
    for row in tables["metrics"]:
        assert row["measured"] == "3D"
        assert numbers(row) == pytest.approx(monai(*pairs[row["case"]], SPACING), abs=1e-3)
    assert len(tables["metrics_per_slice"]) == sum(len(label) for label, _ in pairs.values())
    for row in tables["metrics_per_slice"]:
        label, mask = (one[int(row["frame"])] for one in pairs[row["case"]])
        assert numbers(row) == pytest.approx(monai(label, mask, SPACING[1:]), abs=1e-3)


def test_a_clip_has_the_overlap_of_all_frames_and_the_mean_distances_of_monai_on_each(pairs, tmp_path):
    tables = report(tmp_path, "time")
    for row in tables["metrics"]:
        label, mask = pairs[row["case"]]
        frames = np.mean([monai(*pair, SPACING[1:]) for pair in zip(label, mask, strict=True)], axis=0)
        assert row["measured"] == "2D per frame"
        assert numbers(row)[:2] == pytest.approx(monai(label, mask, SPACING)[:2], abs=1e-6)
        assert numbers(row)[2:] == pytest.approx(frames[2:], abs=1e-3)
