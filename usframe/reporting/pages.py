"""The HTML pages: one Jinja environment, and what all of them show (``templates/base.html``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from usframe.reporting.record import RunRecord
from usframe.reporting.results import Failure


def render(template: str, *, title: str, run: RunRecord, failures: Sequence[Failure] = (), **values: Any) -> str:
    """A page that extends ``base.html``. ``run``: what run.json holds. ``values``: what else the template takes."""
    notes = run.get("notes", [])
    page = _environment().get_template(template)
    return page.render(title=title, run=run, failures=failures, notes=notes, **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("usframe.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
