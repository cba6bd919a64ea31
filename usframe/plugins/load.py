"""Builds the registries, once per command, from installed packages and from single files.

A package that cannot be loaded is kept in `Plugins.broken` and disturbs nobody else. A file is named by the
user, so whatever is wrong with it is an error.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from usframe import hookspecs
from usframe.errors import PluginError
from usframe.hookspecs import PROJECT, Target
from usframe.plugins.registry import Broken, Entry, Registry, nearest, one_line

KINDS = {
    "reader": "usframe_register_readers",
    "prompt": "usframe_register_prompts",
    "augmentation": "usframe_register_augmentations",
    "backbone": "usframe_register_backbones",
}


@dataclass(frozen=True)
class Plugins:
    """Everything that is registered, and the installed packages that could not be loaded."""

    readers: Registry
    prompts: Registry
    augmentations: Registry
    backbones: Registry
    broken: Sequence[Broken]

    def by_kind(self) -> dict[str, Registry]:
        """The registries as "reader", "prompt", "augmentation", "backbone" -> registry."""
        registries = (self.readers, self.prompts, self.augmentations, self.backbones)
        return {registry.kind: registry for registry in registries}


def load_plugins(files: Sequence[Path] = ()) -> Plugins:
    """The registries from the entry points of group ``usframe`` and from plugin ``files`` (.py).

    Raises `PluginError` with every problem at once: a file that is missing, broken or misspells a hook, and a
    name that two plugins register.
    """
    broken: list[Broken] = []
    problems: list[str] = []
    offers: list[tuple[str, Entry]] = []
    for point in sorted(entry_points(group=PROJECT), key=lambda point: (_owner(point), point.name)):
        owner = _owner(point)
        try:
            offers += _ask(point.load(), owner)
        except (Exception, SystemExit) as error:
            broken.append(Broken(owner, _cause(owner, error)))
    for path in files:
        try:
            offers += _ask(_import_file(Path(path)), str(path))
        except (Exception, SystemExit) as error:
            problems.append(_blame(Path(path), error))

    readers, prompts, augmentations, backbones = registries = [Registry(kind, broken) for kind in KINDS]
    for registry in registries:
        for entry in (entry for kind, entry in offers if kind == registry.kind):
            try:
                registry.register(entry.name, entry.target, entry.owner, entry.suffixes)
            except PluginError as error:
                problems.append(str(error))
    if problems:
        raise PluginError(*problems)
    return Plugins(readers, prompts, augmentations, backbones, broken)


def _ask(plugin: Any, owner: str) -> list[tuple[str, Entry]]:
    """(kind, entry) of everything one plugin offers; all or nothing."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    callers = manager.get_hookcallers(plugin)
    if not callers:
        raise PluginError("no hook found; decorate its functions with @usframe.hookimpl")
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        unknown = next(caller.name for caller in callers if not caller.has_spec())
        raise PluginError(f"unknown hook {unknown!r}{nearest(unknown, KINDS.values())}") from error

    offers: list[tuple[str, Entry]] = []
    for kind, hook in KINDS.items():
        trial = Registry(kind)
        getattr(manager.hook, hook)(register=partial(_register, trial, owner))
        offers += [(kind, entry) for entry in trial]
    return offers


def _register(registry: Registry, owner: str, name: str, target: Target, *, suffixes: tuple[str, ...] = ()) -> None:
    registry.register(name, target, owner, suffixes)


def _owner(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PluginError("there is no such plugin file")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    spec = spec_from_file_location(f"usframe_file_{digest}", path.absolute())
    if spec is None or spec.loader is None:
        raise PluginError("a plugin file must end in .py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _blame(path: Path, error: BaseException) -> str:
    """Path, line within the file where there is one, and cause."""
    if isinstance(error, SyntaxError) and error.filename == str(path.absolute()):
        return f"{path}:{error.lineno}: SyntaxError: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f":{frame.lineno}" for frame in frames if frame.filename == str(path.absolute())]
    return f"{path}{lines[-1] if lines else ''}: {_cause(str(path), error)}"


def _cause(owner: str, error: BaseException) -> str:
    return str(error).removeprefix(f"{owner}: ") if isinstance(error, PluginError) else one_line(error)
