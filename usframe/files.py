"""Files that appear under their name only when they are complete and on disk, and the list of those a run wrote."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any

from usframe.errors import WriteError, safe_cell

CASES = "cases"  # folder of the records of cases, in HIDDEN
HIDDEN = ".usframe"  # what a run keeps for itself in its folder; ".usframe-..." is an unfinished file


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, in a folder that is made. It appears as ``path`` when the block has ended well.

    Raises `WriteError`; what was there stays then.
    """
    part = path.with_name(f".usframe-{zlib.crc32(os.fsencode(path.name)):08x}")
    try:
        try:
            if Manifest.current:
                Manifest.current.check_there(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)  # what a killed run left, or a link that somebody put there
            with part.open("xb") as file:
                yield file
            publish(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror or error})") from error


def publish(part: Path, path: Path) -> None:
    """Give a complete file or folder its name; from then on it outlasts a loss of power.

    A file that the run with this OUT did not write is not replaced: `WriteError`. Raises `OSError`.
    """
    for place in (part, *part.rglob("*")) if part.is_dir() else (part,):
        sync(place)
    if Manifest.current:
        Manifest.current.add(part, path)
    part.replace(path)
    sync(path.parent)


def is_finished(file: Path) -> bool:
    """Whether a file has its name, other than those that a run was writing when it was killed."""
    return not any(part.startswith(".usframe-") for part in file.parts)


def sync(path: Path) -> None:
    """Have a file or folder written to the disk itself; a system that cannot do so for folders is not asked."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a whole file (text as UTF-8), making its folder; where that fails, what was there stays.

    What is no Unicode, as in the name of a file, is written as ``\\udcff``. Raises `WriteError`.
    """
    with whole_file(path) as file:
        file.write(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


def withdraw(path: Path) -> None:
    """Remove the file at ``path`` if the run with this OUT, or an earlier one there, wrote it just as it is.

    Raises `WriteError`.
    """
    manifest = Manifest.current
    try:
        if manifest and path.is_file() and manifest.owns(path) and not link_in(manifest.out, path.absolute()):
            path.unlink()
    except OSError as error:
        raise WriteError(f"{path}: cannot be removed ({error.strerror or error})") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that every parser reads: NaN is refused with a `ValueError`. Raises `WriteError`."""
    write_file(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table with a header line; None is an empty field. Raises `WriteError`."""
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="")
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: safe_cell(value) for key, value in row.items()} for row in rows)
        text.detach()


def digest(path: Path) -> str:
    """The SHA-256 of a file, or of the names and contents of a folder."""
    found = sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            found.update(os.fsencode(file.relative_to(path)) if file != path else b"")
            with file.open("rb") as content:
                while block := content.read(2**20):
                    found.update(block)
    return found.hexdigest()


def link_in(folder: Path, path: Path) -> Path | None:
    """The first link on the way from ``folder``, itself left out, to ``path`` in it and with it, if any."""
    names = path.relative_to(folder).parts
    steps = (folder.joinpath(*names[: n + 1]) for n in range(len(names)))
    return next((step for step in steps if step.is_symlink()), None)


class Manifest:
    """The files that runs wrote into ``out``, a line of JSON for each in OUT/.usframe/manifest.jsonl.

    A line is on disk before its file has its name, so a file with the name and hash of a line is the run's, also
    where that died; one that was changed since is the user's. Folders that are all the run's have a line, too.
    ``current``: that of the run which this process is in. ``fresh``: what was written since it was last emptied.
    """

    current: Manifest | None = None

    def __init__(self, out: Path) -> None:
        self.out = out.absolute()
        self.path = self.out / HIDDEN / "manifest.jsonl"
        self.files: dict[str, set[str]] = {}
        self.folders: set[str] = set()
        self.fresh: dict[str, str] = {}
        for line in self.path.read_bytes().splitlines() if self.path.exists() else ():
            try:
                entry = json.loads(line)
                place = PurePosixPath(entry.get("folder") or entry["path"])
                if place.is_absolute() or not place.parts or {"..", HIDDEN} & {*place.parts}:
                    continue  # no run writes such a line
                if "folder" in entry:
                    self.folders.add(str(place))
                else:
                    self.files.setdefault(str(place), set()).add(str(entry["sha256"]))
            except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
                continue  # the last line of a run that was killed, or a line that no run wrote

    def start(self, folders: Iterable[str] = ()) -> None:
        """Have all that this process writes into OUT noted, and claim ``folders``. Raises `OSError`."""
        self.path.touch()
        for folder in folders:
            self.claim(folder)
        Manifest.current = self

    def place_of(self, path: Path) -> str | None:
        """``path`` from OUT on, with slashes; None outside OUT and among what a run keeps for itself."""
        place = path.absolute()
        if not place.is_relative_to(self.out) or place.is_relative_to(self.out / HIDDEN):
            return None
        return place.relative_to(self.out).as_posix()

    def check_there(self, path: Path) -> None:
        """Raises `WriteError` for a ``path`` in OUT that leads out of it by a link, or where OUT was removed."""
        if not path.absolute().is_relative_to(self.out):
            return
        if link := link_in(self.out, path.absolute().parent):
            raise WriteError(f"{link}: is a link, and what a run writes stays in its folder; remove it")
        if not self.path.exists():
            raise WriteError(f"{self.out}: was removed while the run was writing to it")

    def add(self, part: Path, path: Path) -> None:
        """Note that ``part`` is about to become ``path``. Raises `WriteError` where another's file is there."""
        place = self.place_of(path)
        if place is None or self._in_folder(place):
            return
        if os.path.lexists(path) and not self.owns(path):
            raise WriteError(f"{path}: is there, but not as a run of usframe wrote it; move it away")
        found = digest(part)
        self.fresh[place] = found
        if found not in self.files.get(place, ()):
            self.files.setdefault(place, set()).add(found)
            self._append({"path": place, "sha256": found})

    def claim(self, folder: str) -> None:
        """Note that all of OUT/``folder``, which is not there yet, will be the run's."""
        if folder not in self.folders:
            self.folders.add(folder)
            self._append({"folder": folder})

    def owns(self, path: Path) -> bool:
        """Whether a run wrote the file at ``path``, just as it is; or claimed that folder, or began to fill it."""
        place = self.place_of(path)
        if place is None or self._in_folder(place):
            return place is not None
        if path.is_dir():
            wrote = any(name.startswith(f"{place}/") for name in self.files)
            return wrote or not any(is_finished(file) for file in path.rglob("*") if file.is_file())
        return place in self.files and path.is_file() and digest(path) in self.files[place]

    def has(self, place: str, found: str) -> bool:
        """Whether OUT/``place`` is there as a run wrote it, with this hash."""
        path = self.out / place
        return found in self.files.get(place, ()) and path.is_file() and digest(path) == found

    def remove(self) -> None:
        """Remove what runs wrote, and folders that are empty then; all else stays. Raises `OSError`."""
        for place in self.folders:
            if (self.out / place).exists() and not link_in(self.out, self.out / place):
                shutil.rmtree(self.out / place)
        for place in self.files:
            path = self.out / place
            if not link_in(self.out, path) and path.is_file() and self.owns(path):
                path.unlink()
            for folder in path.parents:
                if folder == self.out or not folder.is_dir() or any(folder.iterdir()):
                    break
                folder.rmdir()
        self.path.unlink(missing_ok=True)
        self.files, self.folders, self.fresh = {}, set(), {}

    def _in_folder(self, place: str) -> bool:
        return any(place == folder or place.startswith(f"{folder}/") for folder in self.folders)

    def _append(self, entry: Mapping[str, str]) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, b"\n" + json.dumps(entry).encode())  # the line before may be one that was cut off
            os.fsync(handle)
        finally:
            os.close(handle)
