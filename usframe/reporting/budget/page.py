"""The picture of a budget, Dice over the number of labelled slices, and the page that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from usframe.files import write_file
from usframe.reporting.page.figures import inline
from usframe.reporting.pages import render
from usframe.reporting.record import RunRecord
from usframe.reporting.results import Failure
from usframe.reporting.style import BLUE, FAINT, GREEN, INK, SOFT, VERMILION, plain_style, write_figure
from usframe.scoring.budget import FILLS, Cell, RuleTest, averaged
from usframe.scoring.summary import MACRO, called

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Ways also differ in their marks and lines.
LOOKS: dict[str, tuple[str, str, Any]] = {
    "memory": (BLUE, "o", "-"),
    "shape": (VERMILION, "s", (0, (5, 2))),
    "both": (GREEN, "D", "-"),
}
WANTED: dict[str, Any] = {"color": INK, "linewidth": 1.3, "linestyle": (0, (2, 2))}
SAID = {"memory": "memory of the network", "shape": "shape alone", "both": "both"}
ACROSS = 4  # panels beside each other, at most


def heading(cells: Sequence[Cell]) -> str:
    """What the numbers are."""
    numbers = {cell["n"] for cell in cells}
    cases = f"{min(numbers)} to {max(numbers)}" if len(numbers) > 1 else f"{max(numbers, default=0)}"
    return f"Dice on slices without a prompt, mean of n = {cases} cases, by prompted slices per object"


@plain_style()
def plot(path: Path, cells: Sequence[Cell], target: Sequence[float]) -> None:
    """Write a PNG with a panel per rule and a line per way to fill. Raises `WriteError`."""
    write_figure(path, _draw(cells, target, list(dict.fromkeys(cell["rule"] for cell in cells))))


@plain_style()
def figures(cells: Sequence[Cell], target: Sequence[float]) -> list[Markup]:
    """The same for the page, a figure per rule."""
    rules = dict.fromkeys(cell["rule"] for cell in cells)
    told = "Dice over the number of prompted slices with 95 % intervals, rule"
    return [inline(_draw(cells, target, [rule]), f"{told} {rule}") for rule in rules]


def _draw(cells: Sequence[Cell], target: Sequence[float], rules: Sequence[str]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    across = min(len(rules), ACROSS)
    down = -(-len(rules) // across)
    size = (1.1 + 2.9 * across, 0.9 + 2.9 * down)
    figure = Figure(figsize=size, dpi=160, layout="constrained")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    numbers = sorted({cell["slices"] for cell in cells})
    lowest = min(cell["mean"] if cell["ci95_low"] is None else cell["ci95_low"] for cell in cells if cell["mean"])
    floor = max(0.0, min(np.floor(20 * lowest - 0.2) / 20, 0.95))
    for panel, rule in zip(panels, rules, strict=False):
        _panel(panel, [cell for cell in cells if cell["rule"] == rule], target)
        panel.set_title(rule, fontsize=10.5, loc="left", color=INK)
    for panel in panels[len(rules) :]:
        panel.set_axis_off()
    first = panels[0]
    first.set_xscale("log", base=2)
    first.set_xlim(numbers[0] / 1.12, numbers[-1] * 1.12)
    first.set_ylim(floor, 1.005)
    first.xaxis.set_major_locator(FixedLocator(numbers))
    first.xaxis.set_minor_locator(NullLocator())
    first.xaxis.set_major_formatter(lambda value, position: f"{value:.0f}")
    for row in range(down):
        panels[row * across].set_ylabel("Dice", color=SOFT, fontsize=9.5)
    figure.supxlabel("prompted slices per object", color=SOFT, fontsize=9.5)
    columns = 4 if across > 1 else 2
    figure.legend(
        handles=_legend(cells), loc="outside upper left", ncols=columns, frameon=False, fontsize=9, labelcolor=INK
    )
    return figure


def _legend(cells: Sequence[Cell]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    used = [fill for fill in FILLS if any(cell["fill"] == fill for cell in cells)]
    handles = [
        Line2D([], [], color=LOOKS[fill][0], marker=LOOKS[fill][1], linestyle=LOOKS[fill][2], label=SAID[fill])
        for fill in used
    ]
    return [*handles, Line2D([], [], **WANTED, label="Dice that is wanted")]


def _panel(panel: Axes, cells: Sequence[Cell], target: Sequence[float]) -> None:
    for wanted in target:
        panel.axhline(wanted, **WANTED, zorder=1)
    for fill in FILLS:
        mine = sorted((cell for cell in cells if cell["fill"] == fill), key=lambda cell: cell["slices"])
        colour, marker, line = LOOKS[fill]
        x, y = [cell["slices"] for cell in mine], np.array([cell["mean"] for cell in mine], float)
        panel.plot(x, y, color=colour, marker=marker, linestyle=line, markersize=4, linewidth=1.6, zorder=3)
        low, high = (np.array([cell[key] for cell in mine], float) for key in ("ci95_low", "ci95_high"))
        panel.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
    panel.grid(color=FAINT, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, labelsize=9, labelcolor=SOFT)
    for side in panel.spines.values():
        side.set_visible(False)


def write_page(
    path: Path,
    *,
    title: str,
    cells: Sequence[Cell],
    sentences: Sequence[str],
    tests: Sequence[RuleTest],
    target: Sequence[float],
    run: RunRecord,
    failures: Sequence[Failure],
) -> None:
    """Write report.html, one file with its figures inside. Raises `WriteError`."""
    shown = averaged(cells)
    numbers = sorted({cell["slices"] for cell in cells})
    objects = sorted(dict.fromkeys(cell["object"] for cell in cells), key=lambda one: one != MACRO)
    names = {cell["object"]: cell["name"] for cell in cells if cell["name"]}
    html = render(
        "budget.html",
        title=title,
        run=run,
        failures=failures,
        did="Annotation played",
        prompts=run["prompts"],
        figures=figures(shown, target) if shown else [],
        heading=heading(shown),
        sentences=sentences,
        numbers=numbers,
        tables=[
            (called(one, names), lines_of([cell for cell in cells if cell["object"] == one])) for one in objects
        ],
        scored=bool(shown),
        tests=tests,
    )
    write_file(path, html)


def lines_of(cells: Sequence[Cell]) -> list[tuple[str, str, dict[int, Cell]]]:
    """Rule, way, and cell by number of slices, the ways of a rule together."""
    lines: dict[tuple[str, str], dict[int, Cell]] = {}
    for cell in cells:
        lines.setdefault((cell["rule"], cell["fill"]), {})[cell["slices"]] = cell
    rules = list(dict.fromkeys(cell["rule"] for cell in cells))
    places = sorted(lines, key=lambda line: (rules.index(line[0]), FILLS.index(line[1])))
    return [(*line, lines[line]) for line in places]
