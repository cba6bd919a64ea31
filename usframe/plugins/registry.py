"""Names that lead to code: every reader, prompt, augmentation and backbone is an entry of one `Registry`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from usframe.errors import PluginError, ReadError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Broken(NamedTuple):
    """A plugin that could not be loaded: who it is, and why, in one line."""

    owner: str
    cause: str


@dataclass(frozen=True)
class Entry:
    """One registered name. ``owner`` is a distribution with its version, or the path of a plugin file."""

    name: str
    target: Callable[..., Any] | str
    owner: str
    suffixes: tuple[str, ...] = ()

    def load(self) -> Callable[..., Any]:
        """The callable behind the name; a string target is imported now. Raises `PluginError`."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except Exception as error:
            raise PluginError(f"{self.owner}: cannot import {self.target}: {one_line(error)}") from error
        if not callable(found):
            raise PluginError(f"{self.owner}: {self.target} is not callable")
        return found


class Registry:
    """The entries of one ``kind`` ("reader", "prompt", ...), iterated in order of their names.

    ``broken``: plugins that could not be loaded; an unknown name may have been one of theirs.
    """

    def __init__(self, kind: str, broken: Iterable[Broken] = ()) -> None:
        self.kind = kind
        self.broken = broken
        self._entries: dict[str, Entry] = {}

    def register(
        self, name: str, target: Callable[..., Any] | str, owner: str, suffixes: Iterable[str] = ()
    ) -> None:
        """Add one name. Raises `PluginError` naming both owners where the name or a suffix is taken."""
        entry = Entry(name, target, owner, tuple(suffix.lower() for suffix in suffixes))
        self._check(entry)
        for other in self:
            clashes = [f"{self.kind} {name!r}"] if other.name == name else []
            clashes += [f"suffix {suffix!r}" for suffix in entry.suffixes if suffix in other.suffixes]
            if clashes:
                raise PluginError(f"{clashes[0]} is registered twice: by {other.owner} and by {owner}")
        self._entries[name] = entry

    def _check(self, entry: Entry) -> None:
        if not _NAME.fullmatch(entry.name):
            problem = f"the name {entry.name!r} of a {self.kind} may only have letters, digits, '+', '.', '_', '-'"
        elif isinstance(entry.target, str) and not _TARGET.fullmatch(entry.target):
            problem = f"the target {entry.target!r} is not of the form package.module:attribute"
        elif not isinstance(entry.target, str) and not callable(entry.target):
            problem = f"the target of {self.kind} {entry.name!r} is not callable"
        elif not all(suffix.startswith(".") for suffix in entry.suffixes):
            problem = f"the suffixes {entry.suffixes} of {self.kind} {entry.name!r} must start with a dot"
        else:
            return
        raise PluginError(f"{entry.owner}: {problem}")

    def get(self, name: str) -> Callable[..., Any]:
        """The callable registered as ``name``. Raises `PluginError`: unknown, or its import fails."""
        if name not in self._entries:
            raise PluginError(self.unknown(name))
        return self._entries[name].load()

    def unknown(self, name: str) -> str:
        """One line about a name that is not registered: the nearest, the known ones, broken plugins."""
        known = self.names()
        return f"unknown {self.kind} {name!r}{nearest(name, known)}; known: {_listing(known)}{self._suspects()}"

    def names(self) -> list[str]:
        return sorted(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter([self._entries[name] for name in self.names()])

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def for_path(self, path: Path) -> tuple[str, Entry]:
        """The suffix of ``path`` (lower case) and its entry: case is ignored, the longest suffix wins.

        Raises `ReadError` listing the known suffixes.
        """
        owned = {suffix: entry for entry in self for suffix in entry.suffixes}
        fitting = [suffix for suffix in owned if path.name.lower().endswith(suffix)]
        if not fitting:
            known = _listing(sorted(owned))
            raise ReadError(f"{path}: no {self.kind} for this kind of file; known: {known}{self._suspects()}")
        suffix = max(fitting, key=len)
        return suffix, owned[suffix]

    def _suspects(self) -> str:
        owners = ", ".join(dict.fromkeys(owner for owner, _ in self.broken))
        return f"; not loaded because broken: {owners} (see 'usframe plugins')" if owners else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question in brackets, or nothing where none is close."""
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def one_line(error: BaseException) -> str:
    """The type and the message of an exception on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def _listing(words: Iterable[str]) -> str:
    return ", ".join(words) or "none"
