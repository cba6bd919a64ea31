"""What label values are called where the label files themselves do not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usframe.plain import read_json

FILES = ("objects.json", "dataset.json")
NOT_OBJECTS = ("background", "ignore")  # names in a dataset.json


@dataclass(frozen=True)
class ObjectNames:
    """``by_value``: label value -> name. ``source``: the file that says so, "" for the request or none."""

    by_value: Mapping[int, str] = field(default_factory=dict)
    source: str = ""


def name_objects(given: Mapping[str, Any], labels: str | None) -> ObjectNames:
    """The names that are ``given``, else those of an ``objects.json`` or of nnU-Net's ``dataset.json``.

    These are looked for in the folder of the labels and in the one around it. A file that holds no names of label
    values, such as the one of `usframe demo`, whose names differ from case to case, is passed over.
    """
    if given:
        return ObjectNames({int(value): str(name) for value, name in given.items()})
    if labels is None:
        return ObjectNames()
    place = Path(labels)
    folder = place if place.is_dir() else place.parent
    for file in (folder / name for folder in (folder, folder.resolve().parent) for name in FILES):
        if file.is_file() and (names := _read(file)):
            return ObjectNames(names, str(file))
    return ObjectNames()


def _read(file: Path) -> dict[int, str]:
    """Names by value; nothing where the file is of another kind."""
    try:
        content = read_json(file)
    except (OSError, ValueError):
        return {}
    listed: Any = content.get("labels") if file.name == "dataset.json" and isinstance(content, Mapping) else content
    if not isinstance(listed, Mapping):
        return {}
    pairs = [(key, value) if str(key).isdecimal() else (value, key) for key, value in listed.items()]
    names = {
        int(value): str(name).strip()
        for value, name in pairs
        if isinstance(name, str) and str(value).isdecimal() and 1 <= int(value) <= 255
    }
    names = {value: name for value, name in names.items() if name and name.lower() not in NOT_OBJECTS}
    return names if len({*names.values()}) == len(names) else {}
