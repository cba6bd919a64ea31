"""The files of DICOM: what is read of their headers, and which of them are a series.

Only the tags in `TAGS` are read, none of which tells who a patient is. The numbers of the standard are those of
https://dicom.nema.org/medical/dicom/current/output/chtml/part03/.
"""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from usframe import ReadError

from ..grid import check_file, natural_order, one_line

SUFFIXES = (".dcm", ".dicom", ".ima")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
COLOURS = ("Red", "Green", "Blue")
TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    *("InstanceNumber", "NumberOfFrames", "BurnedInAnnotation"),
    *("SegmentationType", "MaximumFractionalValue", "SegmentSequence"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in COLOURS),
    *(f"{colour}PaletteColorLookupTableData" for colour in COLOURS),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in COLOURS),
    *("PixelSpacing", "SpacingBetweenSlices", "ImagePositionPatient", "ImageOrientationPatient"),
    *("FrameTime", "FrameTimeVector", "CineRate", "SequenceOfUltrasoundRegions"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", *PIXELS),
]
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    struct.error,
)

Slice = tuple[Path, Dataset]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What pydicom raises in the block is a `ReadError`, and what it warns of is not said."""
    log = logging.getLogger("pydicom")
    level = log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.CRITICAL + 1)
        try:
            yield
        except InvalidDicomError as error:
            raise ReadError(f"{path}: is no DICOM file (the mark DICM is missing)") from error
        except DAMAGED as error:
            raise ReadError(f"{path}: not a readable DICOM file, damaged ({one_line(error)})") from error
        finally:
            log.setLevel(level)


def read_file(path: Path, *, pixels: bool = True) -> Dataset:
    """The `TAGS` of a file. Raises `ReadError` for one that is damaged, or has nothing to look at."""
    check_file(path)
    with reading(path):
        header = dcmread(path, specific_tags=list(TAGS), stop_before_pixels=not pixels)
        stored = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID", "")
        kind = UID(str(stored)).name or "of no known kind"
        missing = [name for name in ("Rows", "Columns", "BitsAllocated") if not header.get(name)]
        if len(missing) == 3 or (pixels and not any(name in header for name in PIXELS)):
            why = "the file is damaged" if "Image" in kind else "keep only images here"
            raise ReadError(f"{path}: holds no pixels (it is {kind}); {why}")
        if missing:
            raise ReadError(f"{path}: its header has no {' and no '.join(missing)}")
        if not 1 <= frames_in(header) <= path.stat().st_size:
            raise ReadError(
                f"{path}: its header says that it holds {frames_in(header)} frames, the file is damaged"
            )
    return header


def frames_in(header: Dataset) -> int:
    """The number of frames, 1 where nothing is said."""
    return int(header.get("NumberOfFrames") or 1)


def files_in(folder: Path) -> list[Path]:
    """The DICOM files in a folder, by the numbers in their names."""
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    return natural_order(path for path in visible if path.suffix.lower() in SUFFIXES)


def slices_of(path: Path) -> list[Slice]:
    """The files that ``path`` is, or holds, each with its header without pixels.

    Raises `ReadError` for a folder that holds anything but the slices of one series.
    """
    files = files_in(path) if path.is_dir() else [path]
    if not files:
        raise ReadError(f"{path}: holds no DICOM file (known suffixes: {', '.join(SUFFIXES)})")
    slices = [(file, read_file(file, pixels=False)) for file in files]
    if len(slices) == 1:
        return slices
    with reading(path):
        drawn = [file.name for file, header in slices if "SegmentationType" in header]
        if len(drawn) == len(slices):
            raise ReadError(f"{path}: holds {len(drawn)} segmentations; keep the one that is this case's labels")
        if drawn:
            raise ReadError(f"{path}: {drawn[0]} is a segmentation and no slice; keep it in a folder of labels")
        if clips := [file.name for file, header in slices if frames_in(header) > 1]:
            raise ReadError(
                f"{path}: {clips[0]} holds several frames and is a case of its own; a folder that is one case "
                "has one slice in each file"
            )
        series = {str(header.get("SeriesInstanceUID", "")) for _, header in slices}
        if len(series) > 1:
            raise ReadError(f"{path}: holds files of {len(series)} series; make a folder of each")
        first, header = slices[0]
        for file, other in slices:
            if (other.Rows, other.Columns) != (header.Rows, header.Columns):
                sizes = f"{other.Columns} x {other.Rows} and {first.name} {header.Columns} x {header.Rows} pixels"
                raise ReadError(f"{path}: the slices differ in size, {file.name} has {sizes}")
    return slices
