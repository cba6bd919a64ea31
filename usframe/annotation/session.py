"""A session: a volume, what somebody has drawn on it, and the masks that follow from that.

Every verb makes a new `State` and shows it in ``mask``; what it replaces can be had back by `undo`. A slice that is
drawn on is answered at once from its own prompt; `propagate` carries an object from its prompted slices through the
volume, as `usframe.segment` does. Objects are asked about one by one, so that the mask of one depends on its own
prompts, on those of others where they overlap, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.annotation import network, strokes
from usframe.annotation.encodings import ROOM, Encoded
from usframe.annotation.state import Carried, Item, State
from usframe.config.schema import Fill
from usframe.errors import RequestError
from usframe.intensity import normalise_intensity
from usframe.prompting.answers import checked
from usframe.selection import distances, least_sure
from usframe.types import Backbone, Prompt, Volume

STEPS = 200  # that can be undone
Progress: TypeAlias = Callable[[int], object]


class Cancelled(Exception):  # noqa: N818 - it is none
    """Raised by a ``progress`` that wants no more; the session is as it was before the verb."""


class Session:
    """``volume``: (D, H, W) as read. ``mask``: (D, H, W) uint8, 0 background, else the object id."""

    def __init__(
        self, volume: Volume, backbone: Backbone, *, intensity: str = "auto", room: int = ROOM, steps: int = STEPS
    ) -> None:
        """``room``: bytes of encodings kept; ``steps``: of undo. Raises `CaseError` for unusable intensities."""
        self.volume, self.backbone = volume, backbone
        self.data, self.notes = normalise_intensity(volume.data, intensity)
        self.encoded = Encoded(self.data, backbone, room)
        self.mask = np.zeros(self.data.shape, np.uint8)
        self.state, self.steps = State(), steps
        self.past: list[State] = []
        self.future: list[State] = []

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of a slice."""
        return self.data.shape[1], self.data.shape[2]

    @property
    def item(self) -> Item:
        """The object that is drawn on."""
        return self.state.items.get(self.state.active, Item())

    def point(self, frame: int, xy: Sequence[float], *, inside: bool = True) -> None:
        """A click at (x, y) in pixels of the slice."""
        self._draw(frame, lambda prompt, seen: strokes.click(prompt, xy, inside=inside))

    def remove_point(self, frame: int, number: int) -> None:
        """Take back the point ``number`` of a slice, counted from 0."""
        left = strokes.unclick(self._prompt(frame), number)
        if left is None:
            self.clear(frame)
        else:
            self._draw(frame, lambda prompt, seen: left)

    def box(self, frame: int, corners: Sequence[float]) -> None:
        """The box x0, y0, x1, y1 around the object."""
        self._draw(frame, lambda prompt, seen: strokes.boxed(prompt, corners))

    def scribble(self, frame: int, path: NDArray[np.float32], *, inside: bool = True) -> None:
        """A line through points (N, 2) xy."""
        self._draw(frame, lambda prompt, seen: strokes.scribbled(prompt, path, seen, inside=inside))

    def lasso(self, frame: int, path: NDArray[np.float32], *, inside: bool = True) -> None:
        """A closed line through points (N, 2) xy."""
        self._draw(frame, lambda prompt, seen: strokes.lassoed(prompt, path, seen, inside=inside))

    def go_over(self, frame: int, line: NDArray[np.bool_], *, inside: bool = True) -> None:
        """A scribble as the pixels (H, W) that it went over."""
        self._draw(frame, lambda prompt, seen: strokes.gone_over(prompt, line, seen, inside=inside))

    def enclose(self, frame: int, area: NDArray[np.bool_], *, inside: bool = True) -> None:
        """A lasso as the pixels (H, W) that it holds."""
        self._draw(frame, lambda prompt, seen: strokes.enclosed(prompt, area, seen, inside=inside))

    def paint(self, frame: int, mask: NDArray[np.bool_]) -> None:
        """The whole object on a slice, (H, W), which is taken as it is."""
        self._draw(frame, lambda prompt, seen: strokes.painted(prompt, mask))

    def brush(self, frame: int, path: NDArray[np.float32], width: int, *, inside: bool = True) -> None:
        """A brush of ``width`` pixels, or an eraser, along a line through points (N, 2) xy.

        What is seen of the object is painted with it. Where the eraser leaves nothing, the slice is cleared.
        """
        self.check_frame(frame)
        mask = strokes.brushed(self.mask[frame] == self.state.active, path, width, inside=inside)
        if mask.any():
            self.paint(frame, mask)
        else:
            self.clear(frame)

    def clear(self, frame: int) -> None:
        """Take the prompt of a slice away, with what followed from it there.

        Where there is none, the object is not on this slice, whatever is carried to it.
        """
        self.check_frame(frame)
        item = self._free_item()
        prompts = {at: prompt for at, prompt in item.prompts.items() if at != frame}
        planes = {at: plane for at, plane in item.planes.items() if at != frame}
        absent = item.absent if frame in item.prompts else item.absent | {frame}
        self._put(replace(item, prompts=prompts, planes=planes, absent=absent))

    def set_object(self, object_id: int, name: str | None = None) -> None:
        """Draw on this object from now on; a new one is made. Raises `RequestError` for an id beyond 1 to 255."""
        if not 1 <= object_id <= 255:
            raise RequestError(f"object={object_id} is not possible; object ids run from 1 to 255")
        item = self.state.items.get(object_id, Item())
        named = item if name is None or name == item.name else replace(item, name=name)
        self._show(replace(self.state, items={**self.state.items, object_id: named}, active=object_id))

    def remove_object(self) -> None:
        """Forget the object that is drawn on."""
        self._free_item()
        left = {one: item for one, item in self.state.items.items() if one != self.state.active}
        self._show(replace(self.state, items=left, active=min(left, default=1)))

    def lock(self) -> None:
        """Keep the mask of the object as it is seen now: no verb changes it, and no other object takes a voxel."""
        one, item = self.state.active, self._free_item()
        seen = {at: self.mask[at] == one for at in item.planes}
        self._put(replace(item, locked={at: plane for at, plane in seen.items() if plane.any()}))

    def unlock(self) -> None:
        """The opposite of `lock`: what other objects would take of it they take again."""
        if self.item.locked is not None:
            self._put(replace(self.item, locked=None))

    def to_carry(self, *, every: bool = False) -> dict[int, Item]:
        """What `propagate` carries, by id. Raises `RequestError` where that is nothing."""
        found = self.state.free if every else {self.state.active: self._free_item()}
        if not any(item.prompts for item in found.values()):
            whose = "no object that is not locked has a" if every else f"object {self.state.active} has no"
            raise RequestError(f"{whose} prompt to begin with")
        return found

    def propagate(self, way: Fill = "memory", *, every: bool = False, progress: Progress = lambda n: None) -> None:
        """Carry the object, or ``every`` one that is free, through the volume, as ``fill=way`` of a run.

        ``progress`` is told of slices as they are looked at, and may raise `Cancelled`. Raises as `to_carry`.
        """
        items = {
            one: network.carry(item, Carried(way, dict(item.prompts)), self.encoded, progress)
            for one, item in self.to_carry(every=every).items()
        }
        self._show(replace(self.state, items={**self.state.items, **items}))

    def expected(self) -> NDArray[np.float64]:
        """The expected Dice of the object on each slice, (D,); NaN where nothing has been said."""
        planes = self.item.planes
        return np.array([planes[at].expected_dice if at in planes else np.nan for at in range(len(self.data))])

    def next_slices(self, count: int = 3) -> list[int]:
        """The slices whose prompt would help the object most, in order."""
        depth = len(self.data)
        return least_sure(self.expected(), distances(depth, self.item.prompts), count, max(2, depth // 10))

    def accept(self, accepted: bool = True) -> None:
        """Somebody has looked at the whole, and it is right."""
        self._show(replace(self.state, accepted=accepted))

    def undo(self) -> bool:
        """Take the last verb back; whether there was one."""
        return self._step(self.past, self.future)

    def redo(self) -> bool:
        """Do again what was taken back last; whether there was something."""
        return self._step(self.future, self.past)

    def begin(self, state: State) -> None:
        """Begin in a state from which no way leads back."""
        self.past, self.future = [], []
        self._see(state)

    @contextmanager
    def together(self) -> Iterator[None]:
        """The verbs within are one for `undo`; where one of them fails, none of them was."""
        before, past, future = self.state, list(self.past), list(self.future)
        try:
            yield
        except BaseException:
            self._see(before)
            self.past, self.future = past, future
            raise
        if self.state is not before:
            self.past, self.future = [*past, before][-self.steps :], []

    def _step(self, source: list[State], target: list[State]) -> bool:
        if source:
            target.append(self.state)
            self._see(source.pop())
            return True
        return False

    def _draw(self, frame: int, change: Callable[[Prompt, NDArray[np.bool_]], Prompt]) -> None:
        self.check_frame(frame)
        item = self._free_item()
        drawn = change(self._prompt(frame), self.mask[frame] == self.state.active)
        try:
            prompt = checked(drawn, self.shape)
        except ValueError as error:
            raise RequestError(f"slice {frame}: {error}") from error
        answer = network.answer(prompt, self.encoded)
        prompts, planes = {**item.prompts, frame: prompt}, {**item.planes, frame: answer}
        self._put(replace(item, prompts=prompts, planes=planes, absent=item.absent - {frame}))

    def _prompt(self, frame: int) -> Prompt:
        return self.item.prompts.get(frame) or strokes.blank(frame, self.state.active)

    def _free_item(self) -> Item:
        if self.item.locked is not None:
            raise RequestError(f"object {self.state.active} is locked; unlock it first")
        return self.item

    def check_frame(self, frame: int) -> None:
        """Raises `RequestError` for a slice that is not there."""
        if not 0 <= frame < len(self.data):
            raise RequestError(f"there is no slice {frame}; the last one is {len(self.data) - 1}")

    def _put(self, item: Item) -> None:
        self._show(replace(self.state, items={**self.state.items, self.state.active: item}))

    def _show(self, state: State) -> None:
        """Go to a new state, from which `undo` leads back."""
        self.past = [*self.past, self.state][-self.steps :]
        self.future = []
        self._see(replace(state, accepted=state.accepted and not self.state.differs(state)))

    def _see(self, state: State) -> None:
        for frame in self.state.differs(state):
            self.mask[frame] = state.compose(frame, self.shape)
        self.state = state
