"""What the shell's Tab offers for values: the words that a key takes, and the names of plugins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

FRAMES = ("largest", "middle", "first", "every:2", "uniform:3", "file:", "support:")
Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def values_of(key: str) -> Sequence[str]:
    """The values that a key can have, as far as they can be listed; none of any other."""
    match key:
        case "device":
            return ("auto", "cpu", "cuda", "mps")
        case "mode":
            return ("slice", "propagate")
        case "frames":
            return list(dict.fromkeys([*FRAMES, *(f"{rule}:3" for rule in names_of("selection"))]))
        case "prompts":
            return names_of("prompt")
        case "backbone":
            return names_of("backbone")
    return ()


def names_of(kind: str) -> list[str]:
    """The plugins of a kind; none where they cannot be listed, which the command itself will say."""
    from usframe.errors import UsframeError
    from usframe.plugins import load_plugins

    try:
        registry = load_plugins().by_kind()[kind]
    except UsframeError:
        return []
    return list(dict.fromkeys(entry.name for entry in registry))


def words(first: Sequence[str]) -> Complete:
    """For words of which one is of the ``first``, and others are ``KEY=VALUE``.

    zsh and fish ask about all of ``KEY=VALUE``; bash makes three words of it, the last of which it asks about.
    """

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
        key, equals, value = begun.partition("=")
        if equals:
            return [f"{key}={one}" for one in values_of(key) if one.startswith(value)]
        before = [word for word in context.params.get(parameter.name or "") or () if word != "="]
        known = values_of(before[-1]) if before else ()
        return [one for one in known or first if one.startswith(begun)]

    return complete
