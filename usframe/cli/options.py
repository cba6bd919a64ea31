"""Options that commands share, and options as the ``KEY=VALUE`` of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import click
from click.shell_completion import CompletionItem

from usframe.cli.completion import values_of

OWN_PROCESS = object()  # what `main` hands to commands that their process was started for


class Known(click.Option):
    """An option whose values Tab offers, as far as they can be listed."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [one for one in values_of(self.name or "") if one.startswith(incomplete)]
        return [*map(CompletionItem, found)] or super().shell_complete(ctx, incomplete)


class Once(Known):
    """An option that takes one value; given twice it is refused, where click would forget the first."""

    def __init__(self, *args: Any, **attrs: Any) -> None:
        if attrs.get("default") is not None:
            attrs["default"] = [attrs["default"]]
        super().__init__(*args, **{**attrs, "multiple": True})

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The value, None where there is none. Raises `click.UsageError` in one line."""
        given = super().process_value(ctx, value)
        if len(given) > 1:
            listed = ", ".join(map(str, given))
            raise click.UsageError(f"{self.opts[-1]} is given {len(given)} times ({listed}); give one of them", ctx)
        return given[0] if given else None


option = partial(click.option, cls=Once)
several = partial(click.option, cls=Known, multiple=True)
plugin_files = click.option(
    "--plugin", "files", metavar="FILE", multiple=True, help="Also load FILE.py, as plugins=[FILE.py]; repeatable."
)


def overrides_of(options: Mapping[str, Any]) -> list[str]:
    """``KEY=VALUE`` of every option that was given; a flag that was set is true."""
    from usframe.config.overrides import override

    return [
        f"{key}=true" if value is True else override(key, value)
        for key, value in options.items()
        if value is not None and value is not False and value != ()
    ]


def in_its_process(work: Callable[[], int]) -> int:
    """The exit status of ``work``; watched over, unless the command was called from within another program."""
    from usframe.session.watch import watched

    return watched(work) if click.get_current_context().find_root().obj is OWN_PROCESS else work()
