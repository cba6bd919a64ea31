"""Options that commands share, and options as the ``KEY=VALUE`` of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

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
