"""`usframe config`: what an experiment comes to."""

from __future__ import annotations

from pathlib import Path

import click

from usframe.cli.completion import words
from usframe.cli.options import option
from usframe.cli.run import EXPERIMENTS, split_request


@click.group()
def command() -> None:
    """Show what an experiment comes to."""


@command.command()
@click.argument("request", nargs=-1, metavar="[EXPERIMENT] [KEY=VALUE]...", shell_complete=words([*EXPERIMENTS]))
@option("-o", "--out", metavar="FILE", help="Write it to FILE, which is not there yet, instead.")
def show(request: tuple[str, ...], out: str | None) -> None:
    """Print every key of EXPERIMENT with its value, as a YAML file that 'usframe run' takes.

    Nothing is read but the experiment, and what it still needs, such as the volumes, may be missing. Exit status 2
    where a key or value is wrong.
    """
    from usframe.config.written import experiment_text
    from usframe.errors import ConfigError, RequestError
    from usframe.files import write_file
    from usframe.tasks import read

    config, problems = read(*split_request(request))
    if wrong := [line for line in problems if " is required" not in line]:
        raise ConfigError(*wrong)
    path = Path(out or "FILE.yaml").expanduser()
    if out is None:
        click.echo(experiment_text(config, path), nl=False)
    elif path.exists():
        raise RequestError(f"{path}: is there already; choose another name")
    else:
        write_file(path, experiment_text(config, path))
