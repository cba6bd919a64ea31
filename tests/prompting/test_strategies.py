"""From labels to prompts: slices, objects, pieces, margin, noise, and unusable strategies."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from usframe.errors import CaseError, RequestError
from usframe.plugins.arguments import needs_labels
from usframe.plugins.load import load_plugins
from usframe.prompting.strategies import Noise, make_prompts
from usframe.types import Prompt

BUILT_IN = {entry.name: entry.load() for entry in load_plugins().prompts if needs_labels(entry.load())}
STRATEGIES = st.sampled_from(sorted(BUILT_IN)).map(BUILT_IN.get)
LABELS = arrays(np.uint8, st.tuples(*[st.integers(1, size) for size in (3, 9, 7)]), elements=st.integers(0, 3))
NOISE = st.builds(Noise, box=st.floats(0, 1.5), point=st.floats(0, 1), mask=st.integers(0, 4))
PIECES = st.sampled_from(["largest", "all", "merged"])
few = settings(max_examples=40, deadline=None)


def box(mask, *, frame, object_id, rng):
    return BUILT_IN["box"](mask, frame=frame, object_id=object_id, rng=rng)


def whole(mask, *, frame, object_id, rng):
    return Prompt(frame, object_id, mask=mask)


def same(one, other):
    parts = ("frame", "object_id", "points", "point_labels", "box", "mask")
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in parts)


def two_pieces():
    """Object 1 in a piece of 12 pixels and one of 4, touching nowhere; object 2 on the second slice only."""
    labels = np.zeros((3, 12, 16), np.uint8)
    labels[0, 1:3, 1:3] = 1
    labels[0, 6:9, 8:12] = 1
    labels[1, 4, 5] = 2
    return labels


def test_every_object_of_every_slice_gets_a_prompt_and_a_slice_without_object_none():
    prompts = make_prompts(two_pieces(), box)
    assert [(p.frame, p.object_id) for p in prompts] == [(0, 1), (1, 2)]


def test_only_the_slices_asked_for_are_prompted():
    assert [p.frame for p in make_prompts(two_pieces(), box, frames={1: [1], 2: [1, 2]})] == [1]


@pytest.mark.parametrize(
    ("components", "boxes"),
    [
        ("largest", [[8, 6, 11, 8]]),
        ("all", [[8, 6, 11, 8], [1, 1, 2, 2]]),
        ("merged", [[1, 1, 11, 8]]),
    ],
)
def test_an_object_in_two_pieces(components, boxes):
    prompts = make_prompts(two_pieces(), box, components=components, frames={1: [0]})
    assert [p.box.tolist() for p in prompts] == boxes
    assert {p.object_id for p in prompts} == {1}


def test_pieces_that_touch_at_a_corner_are_one_piece():
    labels = np.eye(5, dtype=np.uint8)[None]
    (prompt,) = make_prompts(labels, whole, components="all")
    assert np.array_equal(prompt.mask, labels[0] == 1)


def test_the_box_margin_is_in_pixels_and_ends_at_the_image():
    (prompt,) = make_prompts(two_pieces(), box, box_margin=4.5, frames={1: [0]})
    assert prompt.box.tolist() == [3.5, 1.5, 15, 11]


@few
@given(LABELS, STRATEGIES, PIECES)
def test_without_noise_the_strategys_own_answer_comes_back(labels, strategy, components):
    answers = []

    def spy(mask, **where):
        answers.append(strategy(mask, **where))
        return answers[-1]

    prompts = make_prompts(labels, spy, components=components)
    assert all(map(same, prompts, answers))
    assert len(prompts) == len(answers)


@few
@given(LABELS, STRATEGIES, PIECES, NOISE, st.floats(0, 20), st.integers(0, 99))
def test_noisy_prompts_stay_within_the_image_and_never_vanish(labels, strategy, components, noise, margin, seed):
    _, height, width = labels.shape
    options = {"components": components, "noise": noise, "box_margin": margin, "seed": seed}
    prompts = make_prompts(labels, strategy, **options)
    assert {(p.frame, p.object_id) for p in prompts} == {
        (frame, int(i)) for frame, plane in enumerate(labels) for i in np.unique(plane[plane > 0])
    }
    for prompt in prompts:
        if prompt.box is not None:
            left, top, right, bottom = prompt.box
            assert 0 <= left <= right <= width - 1
            assert 0 <= top <= bottom <= height - 1
        if prompt.points is not None:
            x, y = prompt.points[0].astype(int)
            assert labels[prompt.frame, y, x] == prompt.object_id
        if prompt.mask is not None:
            assert prompt.mask.any()


@few
@given(LABELS, STRATEGIES, NOISE, st.integers(0, 99))
def test_noise_does_not_depend_on_which_other_slices_are_prompted(labels, strategy, noise, seed):
    options = {"noise": noise, "seed": seed, "components": "all"}
    together = make_prompts(labels, strategy, **options)
    frames = [{one: [frame] for one in range(1, 256)} for frame in range(len(labels))]
    alone = [p for chosen in frames for p in make_prompts(labels, strategy, frames=chosen, **options)]
    assert len(together) == len(alone)
    assert all(map(same, together, alone))


def test_the_seed_changes_the_noise_and_repeats_it():
    labels = np.zeros((1, 64, 64), np.uint8)
    labels[0, 20:40, 20:40] = 1
    first, again, other = (make_prompts(labels, box, noise=Noise(box=0.2), seed=s)[0] for s in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_box_noise_is_a_share_of_the_side_of_the_box():
    labels = np.zeros((50, 300, 300), np.uint8)
    labels[:, 100:110, 100:200] = 1
    moved = np.array([p.box for p in make_prompts(labels, box, noise=Noise(box=0.2))]) - [100, 100, 199, 109]
    assert (np.abs(moved) <= [20, 2, 20, 2]).all()
    assert (np.abs(moved).max(axis=0) > [15, 1.5, 15, 1.5]).all()


def test_noise_on_the_mask_is_an_erosion_or_dilation_up_to_its_radius():
    labels = np.zeros((60, 40, 40), np.uint8)
    labels[:, 10:30, 10:30] = 1
    sides = {int(p.mask.any(axis=0).sum()) for p in make_prompts(labels, whole, noise=Noise(mask=2))}
    assert sides == {16, 18, 20, 22, 24}


def test_an_erosion_that_would_empty_the_mask_is_reduced():
    labels = np.zeros((20, 30, 30), np.uint8)
    labels[:, 10:15, 10:15] = 1
    sizes = {int(p.mask.sum()) for p in make_prompts(labels, whole, noise=Noise(mask=9))}
    assert min(sizes) == 1


def test_only_positive_points_move_and_only_with_their_probability():
    def inside_and_outside(mask, *, frame, object_id, rng):
        points = np.array([[5, 5], [0, 0]], np.float32)
        return Prompt(frame, object_id, points=points, point_labels=np.array([1, 0]))

    labels = np.zeros((200, 12, 12), np.uint8)
    labels[:, 4:8, 4:8] = 1
    prompts = make_prompts(labels, inside_and_outside, noise=Noise(point=0.5))
    assert all(p.points[1].tolist() == [0, 0] for p in prompts)
    stayed = sum(p.points[0].tolist() == [5, 5] for p in prompts)
    assert 80 < stayed < 140
    assert {tuple(p.points[0].astype(int)) for p in prompts} == {(x, y) for x in range(4, 8) for y in range(4, 8)}


def test_a_strategy_may_decline():
    assert make_prompts(two_pieces(), lambda mask, **where: None) == []


def test_what_a_strategy_does_to_its_mask_changes_nothing_else():
    def vandal(mask, *, frame, object_id, rng):
        prompt = whole(mask.copy(), frame=frame, object_id=object_id, rng=rng)
        mask[:] = True
        return prompt

    labels = two_pieces()
    noise = Noise(mask=1)
    assert all(map(same, make_prompts(labels, vandal, noise=noise), make_prompts(labels, whole, noise=noise)))


def points(*xy, labels=None):
    return {
        "points": np.array(xy, np.float32),
        "point_labels": np.ones(len(xy), int) if labels is None else labels,
    }


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        (points([16, 3]), "outside the slice of 16 x 12"),
        (points([3, -1]), "outside the slice of 16 x 12"),
        (points([np.nan, 1]), "outside the slice"),
        (points(1, 2), "shape (N, 2), not (2,)"),
        (points([1, 2], labels=np.array([2])), "point_labels must be a 0 or 1"),
        (points([1, 2], labels=np.array([1, 1])), "point_labels must be a 0 or 1"),
        ({"box": np.array([1, 2, 3])}, "shape (4,), not (3,)"),
        ({"box": np.array([5, 2, 3, 4])}, "no xyxy box within 16 x 12"),
        ({"box": np.array([1, 2, 3, 12])}, "no xyxy box within 16 x 12"),
        ({"box": np.array([1, 2, 3, np.inf])}, "no xyxy box within 16 x 12"),
        ({"box": "left"}, "could not convert"),
        ({"mask": np.zeros((12, 16), bool)}, "mask is empty"),
        ({"mask": np.ones((16, 12), bool)}, "shape (12, 16), not bool of shape (16, 12)"),
        ({"mask": np.ones((12, 16), np.uint8)}, "must be bool"),
        ({"frame": 1}, "answered frame 1, object 1 when asked for frame 0, object 1"),
        ({"object_id": 7}, "answered frame 0, object 7 when asked for frame 0, object 1"),
    ],
)
def test_an_unusable_prompt_is_one_line_that_names_the_strategy(changes, cause):
    def careless(mask, **where):
        return replace(whole(mask, **where), **changes)

    with pytest.raises(CaseError) as error:
        make_prompts(two_pieces(), careless)
    assert "\n" not in str(error.value)
    assert "prompt strategy careless" in str(error.value)
    assert cause in str(error.value)


def test_a_strategy_that_fails_or_returns_something_else_is_named_too():
    def broken(mask, **where):
        raise KeyError("depth")

    with pytest.raises(CaseError, match="prompt strategy broken failed on frame 0, object 1: KeyError"):
        make_prompts(two_pieces(), broken)
    with pytest.raises(CaseError, match="returned a ndarray for frame 0, object 1"):
        make_prompts(two_pieces(), lambda mask, **where: mask)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(RequestError, match="components=biggest is not known; use one of largest, all, merged"):
        make_prompts(two_pieces(), box, components="biggest")
    with pytest.raises(RequestError, match="box_margin=-1"):
        make_prompts(two_pieces(), box, box_margin=-1)
    with pytest.raises(RequestError, match="frame 3 cannot be prompted: the volume has the frames 0 to 2"):
        make_prompts(two_pieces(), box, frames={1: [3]})
    with pytest.raises(RequestError) as error:
        make_prompts(two_pieces(), box, noise=Noise(box=-1, point=2, mask=-1))
    assert [problem.partition(" ")[0] for problem in error.value.problems] == [
        "noise.box=-1",
        "noise.point=2",
        "noise.mask=-1",
    ]
