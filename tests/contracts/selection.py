"""A selection rule: from the pixels of an object on each slice to the slices that should be prompted."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from usframe.types import Selection


def gap() -> np.ndarray:
    """Twenty slices, of which the object is on the third to the ninth and on the last four."""
    area = np.zeros(20, np.int64)
    area[2:9] = (3, 8, 20, 21, 21, 9, 1)
    area[16:] = (5, 6, 7, 2)
    return area


AREAS = {
    "an object with a gap": gap(),
    "one slice": np.array([0, 0, 4, 0], np.int64),
    "a volume of one slice": np.array([9], np.int64),
    "every slice the same": np.full(12, 30, np.int64),
}


class SelectionContract:
    """Override ``rule``, with its own arguments bound where they have no default (`functools.partial`)."""

    @pytest.fixture
    def rule(self) -> Selection:
        raise NotImplementedError("override this fixture with the rule to test")

    def ask(self, rule, area: np.ndarray, count: int, *, chosen: tuple[int, ...] = (), known: bool = False) -> list:
        """As usframe asks: with a copy, and with the keywords that the rule takes."""
        expected = np.full(len(area), np.nan)
        if known:
            expected = np.clip(np.linspace(0.9, 0.4, len(area)), 0, 1)
            expected[list(chosen)] = 1.0
        offered = {"rng": np.random.default_rng(3), "chosen": chosen, "expected": expected}
        taken = {key: one for key, one in offered.items() if key in inspect.signature(rule).parameters}
        return list(rule(area.copy(), count, **taken))

    @pytest.mark.parametrize("count", [1, 2, 5, 40])
    @pytest.mark.parametrize("area", AREAS.values(), ids=AREAS)
    def test_it_answers_slices_that_show_the_object_and_no_more_than_it_is_asked_for(self, rule, area, count):
        found = self.ask(rule, area, count)
        assert all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in found)
        assert all(0 <= one < len(area) and area[one] for one in found)
        assert len(set(found)) == len(found) <= count

    @pytest.mark.parametrize("known", [False, True])
    def test_what_is_prompted_already_is_not_answered_again(self, rule, known):
        if "chosen" not in inspect.signature(rule).parameters:
            pytest.skip("it does not ask what is prompted already")
        found = self.ask(rule, gap(), 4, chosen=(5, 17), known=known)
        assert not {5, 17} & {*found}

    @pytest.mark.parametrize("area", AREAS.values(), ids=AREAS)
    def test_chance_comes_from_the_generator_alone(self, rule, area):
        assert self.ask(rule, area, 3) == self.ask(rule, area, 3)

    def test_the_areas_it_gets_are_left_alone(self, rule):
        area = gap()
        offered = {"rng": np.random.default_rng(0), "chosen": (5,), "expected": np.full(len(area), np.nan)}
        taken = {key: one for key, one in offered.items() if key in inspect.signature(rule).parameters}
        list(rule(area, 3, **taken))
        np.testing.assert_array_equal(area, gap())
