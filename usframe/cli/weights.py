"""`usframe weights`: which are published and there, and to get, verify and convert them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from usframe.cli.options import option


@click.group()
def command() -> None:
    """Weights: which are published and there, and to get, verify and convert them.

    A backbone without --checkpoint loads its own from ./checkpoints, else from $USFRAME_HOME/checkpoints.
    """


@command.command("list")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
def list_weights(json_output: bool) -> None:
    """List what is published for the built-in backbones, and whether it is here."""
    from usframe.environment.catalogue import PUBLISHED
    from usframe.inference.checkpoints import checkpoint_folders
    from usframe.reporting.text import columns

    if json_output:
        rows = [{**asdict(one), "found": one.found and str(one.found)} for one in PUBLISHED]
        click.echo(json.dumps(rows, indent=2))
        return
    lines = [["name", "backbone", "MB", "licence", "source", "here"]]
    for one in PUBLISHED:
        here = str(one.found) if one.found else "no"
        lines.append([one.name, one.backbone, str(one.megabytes), one.licence, one.repository, here])
    click.echo(columns(lines, left={0, 1, 3, 4, 5}))
    click.echo(
        f"Looked for in {', '.join(map(str, checkpoint_folders()))}. `usframe weights get NAME` fetches one."
    )


@command.command()
@click.argument("name")
@option("--to", "folder", metavar="FOLDER", default="checkpoints", help="Where to put it.  [default: checkpoints]")
def get(name: str, folder: str) -> None:
    """Download NAME of `usframe weights list` from the Hugging Face Hub, and verify it.

    HF_ENDPOINT names another server, HF_TOKEN who you are, as for every program that uses the Hub.
    """
    from usframe.environment.catalogue import fetch, published
    from usframe.environment.weight_files import inspect
    from usframe.inference.checkpoints import checkpoint_folders
    from usframe.plugins import load_plugins

    wanted = published(name)
    where = Path(folder).expanduser()
    _tell(inspect(fetch(wanted, where), load_plugins(), [wanted.backbone]))
    if where.resolve() not in {place.resolve() for place in checkpoint_folders()}:
        click.echo(
            f"It is not looked for in {where}: name it with --checkpoint, or see USFRAME_HOME in the documentation"
        )


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@option("--backbone", metavar="NAME", help="Only try this one.  [default: all]")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
def verify(file: Path, backbone: str | None, json_output: bool) -> None:
    """Read FILE, check every number in it, and say which backbones it fits."""
    from usframe.environment.weight_files import inspect
    from usframe.plugins import load_plugins

    found = inspect(file.expanduser(), load_plugins(), [backbone] if backbone else [])
    if json_output:
        click.echo(json.dumps(asdict(found), indent=2))
        raise SystemExit(2 if found.problem else 0)
    _tell(found)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--half", is_flag=True, help="In half precision.")
def export(file: Path, target: Path, half: bool) -> None:
    """Write the weights of FILE as TARGET: a .safetensors, or a .pt as MedSAM2's own programs read it.

    The adapters of train.parameters=lora are in the matrices of every checkpoint that usframe writes already.
    """
    from usframe.environment.weight_files import export as write

    write(file.expanduser(), target.expanduser(), half=half)
    click.echo(f"Wrote {target}")


@command.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@option("--share", type=click.FloatRange(0, 1), default=0.5, help="Of the second file.  [default: 0.5]")
@click.option("--half", is_flag=True, help="In half precision.")
def mix(first: Path, second: Path, target: Path, share: float, half: bool) -> None:
    """Write weights between those of two files, FIRST and what training made of it, as TARGET."""
    from usframe.environment.weight_files import mix as write

    write(first.expanduser(), second.expanduser(), target.expanduser(), share=share, half=half)
    click.echo(f"Wrote {target}")


def _tell(found: Any) -> None:
    """What was found, or the `CheckpointError` that says what is wrong with it."""
    from usframe.errors import CheckpointError

    if found.problem:
        raise CheckpointError(found.problem)
    click.echo(f"{found.path}: {found.parameters:,} numbers ({', '.join(found.types)}) in {found.tensors} tensors")
    click.echo(f"sha256 {found.sha256}")
    click.echo(f"fits {', '.join(found.fits)}")
