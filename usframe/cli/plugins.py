"""`usframe plugins`: what is registered, by whom, and whether it imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from usframe.plugins.registry import Entry

KINDS = ("reader", "prompt", "augmentation", "backbone")


@click.command()
@click.option("--kind", type=click.Choice(KINDS), help="List only this kind.")
@click.option(
    "--plugin",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Also load FILE.py.",
)
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
def command(kind: str | None, files: tuple[Path, ...], json_output: bool) -> None:
    """List every plugin with its origin, and try to import it. Broken packages are listed below."""
    from usframe.plugins.load import load_plugins

    plugins = load_plugins(files)
    found = [
        {"name": entry.name, "kind": registry.kind, "origin": entry.owner, "imports": _imports(entry)}
        for registry in plugins.by_kind().values()
        if kind in (None, registry.kind)
        for entry in registry
    ]
    broken = [{"origin": owner, "cause": cause} for owner, cause in plugins.broken]
    if json_output:
        click.echo(json.dumps({"plugins": found, "broken": broken}, indent=2))
        return
    click.echo(_table(found))
    for plugin in broken:
        click.echo(f"broken: {plugin['origin']}: {plugin['cause']}")


def _imports(entry: Entry) -> str:
    """ "ok", or why the target cannot be imported."""
    from usframe.errors import PluginError

    try:
        entry.load()
    except PluginError as error:
        return str(error).removeprefix(f"{entry.owner}: ")
    return "ok"


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [("name", "kind", "origin", "imports"), *(tuple(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
