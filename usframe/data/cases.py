"""Which volume goes with which labels, and reading both.

A case is named after its volume's file without the suffix; ``labels`` are found by that name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.data.case import Case
from usframe.errors import PairingError, ReadError
from usframe.plugins.load import Plugins, load_plugins
from usframe.plugins.registry import Registry
from usframe.types import Volume

CHANNEL = re.compile(r"(.+)_(\d{4})")
HOLDS_BOTH = ".npz"
MANY_OBJECTS = 32

Files = dict[str, list[Path]]


def pair_cases(
    volumes: Path, labels: Path | None, *, readers: Registry, label_suffix: str = "", role: str = "volumes"
) -> list[Case]:
    """One case per volume, sorted by name; every ``Case.labels`` is None where no ``labels`` are given.

    ``volumes`` and ``labels`` are folders (searched without their subfolders; hidden files and files of
    unknown suffix are ignored) or one file each. The labels of case ``a`` are in ``a<label_suffix>`` plus any
    known suffix; both may lie in one folder where ``label_suffix`` tells them apart. ``a_0000.nii.gz`` is the
    volume of case ``a`` where the labels are called so (nnU-Net). Raises `PairingError` listing every volume
    without labels, every labels without a volume, and every case with two candidates. Volumes whose ``role`` is
    ``masks`` need not be there for all labels.
    """
    volumes, labels = Path(volumes), None if labels is None else Path(labels)
    files = _listing(volumes, role, readers)
    folder = volumes if volumes.is_dir() else volumes.parent
    shared = labels is not None and labels.is_dir() and labels.samefile(folder)
    if label_suffix and volumes.is_dir() and (labels is None or shared):
        labelled = {*chain(*_by_case(files, readers, label_suffix).values())}
        files = [path for path in files if path not in labelled]
        if not files:
            raise PairingError(f"volumes={volumes}: all files end in label_suffix={label_suffix}, none is a volume")
    found = _by_case(files, readers)
    if labels is None:
        return _cases(_nnunet_names(found), None, readers)
    if labels.is_file():
        if volumes.is_dir():
            raise PairingError(f"labels={labels} is one file, volumes={volumes} is a folder; give two of a kind")
        return _cases(found, {name: [labels] for name in found}, readers)

    candidates = _listing(labels, "labels", readers)
    if shared and not label_suffix and {path.suffix.lower() for path in files} != {HOLDS_BOTH}:
        tell = "tell volumes and labels in one folder apart with label_suffix, such as _gt"
        raise PairingError(f"{labels}: {tell}", *_hint(found, _by_case(candidates, readers)))
    answers = _by_case(candidates, readers, label_suffix)
    if volumes.is_file() or role == "masks":
        names = {*found, *_nnunet_names(found)}
        answers = {name: paths for name, paths in answers.items() if name in names}
    try:
        return _cases(found, answers, readers, role)
    except PairingError as error:
        raise PairingError(*error.problems, *_hint(found, _by_case(candidates, readers), label_suffix)) from None


def read_volume(
    path: Path | str, *, layout: str = "auto", onto: Volume | None = None, plugins: Plugins | None = None
) -> Volume:
    """Read one file; its suffix decides the reader.

    ``layout`` names the stored axes, see `usframe.types.Reader`. ``onto`` is the volume that the file holds
    the labels of. Raises `ReadError` in one line for a file that is missing, damaged or of unknown suffix.
    """
    path = Path(path)
    _, entry = (plugins or load_plugins()).readers.for_path(path)
    volume: Volume = entry.load()().read(path, layout=layout, onto=onto)
    return volume


def read_labels(case: Case, volume: Volume, *, layout: str = "auto", plugins: Plugins | None = None) -> Volume:
    """The labels of ``case`` as a `Volume` of uint8 (D, H, W), 0 background, on the voxels of ``volume``.

    Whole numbers from 0 to 255 are kept, whatever their dtype; the two values {0, 255} become {0, 1}, with a
    note. Labels without an object, or with more than `MANY_OBJECTS`, and a position in space that differs from
    the volume's are notes too: labels are matched voxel by voxel.
    Raises `ReadError` for other values, for NaN and for another shape.
    """
    if case.labels is None:
        raise ReadError(f"{case.volume}: the case has no labels")
    path = case.labels
    read = read_volume(path, layout=layout, onto=volume, plugins=plugins)
    if read.data.shape != volume.data.shape:
        raise ReadError(_shape_problem(path, read.data.shape, volume.data.shape))
    notes = list(read.notes)
    data = _whole_numbers(path, read.data)
    values = np.unique(data)
    if np.array_equal(values, (0, 255)):
        data = (data > 0).astype(np.uint8)
        notes.append("the label values 0 and 255 were read as 0 and 1")
    if not values.any():
        notes.append("the labels hold no object, so there is nothing to prompt or score")
    if np.count_nonzero(values) > MANY_OBJECTS:
        notes.append(f"the labels hold more than {MANY_OBJECTS} objects: are they labels, or a volume?")
    if _apart(read, volume):
        notes.append("the labels' header places them elsewhere than the volume's; they were matched voxel by voxel")
    return Volume(data, volume.spacing_mm, volume.grid, tuple(notes))


def _listing(place: Path, role: str, readers: Registry) -> list[Path]:
    """The visible files of a folder (or the one file) that some reader knows."""
    known = tuple(suffix for entry in readers for suffix in entry.suffixes)
    if place.is_file():
        if not place.name.lower().endswith(known):
            raise PairingError(f"{role}={place}: unknown suffix; known: {', '.join(sorted(known))}")
        return [place]
    if not place.is_dir():
        raise PairingError(f"{role}={place}: no such file or folder")
    visible = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    files = [path for path in visible if not path.is_dir() and path.name.lower().endswith(known)]
    if files:
        return files
    folders = [path.name for path in visible if path.is_dir()]
    others = [path.name for path in visible if not path.is_dir()]
    if folders and not others:
        raise PairingError(f"{role}={place} holds only folders ({_some(folders)}); name the one with the files")
    raise PairingError(
        f"{role}={place} holds no file that can be read; found: {_some(others + folders) or 'nothing'}; "
        f"known suffixes: {', '.join(sorted(known))}"
    )


def _by_case(paths: Iterable[Path], readers: Registry, label_suffix: str = "") -> Files:
    """Files by case name; those whose name does not end in ``label_suffix`` are left out."""
    groups: Files = defaultdict(list)
    for path in paths:
        suffix, _ = readers.for_path(path)
        tails = [suffix[at:] for at in range(len(suffix)) if suffix[at] == "."] + [""]
        for tail in tails if label_suffix else tails[:1]:  # _Mask.seg reaches into .seg.nrrd
            stem = path.name[: len(path.name) - len(tail)]
            if stem.endswith(label_suffix):
                groups[stem[: len(stem) - len(label_suffix)]].append(path)
                break
    return groups


def _nnunet_names(found: Files) -> Files:
    """Where every volume is called *_0000, that is nnU-Net's only channel and not part of the name."""
    if all((match := CHANNEL.fullmatch(name)) and match[2] == "0000" for name in found):
        return {name.removesuffix("_0000"): paths for name, paths in found.items()}
    return found


def _cases(found: Files, answers: Files | None, readers: Registry, role: str = "volumes") -> list[Case]:
    """Cases from files by name, or one `PairingError` with all problems. ``answers`` None: no labels."""
    volumes: Files = defaultdict(list)
    problems: list[str] = []
    for name, paths in found.items():
        match = CHANNEL.fullmatch(name)
        if answers is None or name in answers or not match or match[1] not in answers:
            volumes[name] += paths
        elif match[2] == "0000":
            volumes[match[1]] += paths
        else:
            problems.append(f"{paths[0]}: is channel {match[2]} of case {match[1]}; keep only channel 0000")
    for name in sorted({*volumes, *(answers or {})}):
        mine, theirs = volumes.get(name, []), (answers or {}).get(name, [])
        if answers is not None and not theirs:
            problems += [f"{path}: no labels for this {role[:-1]}" for path in mine]
        if not mine:
            problems += [f"{path}: no volume for these labels" for path in theirs]
        for kind, paths in (("volumes", mine), ("labels", theirs)):
            if len(paths) > 1:
                listing = ", ".join(path.name for path in paths)
                problems.append(f"{paths[0].parent}: {len(paths)} {kind} for case {name}: {listing}")
    if problems:
        raise PairingError(*problems)
    return [
        Case(name, paths[0], answers[name][0] if answers else None, readers.for_path(paths[0])[0])
        for name, paths in sorted(volumes.items())
    ]


def _hint(found: Files, answers: Files, tried: str = "") -> list[str]:
    """What would pair them: the ending that most labels have beyond the name of a volume, or the rule itself."""
    endings = Counter(
        name[cut:]
        for name in answers
        for cut in range(1, len(name))
        if name[:cut] in found and not name[cut].isdigit() and name[cut:] != tried
    )
    if endings:
        return [f"hint: label_suffix={ending} pairs {count} of them" for ending, count in endings.most_common(1)]
    if same := {*found} & {*answers}:
        return [f"hint: without label_suffix={tried}, {len(same)} of them pair"] if tried else []
    return [f"hint: labels have the name of their volume, here such as {min(found)}, and label_suffix= after it"]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _shape_problem(path: Path, labels: tuple[int, ...], volume: tuple[int, ...]) -> str:
    hint = ""
    if sorted(labels) == sorted(volume):
        hint = "; the same axes in another order: name the stored one, as in label_layout=hwd (layout= for both)"
    return f"{path}: labels of shape (D, H, W) = {labels} for a volume of {volume}{hint}"


def _whole_numbers(path: Path, data: NDArray[Any]) -> NDArray[np.uint8]:
    if data.dtype.kind == "f":
        if not np.isfinite(data).all():
            raise ReadError(f"{path}: labels contain NaN or infinite values")
        broken = data[data != np.rint(data)]
        if broken.size:
            raise ReadError(f"{path}: label values must be whole numbers, found {broken.flat[0]:g}")
    low, high = data.min(), data.max()
    if low < 0 or high > 255:
        raise ReadError(f"{path}: label values must be from 0 to 255, found {low:g} to {high:g}")
    return data.astype(np.uint8)


def _apart(labels: Volume, volume: Volume) -> bool:
    """Whether both grids have an ``affine`` (4, 4), (d, h, w, 1) to mm, and a corner is 0.1 voxel off."""
    first, second = (getattr(grid, "affine", None) for grid in (labels.grid, volume.grid))
    if first is None or second is None:
        return False
    corners = np.array([[*corner, 1] for corner in product(*((0, length - 1) for length in volume.data.shape))])
    distance = np.linalg.norm((corners @ (first - second).T)[:, :3], axis=1).max()
    return bool(distance > 0.1 * np.linalg.norm(second[:3, :3], axis=0).min())
