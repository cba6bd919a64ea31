"""Schemas as OmegaConf knows them: it has no `Literal` and no union with a list, so a twin is checked instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, field, fields, is_dataclass, make_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


def plain_type(kind: Any) -> Any:
    """Text for a `Literal`, Any for a union with a list, the twin of a schema, and all else as it is."""
    if is_dataclass(kind) and isinstance(kind, type):
        return twin(kind)
    if get_origin(kind) is Literal:
        return str
    if get_origin(kind) in (Union, UnionType):
        parts = {plain_type(part) for part in get_args(kind)}
        if any(get_origin(part) is list for part in parts):
            return Any
        return str | None if parts == {str, NoneType} else kind
    return kind


def twin(schema: Any) -> Any:
    """A dataclass with the fields and defaults of ``schema`` in types that OmegaConf checks."""
    parts = []
    for part in fields(schema):
        kind = plain_type(part.type)
        if is_dataclass(part.type):
            made = field(default_factory=kind)
        elif part.default is not MISSING:
            made = field(default=part.default)
        else:
            assert part.default_factory is not MISSING
            made = field(default_factory=part.default_factory)
        parts.append((part.name, kind, made))
    return make_dataclass(schema.__name__, parts)


def build(schema: Any, values: Mapping[str, Any]) -> Any:
    """The schema with ``values``, those of its sections among them."""
    sections = {part.name: part.type for part in fields(schema) if is_dataclass(part.type)}
    return schema(
        **{name: build(sections[name], value) if name in sections else value for name, value in values.items()}
    )
