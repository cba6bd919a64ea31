"""Pictures (.png, .jpg, .tif, .bmp) through OpenCV; the pages of a .tif are slices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe import ReadError, Volume, WriteError
from usframe.types import Grid, Role

from .grid import FileGrid, axis_order, check_file, in_dhw, one_line, own_grid, role_of, three_axes, to_dhw
from .picture_sizes import check_picture
from .streams import listening

NATURAL = "dhw"
PAGED = (".tif", ".tiff")
IMAGEJ = re.compile(rb"ImageJ=[^\x00]{0,200}?images=(\d{1,9})")
DAMAGE = re.compile(r"(libpng error|Corrupt JPEG|Premature end of JPEG|TIFF_Error|can't read |is incomplete).*")
LOSSY = (".jpg", ".jpeg")


class ImageReader:
    """Pictures: PNG, JPEG, TIFF and BMP, through OpenCV.

    A picture is (H, W), a .tif of several pages (D, H, W); neither says how large a pixel is.
    """

    def read(
        self, path: Path, *, layout: str = "auto", onto: Volume | None = None, role: Role | None = None
    ) -> Volume:
        order = axis_order(layout, NATURAL)
        labels = role_of(role, onto) != "volume"
        pages, notes = _decode(path, labels=labels)
        stored = np.stack(pages) if len(pages) > 1 else pages[0]
        data = to_dhw(stored, three_axes(stored.shape, tuple(range(stored.ndim)), order), order, path)
        if labels and path.suffix.lower() in LOSSY and len(np.unique(data)) > 2:
            raise ReadError(f"{path}: JPEG changes label values; save the labels as PNG")
        return Volume(data, None, FileGrid("image", order, stored.shape), notes)

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        order = axis_order(layout, NATURAL)
        pages, _ = _decode(path, labels=False)
        shape = (len(pages), *pages[0].shape) if len(pages) > 1 else pages[0].shape
        return in_dhw(three_axes(shape, tuple(range(len(shape))), order), order)

    def write(self, path: Path, mask: NDArray[np.uint8], grid: Grid) -> None:
        """Raises `WriteError` for .jpg, which changes values, and for several slices in anything but a .tif."""
        suffix = path.suffix.lower()
        if suffix in LOSSY:
            raise WriteError(f"{path}: JPEG changes mask values; write the mask as .png")
        own = own_grid(grid, "image")
        stored = own.to_stored(mask) if own else mask
        pages = list(stored) if stored.ndim == 3 else [stored]
        if len(pages) > 1 and suffix not in PAGED:
            raise WriteError(f"{path}: {len(pages)} slices do not fit in one picture; write them as .tif")
        try:
            written = cv2.imwritemulti(str(path), [np.ascontiguousarray(page) for page in pages])
        except cv2.error as error:
            raise WriteError(f"{path}: cannot be written ({one_line(error)})") from error
        if not written:
            raise WriteError(f"{path}: cannot be written")


def _decode(path: Path, *, labels: bool) -> tuple[list[NDArray[Any]], tuple[str, ...]]:
    """Grey pages (H, W) of one size and what was done to make them grey. Labels must be grey already."""
    check_file(path)
    try:
        buffer = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ReadError(f"{path}: not a readable picture ({one_line(error)})") from error
    named = check_picture(path, buffer.tobytes())
    with listening() as heard:
        try:
            found, pages = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise ReadError(f"{path}: not a readable picture ({one_line(error)})") from error
    if damage := next((match[0] for line in heard if (match := DAMAGE.search(line))), ""):
        raise ReadError(f"{path}: not a readable picture, damaged or not of this format ({damage[:200]})")
    if not found or not pages:
        raise ReadError(f"{path}: not a readable picture")
    is_tiff = buffer[:2].tobytes() in (b"II", b"MM")
    if is_tiff and len(pages) != named:
        raise ReadError(f"{path}: only {len(pages)} of its pages can be decoded, the file is damaged")
    if is_tiff and (stack := IMAGEJ.search(buffer.tobytes())) and int(stack[1]) > len(pages):
        raise ReadError(
            f"{path}: an ImageJ stack of {int(stack[1])} slices without pages; save it as pages, or .nrrd"
        )
    if len({page.shape for page in pages}) > 1:
        raise ReadError(f"{path}: its {len(pages)} pages differ in size or colour")
    if all(_is_grey(page) for page in pages):
        return [page if page.ndim == 2 else page[..., 0] for page in pages], ()
    if labels:
        raise ReadError(f"{path}: labels in colour (or with a palette); save the label numbers as grey values")
    return [cv2.cvtColor(page[..., :3], cv2.COLOR_BGR2GRAY) for page in pages], ("colour was converted to grey",)


def _is_grey(page: NDArray[Any]) -> bool:
    return page.ndim == 2 or bool((page[..., :3] == page[..., :1]).all())
