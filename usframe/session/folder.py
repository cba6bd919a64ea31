"""OUT: whose it is, what a run may replace in it, and whether an earlier run is gone on with."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from usframe.config.places import DATA, entangled
from usframe.config.schema import Common
from usframe.errors import RequestError
from usframe.files import CASES, HIDDEN, Manifest, digest, link_in, write_json
from usframe.plain import read_json
from usframe.reporting.record import version_of
from usframe.session import RECORD, watch

if sys.platform != "win32":
    import fcntl

Resume: TypeAlias = Literal["never", "same", "always"]

BEGUN = "begun.json"  # what the run in OUT was begun with
DONE = "done"  # folder with a file for every process that has come to its end
QUEUE = "queue"  # folder with a file for every case that no process has begun
FREE = {"out", "overwrite", "plugins", "case_timeout"}  # keys that may differ, or that are compared otherwise
PATHS = {*DATA, "checkpoint", "group"}
_lock: IO[str] | None = None


def open_folder(
    config: Common,
    writes: Iterable[str],
    *,
    resume: Resume = "never",
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Make OUT this run's: nothing in it that another wrote is in the way, and no other run is at work in it.

    ``resume``: whether an earlier run is gone on with, never, where it began with the ``same`` settings and
    ``facts``, or always. ``writes``: what will be written, from OUT on; a folder that is filled by other means than
    ours ends with a slash.
    ``overwrite`` removes what an earlier run wrote, and nothing else. Raises `RequestError`.
    """
    out = config.folder
    if problem := entangled(out, {key: getattr(config, key, None) for key in DATA}):
        raise RequestError(problem)
    planned = list(writes)
    begun = out / HIDDEN / BEGUN
    try:
        kept = (path.relative_to(out).as_posix() for path in (out / HIDDEN).rglob("*"))
        _check_links(out, (HIDDEN, *kept, *planned))
        if not (out / HIDDEN).exists():
            _check_foreign(out, Manifest(out), planned)
            (out / HIDDEN).mkdir(parents=True)
        _take_lock(out)
        manifest, known = Manifest(out), begun.exists()
        now = _settings(config) | dict(facts or {})
        if known and not config.overwrite and resume != "always":
            _check_same(out, begun, now, resume)
        _check_foreign(out, manifest, planned)
        _check_links(out, (*manifest.files, *manifest.folders))
        _sweep({(out / name).parent for name in (*manifest.files, *planned)})
        if not known or config.overwrite:
            manifest.remove()
            shutil.rmtree(out / HIDDEN / CASES, ignore_errors=True)
        shutil.rmtree(out / HIDDEN / DONE, ignore_errors=True)
        manifest.start([name.rstrip("/") for name in planned if name.endswith("/")])
        write_json(begun, now)
    except OSError as error:
        close_folder()
        raise RequestError(f"cannot write to {out}: {error.strerror or error}; choose another -o") from error
    except RequestError:
        close_folder()
        raise


def reopen_folder(out: Path, *, first: bool) -> None:
    """Go on in OUT after the process that opened it has died; the ``first`` of several keeps other runs away."""
    if first:
        _take_lock(out)
    Manifest(out).start()


def lock_folder(out: Path) -> None:
    """Make OUT, and keep other processes from it until `close_folder`. Raises `RequestError`."""
    try:
        _check_links(out, (HIDDEN, f"{HIDDEN}/lock"))
        (out / HIDDEN).mkdir(parents=True, exist_ok=True)
        _take_lock(out)
    except OSError as error:
        raise RequestError(f"cannot write to {out}: {error.strerror or error}; choose another -o") from error


def close_folder() -> None:
    """Let other runs at OUT: the end of this one."""
    global _lock
    Manifest.current = None
    if _lock:
        _lock.close()
        _lock = None


def _check_links(out: Path, names: Iterable[str]) -> None:
    """Raises `RequestError` for a link on the way to a file in OUT: it would be written or removed elsewhere."""
    for name in names:
        if link := link_in(out, out / name):
            raise RequestError(
                f"{link} is a link, and results stay in their folder; remove it, or choose another -o"
            )


def _check_foreign(out: Path, manifest: Manifest, planned: Iterable[str]) -> None:
    """Raises `RequestError` for the first planned file or folder that is there, but was not written by a run."""
    for name in planned:
        path = out / name
        if os.path.lexists(path) and not manifest.owns(path):
            known = name in manifest.files or name == RECORD
            what = "was changed since a run wrote it, or is an older usframe's" if known else "is not a run's"
            raise RequestError(f"{path} {what} and would be replaced; move it away, or choose another -o")


def _sweep(folders: Iterable[Path]) -> None:
    """Remove the unfinished files of a run that was killed."""
    for part in [part for folder in folders for part in folder.glob(".usframe-*")]:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()


def _check_same(out: Path, begun: Path, now: Mapping[str, Any], resume: Resume) -> None:
    """Raises `RequestError` where the run in OUT cannot be gone on with."""
    advice = "choose another -o, or add overwrite=true to replace it"
    if resume == "never":
        raise RequestError(f"{out} holds an earlier run; {advice}")
    try:
        earlier = read_json(begun)
        changed, kind = difference(earlier, now)
    except (ValueError, AttributeError, TypeError) as error:
        raise RequestError(f"{begun} cannot be read; {advice}") from error
    if changed:
        raise RequestError(f"{out} holds a run with other {kind} ({changed}); {advice}")


def difference(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, str]:
    """How the facts of an ``earlier`` run were other than ``now``, and whether that is its settings or its data.

    Nothing, and they agree. Raises `AttributeError`, `TypeError` for what no run wrote.
    """
    changed = [key for key in {**earlier, **now} if _known(earlier, key) != _known(now, key)]
    shown = ", ".join(_told(key, earlier, now) for key in changed[:5])
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
    plain = all(not isinstance(now.get(key, earlier.get(key)), dict) for key in changed)
    return f"{shown}{more}", "settings" if plain else "data"


def _known(facts: Mapping[str, Any], key: str) -> Any:
    """A fact; of the files of a case all but the times, which copying changes."""
    value = facts.get(key)
    if not isinstance(value, dict):
        return value
    return {name: {**part, "time": None} if isinstance(part, dict) else part for name, part in value.items()}


def _told(key: str, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs: the setting as it was, or a case that is new, gone or of other files."""
    if not isinstance(now.get(key, earlier.get(key)), dict):
        return f"{key}={earlier.get(key)}"
    part, _, case = key.partition(".")
    return f"case {case} of {part} {'is new' if key not in earlier else 'is gone' if key not in now else 'differs'}"


def _settings(config: Common) -> dict[str, Any]:
    """Dotted key -> value of all that decides what a run does; paths in full, and plugin files by their hash."""
    found = dict(_flat({key: value for key, value in asdict(config).items() if key not in FREE}))
    for key in PATHS & found.keys():
        if isinstance(found[key], str) and Path(found[key]).exists():
            found[key] = str(Path(found[key]).resolve())
    found |= {f"plugins.{Path(file).name}": digest(Path(file))[:16] for file in config.plugins}
    return found | {f"version.{name}": version_of(name) for name in ("usframe", "torch")}


def _flat(values: Mapping[Any, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value


def _take_lock(out: Path) -> None:
    """Keep other runs from OUT until `close_folder` or the end of this process, however that comes.

    The lock is the system's, so none is left behind; the file names the owner. Raises `RequestError`.
    """
    global _lock
    if _lock:
        _lock.close()
    _lock = (out / HIDDEN / "lock").open("a+", encoding="utf-8")
    if sys.platform != "win32":
        try:
            fcntl.lockf(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            _lock.seek(0)
            holder = _lock.read().strip() or "another process"
            raise RequestError(f"{out} is in use by {holder}; wait for it, or choose another -o") from error
        except OSError:  # a file system without locks
            pass
    _lock.truncate(0)
    since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    owner = os.getppid() if watch.line.is_watched else os.getpid()
    _lock.write(f"process {owner} on {socket.gethostname()} since {since}\n")
    _lock.flush()
