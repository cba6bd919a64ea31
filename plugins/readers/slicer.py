"""3D Slicer segmentations (.seg.nrrd): segments in layers, cropped to what is segmented.

The keys ``SegmentN_...`` are described in Slicer's developer guide under "Segmentation labelmap file format"
(slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html); files from before they existed keep
segment N in layer N with the value 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from usframe import ReadError, Volume
from usframe.arrays import values_of

SEGMENT = re.compile(r"Segment(\d{1,9})_\w+")
LABELMAP = "Binary labelmap"
# Okabe and Ito (2008), as on the pages.
COLOURS = ("0.90 0.62 0", "0.34 0.71 0.91", "0 0.62 0.45", "0.80 0.47 0.65", "0.94 0.89 0.26", "0.84 0.37 0")


def is_segmentation(path: Path) -> bool:
    return path.name.lower().endswith(".seg.nrrd")


def describe_segments(image: sitk.Image, names: Mapping[int, str]) -> None:
    """Give a label map (uint8) the keys by which 3D Slicer shows its values as segments, all in layer 0.

    There is one for each value other than 0 and each of ``names``, by value; those without a name are
    ``object N``. A name is one line in the file.
    """
    shown = values_of(sitk.GetArrayViewFromImage(image))
    extent = " ".join(f"0 {length - 1}" for length in image.GetSize())
    keys = {"Segmentation_MasterRepresentation": LABELMAP, "Segmentation_ContainedRepresentationNames": LABELMAP}
    for number, value in enumerate(sorted({*shown, *names} - {0})):
        told = {
            "ID": f"object_{value}",
            "Name": " ".join(names.get(value, "").split()) or f"object {value}",
            "Layer": "0",
            "LabelValue": str(value),
            "Extent": extent,
            "Color": COLOURS[(value - 1) % len(COLOURS)],
        }
        keys |= {f"Segment{number}_{key}": text for key, text in told.items()}
    for key, text in keys.items():
        image.SetMetaData(key, text)


def merge_segments(image: sitk.Image, path: Path) -> tuple[sitk.Image, tuple[str, ...], dict[int, str]]:
    """One uint8 label map of all segments, notes, and their names; where two overlap the later one wins.

    Segments keep their label values where these are all different, and are numbered 1 to n otherwise. A file
    without any segment key is a label map already. Raises `ReadError` where the keys do not fit the voxels.
    """
    segments = _segments(image, path)
    if image.GetDimension() != 3 or (not segments and image.GetNumberOfComponentsPerPixel() > 1):
        raise ReadError(f"{path}: is not a 3D Slicer segmentation; save it again in 3D Slicer")
    if not segments:
        return image, (), {}
    layers = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() == 1:
        layers = layers[..., np.newaxis]
    if any(layer >= layers.shape[-1] for layer, _, _ in segments):
        raise ReadError(f"{path}: names more layers than it holds ({layers.shape[-1]}); save it again in 3D Slicer")

    values = [value for _, value, _ in segments]
    keep = len(set(values)) == len(values) and all(1 <= value <= 255 for value in values)
    ids = values if keep else list(range(1, len(segments) + 1))
    labels = np.zeros(layers.shape[:-1], np.uint8)
    overlap = 0
    for object_id, (layer, value, _) in zip(ids, segments, strict=True):
        inside = layers[..., layer] == value
        overlap += int(np.count_nonzero(labels[inside]))
        labels[inside] = object_id
    notes = []
    if not keep:
        notes.append(f"the segments share label values, so they were numbered 1 to {len(segments)}")
    if overlap:
        notes.append(f"segments overlap in {overlap} voxels, which went to the later segment")
    merged = sitk.GetImageFromArray(labels)
    merged.CopyInformation(image)
    names = {number: name for number, (_, _, name) in zip(ids, segments, strict=True) if name}
    return merged, tuple(notes), names


def resample(labels: sitk.Image, onto: Volume, path: Path, notes: tuple[str, ...], names: dict[int, str]) -> Volume:
    """The label map on the voxels of ``onto``, by nearest neighbour; empty outside what was stored.

    Raises `ReadError` where the volume has no position in space, or where no label falls inside it.
    """
    affine = None if onto.grid is None else onto.grid.affine
    if affine is None:
        if labels.GetSize()[::-1] == onto.data.shape:
            return Volume(sitk.GetArrayFromImage(labels), onto.spacing_mm, onto.grid, notes, names=names)
        raise ReadError(
            f"{path}: was cropped by 3D Slicer and its volume has no position in space to put it back; "
            "use the volume that was segmented (.nrrd, .nii.gz)"
        )
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine[:, [2, 1, 0, 3]]
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    target = sitk.ResampleImageFilter()
    target.SetInterpolator(sitk.sitkNearestNeighbor)
    target.SetSize([int(length) for length in onto.data.shape[::-1]])
    target.SetOutputOrigin(lps[:3, 3].tolist())
    target.SetOutputSpacing(spacing.tolist())
    target.SetOutputDirection((lps[:3, :3] / spacing).ravel().tolist())
    data: NDArray[np.uint8] = sitk.GetArrayFromImage(target.Execute(labels))
    if not data.any() and sitk.GetArrayViewFromImage(labels).any():
        raise ReadError(f"{path}: no segment lies inside its volume; does it belong to another recording?")
    if lost := _outside(labels, lps, data.shape):
        notes = (*notes, f"{lost} voxels of the segments lie outside the volume and were left out")
    return Volume(data, onto.spacing_mm, onto.grid, notes, names=names)


def _outside(labels: sitk.Image, target: NDArray[np.float64], shape: tuple[int, ...]) -> int:
    """How many voxels that are not 0 lie outside ``shape`` (D, H, W) of an affine (4, 4) over (w, h, d, 1)."""
    own = np.eye(4)
    own[:3, :3] = np.reshape(labels.GetDirection(), (3, 3)) * labels.GetSpacing()
    own[:3, 3] = labels.GetOrigin()
    relation = np.linalg.inv(target) @ own
    where = np.argwhere(sitk.GetArrayViewFromImage(labels))[:, ::-1]
    placed = np.rint(where @ relation[:3, :3].T + relation[:3, 3])
    return int(((placed < 0) | (placed >= shape[::-1])).any(axis=1).sum())


def _segments(image: sitk.Image, path: Path) -> list[tuple[int, int, str]]:
    """(layer, label value, name) of each segment, in the order of the file."""
    keys = {*image.GetMetaDataKeys()}
    numbers = sorted({int(match[1]) for key in keys if (match := SEGMENT.fullmatch(key))})
    if len(numbers) > 255:
        raise ReadError(f"{path}: has {len(numbers)} segments; at most 255 fit in one mask")

    def number(key: str, default: int) -> int:
        text = image.GetMetaData(key) if key in keys else str(default)
        if not re.fullmatch(r"\d{1,9}", text.strip()):
            raise ReadError(f"{path}: {key} is {text[:40]!r}, not a number")
        return int(text)

    single = image.GetNumberOfComponentsPerPixel() == 1
    found = []
    for n in numbers:
        name = f"Segment{n}_Name"
        layer, value = number(f"Segment{n}_Layer", 0 if single else n), number(f"Segment{n}_LabelValue", 1)
        found.append((layer, value, image.GetMetaData(name).strip() if name in keys else ""))
    return found
