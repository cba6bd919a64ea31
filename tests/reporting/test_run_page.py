"""The page of a run, looked at as a file: parsed HTML."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from usframe.errors import WriteError
from usframe.reporting.run_page import write_report
from usframe.scoring.metrics import SLICES
from usframe.scoring.summary import summarise


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


def row(case, prompt, slices="all", oracle=False, **scores):
    """What metrics.csv says about an object."""
    known = {"dice": 0.95, "iou": 0.9, "hd95_mm": 1.0, "assd_mm": 0.5, "nsd": 0.8}
    return {
        **{"case": case, "prompt": prompt, "draw": 0, "mode": "slice", "object": 1, "slices": slices},
        **{"n_slices": 7, "volume_ml": None, "reference_volume_ml": None, "unit": "px", "oracle": oracle},
        **{"asked": True, "measured": "2D per frame", "undefined_frames": None, "name": ""},
        **{"group": case, "scores": {**known, **scores, "predicted_iou": 0.8}},
    }


RUN = {"command": "usframe run -i 'a & b'", "backbone": "medsam2", "checkpoint_sha256": "abc123"}


def report(tmp_path, *, prompts=("box",), cases=3, failures=(), marks=None, mode="slice", scores=None, **run):
    names = [f"case #{n}" for n in range(cases)]
    rows = [row(case, one, part, **scores or {}) for one in prompts for case in names for part in SLICES]
    summary = {
        "cases": {"total": cases + len(failures), "failed": len(failures)},
        "slices": {"total": 9, "encoded": 7, "without_object": 2},
        "mode": mode,
        "scores": summarise(rows),
        "marks": marks or {},
        "unit": "px",
        "measured": "3D",
        "names": {},
    }
    overlays = {one: [tmp_path / "overlays" / one / f"{case}.png" for case in names] for one in prompts if cases}
    path = tmp_path / "report.html"
    write_report(path, summary, RUN | run, title="medsam2 on <hearts>", overlays=overlays, failures=failures)
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
        "HD95 px, 3D",
        "HD95 px, 2D per frame",
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
    tables = [part.partition("Cases")[2] for part in page.text.split("PromptObject")[1:]]
    marked = [re.findall(r"([a-z+]+?)(oracle|no network)1 ", table) for table in tables]
    both = [("mask+point", "oracle"), ("ellipse", "no network")]
    assert marked == [both, both, both[1:]]  # all slices, prompted ones, those without a prompt
    assert "contains the slice's own mask" in page.text
    assert "oracle" not in report(tmp_path, prompts=("box", "point")).text


def test_the_scores_of_other_packages_have_a_column_each(tmp_path):
    page = report(tmp_path, scores={"rim": 0.25, "<b>": None})
    tables = page.text.split("PromptObject")[1:]
    assert len(tables) == 3
    for table in tables:
        assert "NSDrim<b>Cases" in table
        assert "0.8000.250–0of33" in table.replace(" ", "")
    assert "NSDCases" in report(tmp_path).text


def test_every_mean_says_in_how_many_cases_it_is_defined_where_not_in_all(tmp_path):
    whole = report(tmp_path).text.split("PromptObject")[1]
    assert " of 3" not in whole
    lost = report(tmp_path, scores={"hd95_mm": None, "assd_mm": None}).text.split("PromptObject")[1]
    assert "0.950 [0.950, 0.950]–0of3–0of30.8003".replace(" ", "") in lost.replace(" ", "")


def test_masks_that_were_there_have_no_prompts_to_tell_of(tmp_path):
    page = report(tmp_path, mode="given")
    assert "The masks were there already" in page.text
    assert "Slices without a prompt" not in page.text
    assert "Prompts were read from mine.csv." in report(tmp_path, frames="file:mine.csv").text


def test_failures_are_listed_as_text_never_as_markup(tmp_path):
    failure = {
        "case": "case9",
        "stage": "read",
        "error": "case9.nii.gz: <script>alert(1)</script> is damaged",
    }
    page = report(tmp_path, failures=[failure])
    assert "case9.nii.gz: <script>alert(1)</script> is damaged" in page.text
    assert "; 1 failed case" in page.text
    assert "script" not in page.tags


def test_a_run_of_which_every_case_failed_has_a_page_too(tmp_path):
    page = report(tmp_path, cases=0, failures=[{"case": "a", "stage": "read", "error": "damaged"}])
    assert "No case was scored." in page.text


def test_a_page_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(WriteError, match=r"report\.html: cannot be written"):
        report(tmp_path)
