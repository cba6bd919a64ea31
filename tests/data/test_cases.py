"""Volumes and labels find each other by name, and every file that does not is named before anything runs."""

from pathlib import Path
from unicodedata import normalize

import cv2
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from usframe.config.schema import Paired
from usframe.data.case import Case
from usframe.data.cases import pair_cases
from usframe.data.reading import read_case, read_labels, read_volume
from usframe.errors import PairingError, ReadError
from usframe.plugins.load import load_plugins
from usframe.types import Volume

PLUGINS = load_plugins()


def lay_out(root: Path, files: str) -> None:
    """Create empty files, and folders for names that end in a slash."""
    for name in files.split():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.touch()


def pair(root: Path, volumes: str = "v", labels: str | None = "l", suffix: str = "") -> list[Case]:
    where = None if labels is None else root / labels
    return pair_cases(root / volumes, where, readers=PLUGINS.readers, label_suffix=suffix)


def problems(*args: object, **kwargs: object) -> list[str]:
    with pytest.raises(PairingError) as error:
        pair(*args, **kwargs)
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("files", "volumes", "labels", "suffix", "expected"),
    [
        pytest.param("v/b.nii.gz v/a.nii.gz l/a.nii.gz l/b.nii.gz", "v", "l", "", "a b", id="same names"),
        pytest.param("v/a.nii.gz l/a_gt.nii.gz", "v", "l", "_gt", "a", id="label suffix"),
        pytest.param("v/a.nii.gz l/a_gt.nii.gz", "v", "l", "_gt.nii.gz", "a", id="with the file suffix"),
        pytest.param("v/a.nii.gz l/a_gt.nii.gz l/a_old.nii.gz", "v", "l", "_gt", "a", id="others are no labels"),
        pytest.param("v/a.nrrd v/a_Mask.seg.nrrd", "v", "v", "_Mask", "a", id="one folder"),
        pytest.param("v/a.nrrd v/a_Mask.seg.nrrd", "v", "v", "_Mask.seg", "a", id="Slicer's own suffix"),
        pytest.param("v/a.nrrd v/a.seg.nrrd", "v", "v", ".seg", "a", id="Slicer's default name"),
        pytest.param("v/a.jpg v/b.nii l/a.png l/b.npy", "v", "l", "", "a b", id="other formats"),
        pytest.param("v/a_0000.nii.gz l/a.nii.gz", "v", "l", "", "a", id="nnU-Net"),
        pytest.param("v/a_0000.png l/a_0000.png", "v", "l", "", "a_0000", id="numbered frames"),
        pytest.param("v/a_0000.png v/a_0001.png", "v", None, "", "a_0000 a_0001", id="frames without labels"),
        pytest.param("v/a_0000.nii v/b_0000.nii", "v", None, "", "a b", id="nnU-Net without labels"),
        pytest.param("v/a.nii v/b.nrrd", "v", None, "", "a b", id="no labels"),
        pytest.param("v/a.nii v/a_gt.nii", "v", None, "_gt", "a", id="labels beside volumes are no volumes"),
        pytest.param("v/a.npz v/b.npz", "v", "v", "", "a b", id="an npz holds both"),
        pytest.param("v/a.mhd v/a.raw v/.b.nii v/x.txt l/a.mhd l/a.zraw", "v", "l", "", "a", id="companions"),
        pytest.param("v/a.nii v/sub/b.nii l/a.nii", "v", "l", "", "a", id="subfolders are not searched"),
        pytest.param("v/A.NII.GZ l/A.nii", "v", "l", "", "A", id="suffixes in capitals"),
        pytest.param("v/a.nii v/b.nii l/a.nii l/b.nii", "v/b.nii", "l", "", "b", id="one file of many"),
        pytest.param("v/a_0000.nii v/b.nii l/a.nii l/b.nii", "v/a_0000.nii", "l", "", "a", id="one nnU-Net file"),
        pytest.param("v/a.nii v/a_gt.nii", "v/a.nii", "v", "_gt", "a", id="one file, labels beside it"),
        pytest.param("v/scan.nii l/drawn.nrrd", "v/scan.nii", "l/drawn.nrrd", "", "scan", id="two files"),
        pytest.param("v/scan.nii", "v/scan.nii", None, "", "scan", id="one file without labels"),
    ],
)
def test_cases_are_paired_by_name(tmp_path, files, volumes, labels, suffix, expected):
    lay_out(tmp_path, files)
    cases = pair(tmp_path, volumes, labels, suffix)
    assert [case.name for case in cases] == expected.split()
    for case in cases:
        assert case.volume.name.lower().endswith(case.suffix)
        assert case.volume.name.startswith(case.name)
        assert (case.labels is None) == (labels is None)
        assert case.labels is None or case.labels.is_file()
        assert case.labels != case.volume or case.suffix == ".npz"


@pytest.mark.parametrize("suffix", ["", "_über"])
def test_composed_and_decomposed_letters_are_the_same_name(tmp_path, suffix):
    for folder, form, ending in (("v", "NFD", ""), ("l", "NFC", suffix)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / (normalize(form, "Müller_José" + ending) + ".nii")).touch()
    [case] = pair(tmp_path, suffix=normalize("NFD", suffix))
    assert case.name == normalize("NFC", "Müller_José")


def test_every_problem_is_listed_at_once(tmp_path):
    lay_out(tmp_path, "v/a.nii v/b.nii v/c.nii v/c.nrrd v/d.nii v/d_0001.nii")
    lay_out(tmp_path, "l/a.nii l/c.nii l/d.nii l/d.png l/e.nii")
    listed = problems(tmp_path)
    v, lab = tmp_path / "v", tmp_path / "l"
    assert sorted(listed) == sorted(
        [
            f"{v / 'b.nii'}: no labels for this volume",
            f"{lab / 'e.nii'}: no volume for these labels",
            f"{v}: 2 volumes for case c: c.nii, c.nrrd; keep one here",
            f"{lab}: 2 labels for case d: d.nii, d.png; keep one here",
            f"{v / 'd_0001.nii'}: is channel 0001 of case d; keep only channel 0000",
        ]
    )


def test_two_volumes_of_one_case_without_labels_are_refused(tmp_path):
    lay_out(tmp_path, "v/a.nii v/a.nrrd")
    assert problems(tmp_path, labels=None) == [
        f"{tmp_path / 'v'}: 2 volumes for case a: a.nii, a.nrrd; keep one here"
    ]


@pytest.mark.parametrize(
    ("files", "labels", "suffix", "hint"),
    [
        ("v/a.nii v/b.nii l/a_gt.nii l/b_gt.nii", "l", "", "hint: label_suffix=_gt pairs 2 of them"),
        ("v/a.nii v/b.nii l/a_gt.nii l/b_gt.nii", "l", "_seg", "hint: label_suffix=_gt pairs 2 of them"),
        ("v/a.nrrd v/a_Mask.seg.nrrd", "v", "", "hint: label_suffix=_Mask pairs 1 of them"),
        ("v/a.nii v/b.nii l/a.nii l/b.nii", "l", "_gt", "hint: without label_suffix=_gt, 2 of them pair"),
    ],
)
def test_a_suffix_that_would_pair_them_is_suggested(tmp_path, files, labels, suffix, hint):
    lay_out(tmp_path, files)
    assert problems(tmp_path, labels=labels, suffix=suffix)[-1] == hint


def test_numbers_are_not_taken_for_a_suffix(tmp_path):
    lay_out(tmp_path, "v/case1.nii l/case10.nii")
    assert not any("label_suffix=0" in problem for problem in problems(tmp_path))


def test_where_nothing_pairs_the_rule_is_said(tmp_path):
    lay_out(tmp_path, "v/img_1.nii v/img_2.nii l/seg_1.nii l/seg_2.nii")
    *listed, hint = problems(tmp_path)
    assert len(listed) == 4
    assert "the name of their volume, here such as img_1, and label_suffix=" in hint


def test_a_link_to_a_file_that_is_gone_is_a_case_all_the_same(tmp_path):
    lay_out(tmp_path, "v/a.nii l/a.nii")
    for folder in "vl":
        (tmp_path / folder / "b.nii").symlink_to(tmp_path / "gone.nii")
    gone = pair(tmp_path)[1].volume
    with pytest.raises(ReadError, match=r"b\.nii: the link leads to no file"):
        read_volume(gone, plugins=PLUGINS)


@pytest.mark.parametrize(
    ("files", "volumes", "labels", "suffix", "words"),
    [
        ("l/a.nii", "v", "l", "", "no such file or folder"),
        ("v/a.nii", "v", "l", "", "no such file or folder"),
        ("v/imagesTr/a.nii v/labelsTr/a.nii", "v", None, "", "holds only folders (imagesTr, labelsTr)"),
        ("v/a.doc v/b.txt", "v", None, "", "found: a.doc, b.txt; known suffixes: .avi"),
        ("v/", "v", None, "", "found: nothing"),
        ("v/a.doc", "v/a.doc", None, "", "unknown suffix"),
        ("v/a.nii l/a.nii", "v", "l/a.nii", "", "give two of a kind"),
        ("v/a.nii v/b.nii", "v", "v", "", "label_suffix, such as _gt"),
        ("v/a_gt.nii", "v", "v", "_gt", "none is a volume"),
        ("v/a.nii l/b.nii", "v/a.nii", "l", "", "no labels for this volume"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(tmp_path, files, volumes, labels, suffix, words):
    lay_out(tmp_path, files)
    listed = problems(tmp_path, volumes, labels, suffix)
    assert words in listed[0]
    assert not any("\n" in problem for problem in listed)


def nifti(path: Path, dhw: np.ndarray, affine: np.ndarray | None = None) -> Path:
    grid = np.diag([0.3, 0.4, 0.9, 1]) if affine is None else affine
    nib.save(nib.Nifti1Image(dhw.transpose(2, 1, 0), grid, dtype=dhw.dtype), path)
    return path


LABELS = np.random.default_rng(0).integers(0, 3, (4, 5, 6)).astype(np.uint8)


@pytest.fixture
def source(tmp_path) -> Path:
    return nifti(tmp_path / "a.nii.gz", np.zeros((4, 5, 6), np.int16))


def labels_of(source: Path, labels: Path, layout: str = "auto") -> Volume:
    volume = read_volume(source, layout=layout, plugins=PLUGINS)
    return read_labels(labels, volume, layout=layout, plugins=PLUGINS)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
def test_whole_numbers_of_any_type_are_labels(tmp_path, source, dtype):
    read = labels_of(source, nifti(tmp_path / "l.nii", LABELS.astype(dtype)))
    assert read.data.dtype == np.uint8
    np.testing.assert_array_equal(read.data, LABELS)
    assert read.notes == ()
    assert read.spacing_mm == pytest.approx((0.9, 0.4, 0.3))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, "whole numbers, found 0.5"),
        (np.nan, "NaN"),
        (np.inf, "NaN or infinite"),
        (-1, "-1"),
        (256, "256"),
    ],
)
def test_other_values_are_refused_with_the_file_named(tmp_path, source, value, message):
    data = LABELS.astype(np.float64)
    data[0, 0, 0] = value
    path = nifti(tmp_path / "l.nii", data)
    with pytest.raises(ReadError, match=message) as error:
        labels_of(source, path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_a_slope_leaves_of_whole_numbers_is_rounded(tmp_path, source, dtype):
    dusty = (LABELS * 1.0000153).astype(dtype)
    np.testing.assert_array_equal(labels_of(source, nifti(tmp_path / "l.nii", dusty)).data, LABELS)


def test_labels_of_another_shape_are_refused_with_both_shapes(tmp_path, source):
    path = nifti(tmp_path / "l.nii", LABELS[:, :, :5])
    with pytest.raises(ReadError, match=r"\(4, 5, 5\) for a volume of \(4, 5, 6\)"):
        labels_of(source, path)
    np.save(tmp_path / "l.npy", LABELS.transpose(1, 2, 0))
    with pytest.raises(ReadError, match="label_layout="):
        labels_of(source, tmp_path / "l.npy")


def test_layout_applies_to_volume_and_labels(tmp_path):
    rows_first = np.moveaxis(LABELS, 0, 2)
    for name in ("a.npy", "l.npy"):
        np.save(tmp_path / name, rows_first)
    np.testing.assert_array_equal(labels_of(tmp_path / "a.npy", tmp_path / "l.npy", "hwd").data, LABELS)


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (LABELS * 0, "the labels hold no object"),
        (np.arange(LABELS.size, dtype=np.uint8).reshape(LABELS.shape), "more than 32 objects"),
    ],
)
def test_labels_that_may_be_a_mistake_have_a_note(tmp_path, source, labels, note):
    read = labels_of(source, nifti(tmp_path / "l.nii", labels))
    np.testing.assert_array_equal(read.data, labels)
    assert any(note in found for found in read.notes)


def test_a_png_labels_a_jpeg(tmp_path):
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((5, 6), np.uint8))
    cv2.imwrite(str(tmp_path / "l.png"), LABELS[0])
    np.testing.assert_array_equal(labels_of(tmp_path / "a.jpg", tmp_path / "l.png").data, LABELS[:1])


def test_slicer_labels_are_put_on_the_volume(tmp_path, source):
    whole = sitk.ReadImage(str(nifti(tmp_path / "whole.nii", LABELS)))
    crop = sitk.RegionOfInterest(whole, [4, 5, 2], [2, 0, 1])
    for segment in (1, 2):
        crop.SetMetaData(f"Segment{segment}_LabelValue", str(segment))
        crop.SetMetaData(f"Segment{segment}_Layer", "0")
    sitk.WriteImage(crop, str(tmp_path / "a.seg.nrrd"))
    expected = np.zeros_like(LABELS)
    expected[1:3, :, 2:] = LABELS[1:3, :, 2:]
    np.testing.assert_array_equal(labels_of(source, tmp_path / "a.seg.nrrd").data, expected)


def test_a_case_without_labels_has_none_to_read(source):
    reading = read_case(Case("a", source), Paired(), PLUGINS)
    assert reading.labels is reading.empty_slices is None


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ReadError, match=r"\.nii\.gz"):
        read_volume(tmp_path / "a.doc")


def test_of_many_problems_of_a_kind_the_first_are_listed_and_the_others_counted(tmp_path):
    lay_out(tmp_path, " ".join(f"v/{n}.nii" for n in range(9)) + " l/other.nii")
    listed = problems(tmp_path)
    assert [line for line in listed if line.endswith("no labels for this volume")] == [
        *(f"{tmp_path / 'v' / f'{n}.nii'}: no labels for this volume" for n in range(5)),
        "4 more: no labels for this volume",
    ]
    assert f"{tmp_path / 'l' / 'other.nii'}: no volume for these labels" in listed
