"""A plugin's own arguments, beyond what usframe passes to it: which it takes, and what is wrong with some."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter
from typing import Any

from usframe.plugins.kinds import Kind
from usframe.plugins.messages import listing, nearest

_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "list": "a list",
    "dict": "names with values",
    "None": "null",
}
_BRACKETS = {"list": "list", "tuple": "list", "Sequence": "list", "dict": "dict", "Mapping": "dict"}


def own_arguments(target: Callable[..., Any], kind: Kind) -> dict[str, Any]:
    """Name -> default of what a request may give, `inspect.Parameter.empty` where there is none."""
    return {name: parameter.default for name, parameter in _own(target, kind).items()}


def takes(target: Callable[..., Any], keyword: str) -> bool:
    """Whether a target names a keyword among its arguments."""
    return any(one.name == keyword for one in _parameters(target))


def argument_problems(
    name: str, target: Callable[..., Any], kind: Kind, arguments: Mapping[str, Any]
) -> Iterator[str]:
    """One line per argument that the ``target`` registered as ``name`` cannot be given, or lacks."""
    own = _own(target, kind)
    for key, value in arguments.items():
        if key in kind.given:
            yield f"{name} gets its argument {key!r} from usframe; leave it out"
        elif key in own:
            wanted = _types(own[key])
            if wanted and value is not own[key].default and not any(_is(value, word) for word in wanted):
                words = " or ".join(_WORDS[word] for word in wanted)
                yield f"{key}={value} of {name} is not possible; it must be {words}"
        elif not _takes_any(target):
            known = listing(map(_told, own.values()))
            yield f"{name} has no argument {key!r}{nearest(str(key), own)}; it takes {known}"
    for key, parameter in own.items():
        if parameter.default is Parameter.empty and key not in arguments:
            yield f"{name} needs its argument {key!r}, which has no default"


def needs_labels(strategy: Callable[..., Any]) -> bool:
    """Whether a prompt strategy takes the mask of its object. One that does not is asked on every slice."""
    placed = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)
    return any(one.kind in placed or one.name == "any" for one in _parameters(strategy))


def _own(target: Callable[..., Any], kind: Kind) -> dict[str, Parameter]:
    parameters = _parameters(target)
    placed = [
        one.name for one in parameters if one.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    ]
    passed = {*placed[: kind.positional], *kind.given}
    keywords = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return {one.name: one for one in parameters if one.kind in keywords and one.name not in passed}


def _takes_any(target: Callable[..., Any]) -> bool:
    return any(one.kind is Parameter.VAR_KEYWORD for one in _parameters(target))


def _parameters(target: Callable[..., Any]) -> list[Parameter]:
    """Those of the signature; of a builtin without one nothing is known, so that it takes anything."""
    try:
        return list(inspect.signature(target).parameters.values())
    except ValueError:
        return [Parameter("any", Parameter.VAR_KEYWORD)]


def _types(parameter: Parameter) -> list[str]:
    """The names of the plain types that an argument may have; none where any may do."""
    if parameter.annotation is Parameter.empty:
        found = [type(parameter.default).__name__] if parameter.default is not Parameter.empty else []
    else:
        text = parameter.annotation
        text = text if isinstance(text, str) else inspect.formatannotation(text)
        found = [part.strip() for part in text.split("|")]
    found = [_BRACKETS.get(word.partition("[")[0].rpartition(".")[2], word) for word in found]
    return found if all(word in _WORDS for word in found) else []


def _is(value: Any, word: str) -> bool:
    if word in ("int", "float"):
        return isinstance(value, int if word == "int" else (int, float)) and not isinstance(value, bool)
    if word == "None":
        return value is None
    kinds: dict[str, Any] = {"bool": bool, "str": str, "list": (list, tuple), "dict": Mapping}
    return isinstance(value, kinds[word])


def _told(parameter: Parameter) -> str:
    return parameter.name if parameter.default is Parameter.empty else f"{parameter.name}={parameter.default}"
