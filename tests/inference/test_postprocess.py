"""Steps after the network: in the order given, on copies, and what a plugin answers is checked."""

from __future__ import annotations

import numpy as np
import pytest

from usframe import CaseError
from usframe.inference.postprocess import clean_mask

MASK = np.array([[[0, 1, 1], [2, 0, 1]]], np.uint8)


def drop(object_id):
    def step(mask, *, spacing_mm):
        mask[mask == object_id] = 0
        return mask

    return step


def test_steps_follow_each_other_and_the_mask_itself_is_left_alone():
    seen = []

    def look(mask, *, spacing_mm):
        seen.append((sorted(np.unique(mask).tolist()), spacing_mm))
        return mask

    steps = {"first": drop(1), "look": look, "second": drop(2)}
    assert not clean_mask(MASK, steps, (1.0, 2.0, 3.0)).any()
    assert seen == [([0, 2], (1.0, 2.0, 3.0))]
    assert np.unique(MASK).tolist() == [0, 1, 2]


def test_no_step_is_no_change():
    assert clean_mask(MASK, {}, None) is MASK


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda mask, *, spacing_mm: mask > 0, r"postprocessing mine returned bool \(1, 2, 3\), not uint8"),
        (lambda mask, *, spacing_mm: mask[0], r"returned uint8 \(2, 3\), not uint8 \(1, 2, 3\)"),
        (lambda mask, *, spacing_mm: None, "postprocessing mine returned NoneType"),
        (lambda mask, *, spacing_mm: mask + np.uint8(3), "postprocessing mine made up object 3"),
        (lambda mask, *, spacing_mm: 1 / 0, r"mine failed: ZeroDivisionError: .*test_postprocess.py:\d+"),
    ],
)
def test_a_step_that_answers_wrongly_is_named(step, message):
    with pytest.raises(CaseError, match=message) as caught:
        clean_mask(MASK, {"mine": step}, None)
    assert len(str(caught.value).splitlines()) == 1
