"""A session of labelling, verb by verb, on a toy that sees bright squares and on the demo network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from toy_backbones import SIDE, ToyWithMemory

import usframe
from usframe import Prompt, RequestError, Volume
from usframe.annotation.desk import keep, take_up
from usframe.annotation.session import Cancelled, Session
from usframe.plugins import load_plugins

DEPTH = 6
PLUGINS = load_plugins()


def scan() -> Volume:
    """Two bright squares on six slices of 32 x 32, one of them moving."""
    data = np.full((DEPTH, SIDE, SIDE), 0.2, np.float32)
    for frame in range(DEPTH):
        data[frame, 4:14, 2 + frame : 12 + frame] = 0.9
        data[frame, 18:28, 18:28] = 0.8
    return Volume(data)


@pytest.fixture
def session() -> Session:
    return Session(scan(), ToyWithMemory(), intensity="none")


@pytest.fixture(scope="module")
def demo():
    return usframe.load_backbone("demo", device="cpu")


@pytest.fixture(scope="module")
def vessel() -> Volume:
    return Volume(usframe.simulate(3, shape=(4, 96, 96), scene="vessel").image)


def square(top: int = 5, left: int = 5, side: int = 6) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_a_click_is_answered_on_its_own_slice(session):
    session.point(2, (8, 8))
    assert session.mask[2].any()
    assert not session.mask[[0, 1, 3, 4, 5]].any()


@pytest.mark.parametrize(
    "asked",
    [
        {"box": np.array([20, 20, 70, 70], np.float32)},
        {"points": np.array([[40, 40]], np.float32), "point_labels": np.ones(1, np.int64)},
        {"points": np.array([[40, 40], [2, 2]], np.float32), "point_labels": np.array([1, 0])},
    ],
)
def test_masks_are_those_of_a_run_with_the_same_prompts(demo, vessel, asked):
    session = Session(vessel, demo)
    if "box" in asked:
        session.box(1, asked["box"])
    for xy, label in zip(asked.get("points", ()), asked.get("point_labels", ()), strict=True):
        session.point(1, xy, inside=bool(label))
    prompt = Prompt(1, 1, **asked)
    np.testing.assert_array_equal(session.mask, usframe.segment(vessel, [prompt], demo).mask)
    session.propagate()
    carried = usframe.segment(vessel, [prompt], demo, mode="propagate")
    np.testing.assert_array_equal(session.mask, carried.mask)


def test_what_is_filled_is_what_a_run_fills(demo, vessel):
    session = Session(vessel, demo)
    boxes = [Prompt(frame, 1, box=np.array([20, 20, 70, 70], np.float32)) for frame in (0, 3)]
    for prompt in boxes:
        session.box(prompt.frame, prompt.box)
    session.propagate("both")
    filled = usframe.segment(vessel, boxes, demo, mode="propagate", fill="both")
    np.testing.assert_array_equal(session.mask, filled.mask)


def test_an_object_that_the_network_does_not_see_where_it_is_prompted_is_as_in_a_run():
    box = np.array([14, 1, 20, 3], np.float32)
    session = Session(Volume(np.zeros((3, SIDE, SIDE), np.float32)), ToyWithMemory(), intensity="none")
    session.box(1, box)
    session.propagate()
    run = usframe.segment(
        session.volume, [Prompt(1, 1, box=box)], ToyWithMemory(), mode="propagate", intensity="none"
    )
    np.testing.assert_array_equal(session.mask, run.mask)
    assert not session.mask.any()


def test_what_is_painted_stays_as_it_is(session):
    session.paint(3, square())
    session.propagate()
    np.testing.assert_array_equal(session.mask[3] == 1, square())
    assert session.mask[2].any()


def test_a_scribble_and_a_lasso_point_the_object_out(session):
    path = np.array([[4, 6], [8, 8], [10, 10], [6, 12]], np.float32)
    session.scribble(1, path)
    drawn = session.state.items[1].prompts[1]
    assert len(drawn.points) <= 3
    assert drawn.mask.any()
    session.lasso(2, path)
    assert session.state.items[1].prompts[2].mask.any()
    assert session.mask[[1, 2]].any((1, 2)).all()


def test_a_scribble_outside_takes_pixels_away(session):
    session.paint(1, square(side=12))
    session.scribble(1, np.array([[5, 5], [16, 5]], np.float32), inside=False)
    prompt = session.state.items[1].prompts[1]
    assert not prompt.mask[5, 6:15].any()
    assert set(prompt.point_labels.tolist()) == {0}


def test_a_lasso_outside_leaves_the_rest_as_it_is(session):
    session.paint(1, square(4, 4, 12))
    session.lasso(1, np.array([[0, 0], [9, 0], [9, 30], [0, 30]], np.float32), inside=False)
    assert (session.mask[1] == 1)[4:16, 10:16].all()
    assert not session.mask[1][:, :10].any()


def test_pixels_that_were_gone_over_are_a_scribble_and_those_held_a_lasso(session):
    line = np.zeros((SIDE, SIDE), bool)
    line[6:9, 4:20] = True
    session.go_over(1, line)
    drawn = session.state.items[1].prompts[1]
    assert len(drawn.points) == 3
    assert all(line[int(y), int(x)] for x, y in drawn.points)
    np.testing.assert_array_equal(drawn.mask, line)
    session.go_over(1, line & (np.arange(SIDE) >= 16), inside=False)
    drawn = session.state.items[1].prompts[1]
    assert drawn.point_labels.tolist() == [1, 1, 1, 0]
    assert not drawn.mask[6:9, 16:20].any()
    session.enclose(2, square())
    drawn = session.state.items[1].prompts[2]
    np.testing.assert_array_equal(drawn.mask, square())
    assert square()[tuple(drawn.points[0].astype(int)[::-1])]


def test_verbs_together_are_one_step_or_none(session):
    session.point(1, (8, 8))
    state, mask = session.state, session.mask.copy()
    with session.together():
        session.point(2, (8, 8))
        session.propagate()
    assert session.mask[5].any()
    session.undo()
    assert session.state is state
    session.redo()
    session.undo()

    def one_that_fails() -> None:
        with session.together():
            session.point(2, (8, 8))
            session.point(99, (8, 8))

    with pytest.raises(RequestError, match="there is no slice 99"):
        one_that_fails()
    assert session.state is state
    np.testing.assert_array_equal(session.mask, mask)


def test_no_more_steps_are_kept_than_asked_for():
    session = Session(scan(), ToyWithMemory(), intensity="none", steps=2)
    for frame in range(4):
        session.point(frame, (8, 8))
    assert [session.undo() for _ in range(3)] == [True, True, False]


def test_a_brush_and_an_eraser_paint_what_is_seen(session):
    session.brush(1, np.array([[5, 8], [15, 8]], np.float32), 5)
    assert session.mask[1][8, 5:16].all()
    session.brush(1, np.array([[10, 8]], np.float32), 5, inside=False)
    assert not session.mask[1][8, 10]
    assert session.mask[1][8, 5]
    session.brush(1, np.array([[0, 8], [31, 8]], np.float32), 30, inside=False)
    assert not session.mask[1].any()
    assert not session.state.items[1].prompts


def test_a_point_is_taken_back(session):
    session.point(2, (8, 8))
    before = session.mask.copy()
    session.point(2, (20, 20))
    session.remove_point(2, 1)
    np.testing.assert_array_equal(session.mask, before)
    session.remove_point(2, 0)
    assert not session.mask.any()
    assert not session.state.items[1].prompts


def test_where_an_object_is_not_it_stays_away(session):
    session.point(2, (8, 8))
    session.propagate()
    session.clear(4)
    assert not session.mask[4].any()
    session.propagate("shape")
    assert not session.mask[4].any()
    session.point(4, (10, 8))
    assert session.mask[4].any()


def test_objects_share_a_slice_and_a_locked_one_loses_no_voxel(session):
    session.paint(2, square(4, 4, 10))
    session.lock()
    session.set_object(2, "other")
    session.paint(2, square(8, 8, 10))
    assert (session.mask[2] == 1).sum() == 100
    assert (session.mask[2] == 2).sum() == 100 - 36
    session.propagate()
    assert (session.mask[2] == 1).sum() == 100
    session.set_object(1)
    with pytest.raises(RequestError, match="object 1 is locked"):
        session.point(2, (8, 8))
    session.unlock()
    assert session.mask[2][10, 10] in (1, 2)


def test_only_the_object_that_was_corrected_is_carried_again(session):
    session.point(2, (8, 8))
    session.propagate()
    session.set_object(2)
    session.point(2, (22, 22))
    session.propagate()
    first = session.state.items[1].planes
    session.point(4, (22, 22))
    assert session.state.items[2].stale
    session.propagate()
    assert not session.state.items[2].stale
    assert session.state.items[1].planes is first


def test_all_objects_that_are_not_locked_are_carried_as_one_step(session):
    for one, xy in ((1, (8, 8)), (2, (22, 22)), (3, (28, 2))):
        session.set_object(one)
        session.point(2, xy)
    session.lock()
    session.set_object(4, "drawn nowhere yet")
    state = session.state
    session.propagate("shape", every=True)
    carried = {one: item.carried is not None for one, item in session.state.items.items()}
    assert carried == {1: True, 2: True, 3: False, 4: False}
    each = [session.state.items[one].planes[5].mask for one in (1, 2)]
    session.undo()
    assert session.state is state
    for one, plane in zip((1, 2), each, strict=True):
        session.set_object(one)
        session.propagate("shape")
        np.testing.assert_array_equal(session.state.items[one].planes[5].mask, plane)
        session.lock()
    with pytest.raises(RequestError, match="no object that is not locked has a prompt"):
        session.propagate(every=True)


def test_a_propagation_that_is_cancelled_changes_nothing(session):
    session.point(2, (8, 8))
    before, state = session.mask.copy(), session.state

    def stop(slices: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        session.propagate(progress=stop)
    np.testing.assert_array_equal(session.mask, before)
    assert session.state is state


def test_it_says_how_sure_it_is_and_where_to_draw_next(session):
    session.point(0, (8, 8))
    session.propagate()
    expected = session.expected()
    assert expected.shape == (DEPTH,)
    assert np.isfinite(expected).all()
    assert all(frame >= 2 for frame in session.next_slices())


def test_accepted_holds_until_something_changes(session):
    session.point(2, (8, 8))
    session.accept()
    session.set_object(2)
    assert session.state.accepted
    session.point(2, (22, 22))
    assert not session.state.accepted


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        (lambda s: s.point(9, (1, 1)), "there is no slice 9; the last one is 5"),
        (lambda s: s.point(1, (99, 1)), "lie outside the slice of 32 x 32 pixels"),
        (lambda s: s.point(1, (3, 3), inside=False), "begin with one inside"),
        (lambda s: s.remove_point(1, 0), "slice 1 has no point 0"),
        (lambda s: s.box(1, (1, 1, 99, 5)), "is no xyxy box within 32 x 32 pixels"),
        (lambda s: s.set_object(0), "object ids run from 1 to 255"),
        (lambda s: s.propagate(), "object 1 has no prompt to begin with"),
        (lambda s: s.paint(1, np.zeros((SIDE, SIDE), bool)), "clear the slice instead"),
        (lambda s: s.paint(1, np.ones((3, 3), bool)), "mask must be bool of shape"),
        (lambda s: s.go_over(1, np.zeros((SIDE, SIDE), bool)), "the scribble on slice 1 holds no pixel"),
        (lambda s: s.enclose(1, np.zeros((SIDE, SIDE), bool)), "the lasso on slice 1 holds no pixel"),
        (lambda s: s.lasso(1, np.array([[90, 90], [91, 91]], np.float32)), "holds no pixel"),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(session, verb, line):
    state = session.state
    with pytest.raises(RequestError, match=line):
        verb(session)
    assert session.state is state


def draw_all(session: Session) -> None:
    """A bit of every verb."""
    session.set_object(1, "square")
    session.point(1, (8, 8))
    session.box(4, (6, 4, 15, 13))
    session.propagate("both")
    session.point(2, (9, 9))
    session.set_object(3, "other")
    session.scribble(0, np.array([[20, 20], [26, 26]], np.float32))
    session.lasso(2, np.array([[18, 18], [27, 18], [27, 27], [18, 27]], np.float32))
    session.propagate()
    session.lock()
    session.set_object(2)
    session.paint(3, square(16, 16, 8))
    session.clear(3)
    session.paint(5, square(17, 17, 8))


def test_what_is_kept_is_taken_up_to_the_same_bytes(session, tmp_path):
    draw_all(session)
    keep(session, tmp_path, "a")
    again = Session(scan(), ToyWithMemory(), intensity="none")
    assert take_up(again, tmp_path, "a", PLUGINS)
    np.testing.assert_array_equal(again.mask, session.mask)
    assert again.state.active == session.state.active
    assert {one: item.name for one, item in again.state.items.items()} == {1: "square", 2: "", 3: "other"}
    assert [item.stale for item in again.state.items.values()] == [
        session.state.items[one].stale for one in again.state.items
    ]
    keep(again, tmp_path / "twice", "a")
    for name in ("prompts.csv", "carried.csv", "session.json"):
        assert (tmp_path / "twice" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_nothing_is_taken_up_where_nothing_was_kept_and_nothing_of_another_volume(session, tmp_path):
    assert not take_up(session, tmp_path, "a", PLUGINS)
    session.point(2, (8, 8))
    keep(session, tmp_path, "a")
    other = Session(Volume(scan().data[:3]), ToyWithMemory(), intensity="none")
    with pytest.raises(RequestError, match="choose another -o"):
        take_up(other, tmp_path, "a", PLUGINS)


def test_masks_that_nobody_needs_any_more_are_removed(session, tmp_path):
    session.paint(1, square())
    keep(session, tmp_path, "a")
    session.paint(1, square(8, 8))
    keep(session, tmp_path, "a")
    assert len(list((tmp_path / "masks").iterdir())) == 1


class Labelling(RuleBasedStateMachine):
    """Any sequence of verbs: no exception, undo brings the bytes back, locked voxels stay, kept is the same."""

    frames = st.integers(0, DEPTH - 1)
    places = st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))
    lines = st.lists(places, min_size=2, max_size=5).map(lambda points: np.array(points, np.float32))

    @initialize()
    def begin(self) -> None:
        self.session = Session(scan(), ToyWithMemory(), intensity="none", room=1)
        self.locked: dict[int, np.ndarray] = {}

    def act(self, verb) -> None:
        before = self.session.mask.copy()
        state = self.session.state
        try:
            verb()
        except RequestError:
            assert self.session.state is state
            return
        after = self.session.mask.copy()
        if self.session.state is not state:
            self.session.undo()
            np.testing.assert_array_equal(self.session.mask, before)
            self.session.redo()
        np.testing.assert_array_equal(self.session.mask, after)

    @rule(frame=frames, xy=places, inside=st.booleans())
    def point(self, frame, xy, inside) -> None:
        self.act(lambda: self.session.point(frame, xy, inside=inside))

    @rule(frame=frames, number=st.integers(0, 2))
    def remove_point(self, frame, number) -> None:
        self.act(lambda: self.session.remove_point(frame, number))

    @rule(frame=frames, one=places, other=places)
    def box(self, frame, one, other) -> None:
        self.act(lambda: self.session.box(frame, (*one, *other)))

    @rule(frame=frames, path=lines, inside=st.booleans())
    def scribble(self, frame, path, inside) -> None:
        self.act(lambda: self.session.scribble(frame, path, inside=inside))

    @rule(frame=frames, path=lines, inside=st.booleans())
    def lasso(self, frame, path, inside) -> None:
        self.act(lambda: self.session.lasso(frame, path, inside=inside))

    @rule(frame=frames, path=lines, width=st.integers(1, 40), inside=st.booleans())
    def brush(self, frame, path, width, inside) -> None:
        self.act(lambda: self.session.brush(frame, path, width, inside=inside))

    @rule(frame=frames, corner=places, side=st.integers(0, 9))
    def paint(self, frame, corner, side) -> None:
        self.act(lambda: self.session.paint(frame, square(*corner, side)))

    @rule(frame=frames)
    def clear(self, frame) -> None:
        self.act(lambda: self.session.clear(frame))

    @rule(one=st.integers(1, 3))
    def set_object(self, one) -> None:
        self.act(lambda: self.session.set_object(one))

    @rule()
    def remove_object(self) -> None:
        self.act(self.session.remove_object)

    @rule()
    def lock(self) -> None:
        self.act(self.session.lock)
        one = self.session.state.active
        self.locked[one] = self.session.mask == one

    @precondition(lambda self: self.session.state.active in self.locked)
    @rule()
    def unlock(self) -> None:
        self.locked.pop(self.session.state.active)
        self.act(self.session.unlock)

    @rule(way=st.sampled_from(["memory", "both", "shape"]))
    def propagate(self, way) -> None:
        self.act(lambda: self.session.propagate(way))

    @invariant()
    def locked_voxels_stay(self) -> None:
        for one, mask in getattr(self, "locked", {}).items():
            np.testing.assert_array_equal(self.session.mask == one, mask)

    def teardown(self) -> None:
        if hasattr(self, "session"):
            check_kept(self.session)


def test_the_same_box_once_more_after_propagation_is_kept_as_it_is_seen() -> None:
    """Propagation may find a prompted object absent; who draws it there again says that it is there."""
    session = Session(scan(), ToyWithMemory(), intensity="none")
    for step in range(2):
        session.box(4, (0, 7, 3, 0))
        assert session.mask[4].any()
        check_kept(session)
        if not step:
            session.propagate("memory")
            assert not session.mask[4].any()
            check_kept(session)


def test_a_prompt_cleared_after_propagation_is_kept_as_it_is_seen_and_found_again_by_the_next() -> None:
    """The prompt was drawn after the object was carried: what was carried does not come back in its stead."""
    session = Session(scan(), ToyWithMemory(), intensity="none")
    session.point(1, (8, 8))
    session.propagate("both")
    session.point(3, (8, 8))
    session.clear(3)
    assert not session.mask[3].any()
    check_kept(session)
    session.propagate("both")
    assert session.mask[3].any()
    check_kept(session)


def check_kept(session: Session) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        keep(session, Path(folder), "a")
        again = Session(scan(), ToyWithMemory(), intensity="none")
        assert take_up(again, Path(folder), "a", PLUGINS)
        np.testing.assert_array_equal(again.mask, session.mask)


Labelling.TestCase.settings = settings(max_examples=200, stateful_step_count=12, deadline=None)
TestAnySequence = Labelling.TestCase
