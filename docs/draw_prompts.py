"""Draws docs/prompts.webp, the prompts, and docs/flow.svg, the way of the data: python docs/draw_prompts.py"""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import usframe
from usframe.prompting import make_prompts

DOCS = Path(__file__).parent
SHOWN = ("point", "box", "box+point", "mask", "mask+point")
INSIDE, HINT = "#56B4E9", "#E69F00"  # of Okabe and Ito
FLOW = (
    ("volumes", "NIfTI, NRRD, DICOM, video, pictures, arrays"),
    ("prompts", "made from the labels, drawn by hand, or read from a file"),
    ("network", "MedSAM2, SAM 2.1, demo: a slice alone or through the volume"),
    ("masks", "on the voxels of the source files"),
    ("scores", "beside answers that need no network"),
    ("report", "one page, worst cases first"),
)


def draw_prompts(path: Path) -> None:
    """A strip of one slice of a simulated carotid, a panel per strategy."""
    scan = usframe.simulate(seed=3, shape=(5, 192, 224), scene="vessel")
    strategies = usframe.load_plugins().prompts
    figure = Figure(figsize=(10, 1.94), dpi=100, layout="constrained", facecolor="#161616")
    for panel, name in zip(figure.subplots(1, len(SHOWN)), SHOWN, strict=True):
        prompts = make_prompts(scan.labels, strategies.get(name), frames={1: [2]})
        panel.imshow(scan.image[2], cmap="gray", vmin=0, vmax=1)
        for prompt in prompts:
            draw(panel, prompt)
        panel.set_title(name, color="white", fontsize=11)
        panel.set_axis_off()
    figure.savefig(path, pil_kwargs={"quality": 80})


def draw(panel: Axes, prompt: usframe.Prompt) -> None:
    """What the network gets: a tint for a mask, a frame for a box, dots for clicks."""
    if prompt.mask is not None:
        tint = np.zeros((*prompt.mask.shape, 4))
        tint[prompt.mask] = (0.34, 0.71, 0.91, 0.55)
        panel.imshow(tint)
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box
        panel.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=HINT, linewidth=1.6))
    if prompt.points is not None:
        panel.scatter(*prompt.points.T, s=30, color=HINT, edgecolors="black", linewidths=0.8, zorder=3)


def draw_flow(path: Path) -> None:
    """Boxes with an arrow between each and the next."""
    wide, high, gap = 150, 92, 22
    across = 3
    parts = []
    for number, (name, about) in enumerate(FLOW):
        row, column = divmod(number, across)
        x, y = 4 + column * (wide + gap), 4 + row * (high + gap)
        parts.append(f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="8" class="box"/>')
        parts.append(f'<text x="{x + 12}" y="{y + 24}" class="name">{escape(name)}</text>')
        for line, words in enumerate(lines_of(about)):
            parts.append(f'<text x="{x + 12}" y="{y + 44 + 15 * line}" class="about">{escape(words)}</text>')
        if number % across:
            parts.append(f'<path d="M{x - gap + 3} {y + high / 2}h{gap - 8}" class="way"/>')
    end, middle = 4 + across * wide + (across - 1) * gap, 4 + high + gap / 2
    parts.append(f'<path d="M{end - wide / 2} {4 + high}V{middle}H{4 + wide / 2}v{gap / 2 - 5}" class="way"/>')
    size = (end + 4, 2 * high + gap + 8)
    path.write_text(f"{head(*size)}\n" + "\n".join(parts) + "\n</svg>\n", encoding="utf-8")


def head(width: int, height: int) -> str:
    """The first lines of the drawing; its ink reads on white and on black."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">\n'
        "<style>.box{fill:#f2f6fa;stroke:#5d7f9e}.name{font-size:15px;font-weight:600;fill:#1d2125}"
        ".about{font-size:11.5px;fill:#3c454d}.way{fill:none;stroke:#5d7f9e;stroke-width:2;marker-end:url(#tip)}"
        "</style>\n"
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="3" refY="3" markerWidth="5" markerHeight="5" orient="auto">'
        '<path d="M0 0l6 3-6 3z" fill="#5d7f9e"/></marker></defs>'
    )


def lines_of(words: str, letters: int = 21) -> list[str]:
    """The words in lines of so many letters at most."""
    lines = [""]
    for word in words.split():
        fits = len(lines[-1]) + len(word) < letters
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if fits else [*lines, word]
    return lines


if __name__ == "__main__":
    draw_prompts(DOCS / "prompts.webp")
    draw_flow(DOCS / "flow.svg")
