"""One registered name: who registered it, and the code behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from usframe.errors import PluginError
from usframe.plugins.messages import one_line

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Broken(NamedTuple):
    """A plugin that could not be loaded: who it is, and why, in one line."""

    owner: str
    cause: str


class Rank(IntEnum):
    """Of several entries with one name, that of the highest rank is meant."""

    PACKAGE = 0
    PREFERRED = 1
    FILE = 2


@dataclass(frozen=True)
class Origin:
    """Who registers. ``label``: a distribution with its version, or the path of a plugin file.

    ``package``: the name of the distribution. ``module``: that of a plugin file.
    """

    label: str
    rank: Rank = Rank.PACKAGE
    package: str = ""
    module: ModuleType | None = None


@dataclass(frozen=True)
class Entry:
    """One registered name. ``suffixes`` begin with a dot and are in lower case."""

    name: str
    target: Callable[..., Any] | str
    origin: Origin
    suffixes: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """A distribution with its version, or the path of a plugin file."""
        return self.origin.label

    def check(self, kind: str) -> None:
        """Raises `PluginError` for a name, a target or suffixes that a ``kind`` cannot have."""
        if not _NAME.fullmatch(self.name):
            problem = f"the name {self.name!r} of a {kind} may only have letters, digits, '+', '.', '_', '-'"
        elif isinstance(self.target, str) and not _TARGET.fullmatch(self.target):
            problem = f"the target {self.target!r} is not of the form package.module:attribute"
        elif not isinstance(self.target, str) and not callable(self.target):
            problem = f"the target of {kind} {self.name!r} is not callable"
        elif not all(suffix.startswith(".") for suffix in self.suffixes):
            problem = f"the suffixes {self.suffixes} of {kind} {self.name!r} must start with a dot"
        else:
            return
        raise PluginError(f"{self.owner}: {problem}")

    def load(self) -> Callable[..., Any]:
        """The callable behind the name; a string target is imported now. Raises `PluginError`."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            found = getattr(self._own_module(module) or import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.owner}: cannot import {self.target}: {one_line(error)}") from error
        if not callable(found):
            raise PluginError(f"{self.owner}: {self.target} is not callable")
        return found

    def _own_module(self, name: str) -> ModuleType | None:
        """The plugin file itself where the target names it: no other module is called so by that file."""
        own = self.origin.module
        return own if own and name == Path(own.__file__ or "").stem else None
