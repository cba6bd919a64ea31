"""One of several parts of a run, each for a job of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SHARDS = "shards"  # their folder in OUT
TEXT = re.compile(r"(\d{1,5})/(\d{1,5})")


@dataclass(frozen=True)
class Shard:
    """Which one (``number``, from 1) ``of`` how many."""

    number: int
    of: int

    @classmethod
    def of_text(cls, text: str) -> Shard:
        """That of a text such as 3/16. Raises `ValueError`."""
        found = TEXT.fullmatch(text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise ValueError(f"shard={text} is not possible; it is I/N with I from 1 to N, such as 3/16")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def place(self) -> Path:
        """Its folder, from OUT on: shards/03of16."""
        return Path(SHARDS, f"{self.number:0{len(str(self.of))}}of{self.of}")
