"""The picture of a case, looked at as a file: decoded PNG."""

import cv2
import numpy as np
import pytest

from usframe.errors import WriteError
from usframe.reporting.overlay import write_overlay
from usframe.types import Prompt

ORANGE, BLUE = (230, 159, 0), (86, 180, 233)


def clip(frames=9, height=60, width=80):
    """Black slices with object 1 on all but the first and last, the answer one pixel off."""
    data = np.zeros((frames, height, width), np.float32)
    labels = np.zeros(data.shape, np.uint8)
    labels[1:-1, height // 4 : height // 2, width // 4 : width // 2] = 1
    return data, labels, np.roll(labels, 1, axis=2)


def picture(path):
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def count(image, colour):
    """Pixels of a colour, give or take what antialiasing does to it."""
    return int((np.abs(image.astype(int) - colour) <= 8).all(axis=-1).sum())


def test_the_picture_shows_answer_reference_and_prompts(tmp_path):
    data, labels, mask = clip()
    mask[mask > 0] = 2
    box = Prompt(3, 1, box=np.array([20, 15, 39, 29], np.float32))
    path = tmp_path / "new folder" / "case 1.png"
    write_overlay(path, data, labels, mask, [box], title="case 1  box")
    shown = picture(path)
    assert count(shown, BLUE) > 1000
    assert count(shown, (255, 255, 255)) > 100
    assert count(shown, ORANGE) > 100
    write_overlay(path, data, None, np.zeros_like(mask), [], title="case 1  box")
    assert count(picture(path), BLUE) == count(picture(path), (255, 255, 255)) == 0


def test_neighbouring_objects_keep_an_outline_each(tmp_path):
    mask = np.full((1, 40, 40), 2, np.uint8)
    mask[0, 10:30, 10:30] = 1
    write_overlay(tmp_path / "a.png", np.zeros(mask.shape, np.float32), None, mask, [], title="ring")
    shown = picture(tmp_path / "a.png")
    assert count(shown, ORANGE) > 1000
    assert count(shown, BLUE) > 1000


@pytest.mark.parametrize(("spacing", "ratio"), [(None, 0.5), ((9, 2, 1), 1.0), ((9, 0.5, 1), 0.25)])
def test_slices_have_their_true_proportions(tmp_path, spacing, ratio):
    white = np.ones((1, 40, 80), np.float32)
    path = tmp_path / "a.png"
    write_overlay(path, white, None, np.zeros(white.shape, np.uint8), [], title="", spacing_mm=spacing)
    rows, columns = np.nonzero((picture(path) == 255).all(axis=-1))
    assert np.ptp(columns) + 1 == 360
    assert (np.ptp(rows) + 1) / (np.ptp(columns) + 1) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize(("frames", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (4, 3, 2), (30, 3, 2)])
def test_at_most_six_slices_in_rows_of_three(tmp_path, frames, columns, rows):
    labels = np.zeros((frames, 20, 20), np.uint8)
    labels[:, 5:9, 5:9] = 1
    write_overlay(tmp_path / "a.png", labels.astype(np.float32), labels, labels, [], title="a" * 200)
    height, width, _ = picture(tmp_path / "a.png").shape
    assert width == 12 + columns * (360 + 12)
    assert height // 360 == rows


def test_of_many_slices_a_prompted_one_is_shown(tmp_path):
    data, labels, mask = clip(frames=60)
    prompt = Prompt(17, 2, points=np.array([[70, 50]], np.float32), point_labels=np.array([1]))
    write_overlay(tmp_path / "a.png", data, labels, mask, [prompt], title="")
    assert count(picture(tmp_path / "a.png"), BLUE) > 20


def test_an_object_of_one_pixel_is_seen_in_a_picture_that_is_shrunk(tmp_path):
    mask = np.zeros((1, 900, 900), np.uint8)
    mask[0, 451, 452] = 1
    write_overlay(tmp_path / "a.png", np.zeros(mask.shape, np.float32), None, mask, [], title="")
    alone = count(picture(tmp_path / "a.png"), ORANGE)
    assert alone > 26 * 2


@pytest.mark.parametrize("kind", ["points", "mask"])
def test_negative_points_and_masks_can_be_drawn_too(tmp_path, kind):
    data, labels, mask = clip()
    parts = {
        "points": {"points": np.array([[3, 3], [25, 20]], np.float32), "point_labels": np.array([0, 1])},
        "mask": {"mask": labels[3] > 0},
    }
    write_overlay(tmp_path / "without.png", data, labels, mask, [], title="")
    write_overlay(tmp_path / "with.png", data, labels, mask, [Prompt(3, 1, **parts[kind])], title="")
    assert (picture(tmp_path / "with.png")[40:300] != picture(tmp_path / "without.png")[40:300]).any()


@pytest.mark.parametrize(
    ("first", "second"), [("Müller_01", "Möller_01"), ("Łódź", "Łódz"), ("心1", "心2"), ("a\n", "a\udcffb")]
)
def test_names_of_cases_are_told_apart_whatever_their_letters(tmp_path, first, second):
    data, labels, mask = clip(frames=3)
    for name in (first, second):
        write_overlay(tmp_path / f"{name}.png", data, labels, mask, [], title=name)
    assert (picture(tmp_path / f"{first}.png") != picture(tmp_path / f"{second}.png")).any()


@pytest.mark.parametrize("title", ["Å" * 200, "", "a\nb", "\udcff"])
def test_any_title_fits_above_the_slices(tmp_path, title):
    data, labels, mask = clip(frames=3)
    write_overlay(tmp_path / "titled.png", data, labels, mask, [], title=title)
    write_overlay(tmp_path / "short.png", data, labels, mask, [], title="a")
    titled, short = (picture(tmp_path / f"{name}.png") for name in ("titled", "short"))
    assert titled.shape == short.shape
    assert (titled[40:] == short[40:]).all()
    assert (titled[:, :12] == 22).all()
    assert (titled[:, -12:] == 22).all()


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    data, labels, mask = clip()
    with pytest.raises(WriteError, match="taken"):
        write_overlay(tmp_path / "taken" / "a.png", data, labels, mask, [], title="")
