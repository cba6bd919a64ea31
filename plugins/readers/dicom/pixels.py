"""The pixels of a DICOM file as grey frames, one at a time.

pydicom decodes what it has decoders for. Lossless JPEG, which many scanners write, is not among it without packages
under the GPL: that is SimpleITK's to decode, which has GDCM's decoders and is there anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, apply_rescale, get_decoder, iter_pixels, pixel_array
from pydicom.uid import UID, JPEGLossless, JPEGLosslessSV1

from usframe import ReadError

from ..streams import check_memory, check_promise, listening
from .files import PIXELS, frames_in, reading

BY_SIMPLEITK = (JPEGLossless, JPEGLosslessSV1)
AS_RGB = ("RGB", "YBR_ICT", "YBR_RCT")  # the last two are those of JPEG 2000, whose decoder gives RGB
BESIDE_GREY = 2  # how far lossy JPEG moves the colour of what is grey
CORNERS = ("MinX0", "MinY0", "MaxX1", "MaxY1")
GRAPHICS = 5  # as RegionSpatialFormat, PS3.3 C.8.5.5.1.2
TEXT_LEFT = (
    "the header says that text is burned into the picture, and not where the ultrasound is: it is in all pictures "
    "of the results"
)
TEXT_GONE = "what lies outside the header's ultrasound regions was set to black: text may be burned in there"


class Frames:
    """The frames (H, W) of a file, in its order. ``notes`` are complete when they have been gone through.

    Labels must be grey already, and are not changed. Raises `ReadError`.
    """

    def __init__(self, path: Path, header: Dataset, *, labels: bool) -> None:
        self.path, self.header, self.labels = path, header, labels
        self.notes: list[str] = []
        self.syntax = UID(str(header.file_meta.get("TransferSyntaxUID", "")))
        with reading(path):
            self.kind = str(header.get("PhotometricInterpretation", "MONOCHROME2")).strip()
            self._check_size()
            self.shown = None if labels else self._shown()

    def __iter__(self) -> Iterator[NDArray[Any]]:
        with reading(self.path):
            if self.labels and not self.kind.startswith("MONOCHROME"):
                raise ReadError(
                    f"{self.path}: labels in colour (or with a palette); save the label numbers as grey"
                )
            count = 0
            for frame in self._decoded():
                grey = self._grey(frame)
                yield grey if self.shown is None else np.where(self.shown, grey, grey.dtype.type(0))
                count += 1
            if count != frames_in(self.header):
                raise ReadError(f"{self.path}: only {count} of its {frames_in(self.header)} frames can be decoded")

    def _check_size(self) -> None:
        """Raise `ReadError` where the pixels are not as many as the header says, or memory cannot hold them."""
        header = self.header
        each = int(header.Rows) * int(header.Columns) * int(header.get("SamplesPerPixel", 1))
        needed = each * frames_in(header) * int(header.BitsAllocated) // 8
        if self.syntax.is_encapsulated:
            check_memory(self.path, needed)
        else:
            if self.kind == "YBR_FULL_422":
                needed = needed * 2 // 3
            stored = next(header[name].value for name in PIXELS if name in header)
            check_promise(self.path, needed, len(stored), gzipped=False)

    def _decoded(self) -> Iterator[NDArray[Any]]:
        """Frames (H, W) or (H, W, 3) as they are stored, and ``kind``, what their values are."""
        if self.syntax in BY_SIMPLEITK:
            yield from self._by_simpleitk()
            return
        try:
            available = get_decoder(self.syntax).is_available
        except NotImplementedError:
            available = False
        if not available:
            raise ReadError(
                f"{self.path}: its pixels are compressed as {self.syntax.name or 'nothing that is known'}, which "
                "cannot be decoded here; export it uncompressed (explicit VR little endian), or as JPEG"
            )
        if self.kind.startswith("YBR_FULL") and self._is_rgb_by_adobe():
            self.kind = "RGB"
        if self.syntax.is_encapsulated:
            yield from iter_pixels(self.header, raw=True)
        elif int(self.header.BitsAllocated) == 1:
            yield from self._bits()
        else:  # one by one: of YBR_FULL_422 pydicom 3.0 would yield the first frame alone
            for index in range(frames_in(self.header)):
                yield pixel_array(self.header, index=index, raw=True)

    def _bits(self) -> Iterator[NDArray[np.uint8]]:
        """Frames of single bits, which may begin inside a byte (PS3.5 8.1.1), as pydicom 3.0 overlooks."""
        stored = np.frombuffer(self.header.PixelData, np.uint8)
        shape = (int(self.header.Rows), int(self.header.Columns))
        each = shape[0] * shape[1]
        for start in range(0, frames_in(self.header) * each, each):
            packed = stored[start // 8 : -(-(start + each) // 8)]
            yield np.unpackbits(packed, bitorder="little")[start % 8 :][:each].reshape(shape)

    def _is_rgb_by_adobe(self) -> bool:
        """Whether a JPEG says itself how its colours are stored: they are turned to RGB when it is decoded."""
        if "JPEG Baseline" not in self.syntax.name and "JPEG Extended" not in self.syntax.name:
            return False
        first = next(generate_frames(self.header.PixelData, number_of_frames=frames_in(self.header)))
        return b"Adobe" in first[:1024]

    def _by_simpleitk(self) -> Iterator[NDArray[Any]]:
        with listening():
            image = sitk.ReadImage(str(self.path), imageIO="GDCMImageIO")
        frames = sitk.GetArrayViewFromImage(image)
        colours = image.GetNumberOfComponentsPerPixel() > 1
        self.kind = "RGB" if colours else "MONOCHROME2" if self.kind.startswith("PALETTE") else self.kind
        plain = frames.ndim == (3 if colours else 2)
        yield from (np.array(frame) for frame in (frames[np.newaxis] if plain else frames))

    def _grey(self, frame: NDArray[Any]) -> NDArray[Any]:
        if frame.ndim == 2 and self.kind.startswith("MONOCHROME"):
            return frame if self.labels else self._rescaled(frame)
        if self.kind.startswith("PALETTE"):
            frame = apply_color_lut(frame, self.header)
        elif frame.ndim != 3 or not self.kind.startswith(("YBR_FULL", "YBR_PARTIAL", *AS_RGB)):
            raise ReadError(f"{self.path}: its pixels are {self.kind}, which cannot be made grey")
        if frame.dtype == np.uint16:
            frame = (frame >> 8).astype(np.uint8)
        if self.kind.startswith("YBR_F") or self.kind.startswith("YBR_P"):
            coloured = bool((np.abs(frame[..., 1:].astype(int) - 128) > BESIDE_GREY).any())
            grey = frame[..., 0]  # Y is the grey of it
            if self.kind.startswith("YBR_P"):
                grey = np.clip((grey.astype(np.float32) - 16) * (255 / 219), 0, 255).round().astype(np.uint8)
        else:
            coloured = bool((frame != frame[..., :1]).any())
            grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) if coloured else frame[..., 0]
        self._note("colour was converted to grey", coloured)
        return np.ascontiguousarray(grey)

    def _rescaled(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Stored values as the header wants them shown: scaled, and black for the least."""
        if self.kind == "MONOCHROME1":
            frame = ~frame if frame.dtype.kind == "i" else (2 ** int(self.header.BitsStored) - 1 - frame)
        slope, intercept = (float(self.header.get(f"Rescale{name}", usual)) for name, usual in NO_SCALE)
        if (slope, intercept) == (1, 0) or self.syntax in BY_SIMPLEITK:
            return frame
        return np.asarray(apply_rescale(frame, self.header)).astype(np.float32)

    def _shown(self) -> NDArray[np.bool_] | None:
        """(H, W), the pixels inside the regions that the header names; None where all are."""
        burned = str(self.header.get("BurnedInAnnotation", "")).strip().upper()
        if burned == "NO":
            return None
        shown = np.zeros((int(self.header.Rows), int(self.header.Columns)), bool)
        for region in self.header.get("SequenceOfUltrasoundRegions") or ():
            left, top, right, bottom = (region.get(f"RegionLocation{end}") for end in CORNERS)
            if None not in (left, top, right, bottom) and region.get("RegionSpatialFormat") != GRAPHICS:
                shown[int(top) : int(bottom) + 1, int(left) : int(right) + 1] = True
        if not shown.any():
            self._note(TEXT_LEFT, burned == "YES")
            return None
        self._note(TEXT_GONE, not shown.all())
        return None if shown.all() else shown

    def _note(self, line: str, holds: bool) -> None:
        if holds and line not in self.notes:
            self.notes.append(line)


NO_SCALE = (("Slope", 1.0), ("Intercept", 0.0))
