"""What a person looks at after a training: gains per prompt and object, curves, one HTML page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from usframe.files import write_csv, write_file

COLUMNS = ("prompt", "object", "before", "after", "n", "gain")
TERMS = ("focal", "dice", "iou", "presence", "total")
MEAN = "mean"
INK, SOFT, FAINT = "#1d2125", "#5d666f", "#dfe2e5"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe-Ito


def write_gains(out: Path, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Write gains.csv, the mean Dice of the validation cases by prompt and object, and return its rows.

    ``before`` and ``after``: scores of `usframe.training.validation`, of the first and of the best weights.
    """
    first, best = _means(before), _means(after)
    rows: list[dict[str, Any]] = []
    for prompt in dict.fromkeys(prompt for prompt, _ in best):
        mine: list[dict[str, Any]] = [
            {"prompt": prompt, "object": str(one), "before": first[name, one][0], "after": dice, "n": n}
            for (name, one), (dice, n) in sorted(best.items())
            if name == prompt
        ]
        if len(mine) > 1:
            means = {key: float(np.mean([row[key] for row in mine])) for key in ("before", "after")}
            mine.append({"prompt": prompt, "object": MEAN, **means, "n": ""})
        rows += [{**row, "gain": row["after"] - row["before"]} for row in mine]
    write_csv(out / "gains.csv", COLUMNS, rows)
    return rows


def print_gains(gains: Sequence[Mapping[str, Any]], out: Path, *, best_step: int) -> None:
    """The table for the terminal."""
    lines = [["prompt", "object", "before", "after", "gain"]]
    lines += [
        [
            row["prompt"],
            row["object"],
            *(f"{row[key]:.3f}" for key in ("before", "after")),
            f"{round(row['gain'], 3) + 0:+.3f}",
        ]
        for row in gains
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"Mean Dice of the validation cases, before and with the best weights (step {best_step})")
    for line in lines:
        words = [line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]
        print("  ".join(words))
    print(f"Wrote {out}/: checkpoint_best.pt, checkpoint_last.pt, gains.csv, curve.csv, curve.png, report.html")


def write_training(
    out: Path,
    curve: Sequence[Mapping[str, float]],
    gains: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    *,
    best_step: int,
) -> None:
    """Write curve.png and report.html. Raises `WriteError`."""
    plot_curve(out / "curve.png", curve, best_step)
    pages = Environment(loader=PackageLoader("usframe.reporting"), autoescape=True, undefined=StrictUndefined)
    pages.trim_blocks = pages.lstrip_blocks = True
    html = pages.get_template("training.html").render(
        title=f"Training of {run['backbone']}", gains=gains, run=run, best_step=best_step, steps=curve[-1]["step"]
    )
    write_file(out / "report.html", html)


def plot_curve(path: Path, curve: Sequence[Mapping[str, float]], best_step: int) -> None:
    """Write a PNG of the loss terms and the validation Dice over steps. Raises `WriteError`."""
    figure = Figure(figsize=(10, 3.8), dpi=160, layout="constrained")
    losses, dice = figure.subplots(1, 2)
    steps = [line["step"] for line in curve]
    scores = [name for name in curve[0] if name.startswith("dice ")]
    panels = ((losses, TERMS, "loss, mean since the last validation"), (dice, scores, "Dice of the validation"))
    for panel, names, title in panels:
        for colour, name in zip(PALETTE * 3, names, strict=False):
            label = name.removeprefix("dice ") if panel is dice else name
            panel.plot(steps, [line[name] for line in curve], color=colour, marker="o", markersize=3, label=label)
        panel.set_title(title, fontsize=10.5, loc="left", color=INK)
        panel.set_xlabel("step", color=SOFT)
        panel.grid(color=FAINT, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(fontsize=8, frameon=False)
    losses.set_ylim(bottom=0)
    dice.axvline(best_step, color=SOFT, linewidth=0.8, linestyle=":")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_file(path, picture.getvalue())


def _means(scores: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], tuple[float, int]]:
    """(prompt, object) -> (mean Dice over cases, number of cases)."""
    found: dict[tuple[str, int], list[float]] = {}
    for score in scores:
        found.setdefault((score["prompt"], score["object"]), []).append(score["dice"])
    return {key: (float(np.mean(dice)), len(dice)) for key, dice in found.items()}
