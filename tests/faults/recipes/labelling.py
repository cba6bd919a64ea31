"""Labels that are none, or of something else, beside a volume that is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813

from . import AFFINE, Place, Recipe, cut, labels, save, voxels

GZ = ".nii.gz"
GRID = "on another grid than (their volume|its labels)"
FLOATS = labels().astype(np.float32)


def holding(array: np.ndarray, suffix: str = GZ) -> Callable[[Place], Any]:
    """Labels (D, H, W) of these values, on the volume's grid."""

    def make(place: Place) -> None:
        save(place.volume(GZ), voxels())
        save(place.label(suffix), array)

    return make


def placed(affine: np.ndarray) -> Callable[[Place], Any]:
    """The right labels under another affine."""

    def make(place: Place) -> None:
        save(place.volume(GZ), voxels())
        nib.Nifti1Image(labels().transpose(2, 1, 0), affine).to_filename(place.label())

    return make


def changed(how: Callable[[bytes], bytes]) -> Callable[[Place], Any]:
    def make(place: Place) -> None:
        holding(labels())(place)
        place.label().write_bytes(how(place.label().read_bytes()))

    return make


def stored(array: np.ndarray) -> Callable[[Place], Any]:
    """Labels of any stored array, (W, H, D, ...)."""

    def make(place: Place) -> None:
        save(place.volume(GZ), voxels())
        nib.Nifti1Image(array, AFFINE).to_filename(place.label())

    return make


def slicer(*, shift: float = 0, strip: bool = False, how: Callable[[bytes], bytes] = bytes, **keys: str) -> Any:
    """A segmentation of 3D Slicer with other keys, ``shift`` mm away, changed by ``how``."""

    def make(place: Place) -> None:
        save(place.volume(".npy" if strip else ".nrrd"), voxels())
        image = sitk.GetImageFromArray(labels()[:, 4:30])
        image.SetSpacing((0.4, 0.4, 1.5))
        image.SetOrigin((4.0 + shift, -7.0 + 1.6, 3.0))
        for number in (0, 1):
            image.SetMetaData(f"Segment{number}_LabelValue", str(number + 1))
            image.SetMetaData(f"Segment{number}_Layer", "0")
            image.SetMetaData(f"Segment{number}_Name", f"part {number}")
        for key, value in keys.items():
            image.SetMetaData(key, value)
        path = place.label(".seg.nrrd")
        sitk.WriteImage(image, str(path), True)
        path.write_bytes(how(path.read_bytes()))

    return make


def with_value(value: Any, dtype: Any) -> np.ndarray:
    array = labels().astype(dtype)
    array[1, 3, 3] = value
    return array


def turned(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return AFFINE @ np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


MIRROR = AFFINE @ np.diag([-1.0, 1, 1, 1])
RECIPES = [
    Recipe("labels_empty", changed(cut(0)), "empty"),
    Recipe("labels_half", changed(cut(0.5)), "damaged"),
    Recipe("labels_halves", holding(FLOATS / 2), "whole numbers"),
    Recipe("labels_negative", holding(with_value(-1, np.int16)), "from 0 to 255"),
    Recipe("labels_256", holding(with_value(256, np.int16)), "from 0 to 255"),
    Recipe("labels_2_to_63", holding(with_value(2**63, np.uint64)), "from 0 to 255"),
    Recipe("labels_wrapping", holding(with_value(2**32 + 1, np.int64)), "from 0 to 255"),
    Recipe("labels_nan", holding(with_value(np.nan, np.float32)), "NaN"),
    Recipe("labels_infinite", holding(with_value(np.inf, np.float32)), "infinite"),
    Recipe("labels_1e30", holding(with_value(1e30, np.float64)), "from 0 to 255"),
    Recipe("labels_of_probabilities", holding(FLOATS * 0.37), "whole numbers"),
    Recipe("labels_complex", stored(labels().transpose(2, 1, 0).astype(np.complex64)), "complex64"),
    Recipe("labels_colour", stored(np.zeros((48, 36, 4), [(name, "u1") for name in "RGB"])), "colour"),
    Recipe(
        "labels_one_hot",
        stored(np.stack([labels().transpose(2, 1, 0) == n for n in range(3)], 3).astype(np.uint8)),
        "several volumes",
    ),
    Recipe("labels_fewer_slices", holding(labels()[:3]), "shape"),
    Recipe("labels_turned_axes", holding(np.ascontiguousarray(labels().transpose(0, 2, 1))), "shape"),
    Recipe("labels_one_slice", stored(labels()[1].T), "shape"),
    Recipe("labels_mirrored", placed(MIRROR), f"{GRID}.*flipped along W"),
    Recipe("labels_upside_down", placed(AFFINE @ np.diag([1.0, 1, -1, 1])), f"{GRID}.*flipped along D"),
    Recipe(
        "labels_shifted",
        placed(AFFINE @ np.array([[1.0, 0, 0, 8], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])),
        GRID,
    ),
    Recipe("labels_spacing", placed(AFFINE @ np.diag([1.0, 1, 2, 1])), f"{GRID}.*spacing"),
    Recipe("labels_turned", placed(turned(20)), f"{GRID}.*turned by"),
    Recipe("labels_npy_strings", holding(labels().astype(str), ".npy"), "<U"),
    Recipe("labels_npy_objects", holding(labels().astype(object), ".npy"), "not a readable|object"),
    Recipe("labels_npy_shape", holding(labels()[:, :-1], ".npy"), "shape"),
    Recipe("slicer_elsewhere", slicer(shift=900), "no segment lies inside"),
    Recipe("slicer_value_words", slicer(Segment0_LabelValue="one"), "not a number"),
    Recipe("slicer_layers", slicer(Segment0_Layer="7"), "more layers than it holds"),
    Recipe("slicer_half", slicer(how=cut(0.7)), "damaged|shorter"),
    Recipe("slicer_no_place", slicer(strip=True), "no position in space"),
    Recipe("slicer_many", slicer(**{f"Segment{n}_LabelValue": "1" for n in range(300)}), "at most 255"),
]
