"""Which volume goes with which labels.

A case is named after its volume's file without the suffix; ``labels`` are found by that name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from unicodedata import normalize

from usframe.config.schema import Paired
from usframe.data.case import Case
from usframe.data.meaning import Meaning
from usframe.data.volumes import check_readers, takes_folders
from usframe.errors import PairingError
from usframe.objects import ObjectNames
from usframe.plugins import Plugins
from usframe.plugins.registry import Registry

CHANNEL = re.compile(r"(.+)_(\d{4})")
HOLDS_BOTH = ".npz"
LISTED = 5  # problems of a kind that are told one by one

Files = dict[str, list[Path]]


def pair_cases(
    volumes: Path, labels: Path | None, *, readers: Registry, label_suffix: str = "", role: str = "volumes"
) -> list[Case]:
    """One case per volume, sorted by name; every ``Case.labels`` is None where no ``labels`` are given.

    ``volumes`` and ``labels`` are folders (hidden files and files of unknown suffix are ignored) or one file each.
    Subfolders are not searched; where there is nothing else, each is one case. The labels of case ``a`` are in
    ``a<label_suffix>`` plus any known suffix; both may lie in one folder where ``label_suffix`` tells them apart.
    ``a_0000.nii.gz`` is the volume of case ``a`` where the labels are called so (nnU-Net). Raises `PairingError`
    naming volumes without labels, labels without a volume, and cases with two candidates, of many the first few.
    Volumes whose ``role`` is ``masks`` need not be there for all labels.
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


def find_cases(
    settings: Paired,
    labels: str | None,
    plugins: Plugins,
    *,
    objects: ObjectNames | None = None,
    role: str = "volumes",
) -> list[Case]:
    """The `pair_cases` of a request, whose readers can all be had. Raises `PairingError` and `PluginError`.

    ``objects``: what is called how, where the labels do not say.
    """
    cases = pair_cases(
        Path(settings.volumes),
        Path(labels) if labels else None,
        readers=plugins.readers,
        label_suffix=settings.label_suffix,
        role=role,
    )
    check_readers((path for case in cases for path in (case.volume, case.labels) if path is not None), plugins)
    meaning = Meaning(
        [case.labels for case in cases if case.labels is not None],
        layout=settings.label_layout or settings.layout,
        ignore=settings.ignore,
        allow_outside=settings.allow_outside,
        plugins=plugins,
        objects=objects,
        time_point=settings.time_point,
    )
    return [replace(case, meaning=meaning) for case in cases]


def _listing(place: Path, role: str, readers: Registry) -> list[Path]:
    """The visible files of a folder (or the one file) that some reader knows, or else folders that are cases."""
    known = tuple(suffix for entry in readers for suffix in entry.suffixes)
    if place.is_file():
        if not place.name.lower().endswith(known):
            raise PairingError(f"{role}={place}: unknown suffix; known: {', '.join(sorted(known))}")
        return [place]
    if not place.is_dir():
        raise PairingError(f"{role}={place}: no such file or folder")
    visible = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    files = [path for path in visible if path.name.lower().endswith(known)]
    if files:
        return files  # a folder of such a name among them, which fails its case
    inner = [path for path in visible if path.is_dir()]
    cases = [path for path in inner if takes_folders(path, readers)]
    if cases and (strange := [path.name for path in inner if path not in cases]):
        raise PairingError(
            f"{role}={place}: the folders in it are cases, but {_some(strange)} cannot be one: it must hold the "
            "pictures of one case, or the DICOM files of one series, and nothing else that can be read"
        )
    if cases:
        return cases
    folders = [path.name for path in inner]
    others = [path.name for path in visible if not path.is_dir()]
    if folders and not others:
        raise PairingError(f"{role}={place} holds only folders ({_some(folders)}); name the one with the files")
    if bare := [path.name for path in visible if path.is_file() and _is_dicom(path)]:
        raise PairingError(f"{role}={place}: {_some(bare)} is DICOM without a suffix; add .dcm to the names")
    raise PairingError(
        f"{role}={place} holds no file that can be read; found: {_some(others + folders) or 'nothing'}; "
        f"known suffixes: {', '.join(sorted(known))}"
    )


def _by_case(paths: Iterable[Path], readers: Registry, label_suffix: str = "") -> Files:
    """Files by case name, in composed Unicode (NFC); those that do not end in ``label_suffix`` are left out."""
    groups: Files = defaultdict(list)
    label_suffix = normalize("NFC", label_suffix)
    for path in paths:
        suffix, _ = readers.for_path(path)
        tails = [suffix[at:] for at in range(len(suffix)) if suffix[at] == "." and suffix[0] != "/"] + [""]
        for tail in tails if label_suffix else tails[:1]:  # _Mask.seg reaches into .seg.nrrd
            stem = normalize("NFC", path.name[: len(path.name) - len(tail)])
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
        for kind, paths in ((role, mine), ("labels", theirs)):
            if len(paths) > 1:
                listing = ", ".join(path.name for path in paths)
                problems.append(f"{paths[0].parent}: {len(paths)} {kind} for case {name}: {listing}; keep one here")
    if problems:
        raise PairingError(*_first(problems))
    return [
        Case(name, paths[0], answers[name][0] if answers else None, readers.for_path(paths[0])[0])
        for name, paths in sorted(volumes.items())
    ]


def _first(problems: list[str]) -> list[str]:
    """Of many that differ in the file alone a few, and how many more there are."""
    kinds = [problem.rpartition(": ")[2] for problem in problems]
    shown = [problem for n, problem in enumerate(problems) if kinds[:n].count(kinds[n]) < LISTED]
    more = {kind: count - LISTED for kind, count in Counter(kinds).items() if count > LISTED}
    return shown + [f"{count} more: {kind}" for kind, count in more.items()]


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


def _is_dicom(path: Path) -> bool:
    """Whether a file has the mark of DICOM, whatever it is called."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
