"""Paired tests over patients, and their correction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from usframe.scoring.statistics import holm, least_patients, paired_test


def patients(values) -> dict[str, float]:
    return {f"p{n}": float(value) for n, value in enumerate(values)}


def test_holm_on_an_example_by_hand():
    """Ascending: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1; the last may not be below the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_tests_without_a_p_value_do_not_count_among_those_corrected():
    assert holm([None, 0.02, None, 0.03]) == [None, pytest.approx(0.04), None, pytest.approx(0.04)]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrected_values_are_no_smaller_and_in_the_same_order(p_values):
    adjusted = holm(p_values)
    assert all(p <= corrected <= 1 for p, corrected in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_six_patients_all_better_is_the_smallest_p_of_six():
    """All 2^6 signs are equally likely; two of them are as extreme."""
    test = paired_test(patients([0.9, 0.8, 0.85, 0.95, 0.7, 0.88]), patients([0.89, 0.78, 0.82, 0.91, 0.65, 0.82]))
    assert test.n == 6
    assert test.p == pytest.approx(2 / 2**6)
    assert test.difference == pytest.approx(0.035)


def test_it_is_the_test_of_scipy():
    first, second = np.random.default_rng(0).random((2, 30))
    assert paired_test(patients(first), patients(second)).p == pytest.approx(wilcoxon(first, second).pvalue)


def test_only_patients_with_both_scores_are_compared():
    test = paired_test({"a": 0.5, "b": 0.6}, {"b": 0.4, "c": 0.1})
    assert (test.n, test.difference) == (1, pytest.approx(0.2))
    nobody = paired_test({"a": 0.5}, {"b": 0.5})
    assert (nobody.n, nobody.difference, nobody.p, nobody.reason) == (0, None, None, "no patient has both scores")


def test_no_difference_and_too_few_patients_have_no_p_value_and_say_why():
    same = patients([0.5] * 10)
    assert paired_test(same, same).p is None
    assert paired_test(same, same).reason == "no patient differs"
    few = paired_test(patients([0.1] * 5), patients([0.2] * 5))
    assert few.p is None
    assert few.reason == "only 5 patients differ, 6 are needed"


@pytest.mark.parametrize(("tests", "least"), [(1, 6), (2, 7), (4, 8), (5, 8), (10, 9), (15, 10)])
def test_the_more_tests_the_more_patients_it_takes_to_decide_any_of_them(tests, least):
    """All patients differ in one direction: nothing has a smaller p."""
    assert least_patients(tests) == least
    best = {n: paired_test(patients(range(1, n + 1)), patients([0] * n)).p for n in (least, least - 1)}
    assert holm([best[least]] * tests)[0] < 0.05
    assert best[least - 1] is None or holm([best[least - 1]] * tests)[0] >= 0.05
