"""A small process that watches the one at work: what dies or never ends costs its case, and not the run.

`usframe run` starts itself once more and waits. The second process says which case it has begun and ended; where it
dies in the middle of a case, or takes longer over it than it may, it is started anew and goes on from the records
in OUT. Not on Windows, where the command does the work itself.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import IO, Any

from usframe.session.progress import Progress

LINE = "USFRAME_WATCHED"  # environment: the numbers of the two pipes of a watched process
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
PASSED_ON = [signal.SIGINT, *ENDING]
TOGETHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
MPI = ("OMPI_", "PMI_", "MV2_")
PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}  # the network's threads leave the cores to those that read and score
TICK = 0.2  # seconds between two looks at whether the process is still there


class Line:
    """The end of the watched process. Without a watcher nobody listens."""

    def __init__(self, out: IO[str] | None = None, before: Progress | None = None) -> None:
        self.out, self.before, self.speaking = out, before or Progress(), threading.Lock()

    @property
    def is_watched(self) -> bool:
        return self.out is not None

    def say(self, **what: Any) -> None:
        if self.out is not None:
            with suppress(BrokenPipeError), self.speaking:
                self.out.write(json.dumps(what) + "\n")
                self.out.flush()

    @contextmanager
    def at_work(self, case: str) -> Iterator[None]:
        """This process is at a case in the block."""
        self.say(at=case)
        yield
        self.say(rests=case)


line = Line()


def watched(work: Callable[[], int]) -> int:
    """The exit status of ``work``, which this process was started for, done in another that this one watches."""
    if numbers := os.environ.pop(LINE, None):
        _answer(*map(int, numbers.split()))
    elif os.name != "nt":
        return _watch([sys.executable, *sys.orig_argv[1:]])
    return work()


def beside(command: list[str]) -> int:
    """The exit status of a command that runs beside this process and gets its signals."""
    process = subprocess.Popen(command, start_new_session=os.name != "nt")
    if os.name == "nt":
        return process.wait()
    with signals_for(process):
        status = process.wait()
    return 128 - status if status < 0 else status


def _answer(incoming: int, outgoing: int) -> None:
    """Be the watched process: learn what went before, and end at once when the watcher has gone."""
    global line
    before = b""
    while not before.endswith(b"\n"):
        before += os.read(incoming, 2**16) or b"{}\n"
    line = Line(os.fdopen(outgoing, "w", encoding="utf-8"), Progress(**json.loads(before)))

    def end() -> None:
        os.read(incoming, 1)  # nothing is ever written: this returns when the watcher has gone
        os._exit(128 + signal.SIGKILL)

    threading.Thread(target=end, daemon=True).start()


def _watch(command: list[str]) -> int:
    """Run ``command`` until it ends by itself, or dies between two cases; its exit status."""
    progress, environment = Progress(), dict(os.environ)
    while True:
        process, heard, told = _start(command, progress, environment)
        with signals_for(process):
            late = _listen(process, heard, progress)
        told.close()
        status = process.wait()
        if -status in PASSED_ON or not (progress.begun or late) or progress.is_ended:
            return _told(status, progress)
        slow = f"took longer than case_timeout={progress.limit:g} seconds, and was stopped"
        why = slow if late else f"ended its process ({_name(status)})"
        progress.died(why, late, killed=status == -signal.SIGKILL)
        _stand_alone(environment)


def _start(
    command: list[str], progress: Progress, environment: dict[str, str]
) -> tuple[subprocess.Popen[bytes], int, IO[str]]:
    """The process, what it says, and where it is told what went before and that its watcher lives."""
    heard, outgoing = os.pipe()
    incoming, told = os.pipe()
    process = subprocess.Popen(
        command,
        env={**PATIENT, **environment, LINE: f"{incoming} {outgoing}"},
        pass_fds=(incoming, outgoing),
        start_new_session=True,  # Ctrl-C reaches it once, by way of its watcher
    )
    os.close(incoming)
    os.close(outgoing)
    file = os.fdopen(told, "w", encoding="utf-8")
    with suppress(BrokenPipeError):
        file.write(json.dumps(asdict(progress)) + "\n")
        file.flush()
    return process, heard, file


def _listen(process: subprocess.Popen[bytes], heard: int, progress: Progress) -> str:
    """Take in what the process says until it is gone; the case that took longer than it may, if any did."""
    late = ""
    with os.fdopen(heard, "rb", buffering=0) as stream:
        rest = b""
        while True:
            gone = process.poll() is not None
            if select.select([stream], [], [], TICK)[0]:
                *lines, rest = (rest + (got := stream.read(2**16))).split(b"\n")
                for said in lines:
                    progress.update(json.loads(said))
                if not got:
                    return late
            elif gone:
                return late
            if not late and (late := progress.late()):
                process.kill()


@contextmanager
def signals_for(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Signals to this process are for the other one."""

    def pass_on(number: int, frame: object) -> None:
        process.send_signal(number)

    def pause(number: int, frame: object) -> None:
        process.send_signal(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        process.send_signal(signal.SIGCONT)

    handlers = {one: pass_on for one in PASSED_ON if signal.getsignal(one) is not signal.SIG_IGN}
    before = {one: signal.signal(one, handler) for one, handler in {**handlers, signal.SIGTSTP: pause}.items()}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _stand_alone(environment: dict[str, str]) -> None:
    """A process that is started anew has no part in the others' start: it gets the GPU it had as its only one."""
    if (place := environment.get("LOCAL_RANK")) is not None:
        visible = environment.get("CUDA_VISIBLE_DEVICES")
        devices = visible.split(",") if visible else []
        environment["CUDA_VISIBLE_DEVICES"] = devices[int(place)] if int(place) < len(devices) else place
    for name in [name for name in environment if name in TOGETHER or name.startswith(MPI)]:
        del environment[name]


def _told(status: int, progress: Progress) -> int:
    """The exit status, and a line where the process died."""
    if status >= 0:
        return status
    if -status in PASSED_ON:
        print("Error: interrupted", file=sys.stderr)
        return 128 - status
    further = "; the same command goes on" if progress.ended or progress.share else ""
    print(f"Error: the process at work ended ({_name(status)}) outside of a case{further}", file=sys.stderr)
    return 1


def _name(status: int) -> str:
    """What ended a process, in words."""
    if status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    told = {
        "SIGKILL": "killed, as the system does when memory runs out",
        "SIGSEGV": "segmentation fault",
        "SIGABRT": "aborted",
        "SIGBUS": "bus error: a file became shorter while it was read",
        "SIGFPE": "arithmetic error",
        "SIGILL": "illegal instruction",
    }.get(name)
    return f"{name}: {told}" if told else name
