"""`usframe plugins`: what is registered, by whom, and what it does; a package to begin with, and one checked."""

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


class Plugged(click.Group):
    """Commands, of which `list` is meant where none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = args[:1] in [[word] for word in (*self.commands, *self.get_help_option_names(ctx))]
        return super().parse_args(ctx, args if named else ["list", *args])


@click.group(cls=Plugged)
def command() -> None:
    """Plugins: list them (what 'usframe plugins' alone does), begin one, check one."""


@command.command("list")
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@option("--kind", type=click.Choice(list(KINDS)), help="List only this kind.")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", help="Also load FILE.py; repeatable.")
@click.option("--prefer", multiple=True, metavar="PACKAGE", help="Its plugins win over others'; repeatable.")
@click.option("--block", multiple=True, metavar="PACKAGE", help="Leave out its plugins; repeatable.")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
def list_plugins(words: tuple[str, ...], kind: str | None, json_output: bool, **options: tuple[str, ...]) -> None:
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


@command.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name")
@option("--output", "-o", "folder", metavar="FOLDER", help="Where to write it.  [default: usframe-NAME]")
def new(kind: str, name: str, folder: str | None) -> None:
    """Write a package with a working plugin of this KIND, to be changed into yours.

    It is registered as NAME, has tests, and passes them. Nothing is overwritten.
    """
    from usframe.errors import escape
    from usframe.plugins.scaffold import Scaffold

    scaffold = Scaffold(kind, name)
    place = Path(folder or scaffold.package).expanduser()
    files = scaffold.write(place)
    click.echo(escape(f"Wrote {place}/: {', '.join(files)}"))
    click.echo(escape(f"Change {scaffold.module}.py, and then: usframe plugins check {place / scaffold.module}.py"))


@command.command()
@click.argument("owner", metavar="PACKAGE|FILE.py")
def check(owner: str) -> None:
    """Hold all that a package or a plugin file registers to the contracts of its kinds.

    A line per check, with what is wrong and where. Exit status 1 where something is. It needs pytest.
    """
    from usframe.errors import escape
    from usframe.plugins import load_plugins
    from usframe.plugins.check import registered_by, run_checks

    plugins = load_plugins([Path(owner)] if owner.endswith(".py") else [])
    for kind, entry in registered_by(plugins, owner):
        click.echo(escape(f"{entry.owner} registers {kind} {entry.name}"))
    checks = run_checks(plugins, owner)
    for one in checks:
        note = f" ({one.skipped})" if one.standing == "skipped" else ""
        click.echo(escape(f"{one.standing:9}{one.about}: {one.says}{note}"))
        for line in one.wrong:
            click.echo(escape(f"{'':9}-> {line}"))
    failed = sum(one.standing == "failed" for one in checks)
    click.echo(f"{len(checks)} checks, {failed} failed")
    raise SystemExit(int(failed > 0))


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
