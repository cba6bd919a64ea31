"""Filling: what becomes of slices between prompted ones, from a toy that sees bright squares and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import usframe_
from hypothesis import given
from hypothesis import strategies as st
from toy_backbones import SIDE, Toy, ToyWithMemory

import usframe
from usframe import Decoded, Prompt, RequestError, Volume
from usframe.geometry import from_model
from usframe.inference.blend import Blend
from usframe.inference.fill import chosen, gaps
from usframe.inference.spool import Spool
from usframe.inference.trust import LEAST, MEMORY, SHAPE, Place, Trust, memory_share

DEPTH = 12


def square(frame: int, *, speed: float = 1.0, side: int = 12) -> np.ndarray:
    """An object that moves to the right, (SIDE, SIDE) bool."""
    mask = np.zeros((SIDE, SIDE), bool)
    first = round(2 + speed * frame)
    mask[8 : 8 + side, first : first + side] = True
    return mask


def volume(shown: dict[int, np.ndarray]) -> Volume:
    data = np.full((DEPTH, SIDE, SIDE), 0.4, np.float32)
    for frame, mask in shown.items():
        data[frame][mask] = 0.9
    return Volume(data)


@pytest.fixture
def moving() -> dict[int, np.ndarray]:
    return {frame: square(frame) for frame in range(DEPTH)}


def drawn(shown: dict[int, np.ndarray], *frames: int, one: int = 1) -> list[Prompt]:
    return [Prompt(frame, one, mask=shown[frame]) for frame in frames]


def fill(shown, prompts, backbone=None, how="both", **more):
    backbone = backbone or ToyWithMemory()
    return usframe.segment(volume(shown), prompts, backbone, mode="propagate", intensity="none", fill=how, **more)


def test_between_two_masks_the_shape_moves_along_and_masks_come_back_as_drawn(moving):
    for how in ("both", "shape"):
        answer = fill(moving, drawn(moving, 0, 8), how=how)
        for frame in (0, 8):
            np.testing.assert_array_equal(answer.mask[frame] > 0, moving[frame])
    for frame in range(9):
        wrong = (answer.mask[frame] > 0) ^ moving[frame]
        assert wrong.sum() <= 0.1 * moving[frame].sum(), frame
    assert np.isfinite(answer.predicted_iou).sum() == 2  # the shape alone asks about prompted slices only


def test_where_the_memory_sees_nothing_from_either_side_there_is_nothing(moving):
    """The object is gone on slices 4 and 5, and the shape between 2 and 8 would be there."""
    gone = {frame: mask for frame, mask in moving.items() if frame not in (4, 5)}
    dark = volume(gone).data
    dark[4:6] = 0
    answer = usframe.segment(
        Volume(dark), drawn(moving, 2, 8), Blind(), mode="propagate", intensity="none", fill="both"
    )
    assert answer.mask.any((1, 2)).tolist() == [frame not in (4, 5) for frame in range(DEPTH)]


class Blind(ToyWithMemory):
    """No object is seen on a dark slice."""

    def decode(self, features, prompts, index, **how):
        decoded = super().decode(features, prompts, index, **how)
        seen = features[list(index), 0].amax((1, 2)) > 0.1
        presence = decoded.presence.masked_fill(~seen, -5.0)
        return type(decoded)(decoded.logits, decoded.iou, presence)


def test_objects_have_prompts_and_slices_of_their_own(moving):
    other = {frame: np.roll(mask, 14, axis=0) for frame, mask in moving.items()}
    prompts = [*drawn(moving, 1, 9), *drawn(other, 4, one=2)]
    answer = fill(moving, prompts)
    assert answer.object_ids == (1, 2)
    assert (answer.mask[1] == 1).sum() == moving[1].sum()
    assert (answer.mask[4] == 2).any()


def test_every_slice_is_encoded_once_and_for_the_shape_only_prompted_ones(moving):
    for how, slices in (("both", DEPTH), ("shape", 2)):
        toy, encoded = ToyWithMemory(), []
        encode = toy.encode
        toy.encode = lambda images, encode=encode, encoded=encoded: encoded.append(1) or encode(images)
        fill(moving, drawn(moving, 2, 8), toy, how)
        assert len(encoded) == slices


def test_the_shape_needs_no_memory_but_the_image_does(moving):
    assert fill(moving, drawn(moving, 2, 8), Toy(), "shape").mask.any()
    with pytest.raises(RequestError, match="has no memory to propagate with"):
        fill(moving, drawn(moving, 2, 8), Toy())


def test_from_a_single_prompted_slice_it_is_the_memory_alone_and_from_none_nothing(moving):
    memory = fill(moving, drawn(moving, 3), how="memory").mask
    answer = fill(moving, drawn(moving, 3)).mask
    np.testing.assert_array_equal(np.delete(answer, 3, 0), np.delete(memory, 3, 0))
    assert not fill(moving, []).mask.any()


def test_nothing_is_filled_outside_of_z_range(moving):
    answer = fill(moving, drawn(moving, 4, 7), z_range=(3, 9))
    assert answer.mask.any((1, 2)).tolist() == [3 <= frame <= 9 for frame in range(DEPTH)]


def test_beyond_the_prompted_slices_what_is_more_likely_wrong_than_right_is_not_there():
    """A memory that was wrong on the prompted slices, is unsure, and sees something of another shape."""
    logits = np.full((1, 1, SIDE // 4, SIDE // 4), -9.0, np.float32)
    logits[..., 4:, 4:] = 9
    seen = Decoded(torch.from_numpy(logits), torch.full((1, 1), 0.1), torch.ones(1))
    with Spool() as spool:
        answers = spool.answers([1], DEPTH, SIDE // 4)
        blend = Blend((DEPTH, SIDE, SIDE), answers, {})
        for frame in range(DEPTH):
            answers.put((1,), frame, seen)
        for frame in (0, 3, 6):
            blend.show(1, frame, square(frame, speed=3, side=4), drawn=True)
        for frame in (0, 3, 6):
            blend.learn(1, frame, from_model(logits[:, 0], (SIDE, SIDE))[0] > 0)
        answer = blend.result(keep_logits=False)
    assert answer.quality.error[0, 11] > 0.5
    assert not answer.mask[11].any()
    assert answer.mask[4].any()


def test_the_error_that_is_expected_grows_away_from_prompted_slices(moving):
    error = fill(moving, drawn(moving, 2, 8)).quality.error[0]
    assert error[2] == error[8] == error.min()
    assert error[5] > error[3]
    assert error[11] > error[9]
    agreement = fill(moving, drawn(moving, 2, 8)).quality.agreement[0]
    assert np.isnan(agreement[[2, 8]]).all()
    assert ((agreement >= 0) & (agreement <= 1))[[3, 4, 5, 6, 7, 9, 10, 11]].all()


def test_another_way_to_fill_is_refused(moving):
    with pytest.raises(RequestError, match="fill=nearest is not possible; choose one of memory, shape, both"):
        fill(moving, drawn(moving, 2, 8), how="nearest")


# how far each way is trusted


def test_a_place_between_prompted_slices_is_nearer_than_the_nearest_of_them():
    assert Place.of(5, [0, 10]) == (2.5, True)
    assert Place.of(2, [0, 10]) == (1.6, True)
    assert Place.of(12, [0, 10]) == (2, False)
    assert Place.of(10, [0, 10]) == (0, True)


def test_what_was_seen_of_this_volume_counts_more_than_what_is_typical():
    there, trust = Place.of(5, [0, 10]), Trust()
    typical = trust.features(there, 0.8, 0.9)
    np.testing.assert_allclose(np.exp(typical[2:]) - LEAST, [SHAPE.error(there), MEMORY.error(there), 0.2, 0.1])
    trust.learn(Place.of(0, [10]), shape=0.9, memory=0.1)
    learned = trust.features(there, 0.8, 0.9)
    assert learned[2] > typical[2]
    assert learned[3] < typical[3]
    assert memory_share(learned) > memory_share(typical)


def test_a_way_that_the_network_is_sure_of_counts_more():
    there, trust = Place.of(5, [0, 10]), Trust()
    shares = [memory_share(trust.features(there, iou, 0.9)) for iou in (0.5, 0.8, 0.95)]
    assert shares == sorted(shares)


@given(st.sets(st.integers(0, 40), min_size=1, max_size=20))
def test_gaps_hold_every_slice_without_a_prompt_once(frames):
    prompted = sorted(frames)
    between = [frame for first, last in gaps(prompted, 41) for frame in range(first + 1, last)]
    assert sorted([*between, *prompted]) == list(range(41))
    left_out = chosen(prompted)
    assert set(left_out) <= frames
    assert len(left_out) == (0 if len(frames) < 2 else min(len(frames), 8))


# what is remembered


def test_a_slice_of_little_quality_and_a_mask_that_floods_are_not_remembered(data):
    for drift in ("drift.least_iou=1", "drift.most_growth=0.001", "drift.candidate=first"):
        for fill in ("memory", "both"):
            words = data.request("-p", "mask", "-o", f"{data.out}_{fill}_{drift[6:11]}", f"fill={fill}", drift)
            done = usframe_(words[0], "propagate", *words[1:], "frames=uniform:2")
            assert done.exit_code == 0, done.output


def test_a_run_fills_and_says_how(data):
    words = data.request("-p", "mask", "frames=[1,3]")
    done = usframe_(words[0], "fill", *words[1:])
    assert done.exit_code == 0, done.output
    assert "fill: both" in (data.out / "experiment.yaml").read_text()
    assert "interpolated label" in done.output
    wrong = usframe_(words[0], *words[1:-1], "frames=largest", "fill=both", "overwrite=true")
    assert "fill=both is for mode=propagate" in wrong.output
