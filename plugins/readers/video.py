"""Videos (.mp4, .avi, .mov, .mkv) through OpenCV: each frame is a slice, and the slice axis is time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe import ReadError, Volume, WriteError
from usframe.arrays import gather
from usframe.types import Grid, Role

from .grid import FileGrid, axis_order, check_file, in_dhw, one_line, role_of, to_dhw
from .streams import check_memory, listening

NATURAL = "dhw"
QUICKTIME = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # the first atoms of .mp4 and .mov
MATROSKA = b"\x1a\x45\xdf\xa3"
LOST = 0.02  # of the frames that a file tells of, which is often a guess from its length and rate


class VideoReader:
    """Videos: MP4, AVI, MOV and MKV, through OpenCV.

    Frames are (D, H, W), grey. A video says nothing of the size of a pixel, and holds no labels.
    """

    def read(
        self, path: Path, *, layout: str = "auto", onto: Volume | None = None, role: Role | None = None
    ) -> Volume:
        order = axis_order(layout, NATURAL)
        if role_of(role, onto) != "volume":
            raise ReadError(
                f"{path}: a video changes label values; save the labels as .tif or a folder of pictures"
            )
        shape = _shape(path)
        colour: list[str] = []
        stored = gather(_grey(path, shape, colour), shape, np.uint8)
        data = to_dhw(stored, shape, order, path)
        return Volume(data, None, FileGrid("video", order, shape), tuple(colour), time=order[0] == "d")

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        return in_dhw(_shape(path), axis_order(layout, NATURAL))

    def write(self, path: Path, mask: NDArray[np.uint8], grid: Grid) -> None:
        """Raises `WriteError`: a video would change the values of a mask."""
        raise WriteError(f"{path}: a video changes mask values; write the mask as .tif")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The video in a file. Raises `ReadError` for a file that is none, before a decoder looks at it."""
    check_file(path)
    with path.open("rb") as file:
        start = file.read(12)
    known = start[4:8] in QUICKTIME or start[:4] == MATROSKA or (start[:4], start[8:]) == (b"RIFF", b"AVI ")
    if not known:
        raise ReadError(f"{path}: is no video (no MP4, MOV, AVI or MKV)")
    with listening():
        video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        try:
            if not video.isOpened():
                raise ReadError(
                    f"{path}: not a readable video, damaged or of a codec that OpenCV has no decoder for"
                )
            yield video
        except cv2.error as error:
            raise ReadError(f"{path}: not a readable video ({one_line(error)})") from error
        finally:
            video.release()


def _shape(path: Path) -> tuple[int, int, int]:
    """(frames, rows, columns), the frames counted. Raises `ReadError` for a video that is damaged or too large."""
    with _opened(path) as video:
        told = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        found, frame = video.read()
        if not found:
            raise ReadError(f"{path}: not a readable video, none of its frames can be decoded")
        rows, columns = frame.shape[:2]
        count = 1
        while video.grab():
            count += 1
            _check_size(path, count, rows, columns)
    if count + 1 < told * (1 - LOST):
        raise ReadError(f"{path}: only {count} of its {told} frames can be decoded, the file is damaged")
    return count, rows, columns


def _check_size(path: Path, count: int, rows: int, columns: int) -> None:
    check_memory(path, count * rows * columns, f"its frames of {columns} x {rows} pixels, {count} and more, are")


def _grey(path: Path, shape: tuple[int, int, int], colour: list[str]) -> Iterator[NDArray[np.uint8]]:
    """The frames (1, H, W); ``colour`` gets a note where one has any."""
    with _opened(path) as video:
        for _ in range(shape[0]):
            found, frame = video.read()
            if not found or frame.shape[:2] != shape[1:]:
                raise ReadError(f"{path}: its frames cannot be decoded, or differ in size")
            if coloured := bool(frame.ndim == 3 and (frame != frame[..., :1]).any()):
                colour[:] = ["colour was converted to grey"]
            grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if coloured else frame.reshape(*shape[1:], -1)[..., 0]
            yield np.ascontiguousarray(grey)[np.newaxis]
