"""Whether one answer is better than another: paired tests over patients, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

ALPHA = 0.05
LEAST_PAIRS = 6  # with fewer, no exact two-sided p value can be below `ALPHA`


@dataclass(frozen=True)
class PairedTest:
    """``n``: patients with both scores. ``difference``: mean of first minus second. ``p``: None with the reason."""

    n: int
    difference: float | None
    p: float | None
    reason: str = ""


def paired_test(first: Mapping[str, float], second: Mapping[str, float]) -> PairedTest:
    """The two-sided Wilcoxon signed-rank test (1945) of the scores that both have for a patient.

    Patients without a difference are left out of the ranks, as Wilcoxon did; the p value is exact where
    `scipy.stats.wilcoxon` has it so. It is undefined where fewer than `LEAST_PAIRS` patients differ.
    """
    from scipy.stats import wilcoxon

    both = sorted(first.keys() & second.keys())
    if not both:
        return PairedTest(0, None, None, "no patient has both scores")
    differences = np.array([first[patient] - second[patient] for patient in both])
    mean = float(differences.mean())
    moved = differences[~np.isclose(differences, 0, rtol=0, atol=1e-12)]
    if not len(moved):
        return PairedTest(len(both), mean, None, "no patient differs")
    if len(moved) < LEAST_PAIRS:
        return PairedTest(len(both), mean, None, f"only {len(moved)} patients differ, {LEAST_PAIRS} are needed")
    return PairedTest(len(both), mean, float(wilcoxon(moved).pvalue))


def least_patients(tests: int) -> int:
    """With fewer patients none of so many tests can have a p of `holm` below `ALPHA`, whatever the scores.

    The smallest exact two-sided p of n patients is 2 / 2^n, and the smallest of m tests is multiplied by m.
    """
    return next(n for n in count(LEAST_PAIRS) if tests * 2 / 2**n < ALPHA)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p values adjusted for their number as Holm (1979) does; None stays None and does not count.

    Of m p values in ascending order the k-th (from 1) becomes the largest of (m - j + 1) p_j for j <= k, at most 1.
    """
    adjusted: list[float | None] = [None] * len(p_values)
    known = sorted((p, n) for n, p in enumerate(p_values) if p is not None)
    largest = 0.0
    for rank, (p, n) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[n] = largest
    return adjusted
