"""The same recording reads as the same volume, whatever it is stored as."""

from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from usframe.data.cases import pair_cases
from usframe.data.reading import read_labels, read_volume
from usframe.data.writers import mask_suffix, write_mask
from usframe.plugins.load import load_plugins

PLUGINS = load_plugins()
DATA = Path(__file__).parents[3] / "../shared/data"
RECORDING = np.random.default_rng(0).integers(0, 255, (4, 6, 7)).astype(np.uint8)
SPACING = (0.9, 0.4, 0.3)
SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".npy", ".npz", ".tif"]


def save(path: Path) -> Path:
    """RECORDING (D, H, W) as the usual tool for each format stores it."""
    suffix = path.name.removeprefix("case")
    if suffix.startswith(".nii"):
        nib.save(nib.Nifti1Image(RECORDING.transpose(2, 1, 0), np.diag([*SPACING[::-1], 1])), path)
    elif suffix == ".npy":
        np.save(path, RECORDING)
    elif suffix == ".npz":
        np.savez(path, imgs=RECORDING, spacing=SPACING[::-1])
    elif suffix == ".tif":
        cv2.imwritemulti(str(path), list(RECORDING))
    else:
        image = sitk.GetImageFromArray(RECORDING)
        image.SetSpacing(SPACING[::-1])
        sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_reads_as_the_same_volume(tmp_path, suffix):
    volume = read_volume(save(tmp_path / f"case{suffix}"), plugins=PLUGINS)
    np.testing.assert_array_equal(volume.data, RECORDING)
    assert volume.data.dtype == np.uint8
    assert volume.data.flags.c_contiguous
    if suffix not in (".npy", ".tif"):
        assert volume.spacing_mm == pytest.approx(SPACING)
    else:
        assert volume.spacing_mm is None


@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("target", [".nii.gz", ".nrrd", ".mhd", ".npy", ".npz", ".tif"])
def test_a_mask_can_be_written_in_another_format_than_its_volume(tmp_path, source, target):
    volume = read_volume(save(tmp_path / f"case{source}"), plugins=PLUGINS)
    write_mask(tmp_path / f"mask{target}", RECORDING, volume, plugins=PLUGINS)
    mask = read_volume(tmp_path / f"mask{target}", onto=volume, plugins=PLUGINS)
    np.testing.assert_array_equal(mask.data, RECORDING)
    if source not in (".npy", ".npz", ".tif") and target in (".nii.gz", ".nrrd", ".mhd"):
        assert mask.spacing_mm == pytest.approx(SPACING)
        np.testing.assert_allclose(mask.grid.affine, volume.grid.affine, atol=1e-6)


def headers_agree(source: Path, target: Path) -> bool:
    if not source.name.endswith(".nii.gz"):
        return True
    before, after = nib.load(source), nib.load(target)
    same = all(
        before.header[key].tobytes() == after.header[key].tobytes()
        for key in ("dim", "pixdim", "qform_code", "sform_code", "xyzt_units")
    )
    return same and before.affine.tobytes() == after.affine.tobytes()


@pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings are not here")
@pytest.mark.parametrize(
    ("name", "ids"), [("camus", {1, 2, 3}), ("carotid", {1}), ("nerve", {1, 2}), ("fetal_head", {1})]
)
def test_labels_of_real_recordings_come_back_on_their_grid(tmp_path, name, ids):
    cases = pair_cases(DATA / name / "volumes", DATA / name / "labels", readers=PLUGINS.readers)
    seen = set()
    for case in cases[:3]:
        volume = read_volume(case.volume, plugins=PLUGINS)
        labels = read_labels(case.labels, volume, plugins=PLUGINS)
        target = tmp_path / f"{case.name}{mask_suffix(case.suffix)}"
        write_mask(target, labels.data, volume, plugins=PLUGINS)
        again = read_volume(target, onto=volume, plugins=PLUGINS)
        np.testing.assert_array_equal(again.data, labels.data)
        assert again.spacing_mm == volume.spacing_mm
        assert headers_agree(case.volume, target)
        seen |= set(np.unique(labels.data)) - {0}
    assert seen == ids
