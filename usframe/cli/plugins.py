"""`usframe plugins`: what is registered, by whom, whether it imports, and what it does."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from usframe.cli.options import option
from usframe.plugins.kinds import KINDS

if TYPE_CHECKING:
    from usframe.plugins import Plugins
    from usframe.plugins.entry import Entry
    from usframe.plugins.registry import Registry

OPTIONS = ("plugins", "prefer", "block")


@click.command()
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@option("--kind", type=click.Choice(list(KINDS)), help="List only this kind.")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", help="Also load FILE.py; repeatable.")
@click.option("--prefer", multiple=True, metavar="PACKAGE", help="Its plugins win over others'; repeatable.")
@click.option("--block", multiple=True, metavar="PACKAGE", help="Leave out its plugins; repeatable.")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
def command(words: tuple[str, ...], kind: str | None, json_output: bool, **options: tuple[str, ...]) -> None:
    """List every plugin with its origin and what it does, and try to import it.

    KEY=VALUE: plugins=[FILE.py], prefer=PACKAGE and block=PACKAGE as for 'usframe run'. Packages that are broken or
    left out are listed below.
    """
    from usframe.plugins import load_plugins

    files, prefer, block = ([*options[key], *_listed(words)[key]] for key in OPTIONS)
    plugins = load_plugins([Path(file).expanduser() for file in files], prefer=prefer, block=block)
    found = list(_rows(plugins, [kind] if kind else list(KINDS)))
    broken = [{"origin": owner, "cause": cause} for owner, cause in plugins.broken]
    if json_output:
        told = {"plugins": found, "broken": broken, "blocked": list(plugins.blocked)}
        click.echo(json.dumps(told, indent=2, default=str))
        return
    click.echo(_table(found))
    for plugin in broken:
        click.echo(f"broken: {plugin['origin']}: {plugin['cause']}")
    for owner in plugins.blocked:
        click.echo(f"blocked: {owner}")


def _listed(words: Sequence[str]) -> dict[str, list[str]]:
    """Each of `OPTIONS` -> what the KEY=VALUE words give for it. Raises `RequestError`."""
    if not words:
        return {key: [] for key in OPTIONS}
    from usframe.config.overrides import parse_overrides
    from usframe.errors import RequestError
    from usframe.plugins.messages import nearest

    given, problems = parse_overrides(words, numbers=False)
    listed = {key: value if isinstance(value, list) else [value] for key, value in given.items()}
    for key, values in listed.items():
        if key not in OPTIONS:
            hint = nearest(key, OPTIONS) or f"; its keys are {', '.join(OPTIONS)}"
            problems.append(f"unknown key {key!r}{hint}")
        elif not all(isinstance(value, str) for value in values):
            problems.append(f"{key}={given[key]} is not possible; it must be a name or a list such as [a, b]")
    if problems:
        raise RequestError(*problems)
    return {key: listed.get(key, []) for key in OPTIONS}


def _rows(plugins: Plugins, kinds: Sequence[str]) -> Iterator[dict[str, Any]]:
    for kind in kinds:
        for entry in plugins[kind]:
            yield {"name": entry.name, "kind": kind, "origin": entry.owner, **_about(entry, plugins[kind])}


def _about(entry: Entry, registry: Registry[Any]) -> dict[str, Any]:
    """``imports``: "ok", or why it cannot be used; what it ``does`` and its ``arguments`` where it imports."""
    from usframe.errors import PluginError
    from usframe.plugins.arguments import own_arguments

    try:
        target = entry.load()
    except PluginError as error:
        cause = str(error).removeprefix(f"{entry.owner}: ")
        return {"imports": registry.fate(entry) or cause, "does": "", "arguments": {}}
    arguments = own_arguments(target, KINDS[registry.kind])
    return {
        "imports": registry.fate(entry) or "ok",
        "does": _does(target),
        "arguments": {name: _default(value) for name, value in arguments.items()},
    }


def _does(target: Any) -> str:
    """The first line of the target's docstring."""
    import inspect

    while isinstance(target, partial):
        target = target.func
    return (inspect.getdoc(target) or "").partition("\n")[0]


def _default(value: Any) -> dict[str, Any]:
    from inspect import Parameter

    if value is Parameter.empty:
        return {"default": None, "required": True}
    return {"default": str(value) if isinstance(value, float) and not math.isfinite(value) else value}


def _table(rows: Sequence[dict[str, Any]]) -> str:
    from usframe.reporting.text import columns

    header = ("name", "kind", "origin", "imports", "does")
    return columns([header, *([row[key] for key in header] for row in rows)])
