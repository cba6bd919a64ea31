"""What a person looks at after a training: gains per prompt and object, curves, one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from usframe.errors import escape
from usframe.files import write_csv, write_file
from usframe.reporting.pages import render
from usframe.reporting.record import RunRecord
from usframe.reporting.style import CURVES, FAINT, INK, SOFT, plain_style, write_figure
from usframe.reporting.text import columns

MEAN = "mean"
NO_TERMS = ("step", "seconds", "mean dice")
WRITTEN = "checkpoint_best.pt, checkpoint_last.pt, gains.csv, curve.csv, curve.png, report.html"


class Gain(TypedDict):
    """A row of gains.csv: the mean Dice of ``n`` cases, or ("" then) of the objects of a prompt."""

    prompt: str
    object: str
    before: float
    after: float
    n: int | str
    gain: float


def write_gains(out: Path, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Gain]:
    """Write gains.csv, the mean Dice of the validation cases by prompt and object, and return its rows.

    ``before`` and ``after``: scores of `usframe.training.validation`, of the first and of the best weights.
    """
    first, best = _means(before), _means(after)
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
        rows += mine
    write_csv(out / "gains.csv", list(Gain.__annotations__), rows)
    return rows


def print_gains(gains: Sequence[Gain], out: Path, *, best_step: int) -> None:
    """The table for the terminal."""
    lines = [["prompt", "object", "before", "after", "gain"]]
    for row in gains:
        numbers = (f"{row['before']:.3f}", f"{row['after']:.3f}", f"{round(row['gain'], 3) + 0:+.3f}")
        lines.append([row["prompt"], row["object"], *numbers])
    print(f"Mean Dice of the validation cases, before and with the best weights (step {best_step})")
    print(columns(lines, left={0}))
    print(escape(f"Wrote {out}/: {WRITTEN}"))


def write_training(
    out: Path, curve: Sequence[Mapping[str, float]], gains: Sequence[Gain], run: RunRecord, *, best_step: int
) -> None:
    """Write curve.png and report.html. Raises `WriteError`."""
    plot_curve(out / "curve.png", curve, best_step)
    title, steps = f"Training of {run['backbone']}", curve[-1]["step"]
    html = render("training.html", title=title, run=run, gains=gains, best_step=best_step, steps=steps)
    write_file(out / "report.html", html)


@plain_style()
def plot_curve(path: Path, curve: Sequence[Mapping[str, float]], best_step: int) -> None:
    """Write a PNG of the loss terms and the validation Dice over steps. Raises `WriteError`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8), dpi=160, layout="constrained")
    losses, dice = figure.subplots(1, 2)
    steps = [line["step"] for line in curve]
    scores = [name for name in curve[0] if name.startswith("dice ")]
    terms = [name for name in curve[0] if name not in (*NO_TERMS, *scores)]
    panels = ((losses, terms, "loss, mean since the last validation"), (dice, scores, "Dice of the validation"))
    for panel, names, title in panels:
        for colour, name in zip(cycle(CURVES), names, strict=False):
            label = name.removeprefix("dice ") if panel is dice else name
            panel.plot(steps, [line[name] for line in curve], color=colour, marker="o", markersize=3, label=label)
        panel.set_title(title, fontsize=10.5, loc="left", color=INK)
        panel.set_xlabel("step", color=SOFT)
        panel.grid(color=FAINT, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(fontsize=8, frameon=False)
    losses.set_ylim(bottom=0)
    dice.axvline(best_step, color=SOFT, linewidth=0.8, linestyle=":")
    write_figure(path, figure)


def _gain(prompt: str, name: str, before: float, after: float, n: int | str) -> Gain:
    return {"prompt": prompt, "object": name, "before": before, "after": after, "n": n, "gain": after - before}


def _means(scores: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], tuple[float, int]]:
    """(prompt, object) -> (mean Dice over cases, number of cases)."""
    found: dict[tuple[str, int], list[float]] = {}
    for score in scores:
        found.setdefault((score["prompt"], score["object"]), []).append(score["dice"])
    return {key: (float(np.mean(dice)), len(dice)) for key, dice in found.items()}
