"""Pictures (.png, .jpg, .tif, .bmp) through OpenCV; pages of a .tif are slices, and so are pictures of a folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from unicodedata import normalize

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe import ReadError, Volume, WriteError
from usframe.arrays import gather
from usframe.types import Grid, Role

from .grid import (
    FileGrid,
    axis_order,
    check_file,
    in_dhw,
    natural_order,
    one_line,
    own_grid,
    role_of,
    three_axes,
    to_dhw,
)
from .picture_sizes import check_picture
from .streams import listening

NATURAL = "dhw"
PAGED = (".tif", ".tiff")
IMAGEJ = re.compile(rb"ImageJ=[^\x00]{0,200}?images=(\d{1,9})")
DAMAGE = re.compile(r"(libpng error|Corrupt JPEG|Premature end of JPEG|TIFF_Error|can't read |is incomplete).*")
LOSSY = (".jpg", ".jpeg")
SUFFIXES = (".png", ".bmp", *LOSSY, *PAGED)
NUMBER = re.compile(r"(\d+)(?!.*\d)")  # the last one of a name


class ImageReader:
    """Pictures: PNG, JPEG, TIFF and BMP, through OpenCV.

    A picture is (H, W), a .tif of several pages (D, H, W), and so is a folder of pictures, in the order of the
    numbers in their names; none says how large a pixel is. A folder of labels may have masks of some pictures only,
    which are those of the same names.
    """

    folders = True

    def read(
        self, path: Path, *, layout: str = "auto", onto: Volume | None = None, role: Role | None = None
    ) -> Volume:
        order = axis_order(layout, NATURAL)
        labels = role_of(role, onto) != "volume"
        names: tuple[str, ...] = ()
        if path.is_dir():
            stored, notes = _decode_folder(path, labels=labels)
            names = tuple(normalize("NFC", picture.stem) for picture in _pictures(path)) if order[0] == "d" else ()
        else:
            pages, notes = _decode(path, labels=labels)
            stored = np.stack(pages) if len(pages) > 1 else pages[0]
        data = to_dhw(stored, three_axes(stored.shape, tuple(range(stored.ndim)), order), order, path)
        frames = onto.frames if labels and onto is not None else ()
        if names and frames and names != frames and ({*names} & {*frames} or len(names) != len(frames)):
            data, known = _on_frames(path, data, names, frames)
            told = f"{len(names)} of {len(data)} frames have a mask of their name; the others are not labelled"
            return Volume(data, None, FileGrid("image", order, data.shape), (told,), frames=frames, known=known)
        return Volume(data, None, FileGrid("image", order, stored.shape), notes, frames=names)

    def files(self, path: Path) -> list[Path]:
        """The pictures in a folder."""
        return _pictures(path) if path.is_dir() else []

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        order = axis_order(layout, NATURAL)
        if path.is_dir():
            pictures = _pictures(path)
            shape = (len(pictures), *_decode(pictures[0], labels=False)[0][0].shape)
            return in_dhw(shape, order)
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
        grey = [page if page.ndim == 2 else page[..., 0] for page in pages]
        if labels and path.suffix.lower() in LOSSY and len(np.unique(grey[0])) > 2:
            raise ReadError(f"{path}: JPEG changes label values; save the labels as PNG")
        return grey, ()
    if labels:
        raise ReadError(f"{path}: labels in colour (or with a palette); save the label numbers as grey values")
    return [cv2.cvtColor(page[..., :3], cv2.COLOR_BGR2GRAY) for page in pages], ("colour was converted to grey",)


def _is_grey(page: NDArray[Any]) -> bool:
    return page.ndim == 2 or bool((page[..., :3] == page[..., :1]).all())


def _pictures(folder: Path) -> list[Path]:
    """The pictures in a folder, in the order of the numbers in their names. Raises `ReadError` without any."""
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    found = natural_order(path for path in visible if path.suffix.lower() in SUFFIXES)
    if not found:
        raise ReadError(f"{folder}: is a folder without pictures")
    stems = [path.stem for path in found]
    if twice := next((stem for stem in stems if stems.count(stem) > 1), None):
        names = " and ".join(path.name for path in found if path.stem == twice)
        raise ReadError(f"{folder}: holds {names}; keep one of them")
    return found


def _decode_folder(folder: Path, *, labels: bool) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The pictures of a folder as slices (D, H, W), and what was read. Raises `ReadError` where they differ."""
    pictures = _pictures(folder)
    colour: dict[str, None] = {}
    first = _decode(pictures[0], labels=labels)[0][0]

    def slices() -> Iterator[NDArray[Any]]:
        for path in pictures:
            pages, notes = _decode(path, labels=labels)
            colour.update(dict.fromkeys(notes))
            if len(pages) > 1:
                raise ReadError(
                    f"{path}: has {len(pages)} pages; in a folder that is one case a picture is one slice"
                )
            if (pages[0].shape, pages[0].dtype) != (first.shape, first.dtype):
                raise ReadError(
                    f"{folder}: its pictures differ, {path.name} has {_kind(pages[0])} and {pictures[0].name} "
                    f"{_kind(first)}; where each is a case of its own, name this folder itself"
                )
            yield pages[0][np.newaxis]

    data = gather(slices(), (len(pictures), *first.shape), first.dtype)
    names = f"{pictures[0].name} to {pictures[-1].name}"
    note = f"{len(pictures)} pictures of a folder were read as the slices of one case ({names})"
    return data, (note, *_gaps(pictures), *colour)


def _on_frames(
    path: Path, masks: NDArray[Any], names: Sequence[str], frames: Sequence[str]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """``masks`` on the frames of their names (D, H, W), and which frames these are (D,).

    Raises `ReadError` for a mask of no frame.
    """
    if strange := [name for name in names if name not in frames]:
        whole = f"those of its volume are called {frames[0]} to {frames[-1]}"
        raise ReadError(f"{path}: no frame is called {strange[0]}, {whole}; name every mask after its frame")
    at = {name: number for number, name in enumerate(names)}
    none = np.zeros((1, *masks.shape[1:]), masks.dtype)
    planes = (masks[at[name]][np.newaxis] if name in at else none for name in frames)
    data = gather(planes, (len(frames), *masks.shape[1:]), masks.dtype)
    return data, np.array([name in at for name in frames])


def _kind(page: NDArray[Any]) -> str:
    return f"{page.shape[1]} x {page.shape[0]} pixels of {page.dtype}"


def _gaps(pictures: list[Path]) -> tuple[str, ...]:
    """A note where the last numbers of the names do not go up in equal steps."""
    numbers = [int(found[1]) for path in pictures if (found := NUMBER.search(path.stem))]
    if len(numbers) < len(pictures):
        return ("the pictures of a folder are not all numbered: they were read in the order of their names",)
    steps = [after - before for before, after in pairwise(numbers)]
    if len({*steps}) < 2:
        return ()
    usual = Counter(steps).most_common(1)[0][0]
    at = next(at for at, step in enumerate(steps) if step != usual)
    return (f"the numbers of the pictures go on unevenly, as after {pictures[at].name}: is one missing?",)
