"""Rules of plugins are asked with what they take, and what they answer is checked."""

from __future__ import annotations

import numpy as np
import pytest

from usframe import CaseError
from usframe.prompting.selections import is_played, select

AREA = np.array([0, 4, 6, 0, 2])


def ask(rule, count=2, **more):
    return select("mine", rule, AREA, count, seed=3, object_id=7, **more)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ([0], "it answered slice 0, which does not show the object"),
        ([5], "it answered slice 5, and the last slice is 4"),
        ([-1], "it answered slice -1, and the last slice is 4"),
        ([1.0], "it answered 1.0, which is no slice number"),
        ([True], "it answered True, which is no slice number"),
        ([1, 1], "it answered a slice twice"),
        ([1, 2, 4], "it answered 3 slices instead of at most 2"),
    ],
)
def test_an_answer_that_cannot_be_prompted_is_told_with_the_rule_and_the_object(answer, line):
    with pytest.raises(CaseError) as told:
        ask(lambda area, count: answer)
    assert str(told.value) == f"selection mine cannot be used for object 7: {line}"


def test_a_slice_that_is_prompted_already_is_told():
    with pytest.raises(CaseError, match="it answered slice 2, which is prompted already"):
        ask(lambda area, count: [2], chosen=(2,))


def test_a_rule_that_fails_or_answers_no_list_is_told():
    with pytest.raises(CaseError, match=r"object 7: ZeroDivisionError: .*test_selections\.py"):
        ask(lambda area, count: 1 / 0)
    with pytest.raises(CaseError, match="selection mine failed on object 7: TypeError: 'NoneType'"):
        ask(lambda area, count: None)


def test_slices_come_in_order_as_plain_numbers():
    assert ask(lambda area, count: np.array([4, 1])) == (1, 4)
    assert ask(lambda area, count: {2}) == (2,)


def test_a_rule_is_given_what_it_takes():
    def rule(area, count, *, chosen, expected):
        area[:] = 0
        assert chosen == (1,)
        assert np.isnan(expected).all()
        return [2]

    assert ask(rule, chosen=(1,)) == (2,)
    assert AREA.any()
    assert is_played(rule)
    assert not is_played(lambda area, count, rng: [])


def test_chance_depends_on_seed_object_and_what_is_chosen():
    def rule(area, count, *, rng):
        drawn.append(rng.random())
        return []

    drawn: list[float] = []
    for seed, one, chosen in ((3, 7, ()), (3, 7, ()), (4, 7, ()), (3, 8, ()), (3, 7, (1,))):
        select("mine", rule, AREA, 1, seed=seed, object_id=one, chosen=chosen)
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 4
