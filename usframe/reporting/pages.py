"""The HTML pages: one Jinja environment, and what all of them show (``templates/base.html``)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from usframe.reporting.page.about import cited, facts
from usframe.reporting.record import RunRecord
from usframe.reporting.results import Failure

STYLES = "style-src 'unsafe-inline'; img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
BESIDE = " 'self' file:"


def render(
    template: str,
    *,
    title: str,
    run: RunRecord,
    did: str,
    prompts: Sequence[str],
    failures: Sequence[Failure] = (),
    script: str = "",
    beside: bool = False,
    **values: Any,
) -> str:
    """A page that extends ``base.html``.

    ``run``: what run.json holds. ``did``: what was done with ``prompts``, such as Segmented. ``script``: the only
    one that may run, with those ``beside`` the page where it asks for them. ``values``: what else the template
    takes.
    """
    notes = run.get("notes", [])
    page = _environment().get_template(template)
    about = {"cited": cited(run, did, prompts), "facts": facts(run)}
    given = {"title": title, "run": run, "failures": failures, "notes": notes, "script": Markup(script), **about}
    return page.render(**given, policy=_policy(script, beside), **values)


def _policy(script: str, beside: bool) -> str:
    """What a browser lets the page do: nothing from elsewhere is loaded, nothing is sent."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    scripts = f"'sha256-{digest}'{BESIDE if beside else ''}" if script else "'none'"
    return f"default-src 'none'; script-src {scripts}; {STYLES}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("usframe.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
