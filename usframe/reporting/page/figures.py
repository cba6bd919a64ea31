"""Figures of matplotlib within a page, in its colours."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from markupsafe import Markup

from usframe.reporting.style import BLACK, FAINT, INK, PAPER, SHADE, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What the page's style says in dark and in light.
OF_PAGE = {INK: "ink", BLACK: "ink", SOFT: "soft", FAINT: "line", SHADE: "shade", PAPER: "panel"}
NUMBERED = re.compile(r' id="[A-Za-z0-9.]+_\d+"')  # names that every figure gives to its parts
SIZE = re.compile(r' (?:width|height|xmlns:xlink|version)="[^"]*"')
ASIDE = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", re.DOTALL)


def inline(figure: Figure, told: str) -> Markup:
    """The figure as an SVG element; ``told``: what it shows, for who cannot see it. Its letters stay text."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": told}):
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    svg = ASIDE.sub("", NUMBERED.sub("", drawn.getvalue()))
    for colour, name in OF_PAGE.items():
        svg = svg.replace(colour.lower(), f"var(--{name})")
    head, _, rest = svg[svg.index("<svg") + 4 :].partition(">")
    named = Markup('<svg class="figure" role="img" aria-label="{}"').format(told)
    return Markup(f"{named}{SIZE.sub('', head)}>{rest}")
