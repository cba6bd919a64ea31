"""Plugins as a request names them: a name alone, or a name with arguments, in a list or a mapping.

``prompts: [box, {point: {count: 3}}]``, ``augment: {flip: 0.5, rotate: {p: 0.5, degrees: 30}}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from usframe.errors import PluginError
from usframe.plugins import Plugins
from usframe.plugins.arguments import takes


@dataclass(frozen=True)
class Named:
    """One plugin: its ``kind`` and ``name``, the key ``where`` it was named, its own ``arguments``.

    ``number``: how often or how strongly it is used, where its kind has such a number. ``bare``: a value without a
    name, which is for its first argument.
    """

    kind: str
    name: str
    where: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    number: float = 1.0
    bare: Any = None

    @property
    def label(self) -> str:
        """The name in tables and folders: ``point``, or ``point(count=3)``."""
        told = ",".join(f"{key}={value}" for key, value in self.arguments.items())
        told = re.sub(r"[/\\\x00-\x1f\x7f-\x9f]", "-", told)
        return f"{self.name}({told})" if told else self.name


def in_list(kind: str, where: str, items: Sequence[Any]) -> list[Named]:
    """The plugins of a list such as ``[box, {point: {count: 3}}]``. Raises `ValueError` in one line."""
    found = []
    for item in items:
        if isinstance(item, list) or item is None:
            raise ValueError(f"{where}={item} is not possible; write [NAME] or [{{NAME: {{ARGUMENT: VALUE}}}}]")
        one = item if isinstance(item, Mapping) else {item: {}}
        for name, arguments in one.items():
            if not isinstance(arguments, Mapping):
                raise ValueError(f"{where}={item} is not possible; write [{{{name}: {{ARGUMENT: VALUE}}}}]")
            found.append(Named(kind, str(name), where, arguments))
    return found


def in_mapping(kind: str, where: str, items: Mapping[str, Any], number: str) -> Iterator[Named]:
    """The plugins of a mapping such as ``{flip: 0.5, rotate: {p: 0.5, degrees: 30}}``.

    ``number`` is the argument that a bare number stands for, 1 where it is not given.
    """
    for name, value in items.items():
        own = dict(value) if isinstance(value, Mapping) else {number: value}
        share = own.pop(number, 1.0)
        yield Named(kind, name, f"{where}.{name}", own, float(share))


def number_of(value: Any, number: str) -> Any:
    """The bare number of a plugin in a mapping, wherever it stands."""
    return value.get(number, 1.0) if isinstance(value, Mapping) else value


def steps_in(value: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Steps in their order, name -> true, false, a number or arguments, from a list or such a mapping.

    Raises `ValueError` for a list that names one twice, or holds something else.
    """
    if isinstance(value, Mapping):
        return {str(name): item for name, item in value.items()}
    steps: dict[str, Any] = {}
    for item in value:
        if not isinstance(item, str | Mapping):
            raise ValueError(
                f"postprocess={value} is not possible; a step is a name, or {{NAME: {{ARGUMENT: VALUE}}}}"
            )
        for name, arguments in (item if isinstance(item, Mapping) else {item: True}).items():
            if str(name) in steps:
                raise ValueError(f"postprocess names {name} twice")
            steps[str(name)] = arguments
    return steps


def arguments_of(named: Named, plugins: Plugins) -> dict[str, Any]:
    """The arguments of a plugin by name; a bare value is that of its first one. Raises `PluginError`."""
    if named.bare is None or named.name not in plugins[named.kind]:
        return dict(named.arguments)
    return {next(iter(plugins[named.kind].arguments(named.name)), "value"): named.bare}


def bound(named: Named, plugins: Plugins) -> Any:
    """The target of a plugin with its arguments bound. Raises `PluginError`."""
    return plugins[named.kind].get(named.name, arguments_of(named, plugins))


def problems_with(found: Iterable[Named], plugins: Plugins) -> list[str]:
    """One line per plugin that is not there, cannot be had, or does not take its arguments.

    Of a backbone only the name is looked at: importing one takes long, and it is built before any case is read.
    """
    problems = []
    for named in found:
        if named.kind == "backbone":
            known = plugins.backbones
            problems += [] if named.name in known else [f"{named.where}: {known.unknown(named.name)}"]
            continue
        try:
            arguments = arguments_of(named, plugins)
        except PluginError:
            arguments = {}
        wrong = plugins[named.kind].check(named.name, arguments, named.where)
        if not wrong and named.where.startswith("frames=") and takes(bound(named, plugins), "expected"):
            wrong = [
                f"{named.where}: {named.name} asks for the expected Dice of an earlier answer; label the slices in "
                "its next.csv, or play the rule on labels with 'usframe run budget'"
            ]
        problems += wrong
    return problems
