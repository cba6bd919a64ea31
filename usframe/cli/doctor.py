"""`usframe doctor`: whether everything that a run needs is there and works."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from usframe.cli.options import option


@click.command()
@option("--backbone", default="demo", metavar="NAME", help="The network to try.  [default: demo]")
@option("--checkpoint", metavar="FILE", help="Its weights, or 'random'.  [default: its own]")
@option("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.  [default: auto]")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", help="Also load FILE.py; repeatable.")
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
def command(
    backbone: str, checkpoint: str | None, device: str, plugins: tuple[str, ...], json_output: bool
) -> None:
    """Look at versions, devices, disk, plugins and weights, and segment one slice.

    Every finding that is not as it should be has its cure. Exit status 1 where something keeps runs from working.
    """
    from usframe.environment.checks import examine
    from usframe.errors import escape
    from usframe.plugins import load_plugins

    findings = []
    for one in examine(load_plugins([Path(file) for file in plugins]), backbone, checkpoint, device):
        findings.append(one)
        if not json_output:
            click.echo(escape(f"{one.standing:9}{one.check:17}{one.found}"))
            if one.cure:
                click.echo(escape(f"{'':26}-> {one.cure}"))
    problems = sum(one.standing == "problem" for one in findings)
    if json_output:
        click.echo(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        click.echo(f"{problems} problem{'' if problems == 1 else 's'}")
    raise SystemExit(int(problems > 0))
