"""What a person looks at after a comparison: one table in the terminal, one picture, one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from usframe.files import write_file
from usframe.reporting.cells import CLEAN, NOISED, Cell, PairTest, Part, verdict
from usframe.reporting.page.figures import inline
from usframe.reporting.pages import render
from usframe.reporting.record import RunRecord
from usframe.reporting.results import NO_NETWORK, ORACLE, Failure
from usframe.reporting.style import BLUE, FAINT, INK, PAPER, SHADE, SOFT, VERMILION, plain_style, write_figure
from usframe.reporting.text import columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Conditions also differ in shape, oracles in being hollow.
LOOKS = {CLEAN: (BLUE, "o", -0.17), NOISED: (VERMILION, "D", 0.17)}
SLICES = {"slice": "all slices", "propagate": "slices without a prompt"}
ORACLE_NOTE = "the prompt holds the label mask of a slice that is scored"


def table(cells: Sequence[Cell]) -> str:
    """The cells as plain text: a line per prompt, a column per mode and condition."""
    prompts, parts = _axes(cells)
    lines = [["prompt", *(f"{mode}, {condition}" for mode, condition in parts)]]
    for prompt in prompts:
        lines.append([_label(cells, prompt), *(_words(_find(cells, prompt, part)) for part in parts)])
    notes = [f"* {ORACLE}: {ORACLE_NOTE}"] if any(cell["oracle"] for cell in cells) else []
    return "\n".join([heading(cells), columns(lines), *notes])


def heading(cells: Sequence[Cell]) -> str:
    """What the numbers are."""
    modes = list(dict.fromkeys(cell["mode"] for cell in cells))
    cases = {cell["n"] for cell in cells if cell["n"]}
    number = f"{min(cases)} to {max(cases)}" if len(cases) > 1 else f"{max(cases, default=0)}"
    where = "; ".join(f"{mode}: {SLICES[mode]}" for mode in modes)
    return f"Dice, mean [95 % interval] of n = {number} cases, objects averaged ({where})"


@plain_style()
def plot(path: Path, cells: Sequence[Cell]) -> None:
    """Write a PNG with a panel per mode, a line per prompt and a mark per condition. Raises `WriteError`."""
    write_figure(path, _draw(cells, list(dict.fromkeys(cell["mode"] for cell in cells))))


@plain_style()
def figures(cells: Sequence[Cell]) -> list[Markup]:
    """The same for the page, a figure per mode."""
    modes = dict.fromkeys(cell["mode"] for cell in cells)
    return [inline(_draw(cells, [mode]), f"Dice of every prompt with its 95 % interval, {mode}") for mode in modes]


def _draw(cells: Sequence[Cell], modes: Sequence[str]) -> Figure:
    from matplotlib.figure import Figure

    prompts, _ = _axes(cells)
    wide = len(modes) > 1
    size = (1.9 + 4.6 * len(modes), 1.75 + 0.46 * len(prompts)) if wide else (5.2, 1.9 + 0.4 * len(prompts))
    figure = Figure(figsize=size, dpi=160, layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(modes), sharey=True, sharex=True, gridspec_kw={"wspace": 0.1}))
    for panel, mode in zip(panels, modes, strict=True):
        _panel(panel, [cell for cell in cells if cell["mode"] == mode], prompts)
        panel.set_title(f"{mode}: {SLICES[mode]}", fontsize=10.5, loc="left", color=INK)
    panels[0].set_yticks(range(len(prompts)), [_label(cells, prompt) for prompt in prompts], fontsize=9.5)
    for label, prompt in zip(panels[0].get_yticklabels(), prompts, strict=True):
        label.set_color(INK if _has_network(cells, prompt) else SOFT)
    panels[0].set_ylim(len(prompts) - 0.45, -0.55)
    low = min((_interval(cell)[0] for cell in cells if cell["mean"] is not None), default=0.0)
    panels[0].set_xlim(0 if low < 0.3 else np.floor((low - 0.03) * 10) / 10, 1)
    columns = 4 if wide else 2
    figure.legend(
        handles=_legend(cells), loc="outside lower center", ncols=columns, frameon=False, fontsize=9, labelcolor=INK
    )
    return figure


def write_page(
    path: Path,
    *,
    title: str,
    cells: Sequence[Cell],
    tests: Sequence[PairTest],
    run: RunRecord,
    failures: Sequence[Failure],
) -> None:
    """Write report.html, one file with its figures inside. Raises `WriteError`."""
    prompts, parts = _axes(cells)
    html = render(
        "compare.html",
        title=title,
        run=run,
        failures=failures,
        did="Compared",
        prompts=[prompt for prompt in prompts if _has_network(cells, prompt)],
        figures=figures(cells),
        heading=heading(cells),
        parts=parts,
        lines=[
            (prompt, _has_network(cells, prompt), [_find(cells, prompt, part) for part in parts])
            for prompt in prompts
        ],
        oracle=ORACLE_NOTE,
        tests=tests,
        verdicts={
            part: verdict([test for test in tests if (test["mode"], test["condition"]) == part]) for part in parts
        },
    )
    write_file(path, html)


def _axes(cells: Sequence[Cell]) -> tuple[list[str], list[Part]]:
    """Prompts, those without a network last; (mode, condition) in the order of the run."""
    prompts = dict.fromkeys(cell["prompt"] for cell in sorted(cells, key=lambda cell: not cell["network"]))
    return list(prompts), list(dict.fromkeys((cell["mode"], cell["condition"]) for cell in cells))


def _find(cells: Sequence[Cell], prompt: str, part: Part) -> Cell | None:
    where = (prompt, *part)
    return next((cell for cell in cells if (cell["prompt"], cell["mode"], cell["condition"]) == where), None)


def _has_network(cells: Sequence[Cell], prompt: str) -> bool:
    return any(cell["network"] for cell in cells if cell["prompt"] == prompt)


def _label(cells: Sequence[Cell], prompt: str) -> str:
    return prompt if _has_network(cells, prompt) else f"{prompt} ({NO_NETWORK})"


def _words(cell: Cell | None) -> str:
    if cell is None or cell["mean"] is None:
        return "-"
    low, high = cell["ci95_low"], cell["ci95_high"]
    interval = "" if low is None else f" [{low:.3f}, {high:.3f}]"
    return f"{cell['mean']:.3f}{interval}{' *' if cell['oracle'] else ''}"


def _interval(cell: Cell) -> tuple[float, float]:
    """That of a cell with a mean; the mean alone where it has none."""
    mean, low, high = cell["mean"], cell["ci95_low"], cell["ci95_high"]
    assert mean is not None
    return (mean, mean) if low is None or high is None else (low, high)


def _panel(panel: Axes, cells: Sequence[Cell], prompts: Sequence[str]) -> None:
    for cell in cells:
        if cell["mean"] is None:
            continue
        colour, marker, shift = LOOKS[cell["condition"]]
        y, (low, high) = prompts.index(cell["prompt"]) + shift, _interval(cell)
        panel.plot([low, high], [y, y], color=colour, linewidth=2, alpha=0.55, solid_capstyle="butt", zorder=2)
        face = PAPER if cell["oracle"] else colour
        panel.plot(
            cell["mean"], y, marker, color=colour, markerfacecolor=face, markersize=5.5, zorder=3, clip_on=False
        )
    first = next((n for n, prompt in enumerate(prompts) if not _has_network(cells, prompt)), None)
    best = max((c["mean"] for c in cells if not c["network"] and c["mean"] is not None), default=None)
    if best is not None:
        panel.axvline(best, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if first:
        panel.axhspan(first - 0.5, len(prompts), color=SHADE, zorder=0)
    panel.set_xlabel("Dice", color=SOFT, fontsize=9.5)
    panel.grid(axis="x", color=FAINT, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, labelsize=9.5, labelcolor=SOFT)
    for side in panel.spines.values():
        side.set_visible(False)


def _legend(cells: Sequence[Cell]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    used = dict.fromkeys(cell["condition"] for cell in cells)
    handles = [
        Line2D([], [], color=LOOKS[name][0], marker=LOOKS[name][1], markersize=6.5, label=f"{name} prompts")
        for name in used
    ]
    if any(cell["oracle"] for cell in cells):
        handles.append(
            Line2D([], [], color=SOFT, marker="o", markerfacecolor=PAPER, linestyle="none", label=ORACLE)
        )
    if any(not cell["network"] for cell in cells):
        handles.append(
            Line2D([], [], color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="best without a network")
        )
    return handles
