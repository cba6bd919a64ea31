"""Propagation on a tiny real network with random weights: what is visited, remembered and shared."""

from __future__ import annotations

import numpy as np
import pytest

import usframe
from usframe import Prompt, RequestError, Volume
from usframe.propagate import propagate_slices


@pytest.fixture(scope="module")
def backbone():
    return usframe.load_backbone("demo", checkpoint="random", device="cpu", precision="fp32")


@pytest.fixture
def volume():
    return Volume(np.random.default_rng(0).random((6, 60, 90), np.float32))


def box(frame: int, object_id: int = 1, edges=(20, 10, 60, 40)) -> Prompt:
    return Prompt(frame, object_id, box=np.array(edges, np.float32))


def propagate(volume, prompts, backbone):
    return usframe.segment(volume, prompts, backbone, mode="propagate", keep_logits=True)


def test_one_prompt_reaches_every_slice_before_and_after_it(backbone, volume):
    answer = propagate(volume, [box(2)], backbone)
    assert answer.mask.shape == volume.data.shape
    assert np.isfinite(answer.predicted_iou).all()
    assert answer.logits.shape == (1, 6, 64, 64)
    assert np.isfinite(answer.logits).all()


def test_a_mask_prompt_comes_back_unchanged_on_its_own_slice(backbone, volume):
    mask = np.zeros((60, 90), bool)
    mask[16:44, 24:68] = True
    answer = propagate(volume, [Prompt(3, 1, mask=mask)], backbone)
    assert np.mean((answer.mask[3] > 0) != mask) < 0.02


def test_every_slice_is_encoded_once_whatever_is_asked(backbone, volume, monkeypatch):
    encoded = []
    encode = backbone.encode
    monkeypatch.setattr(backbone, "encode", lambda images: encoded.append(len(images)) or encode(images))
    sets = {"a": [box(1), box(4, 2), box(5, 2)], "b": [box(3), box(0, 2, (5, 5, 30, 30))]}
    seen = []
    propagate_slices(volume.data, sets, backbone, progress=seen.append)
    assert encoded == seen == [1] * 6


def test_objects_and_strategies_do_not_disturb_each_other(backbone, volume):
    sets = {"a": [box(1), box(4, 2, (5, 5, 40, 50))], "b": [box(4, 2, (5, 5, 40, 50))]}
    together = propagate_slices(volume.data, sets, backbone, keep_logits=True)
    alone = propagate(volume, sets["b"], backbone)
    np.testing.assert_allclose(together["b"].logits, alone.logits, atol=1e-4)
    np.testing.assert_allclose(together["a"].logits[1], alone.logits[0], atol=1e-4)


def test_objects_prompted_on_the_same_slices_are_tracked_as_one_batch(backbone, volume):
    prompts = [box(2, 1), box(2, 9, (5, 5, 40, 50))]
    batch = propagate(volume, prompts, backbone)
    assert batch.object_ids == (1, 9)
    for row, prompt in enumerate(prompts):
        np.testing.assert_allclose(batch.logits[row], propagate(volume, [prompt], backbone).logits[0], atol=1e-3)


def test_a_prompted_slice_keeps_the_answer_to_its_own_prompt(backbone, volume):
    prompts = [box(1), box(4, 1, (30, 10, 70, 40))]
    answer = propagate(volume, prompts, backbone)
    slices = usframe.segment(volume, prompts, backbone, keep_logits=True)
    np.testing.assert_allclose(answer.predicted_iou[:, [1, 4]], slices.predicted_iou[:, [1, 4]], atol=1e-4)


def test_no_prompt_at_all_is_an_empty_mask(backbone, volume):
    answer = propagate(volume, [], backbone)
    assert not answer.mask.any()
    assert answer.object_ids == ()


def test_a_backbone_without_memory_says_so(backbone, volume, monkeypatch):
    def no_memory(features, decoded):
        raise NotImplementedError

    monkeypatch.setattr(backbone, "memorize", no_memory)
    with pytest.raises(RequestError, match="has no memory to propagate with; use mode=slice"):
        propagate(volume, [box(0)], backbone)


def test_an_unknown_mode_names_the_known_ones(backbone, volume):
    with pytest.raises(RequestError, match="mode=track is not possible; choose one of slice, propagate"):
        usframe.segment(volume, [], backbone, mode="track")
