"""`usframe run ... surface=stl`: a surface beside every mask, and what becomes of it in a run that goes on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from conftest import DataSet, usframe_, write_case

RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
NOT_HERE = (
    "Error: surface=stl needs scikit-image, which is not installed: pip install scikit-image, or surface=none\n"
)


def files(out: Path) -> set[str]:
    return {path.relative_to(out / "surfaces").as_posix() for path in (out / "surfaces").rglob("*.stl")}


def propagated(data: DataSet, *more: str) -> list[str]:
    """From masks on one slice, which propagation hands back: so every object has voxels."""
    quick = ("overlays=false", "baselines=false")
    return ["run", "propagate", *data.request("-p", "mask", "surface=stl", *quick, *more)[1:]]


def unlabelled(data: DataSet, name: str, object_id: int) -> None:
    """Take an object out of the labels of a case."""
    path = data.labels / f"{name}.nii.gz"
    image = nib.load(path)
    labels = np.asanyarray(image.dataobj)
    nib.save(nib.Nifti1Image(np.where(labels == object_id, 0, labels).astype(np.uint8), image.affine), path)


def test_every_object_of_every_mask_has_a_surface_where_its_voxels_are(data):
    done = usframe_(*propagated(data, "-p", "box", "cases=[case_0, case_1]"))
    assert done.exit_code == 0, done.output
    assert "masks, surfaces, metrics.csv" in done.output
    shown = set()
    for path in (data.out / "masks").rglob("*.nii.gz"):
        mask = nib.load(path)
        voxels = np.asanyarray(mask.dataobj)
        for object_id in set(np.unique(voxels)) - {0}:
            place = f"{path.parent.name}/{path.name.removesuffix('.nii.gz')}_{object_id}.stl"
            shown.add(place)
            content = (data.out / "surfaces" / place).read_bytes()
            assert content[:80].startswith(b"usframe SPACE=LPS")
            corners = np.frombuffer(content[84:], RECORD)["corners"].reshape(-1, 3) * [-1, -1, 1]
            inside = np.c_[corners, np.ones(len(corners))] @ np.linalg.inv(mask.affine).T
            own = np.argwhere(voxels == object_id)
            np.testing.assert_allclose(inside[:, :3].min(0), own.min(0) - 0.5, atol=1e-3)
            np.testing.assert_allclose(inside[:, :3].max(0), own.max(0) + 0.5, atol=1e-3)
    assert files(data.out) == shown
    assert {f"mask/case_{case}_{object_id}.stl" for case in range(2) for object_id in (1, 2)} <= shown


def test_there_are_none_unasked(data):
    assert usframe_(*data.request("-p", "box", "cases=[case_1]")).exit_code == 0
    assert not (data.out / "surfaces").exists()


def test_a_clip_is_noted_once_per_case_and_has_its_masks(data):
    done = usframe_(*propagated(data, "axis=time"))
    assert done.exit_code == 0, done.output
    assert "note: no surface is written: the third axis is time" in done.output
    notes = json.loads((data.out / "run.json").read_text())["notes"]
    assert [note for note in notes if "surface" in note and "(3 cases" in note] != []
    assert files(data.out) == set()
    assert len(list((data.out / "masks").rglob("*.nii.gz"))) == 3


def test_a_single_slice_and_a_voxel_of_unknown_size_are_noted(tmp_path):
    data = DataSet(tmp_path / "volumes", tmp_path / "labels", tmp_path / "out")
    write_case(data, "a")
    for folder in (data.volumes, data.labels):
        stored = np.asanyarray(nib.load(folder / "a.nii.gz").dataobj).T
        (folder / "a.nii.gz").unlink()
        np.save(folder / "five.npy", stored)
        np.save(folder / "one.npy", stored[2:3])
    done = usframe_(*propagated(data, "axis=space"))
    assert done.exit_code == 0, done.output
    assert "surfaces are in voxels along columns, rows and slices (1 case, first five)" in done.output
    assert "no surface is written: a single slice has none (1 case, first one)" in done.output
    assert files(data.out) == {"mask/five_1.stl", "mask/five_2.stl"}


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_missing_library_is_told_before_any_case_is_touched(data, monkeypatch, more):
    monkeypatch.setitem(sys.modules, "skimage", None)
    refused = usframe_(*data.request("surface=stl", *more))
    assert (refused.exit_code, refused.output) == (2, NOT_HERE)
    assert not data.out.exists()


def test_a_comparison_which_writes_no_masks_refuses_surfaces(data):
    refused = usframe_("run", "compare_prompts", *data.request("surface=stl")[1:])
    assert refused.exit_code == 2
    assert "surface=stl is not for task=compare, which writes no masks" in refused.output


def test_a_surface_that_is_gone_is_made_again_and_nothing_else(data):
    usframe_(*propagated(data, "cases=[case_0, case_1]"))
    wanted = {name: (data.out / "surfaces" / name).read_bytes() for name in files(data.out)}
    times = {name: (data.out / "surfaces" / name).stat().st_mtime_ns for name in wanted}
    (data.out / "surfaces/mask/case_1_2.stl").unlink()
    assert usframe_(*propagated(data, "cases=[case_0, case_1]")).exit_code == 0
    assert {name: (data.out / "surfaces" / name).read_bytes() for name in files(data.out)} == wanted
    new = {name for name in wanted if (data.out / "surfaces" / name).stat().st_mtime_ns != times[name]}
    assert new == {"mask/case_1_1.stl", "mask/case_1_2.stl"}


def test_a_case_that_is_done_again_without_an_object_loses_its_surface(data):
    usframe_(*propagated(data, "cases=[case_1]"))
    before = files(data.out)
    unlabelled(data, "case_1", 2)
    assert usframe_(*propagated(data, "cases=[case_1]")).exit_code == 0
    assert files(data.out) == before - {"mask/case_1_2.stl"}


def test_overwrite_removes_the_surfaces_of_the_run_and_no_others(data):
    usframe_(*propagated(data, "cases=[case_1]"))
    (data.out / "surfaces/mask/mine.stl").write_text("mine")
    assert usframe_(*data.request("-p", "box", "cases=[case_1]", "overwrite=true")).exit_code == 0
    assert files(data.out) == {"mask/mine.stl"}


def test_a_surface_of_somebody_else_is_never_replaced(data):
    usframe_(*propagated(data, "cases=[case_0]"))
    (data.out / "surfaces/mask/case_0_1.stl").write_text("changed by hand")
    done = usframe_(*propagated(data, "cases=[case_0]"))
    assert done.exit_code == 1
    assert "case_0_1.stl: is there, but not as a run of usframe wrote it; move it away" in done.output
    assert (data.out / "surfaces/mask/case_0_1.stl").read_text() == "changed by hand"


def test_surfaces_of_somebody_else_are_in_the_way_before_a_run(data):
    (data.out / "surfaces").mkdir(parents=True)
    (data.out / "surfaces/mine.stl").write_text("mine")
    refused = usframe_(*propagated(data))
    assert refused.exit_code == 2
    assert "surfaces is not a run's and would be replaced" in refused.output
