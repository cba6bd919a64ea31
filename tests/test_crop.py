"""A network that is shown only the scan: where masks lie, and when nothing is cropped."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from conftest import AFFINE, DataSet, usframe_
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from toy_backbones import ToyWithMemory

from usframe import Prompt, RequestError, Volume, segment
from usframe.crop import Window, find_window
from usframe.intensity import normalise_intensity
from usframe.types import Segmentation


def scan(shape: tuple[int, int, int], top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
    """Noise in a rectangle, black around it."""
    volume = np.zeros(shape, np.uint8)
    volume[:, top : top + height, left : left + width] = 200
    return volume


@st.composite
def rectangles(draw: st.DrawFn) -> tuple[int, int, int, int, int, int]:
    height, width = draw(st.integers(2, 60)), draw(st.integers(2, 60))
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return height, width, top, left, draw(st.integers(1, height - top)), draw(st.integers(1, width - left))


@given(rectangles())
def test_the_window_holds_the_whole_scan_with_a_margin_and_lies_in_the_slice(
    place: tuple[int, int, int, int, int, int],
) -> None:
    height, width, top, left, rows, columns = place
    window = find_window(normalise_intensity(scan((2, height, width), top, left, rows, columns))[0])
    if window is None:
        assert (rows + 2 + rows // 10) * (columns + 2 + columns // 10) > 0.8 * height * width
        return
    assert 0 <= window.top <= top
    assert top + rows <= window.bottom <= height
    assert 0 <= window.left <= left
    assert left + columns <= window.right <= width
    assert window.top in (0, top - int(np.ceil(0.05 * rows)))
    assert window.shape == (height, width)


@given(rectangles(), st.integers(0, 2**32 - 1))
def test_a_mask_goes_back_to_where_it_was(place: tuple[int, int, int, int, int, int], seed: int) -> None:
    height, width, top, left, rows, columns = place
    window = Window(top, top + rows, left, left + columns, (height, width))
    mask = np.random.default_rng(seed).integers(0, 3, (3, height, width)).astype(np.uint8)
    inside = np.zeros_like(mask)
    inside[:, top : top + rows, left : left + columns] = mask[:, top : top + rows, left : left + columns]
    part = window.part(mask.astype(np.float32)).astype(np.uint8)
    answer = Segmentation(part, (1, 2), np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(window.whole(answer).mask, inside)


@given(rectangles())
def test_prompts_name_the_same_pixels_of_the_part(place: tuple[int, int, int, int, int, int]) -> None:
    height, width, top, left, rows, columns = place
    window = Window(top, top + rows, left, left + columns, (height, width))
    marked = np.zeros((height, width), bool)
    x, y = left + columns // 2, top + rows // 2
    marked[y, x] = True
    points = np.array([[x, y], [0, 0]], np.float32)
    box = np.array([left, top, left + columns - 1, top + rows - 1], np.float32)
    moved = window.prompt(Prompt(0, 1, points=points, point_labels=np.array([1, 0]), box=box, mask=marked))
    assert moved.points is not None
    assert moved.box is not None
    assert moved.mask is not None
    assert moved.points[0].tolist() == [columns // 2, rows // 2]
    assert moved.points[1].tolist() == [0, 0]  # from beyond the edge
    assert moved.box.tolist() == [0, 0, columns - 1, rows - 1]
    assert np.argwhere(moved.mask).tolist() == [[rows // 2, columns // 2]]


def test_an_empty_volume_and_one_that_is_filled_stay_whole() -> None:
    assert find_window(np.zeros((3, 8, 8), np.float32)) is None
    assert find_window(np.ones((3, 8, 8), np.float32)) is None


def test_labels_beyond_the_scan_are_inside() -> None:
    data, labels = np.zeros((2, 100, 100), np.float32), np.zeros((2, 100, 100), np.uint8)
    data[:, 40:60, 40:60] = 1
    labels[1, 70, 10] = 1
    window = find_window(data, labels)
    assert window is not None
    assert window.top <= 40
    assert window.bottom > 70
    assert window.left <= 10


@pytest.mark.parametrize("mode", ["slice", "propagate"])
def test_python_shows_the_network_the_scan_in_both_modes(mode: Any) -> None:
    stored = scan((4, 200, 160), 30, 20, 40, 40)
    stored[:, 40:60, 30:50] = 255
    prompt = Prompt(1, 1, box=np.array([30, 40, 49, 59], np.float32))
    answer = segment(Volume(stored), [prompt], ToyWithMemory(), mode=mode, crop="scan")
    assert answer.mask.shape == stored.shape
    rows, columns = np.nonzero(answer.mask[1])
    assert (rows.min(), columns.min()) >= (28, 18)
    assert rows.max() <= 71
    assert columns.max() <= 61
    with pytest.raises(RequestError, match="leave out crop or keep_logits"):
        segment(Volume(stored), [prompt], ToyWithMemory(), crop="scan", keep_logits=True)


def padded(data: DataSet, case: str) -> None:
    """The case in a slice of nine times its area."""
    for folder in (data.volumes, data.labels):
        image: Any = nib.load(folder / f"{case}.nii.gz")
        array = np.asanyarray(image.dataobj)
        height, width, _ = array.shape
        nib.save(
            nib.Nifti1Image(np.pad(array, ((height, height), (width, width), (0, 0))), AFFINE),
            folder / f"{case}.nii.gz",
        )


def test_a_run_is_as_good_on_a_padded_volume_as_on_the_scan_alone(data: DataSet, tmp_path: Path) -> None:
    words = ["-l", data.labels, "--backbone", "demo", "--device", "cpu", "-p", "box", "--mode", "propagate"]
    plain = usframe_("run", "-i", data.volumes, *words, "-o", tmp_path / "plain")
    assert plain.exit_code == 0, plain.output
    for number in range(3):
        padded(data, f"case_{number}")
    whole = usframe_("run", "-i", data.volumes, *words, "-o", tmp_path / "whole")
    cropped = usframe_("run", "-i", data.volumes, *words, "-o", tmp_path / "cropped", "crop=scan")
    assert whole.exit_code == 0, whole.output
    assert cropped.exit_code == 0, cropped.output
    assert "crop=scan: the network is shown rows 34 to 73 and columns 45 to 98" in cropped.output
    dice = {name: macro(tmp_path / name) for name in ("plain", "whole", "cropped")}
    assert dice["cropped"] > dice["whole"]
    assert dice["cropped"] > dice["plain"] - 0.05
    mask = np.asanyarray(nib.load(tmp_path / "cropped/masks/box/case_0.nii.gz").dataobj)
    assert mask.shape == (144, 108, 5)


def macro(out: Path) -> float:
    with (out / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["prompt"] == "box"]
    return float(np.mean([float(row["dice"]) for row in rows if row["slices"] == "all"]))


def test_a_support_remembers_whole_slices(data: DataSet) -> None:
    done = usframe_(*data.request("crop=scan", f"frames=support:{data.volumes.parent}"))
    assert done.exit_code == 2
    assert "crop=scan is not for frames=support:" in done.output
