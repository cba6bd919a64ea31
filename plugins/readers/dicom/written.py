"""Masks as DICOM segmentations, beside the images that they were drawn on, made by highdicom."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from usframe import WriteError
from usframe.arrays import values_of

from ..grid import FileGrid, one_line
from .files import DAMAGED

STRUCTURE = Code("123037004", "SCT", "Anatomical Structure")
LEARNED = Code("123110", "DCM", "Artificial Intelligence")
MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
)
INSTEAD = "mask_format=auto writes it as .nii.gz"


def write_segments(path: Path, mask: NDArray[np.uint8], grid: FileGrid, names: Mapping[int, str]) -> None:
    """``mask`` (D, H, W) as binary segments 1 to n, each tracked as ``usframe object N`` by its value N.

    highdicom copies the tags of patient and study from the source images. Raises `WriteError` for images that it
    cannot refer to.
    """
    if find_spec("highdicom") is None:
        raise WriteError(f"{path}: needs highdicom, which is not installed: pip install 'usframe[dicom]'")
    slices = grid.native
    if len({one.path for one in slices}) < len(slices) and not all(one.space for one in slices):
        raise WriteError(
            f"{path}: a recording of several frames without a Frame of Reference UID cannot be given a DICOM "
            f"segmentation; {INSTEAD}"
        )
    stored = grid.to_stored(mask)
    values = [value for value in values_of(mask) if value] or [1]
    numbers = np.zeros(256, np.uint8)
    numbers[values] = range(1, len(values) + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images = [_image(file, grid) for file in dict.fromkeys(one.path for one in slices)]
            _made(images, numbers[stored], values, names, mask.tobytes()).save_as(path)
    except OSError:
        raise
    except DAMAGED as error:
        raise WriteError(f"{path}: highdicom refuses its images ({one_line(error)}); {INSTEAD}") from error


def _image(path: Path, grid: FileGrid) -> Dataset:
    """The header of a source image, with what its kind may leave out and highdicom asks for."""
    image = dcmread(path, stop_before_pixels=True)
    for name in MAY_BE_EMPTY:
        if name not in image:
            setattr(image, name, "")
    if grid.spacing_mm and "SliceThickness" not in image:
        image.SliceThickness = grid.spacing_mm["dhw".index(grid.layout[0])]
    return image


def _made(
    images: list[Dataset], pixels: NDArray[np.uint8], values: list[int], names: Mapping[int, str], content: bytes
) -> Dataset:
    """Its UIDs are those of what it holds, so that the same mask is the same segmentation."""
    import highdicom as hd

    sources = [str(image.SOPInstanceUID) for image in images]

    def uid(what: str) -> str:
        return str(generate_uid(entropy_srcs=[what, *sources, content.hex()]))

    who = hd.AlgorithmIdentificationSequence("usframe", LEARNED, version("usframe"))
    segments = [
        hd.seg.SegmentDescription(
            number,
            names.get(value) or f"object {value}",
            STRUCTURE,
            STRUCTURE,
            hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
            algorithm_identification=who,
            tracking_uid=uid(f"object {value}"),
            tracking_id=f"usframe object {value}",
        )
        for number, value in enumerate(values, 1)
    ]
    kind = hd.seg.SegmentationTypeValues.BINARY
    about = (uid("series"), 1, uid("segmentation"), 1, "usframe", "usframe", version("usframe"), "0")
    made: Dataset = hd.seg.Segmentation(images, pixels, kind, segments, *about)
    return made
