"""Slice mode on a tiny real network with random weights: what goes in, what comes out, what is shared."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import usframe
from usframe import CaseError, Prompt, RequestError, Volume
from usframe.inference.slices import segment_slices


@pytest.fixture(scope="module")
def backbone():
    return usframe.load_backbone("demo", checkpoint="random", device="cpu", precision="fp32")


@pytest.fixture
def volume():
    return Volume(np.random.default_rng(0).random((5, 60, 90), np.float32), spacing_mm=(2.0, 0.5, 0.5))


def box(frame: int, object_id: int = 1, edges=(20, 10, 60, 40)) -> Prompt:
    return Prompt(frame, object_id, box=np.array(edges, np.float32))


def test_unprompted_slices_stay_empty_and_unscored(backbone, volume):
    answer = usframe.segment(volume, [box(1), box(3)], backbone, keep_logits=True)
    assert answer.mask.shape == volume.data.shape
    assert answer.mask.dtype == np.uint8
    assert not answer.mask[[0, 2, 4]].any()
    assert np.isnan(answer.predicted_iou[0]).tolist() == [True, False, True, False, True]
    assert answer.logits.shape == (1, 5, 64, 64)
    assert np.isnan(answer.logits[0, 0]).all()
    assert np.isfinite(answer.logits[0, 1]).all()


@pytest.mark.parametrize("mode", ["slice", "propagate"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_that_answers_no_numbers_is_named_and_gives_no_mask(volume, mode, value):
    broken = usframe.load_backbone("demo", checkpoint="random", device="cpu", precision="fp32")
    with torch.no_grad():
        next(value for name, value in broken.module.named_parameters() if "iou_prediction_head" in name)[0] = value
    with pytest.raises(CaseError, match=r"backbone \w+ \(sam2_verbs\.py\): decode returned NaN or infinite"):
        usframe.segment(volume, [box(1)], broken, mode=mode)


def test_no_prompt_at_all_is_an_empty_mask(backbone, volume):
    answer = usframe.segment(volume, [], backbone)
    assert answer.object_ids == ()
    assert not answer.mask.any()


def test_where_objects_overlap_the_larger_logit_wins(backbone, volume):
    prompts = [box(2, 7, (5, 5, 50, 50)), box(2, 3, (20, 5, 80, 55))]
    answer = usframe.segment(volume, prompts, backbone, keep_logits=True)
    assert answer.object_ids == (3, 7)
    alone = {p.object_id: usframe.segment(volume, [p], backbone).mask[2] > 0 for p in prompts}
    np.testing.assert_array_equal(answer.mask[2] > 0, alone[3] | alone[7])
    np.testing.assert_array_equal((answer.mask[2] == 3) & ~alone[7], alone[3] & ~alone[7])


def test_pieces_of_one_object_are_united(backbone, volume):
    pieces = [box(0, 1, (5, 5, 30, 50)), box(0, 1, (50, 5, 80, 50))]
    united = usframe.segment(volume, pieces, backbone)
    apart = [usframe.segment(volume, [piece], backbone).mask[0] > 0 for piece in pieces]
    assert ((united.mask[0] > 0) >= (apart[0] & apart[1])).all()
    assert united.object_ids == (1,)


def test_several_strategies_share_one_encoding_of_each_slice(backbone, volume, monkeypatch):
    encoded = []
    encode = backbone.encode
    monkeypatch.setattr(backbone, "encode", lambda images: encoded.append(len(images)) or encode(images))
    sets = {"box": [box(0), box(1), box(4)], "other box": [box(1, 1, (10, 10, 40, 40)), box(3)]}
    together = segment_slices(volume.data, sets, backbone, batch_size=3)
    assert encoded == [3, 1]
    for name, prompts in sets.items():
        np.testing.assert_array_equal(together[name].mask, usframe.segment(volume, prompts, backbone).mask)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_the_batch_size_changes_nothing(backbone, volume, batch_size):
    prompts = [box(frame) for frame in range(5)]
    answer = usframe.segment(volume, prompts, backbone, batch_size=batch_size, keep_logits=True)
    whole = usframe.segment(volume, prompts, backbone, batch_size=8, keep_logits=True)
    np.testing.assert_allclose(answer.logits, whole.logits, atol=1e-4)


def test_a_single_click_is_ambiguous_and_gets_the_best_of_three(backbone, volume):
    click = Prompt(0, 1, points=np.array([[40, 30]], np.float32), point_labels=np.ones(1, np.int64))
    auto = usframe.segment(volume, [click], backbone, keep_logits=True)
    three = usframe.segment(volume, [click], backbone, keep_logits=True, multimask="always")
    one = usframe.segment(volume, [click], backbone, keep_logits=True, multimask="never")
    np.testing.assert_array_equal(auto.logits[:, 0], three.logits[:, 0])
    assert not np.allclose(auto.logits[:, 0], one.logits[:, 0])


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        (box(5), "slice 5, but the last slice of the volume is 4"),
        (box(0, 256), "object 256; object ids run from 1 to 255"),
        (Prompt(0, 1, mask=np.ones((3, 3), bool)), r"mask prompt has shape \(3, 3\)"),
    ],
)
def test_a_prompt_off_the_volume_is_one_line(backbone, volume, prompt, complaint):
    with pytest.raises(RequestError, match=complaint):
        usframe.segment(volume, [prompt], backbone)
