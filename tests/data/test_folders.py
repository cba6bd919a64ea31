"""Where a folder holds only folders, each of these is one case."""

import csv
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from dicom_files import region, save, save_series

from usframe.cli import main
from usframe.config.schema import Paired
from usframe.data.cache import Cache, describe_inputs
from usframe.data.cases import find_cases, pair_cases
from usframe.data.reading import read_case
from usframe.errors import PairingError
from usframe.plugins.load import load_plugins
from usframe.training.labelled import Volumes

PLUGINS = load_plugins()
DISC = (np.hypot(*(np.mgrid[:32, :40] - np.array([16, 18])[:, None, None])) < 9).astype(np.uint8)
LABELS = np.stack([DISC, DISC, DISC * 0, DISC])
CLIP = (LABELS * 90 + np.random.default_rng(0).integers(20, 60, LABELS.shape)).astype(np.uint8)


def frames(folder: Path, pictures: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures, 1):
        assert cv2.imwrite(str(folder / f"{number}.png"), picture)


def pair(root: Path, labels: str | None = "l", suffix: str = "") -> list[tuple[str, str, str]]:
    where = None if labels is None else root / labels
    cases = pair_cases(root / "v", where, readers=PLUGINS.readers, label_suffix=suffix)
    return [(case.name, case.volume.name, case.labels.name if case.labels else "") for case in cases]


def run(root: Path, *more: str, status: int = 0) -> str:
    words = ["run", "-i", str(root / "v"), "-l", str(root / "l"), "-o", str(root / "o"), "-p", "box"]
    network = ["--backbone", "demo", "--checkpoint", "random", "--device", "cpu", "overlays=false"]
    result = CliRunner().invoke(main, [*words, *network, *more])
    assert result.exit_code == status, result.output
    return result.output


def test_folders_pair_by_their_names_with_folders_and_with_files(tmp_path):
    for name in ("a", "b.1"):
        frames(tmp_path / "v" / name, CLIP)
        frames(tmp_path / "l" / f"{name}_gt", LABELS)
    assert pair(tmp_path, None) == [("a", "a", ""), ("b.1", "b.1", "")]
    assert pair(tmp_path, suffix="_gt") == [("a", "a", "a_gt"), ("b.1", "b.1", "b.1_gt")]
    (tmp_path / "files").mkdir()
    for name in ("a", "b.1"):
        np.save(tmp_path / "files" / f"{name}.npy", LABELS)
    assert pair(tmp_path, "files") == [("a", "a", "a.npy"), ("b.1", "b.1", "b.1.npy")]
    (tmp_path / "v" / "readme.txt").touch()
    assert len(pair(tmp_path, None)) == 2


def test_a_folder_with_pictures_is_one_case_each_as_before(tmp_path):
    frames(tmp_path / "v", CLIP)
    frames(tmp_path / "v" / "more", CLIP)
    assert [name for name, _, _ in pair(tmp_path, None)] == ["1", "2", "3", "4"]


def test_a_folder_that_cannot_be_a_case_is_named(tmp_path):
    frames(tmp_path / "v" / "a", CLIP)
    (tmp_path / "v" / "notes").mkdir()
    with pytest.raises(PairingError, match="but notes cannot be one"):
        pair(tmp_path, None)


def test_dicom_without_a_suffix_is_told_how_to_be_read(tmp_path):
    (tmp_path / "v").mkdir()
    save(tmp_path / "v" / "IM_0001", CLIP)
    with pytest.raises(PairingError, match="IM_0001 is DICOM without a suffix; add"):
        pair(tmp_path, None)


def test_a_folder_of_frames_is_segmented_and_scored(tmp_path):
    for name in ("a", "b"):
        frames(tmp_path / "v" / name, CLIP)
        frames(tmp_path / "l" / name, LABELS)
    told = run(tmp_path)
    assert "4 pictures of a folder were read as the slices of one case" in told
    found, pages = cv2.imreadmulti(str(tmp_path / "o" / "masks" / "box" / "a.tif"), flags=cv2.IMREAD_UNCHANGED)
    assert found
    assert np.shape(pages) == LABELS.shape
    words = ["report", "--masks", str(tmp_path / "o" / "masks" / "box"), "-l", str(tmp_path / "l")]
    result = CliRunner().invoke(main, [*words, "-i", str(tmp_path / "v"), "-o", str(tmp_path / "scored")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "scored" / "report.html").exists()


def test_a_series_of_dicom_gives_masks_as_nifti_in_its_place(tmp_path):
    save_series(tmp_path / "v" / "a", CLIP, [4, 2, 1, 3])
    save_series(tmp_path / "l" / "a", LABELS, [1, 2, 3, 4])
    run(tmp_path)
    mask = nib.load(tmp_path / "o" / "masks" / "box" / "a.nii.gz")
    assert mask.shape == (40, 32, 4)
    np.testing.assert_allclose(mask.header.get_zooms(), (0.3, 0.4, 0.8), rtol=1e-5)
    np.testing.assert_allclose(mask.affine @ [0, 0, 3, 1], [10, -5, 3 + 0.8 * 3, 1], rtol=1e-5)


def test_no_result_tells_who_the_patient_is(tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "l").mkdir()
    save(tmp_path / "v" / "a.dcm", CLIP, SequenceOfUltrasoundRegions=[region((0, 0, 39, 31))], FrameTime=30)
    np.save(tmp_path / "l" / "a.npy", LABELS)
    run(tmp_path, "overlays=true")
    for file in (path for path in (tmp_path / "o").rglob("*") if path.is_file()):
        assert b"Doe" not in file.read_bytes(), file
        assert b"SECRET-4711" not in file.read_bytes(), file
    assert (tmp_path / "o" / "masks" / "box" / "a.nii.gz").exists()


def test_a_changed_frame_is_another_input(tmp_path):
    frames(tmp_path / "v" / "a", CLIP)
    frames(tmp_path / "l" / "a", LABELS)
    asked = Paired(volumes=str(tmp_path / "v"))
    [case] = find_cases(asked, str(tmp_path / "l"), PLUGINS)
    reading = read_case(case, asked, PLUGINS)
    cache, before = Cache(tmp_path / "cache", PLUGINS), describe_inputs(case, PLUGINS)
    cache.put(
        case, reading.data, reading.labels, {"fingerprint": {}, "spacing_mm": None, "notes": [], "picture": ""}
    )
    assert cache.about(case) is not None
    assert describe_inputs(case, PLUGINS, before) == before
    assert cv2.imwrite(str(tmp_path / "v" / "a" / "2.png"), CLIP[0])
    assert cache.about(case) is None
    assert describe_inputs(case, PLUGINS, before) != before


@pytest.mark.parametrize("order", ["hwd", "dwh"])
def test_arrays_whose_slices_would_be_slivers_ask_for_their_layout(tmp_path, order):
    for folder in ("v", "l"):
        (tmp_path / folder).mkdir()
        stored = np.zeros((64, 48, 5) if order == "hwd" else (64, 5, 48), np.uint8)
        stored[20:40, 2:4, 2:4] = 1
        np.save(tmp_path / folder / "a.npy", stored)
    told = run(tmp_path, "--dry-run", status=1)
    assert "slivers, so its axes seem to lie in another order; say it with layout=" in told
    assert "slivers" not in run(tmp_path, "--dry-run", f"layout={order}")


# masks of some frames only

FEW = {2: LABELS[1], 4: LABELS[3] * 0}  # the second shows the disc, the fourth is known to be empty


def some(folder: Path, masks: dict[int, np.ndarray] | None = None) -> None:
    folder.mkdir(parents=True)
    for number, picture in (FEW if masks is None else masks).items():
        assert cv2.imwrite(str(folder / f"{number}.png"), picture)


def metrics(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["prompt"] == "box"]


def test_frames_without_a_mask_are_not_labelled(tmp_path):
    frames(tmp_path / "v" / "a", CLIP)
    some(tmp_path / "l" / "a")
    told = run(tmp_path, "metrics.per_slice=true")
    assert "2 of 4 frames have a mask of their name; the others are not labelled" in told
    counted = {(row["slices"], row["n_slices"]) for row in metrics(tmp_path / "o" / "metrics.csv")}
    assert counted == {("all", "2"), ("prompted", "1"), ("unprompted", "1")}
    assert {row["frame"] for row in metrics(tmp_path / "o" / "metrics_per_slice.csv")} == {"1"}
    _, pages = cv2.imreadmulti(str(tmp_path / "o" / "masks" / "box" / "a.tif"), flags=cv2.IMREAD_UNCHANGED)
    assert len(pages) == 4


def test_a_report_on_some_frames_needs_their_pictures(tmp_path):
    frames(tmp_path / "v" / "a", CLIP)
    some(tmp_path / "l" / "a")
    (tmp_path / "m").mkdir()
    assert cv2.imwritemulti(str(tmp_path / "m" / "a.tif"), list(LABELS))
    words = ["report", "--masks", str(tmp_path / "m"), "-l", str(tmp_path / "l"), "-o", str(tmp_path / "s")]
    assert CliRunner().invoke(main, words).exit_code == 1
    done = CliRunner().invoke(main, [*words, "-i", str(tmp_path / "v"), "overwrite=true"])
    assert done.exit_code == 0, done.output
    with (tmp_path / "s" / "metrics.csv").open(newline="") as file:
        [row] = [row for row in csv.DictReader(file) if row["slices"] == "all"]
    assert row["n_slices"] == "2"
    assert 0 < float(row["dice"]) < 1  # the disc on frame 4 is in the answer, and known to be wrong


@pytest.mark.parametrize("masks", [{2: DISC, 9: DISC}, {7: DISC}])
def test_a_mask_of_no_frame_is_an_error(tmp_path, masks):
    frames(tmp_path / "v" / "a", CLIP)
    some(tmp_path / "l" / "a", masks)
    told = run(tmp_path, status=1)
    assert f"no frame is called {max(masks)}, those of its volume are called 1 to 4; name every mask after" in told


def test_masks_of_other_names_are_taken_in_order_where_every_frame_has_one(tmp_path):
    frames(tmp_path / "v" / "a", CLIP)
    some(tmp_path / "l" / "a", {number + 10: LABELS[number] for number in range(4)})
    assert "have a mask of their name" not in run(tmp_path)


def test_nothing_is_learned_from_frames_without_a_mask(tmp_path):
    for name in ("a", "b"):
        frames(tmp_path / "v" / name, CLIP)
        some(tmp_path / "l" / name)
    [case, _] = find_cases(Paired(volumes=str(tmp_path / "v")), str(tmp_path / "l"), PLUGINS)
    read = Volumes(Paired(volumes=str(tmp_path / "v")), PLUGINS)
    images, labels = read(case)
    np.testing.assert_array_equal(labels, [DISC, DISC * 0])
    words = ["prepare", "-i", str(tmp_path / "v"), "-l", str(tmp_path / "l"), "-o", str(tmp_path / "p"), "--cache"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(np.load(next(tmp_path.rglob("labels/a.npy"))), labels)
    assert len(np.load(next(tmp_path.rglob("volumes/a.npy")))) == len(images)
