"""Whether the voxels of a file are whole, before a library makes room for them: sizes, streams, checksums; and what
a library says about them."""

from __future__ import annotations

import bz2
import gzip
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import IO, Any

from usframe import ReadError
from usframe.arrays import explained, temporary

CHUNK = 1 << 20
MOST_PER_BYTE = 1040  # what deflate can make of one byte, and a little more
SLACK = 1 << 16
PADDING = 1024  # bytes that may follow the voxels
LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container, in bytes
_alone = RLock()


def check_promise(path: Path, needed: int, stored: int, *, gzipped: bool) -> None:
    """Raise `ReadError` where ``stored`` bytes cannot hold the ``needed`` ones, or no memory could."""
    if needed > (stored * MOST_PER_BYTE + SLACK if gzipped else stored):
        raise ReadError(f"{path}: is shorter than its header says ({_size(needed)} of voxels), the file is damaged")
    if not gzipped:
        check_end(path, needed, stored)
    check_memory(path, needed)


def check_memory(path: Path, needed: int, what: str = "its header promises") -> None:
    """Raise `ReadError` for more bytes than this machine has memory."""
    if needed > (memory := _memory()):
        raise ReadError(f"{path}: {what} {_size(needed)}, more than this machine's {_size(memory)}")


def check_end(path: Path, needed: int, stored: int) -> None:
    """Raise `ReadError` where there are more voxels than the header tells of: their shape or type is another."""
    if needed and stored > needed + PADDING:
        raise ReadError(
            f"{path}: is longer than its header says ({_size(stored)} instead of {_size(needed)}), "
            "so its sizes or its type are wrong"
        )


def unpack_gzip(path: Path, needed: int) -> IO[bytes]:
    """The first ``needed`` bytes of a .gz in a file that is gone once it is closed (see `usframe.arrays`).

    It is read to its end, where its checksum is. Raises `ReadError` for a damaged or short one.
    """
    total, unpacked = 0, temporary(needed)
    with gzip.open(path) as file:
        while part := _part(path, file):
            with explained():
                unpacked.write(part[: max(0, needed - total)])
            total += len(part)
            check_end(path, needed, total)
    _check_total(path, total, needed)
    with explained():
        unpacked.seek(0)
    return unpacked


def _part(path: Path, file: gzip.GzipFile) -> bytes:
    try:
        return file.read(CHUNK)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error


def check_voxels(path: Path, start: int, encoding: str, needed: int) -> None:
    """Check the voxels from ``start`` on in a data file, ``encoding`` being that of NRRD. Raises `ReadError`."""
    if not path.is_file():
        raise ReadError(f"{path}: the data file is missing, or is no file")
    stored = path.stat().st_size - start
    if encoding == "raw":
        check_promise(path, needed, stored, gzipped=False)
    elif encoding in ("gzip", "bzip2"):
        if encoding == "gzip":
            check_promise(path, needed, stored, gzipped=True)
        total = 0
        for length in _inflated(path, start, encoding):
            total += length
            check_end(path, needed or _memory(), total)
        _check_total(path, total, needed)


def _inflated(path: Path, start: int, encoding: str) -> Iterator[int]:
    """The lengths of what a stream unpacks to, until its end."""

    def fresh() -> Any:
        return zlib.decompressobj(47) if encoding == "gzip" else bz2.BZ2Decompressor()

    unpack = fresh()
    with path.open("rb") as file:
        file.seek(start)
        try:
            while data := file.read(CHUNK >> 4):
                while data or not unpack.eof:
                    if unpack.eof and data[:2] not in (b"\x1f\x8b", b"BZ"):
                        break
                    unpack = fresh() if unpack.eof else unpack
                    part = unpack.decompress(data, CHUNK)
                    yield len(part)
                    data = unpack.unused_data if unpack.eof else getattr(unpack, "unconsumed_tail", b"")
                    if not data and len(part) < CHUNK:
                        break
        except (OSError, zlib.error, EOFError) as error:
            raise _damaged(path, str(error)) from error
    if not unpack.eof:
        raise _damaged(path, "it ends early")


def _check_total(path: Path, total: int, needed: int) -> None:
    if total < needed:
        raise ReadError(f"{path}: is shorter than its header says ({_size(needed)} of voxels), the file is damaged")
    check_end(path, needed, total)


@contextmanager
def listening() -> Iterator[list[str]]:
    """The lines that a library printed to standard error in the block, which do not get there; full at its end."""
    heard: list[str] = []
    with _alone, tempfile.TemporaryFile() as file:
        try:
            terminal = os.dup(2)
        except OSError:  # a process without one
            yield heard
            return
        os.dup2(file.fileno(), 2)
        try:
            yield heard
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            file.seek(0)
            heard += file.read().decode("utf-8", "replace").splitlines()


def _memory() -> int:
    """The bytes of memory that this machine, or the container on it, has."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = LIMIT.read_text().strip() if LIMIT.is_file() else ""
    return min(memory, int(limit)) if limit.isdigit() else memory


def _damaged(path: Path, reason: str) -> ReadError:
    return ReadError(f"{path}: the compressed voxels are damaged ({' '.join(reason.split())[:200]})")


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} TB"
