"""What a person looks at after a training: gains per prompt and object, curves, one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from markupsafe import Markup

from usframe.errors import escape
from usframe.files import write_csv, write_file
from usframe.reporting.page.figures import inline
from usframe.reporting.pages import render
from usframe.reporting.record import RunRecord
from usframe.reporting.style import CURVES, FAINT, INK, SOFT, plain_style, write_figure
from usframe.reporting.text import columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEAN = "mean"
DICE = "dice "  # and the prompt: columns of curve.csv
NO_TERMS = ("step", "seconds", "mean dice")
WRITTEN = "checkpoint_best.pt, checkpoint_last.pt, gains.csv, curve.csv, curve.png, report.html"


class Gain(TypedDict):
    """A row of gains.csv: the mean Dice of ``n`` cases, or ("" then) of the objects of a prompt."""

    prompt: str
    object: str
    name: str
    before: float
    after: float
    n: int | str
    gain: float


def write_gains(
    out: Path,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    names: Mapping[int, str] | None = None,
) -> list[Gain]:
    """Write gains.csv, the mean Dice of the validation cases by prompt and object, and return its rows.

    ``before`` and ``after``: scores of `usframe.training.validation`, of the first and of the best weights.
    ``names``: of objects, by id.
    """
    first, best = _means(before), _means(after)
    called = {str(one): name for one, name in (names or {}).items()}
    rows: list[Gain] = []
    for prompt in dict.fromkeys(prompt for prompt, _ in best):
        mine = [
            _gain(prompt, str(one), first[name, one][0], dice, n)
            for (name, one), (dice, n) in sorted(best.items())
            if name == prompt
        ]
        if len(mine) > 1:
            earlier, later = ([row[key] for row in mine] for key in ("before", "after"))
            mine.append(_gain(prompt, MEAN, float(np.mean(earlier)), float(np.mean(later)), ""))
        rows += [{**row, "name": called.get(row["object"], "")} for row in mine]
    write_csv(out / "gains.csv", list(Gain.__annotations__), rows)
    return rows


def print_gains(gains: Sequence[Gain], out: Path, *, best_step: int) -> None:
    """The table for the terminal."""
    lines = [["prompt", "object", "before", "after", "gain"]]
    for row in gains:
        numbers = (f"{row['before']:.3f}", f"{row['after']:.3f}", f"{round(row['gain'], 3) + 0:+.3f}")
        lines.append([row["prompt"], escape(f"{row['object']} {row['name']}".strip()), *numbers])
    print(f"Mean Dice of the validation cases, before and with the best weights (step {best_step})")
    print(columns(lines, left={0}))
    print(escape(f"Wrote {out}/: {WRITTEN}"))


def write_training(
    out: Path,
    curve: Sequence[Mapping[str, float]],
    gains: Sequence[Gain],
    run: RunRecord,
    *,
    best_step: int,
    examples: Sequence[Sequence[Mapping[str, Any]]] = ((), ()),
) -> None:
    """Write curve.png and report.html. Raises `WriteError`.

    ``examples``: those of `usframe.training.examples`, before and after.
    """
    plot_curve(out / "curve.png", curve, gains, best_step)
    title, steps = f"Training of {run['backbone']}", curve[-1]["step"]
    html = render(
        "training.html",
        title=title,
        run=run,
        did="Trained",
        prompts=list(dict.fromkeys(row["prompt"] for row in gains)),
        gains=gains,
        best_step=best_step,
        steps=steps,
        figures=figures(curve, gains, best_step),
        examples=_pairs(*examples),
    )
    write_file(out / "report.html", html)


def _pairs(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], str | None]]:
    """Each example after the training, and the picture of the same before, where there is one."""
    earlier = {(one["case"], one["prompt"]): one["picture"] for one in before}
    return [(one, earlier.get((one["case"], one["prompt"]))) for one in after]


@plain_style()
def plot_curve(path: Path, curve: Sequence[Mapping[str, float]], gains: Sequence[Gain], best_step: int) -> None:
    """Write a PNG of the loss terms and the validation Dice over steps. Raises `WriteError`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), dpi=160, layout="constrained")
    losses, dice = figure.subplots(1, 2)
    _draw_losses(losses, curve)
    _draw_dice(dice, curve, gains, best_step)
    write_figure(path, figure)


@plain_style()
def figures(curve: Sequence[Mapping[str, float]], gains: Sequence[Gain], best_step: int) -> list[Markup]:
    """The same for the page, a figure for the losses and one for the Dice."""
    from matplotlib.figure import Figure

    losses, dice = (Figure(figsize=(5.2, 4), layout="constrained") for _ in range(2))
    _draw_losses(losses.subplots(), curve)
    _draw_dice(dice.subplots(), curve, gains, best_step)
    return [inline(losses, "Loss terms over the steps"), inline(dice, "Validation Dice over the steps")]


def _draw_losses(panel: Axes, curve: Sequence[Mapping[str, float]]) -> None:
    terms = [name for name in curve[0] if name not in NO_TERMS and not name.startswith(DICE)]
    _draw_lines(panel, {name: [(line["step"], line[name]) for line in curve] for name in terms})
    panel.set_title("loss, mean since the last validation", fontsize=10.5, loc="left", color=INK)
    panel.set_ylim(bottom=0)


def _draw_dice(panel: Axes, curve: Sequence[Mapping[str, float]], gains: Sequence[Gain], best_step: int) -> None:
    """Step 0 are the weights before the training."""
    before: dict[str, float] = {}
    for row in gains:  # the mean over objects comes last
        before[row["prompt"]] = row["before"]
    lines = {}
    for name in (name for name in curve[0] if name.startswith(DICE)):
        prompt = name.removeprefix(DICE)
        first = [(0.0, before[prompt])] if prompt in before else []
        lines[prompt] = [*first, *((line["step"], line[name]) for line in curve)]
    _draw_lines(panel, lines)
    panel.set_title("Dice of the validation", fontsize=10.5, loc="left", color=INK)
    panel.axvline(best_step, color=SOFT, linewidth=0.8, linestyle=":")


def _draw_lines(panel: Axes, lines: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    from matplotlib.ticker import MaxNLocator

    for colour, (name, points) in zip(cycle(CURVES), lines.items(), strict=False):
        panel.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=3, label=name)
    panel.set_xlabel("step", color=SOFT)
    panel.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    panel.grid(color=FAINT, linewidth=0.6)
    panel.tick_params(length=0, labelcolor=SOFT)
    for side in panel.spines.values():
        side.set_visible(False)
    panel.legend(
        fontsize=8, frameon=False, labelcolor=INK, ncols=3, loc="upper left", bbox_to_anchor=(-0.02, -0.16)
    )


def _gain(prompt: str, name: str, before: float, after: float, n: int | str) -> Gain:
    return {
        "prompt": prompt,
        "object": name,
        "name": "",
        "before": before,
        "after": after,
        "n": n,
        "gain": after - before,
    }


def _means(scores: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], tuple[float, int]]:
    """(prompt, object) -> (mean Dice over cases, number of cases)."""
    found: dict[tuple[str, int], list[float]] = {}
    for score in scores:
        found.setdefault((score["prompt"], score["object"]), []).append(score["dice"])
    return {key: (float(np.mean(dice)), len(dice)) for key, dice in found.items()}
