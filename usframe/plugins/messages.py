"""Words that the messages about names and errors share."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question in brackets, or nothing where none is close."""
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def one_line(error: BaseException) -> str:
    """The type and the message of an exception on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def listing(words: Iterable[str]) -> str:
    """The words with commas between them, or "none"."""
    return ", ".join(words) or "none"
