"""What can go wrong, and whose fault it is.

An expected failure is a `UsframeError`: the command line prints its message, one line per problem, without a
traceback. Anything else is a bug in usframe and keeps its traceback. Names of files pass through `escape` before
they are printed, and through `safe_cell` before they become cells of a table.
"""

import os
import re
import sys

_NOT_PRINTED = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


LONGEST = 900  # characters of a line on the terminal


class UsframeError(Exception):
    """An expected failure. The message says what is wrong, where, and what to do."""


class RequestError(UsframeError):
    """The request itself is wrong; nothing was run (exit status 2). Takes one message per problem."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


class ConfigError(RequestError):
    """Unknown keys, wrong types or impossible combinations in an experiment."""


class PluginError(RequestError):
    """An unknown, duplicate, broken or misspelt plugin."""


class PairingError(RequestError):
    """Volumes without a label, labels without a volume, or two candidates for one case."""


class CheckpointError(RequestError):
    """A checkpoint that is missing or does not fit its network."""


class CaseError(UsframeError):
    """One case cannot be processed; the others go on (exit status 1)."""


class ReadError(CaseError):
    """A file that cannot be read as a volume or as labels."""


class WriteError(CaseError):
    """A mask that cannot be written."""


class TrainingError(UsframeError):
    """Training cannot go on; what was trained so far is kept (exit status 1)."""


def escape(text: str) -> str:
    """``text`` as one line that every terminal takes: line ends, escape codes, marks that turn the direction of
    writing and bytes that are no UTF-8 are spelt out, as ``\\n``, ``\\x1b``, ``\\u202e`` and ``\\udcff``.
    """
    return _NOT_PRINTED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shown(text: str) -> str:
    """``text`` as one line for the terminal: see `escape`; of what is too long the middle is left out."""
    line = escape(text)
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 3 :]}"


def print_problems(error: UsframeError) -> None:
    """A line on standard error for each problem; of several processes the first one says it for all."""
    if os.environ.get("RANK", "0") == "0":
        for problem in error.problems if isinstance(error, RequestError) else [str(error)]:
            print(shown(f"Error: {problem}"), file=sys.stderr, flush=True)


def safe_cell(value: object) -> object:
    """``value`` as a cell of a CSV file: a text passes through `escape`, and gets an apostrophe in front where a
    spreadsheet would take it for a formula (it begins with = + - @ and is no number).
    """
    if not isinstance(value, str):
        return value
    text = escape(value)
    return f"'{text}" if text.startswith(tuple("=+-@＝＋－＠")) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
