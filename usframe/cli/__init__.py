"""The command line: one file per command, imported when that command is called, so that --help is instant."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from usframe import __version__
from usframe.cli.options import OWN_PROCESS
from usframe.config.guide import command_now, option_now
from usframe.errors import RequestError, UsframeError, escape, print_problems

COMMANDS = {
    "run": "Run an experiment: segment volumes from prompts, or train.",
    "config": "Show every key of an experiment with its value.",
    "join": "Put the shards of a run together.",
    "prompts": "Write a table of prompts to fill in.",
    "annotate": "Label volumes in the browser.",
    "prepare": "Split, describe and cache labelled volumes for training.",
    "report": "Score masks that are there already, whoever made them.",
    "serve": "Be the engine of a viewer: napari, 3D Slicer, ITK-SNAP.",
    "demo": "Simulate a small data set and segment it.",
    "weights": "List, get, verify and convert weights.",
    "doctor": "Whether everything that a run needs is there and works.",
    "plugins": "List the plugins: readers, prompts, backbones, metrics, ...",
}


class Commands(click.Group):
    """Commands by name from `COMMANDS`; an expected error is printed line by line instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"usframe.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and (now := command_now(args[0])):
            raise click.UsageError(f"No such command {args[0]!r}; type {now}", ctx)
        if args and args[0] not in COMMANDS and (close := get_close_matches(args[0], COMMANDS, n=1)):
            raise click.UsageError(f"No such command {args[0]!r} (did you mean {close[0]!r}?)", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """As `click.Group.main`. Without ``args`` the command is what its process was started for."""
        for stream in (sys.stdout, sys.stderr):  # a name must not be what ends a run
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        own = OWN_PROCESS if args is None else None
        try:
            status = super().main(args, *more, obj=own, **{**options, "standalone_mode": False})
        except click.ClickException as error:  # its words are those of the user, or of a shell that wrote names out
            if isinstance(error, click.NoSuchOption) and (now := option_now(error.option_name)):
                error = click.UsageError(f"No such option {error.option_name}; {now}", error.ctx)
            error.message = escape(error.message)  # type: ignore[misc]
            error.show()
            status = error.exit_code
        except click.Abort:
            status = 1
        raise SystemExit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UsframeError as error:
            print_problems(error)
            raise SystemExit(2 if isinstance(error, RequestError) else 1) from error
        except KeyboardInterrupt as error:
            print("Error: interrupted", file=sys.stderr)
            raise SystemExit(130) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """MedSAM2 on labelled 3D ultrasound: masks from prompts, and honest numbers."""
