"""What the attacks of `attacks.py` share: a place of their own, the command in a process that is watched, and what
must hold afterwards.

The command runs in a fork of this process, below a limit of memory and of time.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from conftest import DataSet, write_case  # noqa: E402
from forks import fork  # noqa: E402

SECRET = "hush-4711"
MEMORY = 3 << 30  # bytes that an attack may cost
SECONDS = 30  # of computing
ATTACKS: dict[str, Callable[[Scene], None]] = {}


def attack(what: str) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Register an attack; it raises `AssertionError` where harm was done, or where it was not told in one line."""

    def register(function: Callable[[Scene], None]) -> Callable[[Scene], None]:
        assert what not in ATTACKS, what
        ATTACKS[what] = function
        return function

    return register


@dataclass
class Told:
    """How a command ended: exit ``status`` (negative for a signal), what it printed, and what it took."""

    status: int
    out: str
    err: str
    seconds: float
    memory: int

    @property
    def lines(self) -> list[str]:
        return [line for line in self.err.split("\n") if line.strip()]


@dataclass
class Scene:
    """A folder of an attack: ``data`` with one good case, and a secret beside it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.data = DataSet(self.folder / "volumes", self.folder / "labels", self.folder / "out")
        write_case(self.data, "good", 4)
        self.outside = self.folder / "outside"
        self.outside.mkdir()
        (self.outside / "secret.raw").write_bytes((SECRET * 600).encode())
        self.ran = self.folder / "ran"

    @property
    def volumes(self) -> Path:
        return self.data.volumes

    @property
    def out(self) -> Path:
        return self.data.out

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode(errors="surrogateescape") if isinstance(content, str) else content)
        return path

    def usframe(self, *words: object, limit: float = SECONDS) -> Told:
        """The command in the scene's folder; it must not be killed by a limit or a fault."""
        told = forked([os.fspath(word) if isinstance(word, Path) else str(word) for word in words], self, limit)
        assert told.status >= 0, f"died of signal {-told.status} after {told.seconds:.0f} s: {told.err[-300:]}"
        assert "Traceback" not in told.err + told.out, told.err[-1500:]
        assert told.memory < MEMORY, f"took {told.memory >> 20} MB"
        assert not self.ran.exists(), "code was run"
        assert SECRET not in told.out + told.err, "the secret was shown"
        assert not any(SECRET.encode() in path.read_bytes() for path in self.files(self.out)), "the secret was kept"
        assert (self.outside / "secret.raw").read_bytes() == (SECRET * 600).encode(), "a file elsewhere was changed"
        raw = [code for code in told.out + told.err if (code < " " and code != "\n") or "\x7f" <= code < "\xa0"]
        assert not raw, f"raw codes {raw[:3]} on the terminal"
        return told

    def run(self, *more: object, checkpoint: str = "random") -> Told:
        """`usframe run` on the data."""
        words = self.data.request("overlays=false", "baselines=false")
        words[words.index("random")] = checkpoint
        return self.usframe(*words, *more)

    @staticmethod
    def files(place: Path) -> list[Path]:
        return (
            [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
            if place.exists()
            else []
        )

    def refused(self, told: Told, *words: str, status: int = 2, lines: int = 1) -> None:
        """The command ended with ``status`` and one line on standard error that holds all of ``words``."""
        assert told.status == status, f"exit status {told.status}: {told.err[-400:]} {told.out[-200:]}"
        assert len(told.lines) == lines, f"{len(told.lines)} lines: {told.err[:600]}"
        for line in told.lines:
            assert line.startswith("Error: "), line[:300]
            assert len(line) < 1000, f"a line of {len(line)} characters"
        for word in words:
            assert word in told.err, f"{word!r} is not in {told.err[:400]}"

    def fails(self, suffix: str, content: bytes | None, *words: str, case: str = "bad") -> None:
        """A volume of these bytes (None: it is there) fails its case in one line; the good one gets its mask."""
        name = case + suffix
        if content is not None:
            (self.volumes / name).write_bytes(content)
        good = self.data.labels / "good.nii.gz"
        (self.data.labels / f"{case}.nii.gz").write_bytes(good.read_bytes())
        told = self.run()
        self.refused(told, f"case {case} (read)", *words, status=1)
        masks = [path.name for path in self.files(self.out / "masks")]
        assert masks == ["good.nii.gz"], f"masks: {masks}"


def resident() -> int:
    """Kilobytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 10


def forked(words: Sequence[str], scene: Scene, limit: float) -> Told:
    """`usframe` with ``words`` in a fork of this process."""
    from usframe.cli import main

    def work() -> None:
        os.chdir(scene.folder)
        os.environ.update(scene.environment)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for one, clock, times in (
            (signal.SIGPROF, signal.ITIMER_PROF, 1),  # of computing
            (signal.SIGALRM, signal.ITIMER_REAL, 8),
        ):
            signal.signal(one, signal.SIG_DFL)
            signal.setitimer(clock, limit * times)
        sys.argv = ["usframe", *words]
        main(words, "usframe")

    printed = [scene.folder / name for name in (".stdout", ".stderr")]
    started = time.monotonic()
    child = fork(work, printed)
    _, ended, usage = os.wait4(child, 0)
    out, err = (path.read_bytes().decode(errors="surrogateescape") for path in printed)
    memory = max(0, usage.ru_maxrss - resident()) << 10
    return Told(os.waitstatus_to_exitcode(ended), out, err, time.monotonic() - started, memory)
