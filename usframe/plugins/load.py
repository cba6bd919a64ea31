"""Builds the registries, once per command, from installed packages and from single files.

A package that cannot be loaded is kept in `Plugins.broken` and disturbs nobody else. A file is named by the
user, so whatever is wrong with it is an error.
"""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from usframe import hookspecs
from usframe.errors import PluginError
from usframe.hookspecs import PROJECT, Target
from usframe.plugins.choice import Choice
from usframe.plugins.entry import Broken, Entry, Origin, Rank
from usframe.plugins.kinds import KINDS
from usframe.plugins.messages import nearest, one_line
from usframe.plugins.registry import Registry

if TYPE_CHECKING:
    from usframe.types import (
        Augmentation,
        Backbone,
        Metric,
        Objective,
        Postprocessing,
        PromptStrategy,
        Reader,
        Selection,
    )

Offers = list[tuple[str, Entry]]


class Plugins:
    """Everything that is registered: ``plugins["prompt"]``, or ``plugins.prompts`` with the type of its targets.

    ``broken``: the installed packages that could not be loaded; ``blocked``: those that the user left out.
    """

    def __init__(
        self, registries: Mapping[str, Registry[Any]], broken: Sequence[Broken] = (), blocked: Sequence[str] = ()
    ) -> None:
        self._registries = dict(registries)
        self.broken = broken
        self.blocked = blocked

    def __getitem__(self, kind: str) -> Registry[Any]:
        return self._registries[kind]

    def by_kind(self) -> dict[str, Registry[Any]]:
        """The registries as "reader", "prompt", "augmentation", ... -> registry."""
        return dict(self._registries)

    @property
    def readers(self) -> Registry[Callable[[], Reader]]:
        return self["reader"]

    @property
    def prompts(self) -> Registry[PromptStrategy]:
        return self["prompt"]

    @property
    def selections(self) -> Registry[Selection]:
        return self["selection"]

    @property
    def augmentations(self) -> Registry[Augmentation]:
        return self["augmentation"]

    @property
    def backbones(self) -> Registry[Callable[..., Backbone]]:
        return self["backbone"]

    @property
    def metrics(self) -> Registry[Metric]:
        return self["metric"]

    @property
    def postprocessing(self) -> Registry[Postprocessing]:
        return self["postprocessing"]

    @property
    def objectives(self) -> Registry[Objective]:
        return self["objective"]


def load_plugins(files: Sequence[Path] = (), *, prefer: Sequence[str] = (), block: Sequence[str] = ()) -> Plugins:
    """The registries from the entry points of group ``usframe`` and from plugin ``files`` (.py).

    ``prefer`` names packages whose entries win over those of others, ``block`` packages that are not even imported.
    Entries of a file win over all packages. Names that are still claimed by several are told where they are used.

    Raises `PluginError` with every problem at once: a file that is missing, broken or misspells a hook, a name that
    is registered twice by the same plugin, and a package to prefer or block that is not installed.
    """
    points = sorted(entry_points(group=PROJECT), key=lambda point: (_owner(point), point.name))
    choice = Choice(prefer, block)
    problems = choice.problems(map(_package, points))
    blocked = list(dict.fromkeys(_owner(point) for point in points if choice.blocks(_package(point))))
    offers, broken = _from_packages(points, choice)
    for path in map(Path, files):
        try:
            module = _import_file(path)
            offers += _ask(module, Origin(str(path), Rank.FILE, module=module))
        except (Exception, SystemExit) as error:
            problems.append(_blame(path, error))

    registries: dict[str, Registry[Any]] = {kind: Registry(kind, broken, blocked) for kind in KINDS}
    for kind, entry in offers:
        try:
            registries[kind].add(entry)
        except PluginError as error:
            problems.append(str(error))
    if problems:
        raise PluginError(*problems)
    return Plugins(registries, broken, blocked)


def _from_packages(points: Sequence[EntryPoint], choice: Choice) -> tuple[Offers, list[Broken]]:
    """What the packages offer that are not blocked, and which of them are broken."""
    offers: Offers = []
    broken: list[Broken] = []
    for point in points:
        owner, package = _owner(point), _package(point)
        if choice.blocks(package):
            continue
        rank = Rank.PREFERRED if choice.prefers(package) else Rank.PACKAGE
        try:
            offers += _ask(point.load(), Origin(owner, rank, package))
        except (Exception, SystemExit) as error:
            broken.append(Broken(owner, _cause(owner, error)))
    return offers, broken


def _ask(plugin: Any, origin: Origin) -> Offers:
    """(kind, entry) of everything one plugin offers; all or nothing."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    callers = manager.get_hookcallers(plugin)
    if not callers:
        raise PluginError("no hook found; decorate its functions with @usframe.hookimpl")
    hooks = {name: kind.hook for name, kind in KINDS.items()}
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        unknown = next(caller.name for caller in callers if not caller.has_spec())
        raise PluginError(f"unknown hook {unknown!r}{nearest(unknown, hooks.values())}") from error

    offers: Offers = []
    for kind, hook in hooks.items():
        trial: Registry[Any] = Registry(kind)
        getattr(manager.hook, hook)(register=partial(_register, trial, origin))
        offers += [(kind, entry) for entry in trial]
    return offers


def _register(
    registry: Registry[Any], origin: Origin, name: str, target: Target, *, suffixes: tuple[str, ...] = ()
) -> None:
    registry.add(Entry(name, target, origin, tuple(suffix.lower() for suffix in suffixes)))


def _owner(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PluginError("there is no such plugin file")
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:8]
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
