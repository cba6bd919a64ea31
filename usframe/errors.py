"""What can go wrong, and whose fault it is.

An expected failure is a `UsframeError`: the command line prints its message, one line per problem, without a
traceback. Anything else is a bug in usframe and keeps its traceback.
"""


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
