"""Whether labels lie on the voxels of their volume, in what they differ, and how they are put there."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks
from usframe.errors import ReadError
from usframe.types import Role, Volume

Affine = NDArray[np.float64]
TOLERANCE = 0.1  # of a voxel
AXES = "DHW"


def align(
    path: Path, labels: Volume, volume: Volume, geometry: str = "refuse", *, role: Role = "labels"
) -> tuple[NDArray[Any], list[str]]:
    """The voxels of ``labels`` on those of ``volume``, (D, H, W), and what was done for it.

    ``geometry``: what becomes of labels that lie elsewhere, ``refuse``, ``resample`` (nearest neighbour) or
    ``ignore``, which matches them voxel by voxel. ``role``: what lines call them. Raises `ReadError` in one line
    that names the difference.
    """
    same_shape = labels.data.shape == volume.data.shape
    apart = difference(labels, volume)
    placed = affine_of(labels) is not None and affine_of(volume) is not None
    mask = role == "mask"
    who, were, whose = ("the mask", "was", "its labels") if mask else ("the labels", "were", "their volume")
    if geometry == "resample" and placed and (apart or not same_shape):
        data, lost = resample(path, labels, volume)
        notes = [f"{who} {were} put on the volume's grid by nearest neighbour: {apart or 'another shape'}"]
        return data, notes + lost
    if not same_shape:
        raise ReadError(_shape_problem(path, labels.data.shape, volume.data.shape, apart, placed))
    if not apart:
        return labels.data, []
    if geometry == "ignore":
        return labels.data, [
            f"the header of {who} places {'it' if mask else 'them'} elsewhere ({apart}); "
            f"{'it was' if mask else 'they were'} matched voxel by voxel"
        ]
    ways = "geometry=resample puts them on its grid, " * placed + "geometry=ignore matches voxel by voxel"
    raise ReadError(f"{path}: the header places {who} on another grid than {whose}: {apart}; {ways}")


def difference(labels: Volume, volume: Volume) -> str:
    """In what two grids differ, such as "flipped along W"; "" where no voxel is off by more than a tenth.

    Where one of them has no position in space only the spacings are compared; "" where one has none of these.
    """
    mine, other = affine_of(labels), affine_of(volume)
    if mine is None or other is None:
        return ", ".join(_spacings(labels, volume))
    relation = np.linalg.inv(other) @ mine
    corners = _corners(labels.data.shape)
    if np.linalg.norm((corners @ relation.T - corners)[:, :3], axis=1).max() <= TOLERANCE:
        return ""
    turn = relation[:3, :3] / np.linalg.norm(relation[:3, :3], axis=0)
    order = np.abs(turn).argmax(axis=0)
    found = []
    if sorted(order) == [0, 1, 2] and np.abs(turn).max(axis=0).min() > 0.99:
        if list(order) != [0, 1, 2]:
            found.append(f"axes swapped (its {', '.join(AXES)} are {', '.join(AXES[at] for at in order)})")
        found += [f"flipped along {AXES[order[at]]}" for at in range(3) if turn[order[at], at] < 0]
    else:
        angle = np.degrees(np.arccos(np.clip((abs(np.trace(turn)) - 1) / 2, -1, 1)))
        found.append(f"turned by {angle:.1f} degrees")
    sizes = _spacings(labels, volume, order) if sorted(order) == [0, 1, 2] else []
    shifts = _shift(labels, volume, relation, bool(found), bool(sizes))
    return ", ".join(found + sizes + shifts) or "somewhere else"


def resample(path: Path, labels: Volume, onto: Volume) -> tuple[NDArray[Any], list[str]]:
    """``labels`` on the voxels of ``onto`` by nearest neighbour, 0 outside, and a note on what falls outside.

    Raises `ReadError` where none of them lies inside.
    """
    from scipy.ndimage import affine_transform

    mine, other = affine_of(labels), affine_of(onto)
    assert mine is not None
    assert other is not None
    back = np.linalg.inv(mine) @ other
    stored = np.ascontiguousarray(labels.data)
    data = affine_transform(
        stored, back[:3, :3], back[:3, 3], onto.data.shape, order=0, mode="grid-constant", prefilter=False
    )
    if not data.any() and stored.any():
        raise ReadError(f"{path}: no label lies inside its volume; does it belong to another recording?")
    relation, lost = np.linalg.inv(back), 0
    for part in blocks(stored.shape):
        where = np.argwhere(stored[part]) + np.array([part.start, 0, 0])
        placed = np.rint(where @ relation[:3, :3].T + relation[:3, 3])
        lost += int(((placed < 0) | (placed >= onto.data.shape)).any(axis=1).sum())
    return data, [f"{lost} voxels of the labels lie outside the volume and were left out"] if lost else []


def affine_of(volume: Volume) -> Affine | None:
    """Where (d, h, w, 1) lies in mm; None where the file does not say, or nothing that can be inverted."""
    affine = None if volume.grid is None else volume.grid.affine
    usable = affine is not None and np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 0
    return np.asarray(affine, float) if usable else None


def _corners(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.array([[*corner, 1] for corner in product(*((0, length - 1) for length in shape))], float)


def _spacings(labels: Volume, volume: Volume, order: Any = (0, 1, 2)) -> list[str]:
    """Which spacings differ enough to be seen at the far end; ``order``: the axes of the volume, one by one."""
    if labels.spacing_mm is None or volume.spacing_mm is None:
        return []
    found = []
    for at, name in enumerate(AXES):
        mine, other = labels.spacing_mm[list(order).index(at)], volume.spacing_mm[at]
        meaningless = name == "D" and (labels.time or volume.time or labels.flat or volume.flat)
        if not meaningless and abs(mine - other) * (volume.data.shape[at] - 1) > TOLERANCE * other:
            found.append(f"spacing {mine:.4g} instead of {other:.4g} along {name}")
    return found


def _shift(labels: Volume, volume: Volume, relation: Affine, turned: bool, scaled: bool) -> list[str]:
    """How far the labels lie from where they would be without what was found already."""
    if turned and scaled:
        return []
    middles = [np.append((np.array(one.data.shape) - 1) / 2, 1) for one in (labels, volume)]
    off = (relation @ middles[0] - middles[1])[:3] if turned else relation[:3, 3]
    affine = affine_of(volume)
    assert affine is not None
    far = zip(np.abs(off), np.linalg.norm(affine[:3, :3], axis=0), AXES, strict=True)
    least = 1 if scaled else TOLERANCE
    return [
        f"shifted by {voxels * mm:.{1 if voxels * mm >= 0.1 else 3}f} mm along {name}"
        for voxels, mm, name in far
        if voxels > least
    ]


def _shape_problem(path: Path, labels: tuple[int, ...], volume: tuple[int, ...], apart: str, placed: bool) -> str:
    hint = f"; {apart or 'another part of it'}: geometry=resample puts them on its grid" * placed
    if sorted(labels) == sorted(volume):
        hint += "; the same axes in another order: name the stored one, as in label_layout=hwd (layout= for both)"
    return f"{path}: labels of shape (D, H, W) = {labels} for a volume of {volume}{hint}"
