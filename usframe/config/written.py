"""A request as the YAML that repeats it."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path

from omegaconf import OmegaConf

from usframe.config.compose import VERSION
from usframe.config.overrides import escaped
from usframe.config.schema import Common
from usframe.errors import escape


def experiment_text(config: Common, path: Path) -> str:
    """The YAML at ``path`` from which `usframe run` repeats the experiment; its first line is the command.

    Plugin files are part of that command only, since no YAML may name code, and a repeated run replaces an
    earlier one only when asked again.
    """
    content = escaped({key: value for key, value in asdict(config).items() if key != "plugins"})
    content = {"version": VERSION, **content, "overwrite": False}
    plugins = f" plugins=[{','.join(config.plugins)}]" if config.plugins else ""
    command = escape(f"usframe run {shlex.quote(str(path))}{plugins}")
    return f"# {command}\n{OmegaConf.to_yaml(OmegaConf.create(content))}"
