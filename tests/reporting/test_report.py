"""The pictures and the page, looked at as files: decoded PNG, parsed HTML."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from usframe.config.schema import Metrics
from usframe.errors import WriteError
from usframe.reporting.overlay import write_overlay, write_report
from usframe.scoring.metrics import About, score_case
from usframe.scoring.summary import summarise
from usframe.types import Prompt, Segmentation

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


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    data, labels, mask = clip()
    with pytest.raises(WriteError, match="taken"):
        write_overlay(tmp_path / "taken" / "a.png", data, labels, mask, [], title="")


class Page(HTMLParser):
    """Every address a page refers to, and its text."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.text, self.tags = [], "", []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.text += data


def report(tmp_path, *, prompts=("box",), cases=3, failures=(), marks=None, **run):
    _, labels, mask = clip()
    rows, overlays = [], {}
    for prompt in prompts:
        for case in [f"case #{n}" for n in range(cases)]:
            answer = Segmentation(mask, (1,), np.full((1, len(mask)), 0.8, np.float32))
            about = About(case, prompt, "slice", case)
            rows += score_case(about, labels, answer, None, Metrics(), prompted={1: {1, 2}}, oracle={})
            overlays.setdefault(prompt, []).append(tmp_path / "overlays" / prompt / f"{case}.png")
    path = tmp_path / "report.html"
    write_report(
        path,
        title="medsam2 on <hearts>",
        summary=summarise(rows),
        marks=marks or {},
        unit="px",
        slices={"total": 9, "encoded": 7, "without_object": 2},
        overlays=overlays,
        run={
            "command": "usframe run -i 'a & b'",
            "backbone": "medsam2",
            "checkpoint_sha256": "abc123",
            **run,
        },
        failures=failures,
    )
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_says_what_was_run_and_what_came_out(tmp_path):
    page = report(tmp_path, notes=["spacing is unknown (3 cases, first case #0)"], seeds={"a": 1, "b": [2, 3]})
    for words in (
        "medsam2 on <hearts>",
        "usframe run -i 'a & b'",
        "abc123",
        "a 1, b 2, 3",
        "spacing is unknown",
        "0.950 [0.950, 0.950]",
        "Prompts were made from the labels",
        "For research use, not for clinical use.",
        "9 slices, 7 of them given to the network, 2 without an object",
        "HD95 px",
    ):
        assert words in page.text
    assert "Failures" not in page.text


def test_the_page_needs_nothing_but_the_files_beside_it(tmp_path):
    page = report(tmp_path, prompts=("mask+point",))
    assert all("://" not in address and not address.startswith("/") for address in page.addresses)
    assert "overlays/mask+point/case #2.png" in map(unquote, page.addresses)
    assert "experiment.yaml" in page.addresses
    assert "script" not in page.tags


def test_the_first_twelve_cases_are_shown_and_the_others_linked(tmp_path):
    page = report(tmp_path, prompts=("box", "point"), cases=15)
    assert page.tags.count("img") == 24
    assert page.text.count("3 more") == 2
    assert "overlays/point/case%20%2314.png" in page.addresses


def test_what_is_no_answer_of_a_network_is_marked(tmp_path):
    marks = {"mask+point": "oracle", "ellipse": "no network"}
    page = report(tmp_path, prompts=("box", "mask+point", "ellipse"), marks=marks)
    tables = [part.partition("Undefined")[2] for part in page.text.split("PromptObject")[1:]]
    marked = [re.findall(r"([a-z+]+?)(oracle|no network)1 ", table) for table in tables]
    both = [("mask+point", "oracle"), ("ellipse", "no network")]
    assert marked == [both, both, both[1:]]  # all slices, prompted ones, those without a prompt
    assert "contains the slice's own mask" in page.text
    assert "oracle" not in report(tmp_path, prompts=("box", "point")).text


def test_failures_are_listed_as_text_never_as_markup(tmp_path):
    failure = {
        "case": "case9",
        "stage": "read",
        "error": "case9.nii.gz: <script>alert(1)</script> is damaged",
    }
    page = report(tmp_path, failures=[failure])
    assert "case9.nii.gz: <script>alert(1)</script> is damaged" in page.text
    assert "script" not in page.tags


def test_a_run_of_which_every_case_failed_has_a_page_too(tmp_path):
    page = report(tmp_path, cases=0, failures=[{"case": "a", "stage": "read", "error": "damaged"}])
    assert "No case was scored." in page.text


def test_a_page_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(WriteError, match=r"report\.html: cannot be written"):
        report(tmp_path)
