"""Names that lead to code: every reader, prompt, augmentation, ... is an entry of one `Registry`."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from usframe.errors import PluginError, ReadError
from usframe.hookspecs import PROJECT
from usframe.plugins.arguments import argument_problems, own_arguments
from usframe.plugins.entry import Broken, Entry, Rank
from usframe.plugins.kinds import KINDS
from usframe.plugins.messages import listing, nearest, one_line

T = TypeVar("T", bound=Callable[..., Any])


class Registry(Generic[T]):
    """The entries of one ``kind`` ("reader", "prompt", ...), whose targets are of type ``T``.

    Iterated in order of their names, all owners of a name among them. ``broken``: plugins that could not be loaded,
    ``blocked``: those that the user left out; an unknown name may have been one of theirs.
    """

    def __init__(self, kind: str, broken: Iterable[Broken] = (), blocked: Iterable[str] = ()) -> None:
        self.kind = kind
        self.broken = broken
        self.blocked = blocked
        self._entries: dict[str, list[Entry]] = {}

    def add(self, entry: Entry) -> None:
        """Raises `PluginError` for an entry that is malformed, or that its owner has registered already.

        What another owner has registered, too, is told where it is used.
        """
        entry.check(self.kind)
        for other in self:
            if other.owner == entry.owner:
                twice = [f"{self.kind} {entry.name!r}"] if other.name == entry.name else []
                twice += [f"suffix {suffix!r}" for suffix in entry.suffixes if suffix in other.suffixes]
                if twice:
                    raise PluginError(f"{entry.owner}: {twice[0]} is registered twice")
        self._entries.setdefault(entry.name, []).append(entry)

    def get(self, name: str, arguments: Mapping[str, Any] = {}) -> T:
        """The target registered as ``name``, with ``arguments`` bound where there are any.

        Raises `PluginError`: unknown, registered by several, or its import fails.
        """
        target = self._entry(name).load()
        return cast(T, partial(target, **arguments) if arguments else target)

    def check(self, name: str, arguments: Mapping[str, Any], where: str) -> list[str]:
        """One line per problem with naming a plugin so, beginning with ``where`` in the request that was."""
        try:
            target = self.get(name)
        except PluginError as error:
            return [f"{where}: {error}"]
        return [f"{where}: {line}" for line in argument_problems(name, target, KINDS[self.kind], arguments)]

    def arguments(self, name: str) -> dict[str, Any]:
        """Name -> default of a target's own arguments, in its order; `inspect.Parameter.empty` where none.

        Raises `PluginError` as `get` does.
        """
        return own_arguments(self.get(name), KINDS[self.kind])

    def unknown(self, name: str) -> str:
        """One line about a name that is not registered: the nearest, the known ones, plugins left out."""
        known, parts = self.names(), name.split(",")
        several = len(parts) > 1 and all(part.strip() in self for part in parts)
        hint = f" (several, one by one: {', '.join(parts)})" if several else nearest(name, known)
        return f"unknown {self.kind} {name!r}{hint}; known: {listing(known)}{self._suspects()}"

    def names(self) -> list[str]:
        return sorted(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter([entry for name in self.names() for entry in self._entries[name]])

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def for_path(self, path: Path) -> tuple[str, Entry]:
        """The suffix of ``path`` (lower case) and its entry: case is ignored, the longest suffix wins.

        A folder without a suffix belongs to the entry of the files in it, and its suffix is "/" and that of the
        first of them. Raises `ReadError` listing the known suffixes, or those that are mixed in a folder, and
        `PluginError` for a suffix that several plugins register.
        """
        owned = self._by_suffix()
        fitting = [suffix for suffix in owned if path.name.lower().endswith(suffix)]
        if not fitting and path.is_dir():
            return self._for_folder(path)
        if not fitting:
            known = listing(sorted(owned))
            raise ReadError(f"{path}: no {self.kind} for this kind of file; known: {known}{self._suspects()}")
        suffix = max(fitting, key=len)
        return suffix, _only(owned[suffix], f"suffix {suffix!r}")

    def _for_folder(self, folder: Path) -> tuple[str, Entry]:
        visible = [file for file in sorted(folder.iterdir()) if file.is_file() and not file.name.startswith(".")]
        known = tuple(self._by_suffix())
        found = [self.for_path(file) for file in visible if file.name.lower().endswith(known)]
        if not found:
            raise ReadError(
                f"{folder}: is a folder without a file that can be read; known: {listing(sorted(known))}"
            )
        if len({entry.name for _, entry in found}) > 1:
            suffixes = ", ".join(sorted({suffix for suffix, _ in found}))
            raise ReadError(f"{folder}: a folder that is one case holds files of one format, not {suffixes}")
        suffix, entry = found[0]
        return f"/{suffix}", entry

    def fate(self, entry: Entry) -> str:
        """What became of an entry that is not alone: "replaced by x.py", "clashes with other 1.0"; else nothing.

        Where it lost suffixes only, these come first: ".nii replaced by x.py".
        """
        if fate := _fate(entry, self._entries[entry.name]):
            return fate
        owned = self._by_suffix()
        fates = {suffix: _fate(entry, owned[suffix]) for suffix in entry.suffixes}
        return ", ".join(f"{suffix} {fate}" for suffix, fate in fates.items() if fate)

    def _entry(self, name: str) -> Entry:
        if name not in self:
            raise PluginError(self.unknown(name))
        return _only(self._entries[name], f"{self.kind} {name!r}")

    def _by_suffix(self) -> dict[str, list[Entry]]:
        """All who register a suffix, but for entries whose name went to another."""
        owned: dict[str, list[Entry]] = {}
        for entries in self._entries.values():
            for entry in _highest(entries):
                for suffix in entry.suffixes:
                    owned.setdefault(suffix, []).append(entry)
        return owned

    def _suspects(self) -> str:
        broken = ", ".join(dict.fromkeys(owner for owner, _ in self.broken))
        blocked = ", ".join(self.blocked)
        told = f"; not loaded because broken: {broken} (see 'usframe plugins')" if broken else ""
        return told + (f"; blocked: {blocked}" if blocked else "")


def blame(error: BaseException) -> str:
    """`one_line`, with the file and line that raised the error: "ValueError: no pixels (mine.py:12)"."""
    frames = traceback.extract_tb(error.__traceback__)
    return one_line(error) + (f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else "")


def _highest(entries: Sequence[Entry]) -> list[Entry]:
    rank = max(entry.origin.rank for entry in entries)
    return [entry for entry in entries if entry.origin.rank == rank]


def _only(entries: Sequence[Entry], what: str) -> Entry:
    """The entry that is meant. Raises `PluginError` naming all owners, and how to choose, where none is."""
    chosen = _highest(entries)
    if len(chosen) == 1:
        return chosen[0]
    owners = " and ".join(f"by {entry.owner}" for entry in chosen)
    packages = [entry.origin.package for entry in chosen]
    prefer = " or ".join(f"prefer={package}" for package in packages)
    block = " or ".join(f"block={package}" for package in packages if package != PROJECT)
    advice = {
        Rank.FILE: "name only one of these files",
        Rank.PREFERRED: f"prefer only one of them, or leave one out: {block}",
        Rank.PACKAGE: f"choose one: {prefer}; or leave one out: {block}",
    }[chosen[0].origin.rank]
    raise PluginError(
        f"{what} is registered {'twice' if len(chosen) == 2 else 'several times'}: {owners}; {advice}"
    )


def _fate(entry: Entry, entries: Sequence[Entry]) -> str:
    chosen = _highest(entries)
    others = ", ".join(other.owner for other in chosen if other is not entry)
    if not others:
        return ""
    return f"{'clashes with' if any(entry is one for one in chosen) else 'replaced by'} {others}"
