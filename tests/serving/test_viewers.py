"""A viewer draws with the client from the registry, and gets the masks that `usframe.segment` makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nnInteractive.inference.remote import SessionExpiredError

import usframe
from usframe import Prompt
from usframe.annotation.session import Session

DATA = Path(__file__).parents[2] / "../shared/data"
BOX = np.array([20, 20, 70, 70], np.float32)
HALF_OPEN = [[1, 2], [20, 71], [20, 71]]


def line(shape=(4, 96, 96)) -> np.ndarray:
    drawn = np.zeros(shape, np.uint8)
    drawn[1, 44:48, 30:62] = 1
    return drawn


def area(shape=(4, 96, 96)) -> np.ndarray:
    drawn = np.zeros(shape, np.uint8)
    drawn[2, 30:60, 34:58] = 1
    return drawn


def made_of(volume, demo, draw) -> np.ndarray:
    """The mask that a run makes of the prompts that a session on this machine makes of the same strokes."""
    session = Session(volume, demo)
    draw(session)
    prompts = list(session.state.items[1].prompts.values())
    return usframe.segment(volume, prompts, demo, mode="propagate").mask


def test_a_point(view, address, vessel, demo):
    viewer = view(address, vessel.data)
    viewer.remote.add_point_interaction([1, 40, 44], include_interaction=True)
    prompt = Prompt(1, 1, points=np.array([[44, 40]], np.float32), point_labels=np.ones(1, np.int64))
    np.testing.assert_array_equal(viewer.mask, usframe.segment(vessel, [prompt], demo, mode="propagate").mask)
    assert viewer.mask.any()


def test_a_box_is_half_open(view, address, vessel, demo):
    viewer = view(address, vessel.data)
    changed = viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
    expected = usframe.segment(vessel, [Prompt(1, 1, box=BOX)], demo, mode="propagate").mask
    np.testing.assert_array_equal(viewer.mask, expected)
    assert changed == [[int(at.min()), int(at.max()) + 1] for at in np.nonzero(expected)]


def test_points_and_a_box_on_several_slices(view, address, vessel, demo):
    viewer = view(address, vessel.data)
    viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
    viewer.remote.add_point_interaction([1, 2, 2], include_interaction=False)
    viewer.remote.add_point_interaction([3, 40, 44], include_interaction=True)
    prompts = [
        Prompt(1, 1, box=BOX, points=np.array([[2, 2]], np.float32), point_labels=np.zeros(1, np.int64)),
        Prompt(3, 1, points=np.array([[44, 40]], np.float32), point_labels=np.ones(1, np.int64)),
    ]
    np.testing.assert_array_equal(viewer.mask, usframe.segment(vessel, prompts, demo, mode="propagate").mask)


@pytest.mark.parametrize("cut", [False, True])
def test_a_scribble(view, address, vessel, demo, cut):
    viewer, drawn = view(address, vessel.data), line()
    part = {"interaction_bbox": [[1, 2], [40, 50], [20, 70]]} if cut else {}
    sent = drawn[1:2, 40:50, 20:70] if cut else drawn
    viewer.remote.add_scribble_interaction(sent, include_interaction=True, **part)
    expected = made_of(vessel, demo, lambda session: session.go_over(1, drawn[1] > 0))
    np.testing.assert_array_equal(viewer.mask, expected)
    assert viewer.mask[[0, 3]].any((1, 2)).all()


def test_a_lasso(view, address, vessel, demo):
    viewer, held = view(address, vessel.data), area()
    viewer.remote.add_lasso_interaction(held, include_interaction=True)
    expected = made_of(vessel, demo, lambda session: session.enclose(2, held[2] > 0))
    np.testing.assert_array_equal(viewer.mask, expected)
    assert viewer.mask.any()


def test_a_scribble_on_several_slices_prompts_each(view, address, vessel, demo):
    viewer, drawn = view(address, vessel.data), np.zeros(vessel.data.shape, bool)
    drawn[0:3, 44:48, 30:62] = True
    viewer.remote.add_scribble_interaction(drawn, include_interaction=True)

    def draw(session: Session) -> None:
        for frame in range(3):
            session.go_over(frame, drawn[frame])

    np.testing.assert_array_equal(viewer.mask, made_of(vessel, demo, draw))
    assert viewer.remote.undo()
    assert not viewer.mask.any()


def test_a_lasso_in_another_view_is_a_scribble_on_each_slice(view, address, vessel, demo):
    viewer, held = view(address, vessel.data), np.zeros(vessel.data.shape, bool)
    held[1:3, 46, 30:62] = True
    viewer.remote.add_lasso_interaction(held, include_interaction=True)

    def draw(session: Session) -> None:
        session.go_over(1, held[1])
        session.go_over(2, held[2])

    np.testing.assert_array_equal(viewer.mask, made_of(vessel, demo, draw))


def test_what_was_carried_is_corrected_by_a_point_outside(view, address, vessel, demo):
    viewer = view(address, vessel.data)
    viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
    y, x = np.argwhere(viewer.mask[3])[0].tolist()
    viewer.remote.add_point_interaction([3, y, x], include_interaction=False)

    def draw(session: Session) -> None:
        session.box(1, BOX)
        session.propagate()
        session.scribble(3, np.array([[x, y]], np.float32), inside=False)

    np.testing.assert_array_equal(viewer.mask, made_of(vessel, demo, draw))


def test_what_a_box_or_a_lasso_outside_holds_is_taken_away(view, address, vessel):
    viewer = view(address, vessel.data)
    viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
    assert viewer.mask[2, :45].any()
    viewer.remote.add_bbox_interaction([[2, 3], [0, 45], [0, 96]], include_interaction=False)
    assert not viewer.mask[2, :45].any()
    assert viewer.mask[2].any()
    held = np.zeros(vessel.data.shape, np.uint8)
    held[3] = 1
    viewer.remote.add_lasso_interaction(held, include_interaction=False)
    assert not viewer.mask[3].any()
    assert viewer.mask[[0, 1, 2]].any((1, 2)).all()


def test_undo_goes_back_one_interaction_at_a_time(view, address, vessel):
    viewer = view(address, vessel.data)
    assert viewer.remote.supports_undo
    viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
    first = viewer.mask.copy()
    viewer.remote.add_point_interaction([3, 40, 44], include_interaction=True)
    viewer.remote.add_scribble_interaction(line(), include_interaction=True)
    assert [viewer.remote.undo(), viewer.remote.undo()] == [True, True]
    np.testing.assert_array_equal(viewer.mask, first)
    assert viewer.remote.undo()
    assert not viewer.mask.any()
    assert not viewer.remote.undo()


def test_a_second_object_knows_nothing_of_the_first(view, address, vessel, demo):
    viewer = view(address, vessel.data)
    viewer.remote.add_point_interaction([0, 10, 10], include_interaction=True)
    viewer.remote.reset_interactions()
    assert not viewer.mask.any()
    assert not viewer.remote.undo()
    viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
    expected = usframe.segment(vessel, [Prompt(1, 1, box=BOX)], demo, mode="propagate").mask
    np.testing.assert_array_equal(viewer.mask, expected)


def test_what_is_drawn_without_a_prediction_waits_for_one(view, address, vessel, demo):
    viewer = view(address, vessel.data)
    viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True, run_prediction=False)
    assert not viewer.mask.any()
    assert viewer.remote._predict() is not None
    expected = usframe.segment(vessel, [Prompt(1, 1, box=BOX)], demo, mode="propagate").mask
    np.testing.assert_array_equal(viewer.mask, expected)


def test_a_mask_from_elsewhere_is_gone_on_with(view, address, vessel, demo):
    viewer, given = view(address, vessel.data), area()
    viewer.remote.add_initial_seg_interaction(given)
    np.testing.assert_array_equal(viewer.mask, given)
    assert not viewer.remote.undo()
    viewer.remote.add_point_interaction([0, 40, 44], include_interaction=True)
    session = Session(vessel, demo)
    session.paint(2, given[2] > 0)
    session.point(0, (44, 40))
    session.propagate()
    np.testing.assert_array_equal(viewer.mask, session.mask)
    np.testing.assert_array_equal(viewer.mask[2], given[2])
    viewer.remote.undo()
    np.testing.assert_array_equal(viewer.mask, given)


def test_a_backbone_without_memory_answers_the_slice_that_was_drawn_on(view, start, vessel, demo):
    class WithoutMemory:
        image_size, module, checkpoint = demo.image_size, demo.module, demo.checkpoint
        encode, decode = staticmethod(demo.encode), staticmethod(demo.decode)

    with start(WithoutMemory()) as address:
        viewer = view(address, vessel.data)
        viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
        expected = usframe.segment(vessel, [Prompt(1, 1, box=BOX)], demo).mask
        np.testing.assert_array_equal(viewer.mask, expected)
        viewer.remote.close()


@pytest.mark.parametrize("kind", [np.bool_, np.int16, np.uint16, np.float64])
def test_a_volume_of_any_kind_and_one_slice(view, address, demo, kind):
    rng = np.random.default_rng(0)
    image = (rng.random((1, 40, 50)) * 200).astype(kind)
    viewer = view(address, image)
    viewer.remote.add_bbox_interaction([[0, 1], [10.0, 30.5], [-3, 25]], include_interaction=True)
    volume = usframe.Volume(image.astype(np.uint8) if kind is np.bool_ else image)
    prompt = Prompt(0, 1, box=np.array([0, 10, 24, 29.5], np.float32))
    np.testing.assert_array_equal(viewer.mask, usframe.segment(volume, [prompt], demo, mode="propagate").mask)


def test_after_a_restart_the_client_says_that_its_session_is_gone(view, start, vessel, demo):
    with start(demo) as address:
        viewer = view(address, vessel.data)
        viewer.remote._http.headers["X-Lease-Token"] = "of another run of the server"
        with pytest.raises(SessionExpiredError, match="not known"):
            viewer.remote.add_point_interaction([1, 40, 44], include_interaction=True)
        again = view(address, vessel.data)
        again.remote.add_point_interaction([1, 40, 44], include_interaction=True)
        assert again.mask.any()
        again.remote.close()
        viewer.remote.close()


@pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings are not part of a clone")
def test_a_real_carotid_run(view, address, demo):
    path = sorted((DATA / "carotid/volumes").iterdir())[0]
    volume = usframe.read_volume(path)
    volume = usframe.Volume(volume.data[:12])
    _, height, width = volume.data.shape
    viewer = view(address, volume.data)
    box = [width // 4, height // 4, width // 2, height // 2]
    viewer.remote.add_bbox_interaction([[5, 6], [box[1], box[3] + 1], [box[0], box[2] + 1]], True)
    prompt = Prompt(5, 1, box=np.array(box, np.float32))
    np.testing.assert_array_equal(viewer.mask, usframe.segment(volume, [prompt], demo, mode="propagate").mask)
    assert viewer.mask.any()
