"""Arrays (D, H, W) that memory need not hold: put together in a temporary file, and looked through in blocks.

A temporary file is gone when the last array of it is. Its pages are the system's to take away when memory is short.
"""

from __future__ import annotations

import io
import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from usframe.errors import CaseError

LARGE = 2**25  # bytes; what is no larger is kept in memory
BLOCK = 2**20  # voxels looked at together


class Planes:
    """An array of ``shape`` (D, H, W) that is put together plane by plane; planes that nobody puts are 0.

    It is in memory, or, where it is `LARGE`, in a temporary file. Raises `CaseError` where that has no room.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.size = int(np.prod(shape[1:])) * self.dtype.itemsize
        self.file = temporary(shape[0] * self.size)
        self.memory = np.zeros(shape, dtype) if isinstance(self.file, io.BytesIO) else None

    def put(self, first: int, planes: NDArray[Any]) -> None:
        """Put ``planes`` (N, H, W), or one plane (H, W), from number ``first`` on."""
        if self.memory is not None:
            self.memory[first : first + (len(planes) if planes.ndim == len(self.shape) else 1)] = planes
            return
        with explained():
            self.file.seek(first * self.size)
            self.file.write(np.ascontiguousarray(planes, self.dtype).data)
            self.file.flush()

    def array(self) -> NDArray[Any]:
        """What was put, which can be written to."""
        if self.memory is not None:
            return self.memory
        with explained():
            self.file.truncate(self.shape[0] * self.size)
        return array_in(self.file, self.shape, self.dtype)


def gather(parts: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """The array of ``shape`` (D, H, W) whose ``parts`` (N, H, W) follow each other, as `Planes` keep it."""
    planes, first = Planes(shape, dtype), 0
    for part in parts:
        planes.put(first, part)
        first += len(part)
    return planes.array()


def temporary(size: int) -> IO[bytes]:
    """A file for ``size`` bytes: in memory, or in the temporary folder where they are `LARGE`."""
    if size <= LARGE:
        return io.BytesIO()
    with explained():
        return tempfile.TemporaryFile(prefix="usframe-")


def array_in(
    file: IO[bytes], shape: tuple[int, ...], dtype: DTypeLike, *, offset: int = 0, order: Literal["C", "F"] = "C"
) -> NDArray[Any]:
    """The array that a `temporary` file holds, which can be written to."""
    if isinstance(file, io.BytesIO):
        return np.ndarray(shape, dtype, file.getbuffer(), offset, order=order)
    with explained():
        file.flush()
        return np.memmap(file, dtype, "r+", offset, shape, order)


@contextmanager
def explained() -> Iterator[None]:
    """Raise `CaseError` for a temporary folder that has no room."""
    try:
        yield
    except OSError as error:
        place = tempfile.gettempdir()
        raise CaseError(f"temporary folder {place}: {error.strerror or error}; TMPDIR names another") from error


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Along the first axis of an array of ``shape``, slices of about `BLOCK` voxels, of one plane at least."""
    step = max(1, BLOCK // max(1, int(np.prod(shape[1:]))))
    yield from (slice(first, first + step) for first in range(0, shape[0], step))


def values_of(labels: NDArray[Any]) -> list[int]:
    """The values of ``labels`` (D, H, W), whole numbers, ascending."""
    if labels.dtype == np.uint8:
        found = np.zeros(256, bool)
        for part in blocks(labels.shape):
            row = np.ascontiguousarray(labels[part]).reshape(1, -1)
            found |= cv2.calcHist([row], [0], None, [256], [0, 256]).ravel() > 0
        return np.flatnonzero(found).tolist()
    return sorted({value for part in blocks(labels.shape) for value in np.unique(labels[part]).tolist()})


def release(*arrays: NDArray[Any] | None) -> None:
    """Take from this process the pages of those arrays that are a file's; they are read again when looked at.

    Arrays in memory are left alone, and so are private pages, in which something may have been changed.
    """
    for array in arrays:
        owner: Any = array
        while isinstance(owner, np.ndarray):
            if isinstance(owner, np.memmap) and owner.mode != "c" and isinstance(owner.base, mmap.mmap):
                owner.base.madvise(mmap.MADV_DONTNEED)
            owner = owner.base
