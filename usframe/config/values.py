"""Putting one value at one dotted key of a request, or saying in one line why it cannot be there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import Field
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from usframe.config.named import steps_in
from usframe.config.schema import Common, leaves
from usframe.config.structured import plain_type
from usframe.plugins.registry import nearest

NAMES = "names with numbers such as {a: 1}"
KINDS: dict[Any, str] = {
    str: "text",
    str | None: "text or null",
    int: "a whole number",
    int | None: "a whole number or null",
    float: "a number",
    float | None: "a number or null",
    bool: "true or false",
    Any: "text or a list",
    list[str]: "a list such as [a, b]",
    list[Any]: "a list such as [a, {b: {key: value}}]",
    list[int]: "a list such as [1, 2]",
    list[float]: "a list such as [0.8, 0.9]",
    dict[str, float]: NAMES,
    dict[str, Any]: f"{NAMES}, or with arguments such as {{a: {{key: value}}}}",
}
MERGED = ("train.losses", "postprocess")  # a mapping adds to what is there


def set_value(
    config: DictConfig,
    schema: type[Common],
    key: str,
    value: Any,
    groups: Mapping[str, Collection[str]],
    others: Mapping[str, type[Common]],
) -> list[str]:
    """Put a value, or every value of a section, at a dotted key; problems are handed back, one line each.

    ``groups``: section -> the files that can be named for it. ``others``: task -> its keys, for who meant another.
    """
    known = leaves(schema)
    parts = [name for name in known if name.startswith(f"{key}.")]
    if parts and isinstance(value, Mapping):
        inner = {f"{key}.{name}": item for name, item in value.items()}
        wrong = [set_value(config, schema, name, item, groups, others) for name, item in inner.items()]
        return [line for lines in wrong for line in lines]
    if parts:
        members = f", or name one of {', '.join(groups[key])} in the defaults list" if key in groups else ""
        return [f"{key}={value} is not possible; set {', '.join(parts)}{members}"]
    if key in known:
        return _set_leaf(config, known[key], key, value)
    section = next((name for name in known if key.startswith(f"{name}.")), None)
    if section is None or plain_type(known[section].type) not in (dict[str, float], dict[str, Any]):
        owners = [task for task, other in others.items() if _has(other, key)]
        hint = f"; it is a key of task {' and '.join(owners)}" if owners else nearest(key, known)
        hint = hint or f"; its keys are {', '.join(known)}"
        return [f"task={known['task'].default} has no key {key!r}{hint}"]
    return _set_named(config, known[section], section, key.removeprefix(f"{section}."), value)


def _has(schema: type[Common], key: str) -> bool:
    return any(key == name or name.startswith(f"{key}.") for name in leaves(schema))


def is_text(schema: type[Common], key: str) -> bool:
    """Whether a key holds a text, or a list of texts."""
    leaf = leaves(schema).get(key)
    return leaf is not None and plain_type(leaf.type) in (str, str | None, list[str])


def number_for_text(schema: type[Common], key: str, value: Any) -> list[str]:
    """A line where a YAML has a number for a text: 010 and 2024_05_01 are others by then than they were written."""
    items = value if isinstance(value, list) else [value]
    numbers = [item for item in items if isinstance(item, int | float) and not isinstance(item, bool)]
    if not numbers or not is_text(schema, key):
        return []
    return [f"{key} holds the number {numbers[0]}, where a text is wanted; put it in quotes, as it is meant"]


def _set_leaf(config: DictConfig, leaf: Field[Any], key: str, value: Any) -> list[str]:
    kind = plain_type(leaf.type)
    if key == "postprocess" and isinstance(value, list):
        try:
            value = steps_in(value)
        except ValueError as error:
            return [str(error)]
        OmegaConf.update(config, key, value, merge=False)
        return []
    if key in MERGED and isinstance(value, Mapping):
        return [line for name, item in value.items() for line in _set_named(config, leaf, key, str(name), item)]
    if kind in (dict[str, float], dict[str, Any]) and isinstance(value, Mapping):
        value = {str(name): item for name, item in value.items()}
        wrong = [line for name, item in value.items() for line in _wrong_number(leaf, f"{key}.{name}", item)]
        if wrong:
            return wrong
    return _update(config, leaf, key, value)


def _set_named(config: DictConfig, leaf: Field[Any], section: str, rest: str, value: Any) -> list[str]:
    """One entry of a mapping of names: its number, its arguments, or (``rotate.degrees``) one of them."""
    kind, number = plain_type(leaf.type), leaf.metadata["number"]
    within, _, own_name = section.rpartition(".")
    if OmegaConf.is_interpolation(OmegaConf.select(config, within) if within else config, own_name):
        return [f"{section}.{rest}={value} is not possible where {section} is a reference; write its entries out"]
    node = OmegaConf.select(config, section)
    name, _, argument = rest.rpartition(".")
    if name and rest not in node and kind == dict[str, Any]:
        there = node.get(name, {})
        own = dict(there) if isinstance(there, Mapping) else {number or "": there}
        node[name] = {key: item for key, item in own.items() if key} | {argument: value}
        return _wrong_number(leaf, f"{section}.{name}", node[name])
    if wrong := _wrong_number(leaf, f"{section}.{rest}", value):
        return wrong
    if kind == dict[str, float]:
        return _update_item(node, rest, f"{section}.{rest}", value)
    node[rest] = float(value) if number and not isinstance(value, Mapping) else value
    return []


def _wrong_number(leaf: Field[Any], key: str, value: Any) -> list[str]:
    """A line where a plugin's number, such as its probability, is none."""
    number = leaf.metadata["number"]
    if not number:
        return []
    bare = value.get(number, 1.0) if isinstance(value, Mapping) else value
    try:
        if isinstance(bare, bool):
            raise ValueError(bare)
        float(bare)
    except (TypeError, ValueError):
        return [f"{key}={value} is not possible; it must be a number, or {{{number}: NUMBER, ARGUMENT: VALUE}}"]
    return []


def _update_item(node: Any, name: str, key: str, value: Any) -> list[str]:
    try:
        if isinstance(value, bool):
            raise ValueError(value)
        node[name] = value
    except (OmegaConfBaseException, ValueError):
        return [f"{key}={value} is not possible; it must be {KINDS[float]}"]
    return []


def _update(config: DictConfig, leaf: Field[Any], key: str, value: Any) -> list[str]:
    if "\0" in str(value):
        return [f"{key}={value} is not possible; it holds a NUL, which no file name and no text has"]
    try:
        if isinstance(value, bool) != (leaf.type is bool) and not isinstance(value, str):
            raise ValueError(value)
        OmegaConf.update(config, key, value, merge=False)
    except (OmegaConfBaseException, ValueError):
        return [refused(leaf, key, value)]
    return []


def refused(leaf: Field[Any], key: str, value: Any) -> str:
    """The line for a value of another type than its key has."""
    kind = plain_type(leaf.type)
    listed = kind in (list[str], list[Any]) and isinstance(value, str)
    wanted = f"a list: {key}=[{value}]" if listed else leaf.metadata["wanted"] or KINDS[kind]
    return f"{key}={value} is not possible; it must be {wanted}"
