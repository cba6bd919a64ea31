"""What a process that watches another knows of the cases it has in hand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Where a process at work is.

    ``begun``: the cases in hand and the seconds that they took; ``since``: when the process turned to those that it
    is at. ``taken``: those that are its own and have not ended; ``ended``: the cases done, well or not; ``lost``:
    those that cost a process, and why. ``limit``: seconds that a case may take, 0 is without end. ``alone``: a
    process died, and nobody knows of which case, so one is done after the other. ``stopped``: by Ctrl-C. ``share``:
    which of how many processes it is, None where the work cannot be gone on with.
    """

    share: tuple[int, int] | None = None
    begun: dict[str, float] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    limit: float = 0.0
    ended: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    alone: bool = False
    stopped: bool = False

    @property
    def is_ended(self) -> bool:
        """Whether nobody is to go on where this process ends."""
        return self.share is None or self.stopped

    def update(self, said: dict[str, Any]) -> None:
        """Take in a line of the process at work."""
        match said:
            case {"at": case}:
                self.begun.setdefault(case, 0.0)
                self.since[case] = time.monotonic()
            case {"rests": case}:
                self.begun[case] = self._spent(case)
                self.since.pop(case, None)
            case {"taken": case}:
                self.taken.append(case)
            case {"ended": case}:
                self.ended.append(case)
                self.begun.pop(case, None)
                self.taken = [one for one in self.taken if one != case]
            case {"dropped": case}:
                self.begun.pop(case, None)
            case _:
                for key, value in said.items():
                    setattr(self, key, value)

    def late(self) -> str:
        """A case that takes longer than it may, if any does."""
        return next((case for case in self.begun if 0 < self.limit < self._spent(case)), "")

    def died(self, why: str, late: str, *, killed: bool) -> None:
        """The process is gone: that costs the case it was ``late`` with or at; of several in hand, none.

        Where it was ``killed``, memory may have been short for all that were in hand.
        """
        suspects = [late] if late else [*self.begun] if killed else [*self.since]
        if len(suspects) == 1:
            self.lost[suspects[0]] = why
            self.update({"ended": suspects[0]})
        else:
            self.alone = True
        self.begun, self.since = {}, {}

    def _spent(self, case: str) -> float:
        since = self.since.get(case)
        return self.begun.get(case, 0.0) + (time.monotonic() - since if since else 0.0)
