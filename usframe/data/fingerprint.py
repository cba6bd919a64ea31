"""What a data set is like: sizes, spacing, intensities and objects, a row per case and their ranges over cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.data.axis import voxel_ml
from usframe.data.case import Case
from usframe.files import write_csv
from usframe.types import Volume

SPACINGS = ("spacing_d_mm", "spacing_h_mm", "spacing_w_mm")
SIZES = ("slices", "rows", "columns")
INTENSITIES = ("intensity_min", "intensity_max", "intensity_mean")
COLUMNS = ("case", "group", *SIZES, *SPACINGS, *INTENSITIES, "labels", "names", "slices_without_object", "unit")
OBJECT = "volume_"

Row = Mapping[str, Any]


def describe_case(
    case: Case,
    volume: Volume,
    labels: NDArray[np.uint8],
    names: Mapping[int, str],
    *,
    per_frame: bool = False,
) -> dict[str, Any]:
    """A row of fingerprint.csv: `COLUMNS`, and ``volume_<id>`` of each object in the ``unit`` ml or voxels.

    ``labels``: (D, H, W). ``names``: of objects, by value. Intensities are those of the file, of its finite voxels.
    Spacing is None where unknown. ``per_frame``: D counts frames; what has no volume in ml is counted in voxels.
    """
    known = volume.data[np.isfinite(volume.data)]
    intensities = (known.min(), known.max(), known.mean(dtype=np.float64)) if known.size else (None,) * 3
    ids, counts = np.unique(labels[labels > 0], return_counts=True)
    spacing = volume.spacing_mm
    ml_per_voxel = None if per_frame else voxel_ml(volume)
    return {
        "case": case.name,
        "group": case.group,
        **dict(zip(SIZES, labels.shape, strict=True)),
        **{name: _rounded(mm) for name, mm in zip(SPACINGS, spacing or (None,) * 3, strict=True)},
        **{name: _rounded(value) for name, value in zip(INTENSITIES, intensities, strict=True)},
        "labels": " ".join(map(str, ids)),
        "names": "; ".join(f"{one} {names[one]}" for one in map(int, ids) if one in names),
        "slices_without_object": int((~labels.any((1, 2))).sum()),
        "unit": "voxels" if ml_per_voxel is None else "ml",
        **{
            f"{OBJECT}{one}": int(n) if ml_per_voxel is None else _rounded(int(n) * ml_per_voxel)
            for one, n in zip(ids, counts, strict=True)
        },
    }


def write_fingerprint(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows, with a column for every object that any case has. Raises `WriteError`."""
    write_csv(path, (*COLUMNS, *_objects(rows)), rows)


def summarise_fingerprint(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Quantity -> ``min``, ``median`` and ``max`` over the ``n`` cases that have it; object volumes by unit."""
    found: dict[str, list[float]] = {
        name: [] for name in (*SIZES, *SPACINGS, *INTENSITIES, "slices_without_object")
    }
    found |= {f"{name} {unit}": [] for name in _objects(rows) for unit in ("ml", "voxels")}
    for row in rows:
        for name, value in row.items():
            key = f"{name} {row['unit']}" if name.startswith(OBJECT) else name
            if key in found and value is not None:
                found[key].append(value)
    return {
        name: {"min": min(values), "median": float(np.median(values)), "max": max(values), "n": len(values)}
        for name, values in found.items()
        if values
    }


def _objects(rows: Sequence[Row]) -> list[str]:
    """The columns of object volumes, by the number of the object."""
    names = {name for row in rows for name in row if name.startswith(OBJECT)}
    return sorted(names, key=lambda name: int(name.removeprefix(OBJECT)))


def _rounded(value: Any) -> float | None:
    """Six significant digits, as a Python number."""
    return None if value is None else float(f"{float(value):.6g}")
