"""Areas, diameters, circumferences and volumes of shapes whose measures are known."""

import csv
import json

import numpy as np
import pytest
from conftest import usframe_
from hypothesis import given
from hypothesis import strategies as st

from usframe.reporting.measures import round_number
from usframe.scoring.measures import agreement, circumference, diameters, measure_rows
from usframe.scoring.table import RowKey


def ellipse(a: float, b: float, angle: float = 0.0, size: int = 161) -> np.ndarray:
    """With the half axes a and b, in the middle of a picture."""
    y, x = np.indices((size, size)) - size // 2
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (u / a) ** 2 + (v / b) ** 2 <= 1


def test_a_rectangle_of_pixels_is_as_long_as_its_diagonal_and_as_short_as_its_side():
    mask = np.zeros((20, 20), bool)
    mask[4:8, 2:14] = True  # 4 x 12
    assert diameters(mask) == pytest.approx((np.hypot(4, 12), 4))
    assert diameters(mask, height=2.0, width=0.5) == pytest.approx((10, 6))  # 8 x 6 mm


def test_a_single_pixel_has_a_size():
    mask = np.zeros((3, 3), bool)
    mask[1, 1] = True
    assert diameters(mask, 0.5, 0.5) == pytest.approx((np.hypot(0.5, 0.5), 0.5))
    assert circumference(mask) > 0


@given(st.floats(12, 70), st.floats(12, 70), st.floats(0, np.pi))
def test_an_ellipse_has_its_axes_and_its_circumference(a, b, angle):
    mask = ellipse(a, b, angle)
    longest, shortest = diameters(mask)
    assert longest == pytest.approx(2 * max(a, b), abs=2)
    assert shortest == pytest.approx(2 * min(a, b), abs=2)
    t = np.linspace(0, 2 * np.pi, 10_001)
    around = np.hypot(np.diff(a * np.cos(t)), np.diff(b * np.sin(t))).sum()
    assert circumference(mask) == pytest.approx(around, rel=0.03)


def test_a_disc_is_the_same_in_pixels_that_are_no_squares():
    y, x = np.indices((200, 100))
    mask = ((y - 100) * 0.2) ** 2 + ((x - 50) * 0.4) ** 2 <= 10**2
    longest, shortest = diameters(mask, 0.2, 0.4)
    assert longest == pytest.approx(20, abs=0.6)
    assert shortest == pytest.approx(20, abs=0.6)
    assert circumference(mask, 0.2, 0.4) == pytest.approx(20 * np.pi, rel=0.02)


def test_rows_are_in_millimetres_where_the_spacing_is_known():
    mask = np.zeros((3, 10, 10), np.uint8)
    mask[1, 2:4, 2:7] = 5
    key = RowKey("a", "a", "slice", "box", names={5: "lumen"})
    on_slice, whole = measure_rows(key, mask, [5], (2.0, 0.5, 0.5), 0.0005)
    assert (on_slice["frame"], on_slice["area"], on_slice["unit"], on_slice["name"]) == (1, 2.5, "mm", "lumen")
    assert (whole["frame"], whole["volume_ml"], whole["area"]) == (None, 0.005, None)
    (alone,) = measure_rows(key, mask, [5], None, None)
    assert (alone["area"], alone["unit"]) == (10, "px")


def test_limits_of_agreement_are_those_of_bland_and_altman():
    pairs = [(10.0, 9.0), (12.0, 12.0), (8.0, 9.0), (11.0, 9.0)]  # differences 1, 0, -1, 2
    found = agreement(pairs)
    assert found is not None
    sd = np.std([1, 0, -1, 2], ddof=1)
    assert found == pytest.approx((4, 0.5, 0.5 - 1.96 * sd, 0.5 + 1.96 * sd))
    assert agreement(pairs[:2]) is None


def test_a_run_leaves_the_measures_of_answers_and_of_labels(data):
    assert usframe_(*data.request("-p", "box", "-p", "mask")).exit_code == 0
    with (data.out / "measures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["prompt"] for row in rows} == {"box", "mask", "reference"}
    whole = {(row["case"], row["object"]): row["volume_ml"] for row in rows if row["frame"] == ""}
    assert set(whole) == {(f"case_{n}", one) for n in range(3) for one in "12"}
    labels = [row for row in rows if (row["prompt"], row["case"], row["object"]) == ("reference", "case_0", "2")]
    areas = [float(row["area"]) for row in labels if row["frame"]]
    assert float(labels[-1]["volume_ml"]) == pytest.approx(sum(areas) * 1.5 / 1000, rel=1e-3)
    told = json.loads((data.out / "summary.json").read_text())["agreement"]
    assert {*told} == {"box", "mask"}
    assert told["box"]["1"]["what"] == "volume, ml"
    assert told["box"]["1"]["low"] <= told["box"]["1"]["bias"] <= told["box"]["1"]["high"]
    page = (data.out / "report.html").read_text(encoding="utf-8")
    assert "Bland-Altman" in page
    assert page.count(">volume, ml</text>") == 4  # a plot for each prompt and object


@pytest.mark.parametrize(("most", "tick"), [(0.9, 0.5), (1.0, 1.0), (3.1, 2.0), (0.04, 0.02), (7000, 5000)])
def test_the_numbers_beside_a_plot_are_round(most, tick):
    assert round_number(most) == pytest.approx(tick)
