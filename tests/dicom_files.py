"""DICOM files as scanners write them, made with pydicom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

SERIES = generate_uid(entropy_srcs=["series"])


def save(path: Path, pixels: np.ndarray, kind: str = "MONOCHROME2", **tags: Any) -> Path:
    """``pixels``: (H, W), (D, H, W), or either with three colours last, as they are stored."""
    colours = 3 if kind.startswith(("RGB", "YBR")) else 1
    spatial = pixels.shape[:-1] if colours == 3 else pixels.shape
    header = new(path, UltrasoundMultiFrameImageStorage if len(spatial) == 3 else UltrasoundImageStorage)
    header.Rows, header.Columns = spatial[-2:]
    if len(spatial) == 3:
        header.NumberOfFrames = spatial[0]
    header.SamplesPerPixel, header.PhotometricInterpretation = colours, kind
    if colours == 3:
        header.PlanarConfiguration = 0
    header.BitsAllocated = header.BitsStored = 8 * pixels.dtype.itemsize
    header.HighBit, header.PixelRepresentation = header.BitsStored - 1, int(pixels.dtype.kind == "i")
    header.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(header, name, value)
    header["PixelData"].VR = "OB" if header.BitsAllocated <= 8 else "OW"
    header.save_as(path, enforce_file_format=True)
    return path


def new(path: Path, kind: str) -> FileDataset:
    """A header of somebody's examination."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    header.SOPClassUID, header.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    header.SeriesInstanceUID, header.StudyInstanceUID = SERIES, generate_uid(entropy_srcs=["study"])
    header.PatientName, header.PatientID, header.Modality = "Doe^Jane", "SECRET-4711", "US"
    return header


def region(box: Sequence[int], delta: tuple[float, float] | None = (0.03, 0.04), **tags: int) -> Dataset:
    """An ultrasound region: ``box`` left, top, right, bottom; ``delta`` (x, y) in cm, None without a scale."""
    made = Dataset()
    made.RegionSpatialFormat, made.RegionDataType, made.RegionFlags = 1, 1, 0
    left, top, right, bottom = box
    made.RegionLocationMinX0, made.RegionLocationMinY0 = left, top
    made.RegionLocationMaxX1, made.RegionLocationMaxY1 = right, bottom
    made.PhysicalUnitsXDirection = made.PhysicalUnitsYDirection = 0 if delta is None else 3
    made.PhysicalDeltaX, made.PhysicalDeltaY = delta or (0.0, 0.0)
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def palette(bits: int = 16) -> Mapping[str, Any]:
    """Tags of a palette that runs from black to white."""
    ramp = np.arange(256, dtype=np.uint16) * (257 if bits == 16 else 1)
    data = ramp.astype(np.uint16 if bits == 16 else np.uint8).tobytes()
    return {
        name: value
        for colour in ("Red", "Green", "Blue")
        for name, value in (
            (f"{colour}PaletteColorLookupTableDescriptor", [256, 0, bits]),
            (f"{colour}PaletteColorLookupTableData", data),
        )
    }


def save_series(folder: Path, volume: np.ndarray, numbers: Sequence[int], **tags: Any) -> None:
    """A file per slice of ``volume`` (D, H, W), slice k called ``numbers[k]`` and 0.8 mm from the next along z."""
    folder.mkdir(parents=True)
    for k, number in enumerate(numbers):
        where = {
            "ImagePositionPatient": [-10, 5, 3 + 0.8 * k],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [0.4, 0.3],
            "InstanceNumber": number,
        }
        save(folder / f"IM{number}.dcm", volume[k], **(where | tags))
