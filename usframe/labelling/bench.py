"""The case on the bench: opened, drawn on verb by verb, kept after each, and propagated beside all that."""

from __future__ import annotations

import base64
import threading
from collections.abc import Collection
from typing import Any, TypedDict, cast, get_args

import numpy as np
from numpy.typing import NDArray

from usframe.annotation.session import Cancelled, Session
from usframe.annotation.state import Item
from usframe.config.schema import Fill
from usframe.data.case import Case
from usframe.data.reading import Reading, read_case
from usframe.errors import RequestError, UsframeError
from usframe.labelling import verbs
from usframe.labelling.folder import Folder
from usframe.labelling.request import Asked
from usframe.plain import fits
from usframe.types import Backbone, Prompt


class Busy(UsframeError):  # noqa: N818 - it is a state, not a failure
    """A propagation is running, and nothing else can be done before its end."""


class Wanted(TypedDict):
    """A propagation: its way, and whether of every object that can be carried, or of the one that is drawn on."""

    way: str
    every: bool


class Job:
    """A propagation in a thread of its own. ``done`` of ``total`` slices; ``error``: why it came to nothing."""

    def __init__(self, case: str, total: int) -> None:
        self.case, self.total = case, total
        self.done, self.error = 0, ""
        self.cancelled = False
        self.thread: threading.Thread | None = None

    def progress(self, slices: int) -> None:
        if self.cancelled:
            raise Cancelled
        self.done = min(self.done + slices, self.total)

    def told(self) -> dict[str, Any]:
        running = bool(self.thread and self.thread.is_alive())
        return {"case": self.case, "running": running, "done": self.done, "total": self.total, "error": self.error}


class Bench:
    """All cases of a request, of which one at a time is open; it stays so until another is asked for."""

    def __init__(self, asked: Asked, backbone: Backbone, folder: Folder) -> None:
        self.asked, self.backbone, self.folder = asked, backbone, folder
        self.cases = {case.name: case for case in asked.cases}
        self.lock = threading.RLock()
        self.opened: tuple[Case, Session] | None = None
        self.per_frame: dict[str, bool] = {}  # of the cases that were opened
        self.job: Job | None = None

    def listing(self) -> dict[str, Any]:
        cases = [{"name": case.name, "standing": self.folder.standing(case)} for case in self.asked.cases]
        return {"cases": cases, "out": str(self.folder.out), "backbone": self.asked.config.backbone}

    def session(self, name: str) -> Session:
        """The session of a case, opened where it is not. Raises `KeyError`, `Busy` and `UsframeError`."""
        case = self.cases[name]
        with self.lock:
            if self.opened is None or self.opened[0].name != name:
                self._check_idle()
                self.opened = None  # two need not fit into memory
                self.opened = case, self._open(case)
            return self.opened[1]

    def look(self, name: str) -> dict[str, Any]:
        """Everything about a case but its pixels."""
        session = self.session(name)
        mm = session.volume.spacing_mm or (1.0, 1.0, 1.0)
        kept = {
            "shape": list(session.data.shape),
            "spacing": [float(one) for one in mm],
            "time": self.per_frame[name],
        }
        return {"name": name, **kept, **told(session), "standing": self.folder.standing(self.cases[name])}

    def do(self, name: str, verb: str, asked: object, frame: int) -> dict[str, Any]:
        """A verb, kept at once. The answer has the mask of slice ``frame`` and the slices ``changed``."""
        with self.lock:
            self._check_idle()
            session = self.session(name)
            session.check_frame(frame)
            before = session.state
            verbs.do(session, verb, asked)
            self.folder.keep(self.cases[name], session)
            if verb == "accept" and session.state.accepted:
                self.folder.save(self.cases[name], session)
            changed = sorted(before.differs(session.state))
            mask = base64.b64encode(session.mask[frame].tobytes()).decode()
            return {**self.look(name), "changed": changed, "frame": frame, "mask": mask}

    def save(self, name: str) -> dict[str, Any]:
        """Write the labels of a case."""
        with self.lock:
            self._check_idle()
            session = self.session(name)
            self.folder.keep(self.cases[name], session)
            path = self.folder.save(self.cases[name], session)
            return {**self.look(name), "saved": str(path)}

    def propagate(self, name: str, asked: object) -> dict[str, Any]:
        """Begin a propagation; `Job.told`. Raises `RequestError` where there is nothing to carry."""
        if not fits(asked, Wanted):
            raise RequestError("propagate takes way and every as JSON, and no more")
        wanted = cast(Wanted, asked)
        if wanted["way"] not in get_args(Fill):
            raise RequestError(f"way={wanted['way']} is not possible; it is one of {', '.join(get_args(Fill))}")
        way, every = cast(Fill, wanted["way"]), wanted["every"]
        with self.lock:
            self._check_idle()
            session = self.session(name)
            total = sum(_steps(item, way, len(session.data)) for item in session.to_carry(every=every).values())
            self.job = job = Job(name, total)
            job.thread = threading.Thread(target=self._carry, args=(job, session, way, every), daemon=True)
            job.thread.start()
            return job.told()

    def cancel(self) -> None:
        """End a propagation, of which nothing is left."""
        if self.job and self.job.thread:
            self.job.cancelled = True
            self.job.thread.join()

    def close(self) -> None:
        """Raises `WriteError`."""
        self.cancel()
        self.folder.close()

    def _carry(self, job: Job, session: Session, way: Fill, every: bool) -> None:
        try:
            session.propagate(way, every=every, progress=job.progress)
            self.folder.keep(self.cases[job.case], session)
            job.done = job.total
        except Cancelled:
            job.error = "cancelled; nothing was changed"
        except UsframeError as error:
            job.error = str(error)
        except Exception as error:
            job.error = f"failed: {error!r}; the terminal says more"
            raise

    def _check_idle(self) -> None:
        if self.job and self.job.told()["running"]:
            raise Busy(f"a propagation is running in {self.job.case}; wait for its end, or cancel it")

    def _open(self, case: Case) -> Session:
        reading = read_case(case, self.asked.config, self.asked.plugins)
        self.per_frame[case.name] = reading.per_frame
        session = Session(reading.volume, self.backbone, intensity=self.asked.config.intensity)
        if not self.folder.take_up(case, session):
            _begin(session, reading, self.folder.names())
        return session


def _steps(item: Item, way: Fill, depth: int) -> int:
    """How often carrying an object looks at a slice."""
    return 2 * depth if way == "both" else depth if way == "memory" else max(len(item.prompts), 1)


def told(session: Session) -> dict[str, Any]:
    """What a page shows of a session, for JSON: NaN is None there."""
    state = session.state
    expected = [None if np.isnan(one) else round(float(one), 3) for one in session.expected()]
    return {
        "active": state.active,
        "accepted": state.accepted,
        "objects": [_told_object(one, item) for one, item in sorted(state.items.items())],
        "expected": expected,
        "next": session.next_slices(),
        "undo": bool(session.past),
        "redo": bool(session.future),
        "notes": list(session.volume.notes + session.notes),
    }


def _told_object(one: int, item: Item) -> dict[str, Any]:
    prompts = {str(at): _told_prompt(prompt) for at, prompt in sorted(item.prompts.items())}
    carried = item.carried.way if item.carried else None
    known = {"id": one, "name": item.name, "locked": item.locked is not None, "stale": item.stale}
    return {**known, "carried": carried, "prompts": prompts, "absent": sorted(item.absent)}


def _told_prompt(prompt: Prompt) -> dict[str, Any]:
    points: list[list[float]] = []
    if prompt.points is not None and prompt.point_labels is not None:
        both = zip(prompt.points.tolist(), prompt.point_labels.tolist(), strict=True)
        points = [[*xy, label] for xy, label in both]
    box = None if prompt.box is None else prompt.box.tolist()
    return {"points": points, "box": box, "mask": prompt.mask is not None}


def _begin(session: Session, reading: Reading, names: dict[int, str]) -> None:
    """A case that nobody has touched: the objects of the others, and the labels that it has, as if painted."""
    labels = reading.labels
    shown: Collection[int] = () if labels is None else np.unique(labels[labels > 0]).tolist()
    for one in sorted({*names, *shown} or {1}):
        session.set_object(one, names.get(one) or reading.names.get(one, ""))
        if labels is not None and one in shown:
            for frame in np.flatnonzero((labels == one).any((1, 2))).tolist():
                session.paint(frame, _of(labels[frame], one))
    session.set_object(min(session.state.items))
    session.begin(session.state)


def _of(plane: NDArray[np.uint8], one: int) -> NDArray[np.bool_]:
    return plane == one
