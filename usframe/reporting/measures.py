"""measures.csv, and how far the measures of answers agree with those of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from usframe.files import write_csv
from usframe.reporting.quality import MEASURES, Piece
from usframe.scoring.measures import REFERENCE, MeasureRow, agreement

Pairs: TypeAlias = list[tuple[float, float]]  # answer and reference
Measured: TypeAlias = dict[str, dict[str, dict[str, Pairs]]]  # prompt -> object id -> what is measured -> cases


def write_measures(out: Path, pieces: Sequence[Path]) -> Measured:
    """Write the table, and give the pairs of the cases that have ``pieces``: volumes, or where there is none, the
    mean area over the slices that show the object in both. Raises `WriteError`.
    """
    measured: Measured = {}

    def rows() -> Iterator[MeasureRow]:
        for path in pieces:
            every = Piece.read(path).measures
            _pair(every, measured)
            yield from every

    if any(Piece.read(path).measures for path in pieces):
        write_csv(out / "measures.csv", MEASURES, rows())
    return measured


def describe_agreement(measured: Mapping[str, Mapping[str, Pairs]]) -> dict[str, dict[str, Any]]:
    """Object id -> bias and limits of agreement of ``what`` most cases have, as in summary.json."""
    found = {}
    for one, by_what in measured.items():
        what, pairs = max(by_what.items(), key=lambda item: len(item[1]))
        if limits := agreement(pairs):
            found[one] = {"what": what, **limits._asdict()}
    return found


def draw_agreement(measured: Measured) -> list[dict[str, Any]]:
    """For every prompt and object a plot after Bland and Altman: ``dots`` (x: mean, y: difference) from 0 to 1, and
    the lines of `describe_agreement` on the same scale, for the page. ``ticks``: numbers of the difference on it.
    """
    plots = []
    for prompt, objects in measured.items():
        for one, limits in describe_agreement(objects).items():
            pairs = np.array(objects[one][limits["what"]])
            mean, difference = pairs.mean(1), pairs[:, 0] - pairs[:, 1]
            reach = 1.15 * max(np.abs(difference).max(), abs(limits["low"]), abs(limits["high"]), 1e-9)
            width = max(float(np.ptp(mean)), 1e-9)
            dots = zip((mean - mean.min()) / width, 0.5 - difference / (2 * reach), strict=True)
            lines = {name: 0.5 - limits[name] / (2 * reach) for name in ("bias", "low", "high")}
            about = {
                "prompt": prompt,
                "object": one,
                "lines": lines,
                "ticks": [
                    (tick, 0.5 - tick / (2 * reach)) for tick in (-round_number(reach), 0, round_number(reach))
                ],
                "dots": [(float(x), float(y)) for x, y in dots],
            }
            plots.append({**about, **limits, "from": float(mean.min()), "to": float(mean.max())})
    return plots


def round_number(most: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten up to ``most``."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(next(step for step in (5, 2, 1) if step * power <= most) * power)


def _pair(rows: Sequence[MeasureRow], measured: Measured) -> None:
    """Add what the rows of one case say."""
    areas: dict[tuple[str, int], dict[int, float]] = {}
    volumes: dict[tuple[str, int], float] = {}
    for row in rows:
        key = (row["prompt"], row["object"])
        if row["frame"] is not None:
            areas.setdefault(key, {})[row["frame"]] = row["area"] or 0.0
        elif row["volume_ml"] is not None:
            volumes[key] = row["volume_ml"]
    unit = rows[0]["unit"] if rows else ""
    for prompt, one in [key for key in {**volumes, **areas} if key[0] != REFERENCE]:
        by_what = measured.setdefault(prompt, {}).setdefault(str(one), {})
        if (prompt, one) in volumes and (REFERENCE, one) in volumes:
            by_what.setdefault("volume, ml", []).append((volumes[prompt, one], volumes[REFERENCE, one]))
        elif not {(prompt, one), (REFERENCE, one)} & volumes.keys():
            mine, theirs = areas.get((prompt, one), {}), areas.get((REFERENCE, one), {})
            if shared := mine.keys() & theirs.keys():
                means = (float(np.mean([part[frame] for frame in sorted(shared)])) for part in (mine, theirs))
                by_what.setdefault(f"mean area, {unit}²", []).append((next(means), next(means)))
    for prompt, objects in list(measured.items()):
        measured[prompt] = {one: by_what for one, by_what in objects.items() if by_what}
