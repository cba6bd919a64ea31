"""usframe, killed at a call that renames or removes: `python killed.py NUMBER MATCH WORD...`.

Calls are counted whose path holds MATCH. Of a folder that is being removed, half is gone then. A number that is not
reached prints the count.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def arm(number: int, match: str) -> None:
    """Have this process die at call ``number`` of those that hold ``match``."""
    seen: list[str] = []

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            if any(match in str(argument) for argument in arguments):
                seen.append(str(arguments[0]))
                if len(seen) == number:
                    if real is rmtree:
                        for file in [path for path in Path(arguments[0]).rglob("*") if path.is_file()][::2]:
                            file.unlink()
                    os.kill(os.getppid(), signal.SIGKILL)
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **more)

        return call

    rmtree = shutil.rmtree
    atexit.register(lambda: print(f"calls {len(seen)}"))
    os.rename, os.replace, shutil.rmtree = deadly(os.rename), deadly(os.replace), deadly(rmtree)


if __name__ == "__main__":
    if "USFRAME_WATCHED" in os.environ:  # the process that watches renames nothing; it dies with the other
        arm(int(sys.argv[1]), sys.argv[2])
    from usframe.cli import main

    sys.argv[1:] = sys.argv[3:]
    main(prog_name="usframe")
