"""The page of a run in a real browser: its table, its slices, and that it asks for nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usframe.files import CASES, HIDDEN
from usframe.reporting.page import cases as page_cases
from usframe.reporting.page.slices import CaseSlices, slices_path
from usframe.reporting.quality import Piece
from usframe.reporting.results import CaseResult, Records
from usframe.reporting.run import write_results
from usframe.scoring.metrics import METRICS, SLICES, RowKey
from usframe.scoring.quality import quality_rows
from usframe.types import Prompt, Segmentation

SHAPE = (9, 60, 80)
NAMES = ("case_1", "</script><b>bold</b>", "müller_2", "case_10")  # the third is the worst
SHIFTS = {"case_1": 1, "</script><b>bold</b>": 2, "müller_2": 6, "case_10": 3}
RUN = {"command": "usframe run", "backbone": "demo", "seed": 0, "seconds": 2.0, "notes": ["<i>odd</i>"]}
RUN["slices"] = {"total": 9, "encoded": 9, "without_object": 2}


def row(case: str, prompt: str, one: int, dice: float | None, slices: str, *, oracle: bool = False) -> Any:
    return {
        **{"case": case, "prompt": prompt, "draw": 0, "mode": "propagate", "object": one, "slices": slices},
        **{"n_slices": 9, "volume_ml": 3.5, "reference_volume_ml": 3.0, "unit": "mm", "oracle": oracle},
        **{"asked": True, "measured": "3D", "undefined_frames": None, "name": "", "group": f"of {case}"},
        "scores": {
            **dict.fromkeys((*METRICS, "predicted_iou")),
            "dice": dice,
            "hd95_mm": None if one == 2 else 1.5,
        },
    }


def result_of(out: Path, case: str, *, labelled: bool = True) -> CaseResult:
    """A case with two objects, the answer of ``box`` so many columns off, and the same of ``mask`` without any."""
    shift = SHIFTS[case]
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:8, 10:30, 15:45] = 1
    labels[1:8, 35:50, 30:60] = 2
    seen = CaseSlices(case, SHAPE, labels if labelled else None)
    result = CaseResult(case)
    for prompt, by in (("box", shift), ("mask", 0)):
        mask = np.stack([np.roll(plane, by * abs(n - 4) // 2, 1) for n, plane in enumerate(labels)])
        own = np.full((2, SHAPE[0]), 0.9 - shift / 100, np.float32)
        answer = Segmentation(mask, (1, 2), own)
        box = Prompt(4, 1, box=np.array([15, 10, 44, 29], np.float32))
        given = [box, Prompt(4, 2, mask=labels[4] == 2)] if prompt == "mask" else [box]
        seen.add(prompt, answer, given)
        for slices in SLICES if labelled else ():
            oracle = prompt == "mask" and slices != "unprompted"
            result.rows += [
                row(case, prompt, one, 1 - by / 20 - one / 100, slices, oracle=oracle) for one in (1, 2)
            ]
        result.quality += quality_rows(RowKey(case, case, "propagate", prompt), answer, {1: {4}})
    result.rows += [row(case, "copied label", 1, 0.3, one) for one in SLICES] if labelled else []
    Piece(result.quality, []).write(Records(out / HIDDEN / CASES).piece(case))
    seen.write(slices_path(out, case), np.tile(np.linspace(0, 1, SHAPE[2], dtype=np.float32), (*SHAPE[:2], 1)))
    return result


def write_page(out: Path, *, labelled: bool = True) -> Path:
    results = [result_of(out, case, labelled=labelled) for case in NAMES]
    write_results(out, results, RUN, title="demo on <hearts>", mode="propagate")  # type: ignore[arg-type]
    return out / "report.html"


class Reader:
    """Somebody who looks at a page, and notes what goes wrong in it and what it asks for."""

    def __init__(self, browser: Any, path: Path, width: int = 1200) -> None:
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.set_default_timeout(120_000)  # where others keep the machine busy
        self.page.on("console", lambda one: self.wrong.append(one.text) if one.type == "error" else None)
        self.page.on("pageerror", lambda one: self.wrong.append(str(one)))
        self.page.on("request", lambda one: self.asked.append(one.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("#looks:not([hidden])")

    def table(self) -> list[list[str]]:
        lines = self.page.locator("#rows tbody tr").all()
        return [[cell.inner_text() for cell in line.locator("th, td").all()] for line in lines]

    def number(self, expected: str) -> None:
        """Wait until the slice that is shown is told so."""
        self.page.locator("#number", has_text=re.compile(rf"^\s*{re.escape(expected)}")).wait_for()

    def ink(self) -> int:
        """Pixels of the first canvas that are coloured, which grey values are not."""
        self.page.wait_for_timeout(100)
        script = """() => { const view = document.querySelector("#panels canvas");
            const { data } = view.getContext("2d").getImageData(0, 0, view.width, view.height);
            let found = 0;
            for (let n = 0; n < data.length; n += 4) found += Math.abs(data[n] - data[n + 2]) > 12;
            return found; }"""
        return int(self.page.evaluate(script))


def test_the_worst_lines_come_first_and_lines_are_sorted_and_filtered(browser: Any, tmp_path: Path) -> None:
    reader = Reader(browser, write_page(tmp_path))
    page = reader.page
    assert reader.table()[0][:4] == ["müller_2", "of müller_2", "box", "2"]
    assert page.inner_text("#case") == "müller_2"
    assert "16 lines of 4 cases" in page.inner_text("#count")
    assert "8 undefined" in page.inner_text("#rows thead")
    assert ["oracle" in line[2] for line in reader.table()] == [
        line[2].startswith("mask") for line in reader.table()
    ]
    page.click("#rows thead button:text('Case')")
    assert list(dict.fromkeys(line[0] for line in reader.table())) == [NAMES[1], "case_1", "case_10", "müller_2"]
    page.click("#rows thead button:text('Dice')")
    page.click("#rows thead button:text('Dice')")
    assert reader.table()[0][2].startswith("mask")
    page.select_option("#object", "1")
    page.select_option("#set", "unprompted")
    assert "8 lines" in page.inner_text("#count")
    assert "oracle" not in page.inner_text("#rows")
    page.fill("#search", "CASE_1")
    assert {line[0] for line in reader.table()} == {"case_1", "case_10"}
    page.fill("#most", "0.95")
    assert [line[0] for line in reader.table()] == ["case_1", "case_10"]
    page.click("#clear")
    page.check("#plain")
    assert re.fullmatch(r"copied label\s*no network", reader.table()[0][2])
    assert page.locator("#spread circle").count() == 20
    assert reader.wrong == []
    assert reader.asked == [(tmp_path / "report.html").as_uri()]


def test_slices_are_looked_at_with_slider_wheel_and_keys(browser: Any, tmp_path: Path) -> None:
    reader = Reader(browser, write_page(tmp_path))
    page = reader.page
    assert page.locator("#panels canvas").count() == 2
    reader.number("Slice 1 of 0 to 8")  # the worst
    page.fill("#slice", "4")
    reader.number("Slice 4 of 0 to 8, prompted")
    assert "Dice 1: 1.00, 2: 1.00" in page.inner_text("#panels")
    assert page.locator("#panels figure.prompted").count() == 2
    whole = reader.ink()
    assert whole > 500
    page.keyboard.press("p")
    less = reader.ink()
    page.keyboard.press("a")
    page.keyboard.press("r")
    assert reader.ink() == 0 < less < whole
    page.keyboard.press("a")
    page.keyboard.press("ArrowRight")
    reader.number("Slice 5")
    page.locator("#panels canvas").first.hover()
    page.mouse.wheel(0, 100)
    reader.number("Slice 6")
    page.keyboard.press("1")
    assert page.locator("#panels canvas").count() == 1
    before = reader.ink()
    page.keyboard.press("d")
    assert reader.ink() > before
    page.keyboard.press("+")
    page.keyboard.press("0")
    page.keyboard.press("1")
    page.keyboard.press("j")
    page.wait_for_selector("#case:text-is('case_10')")
    page.focus("#viewer")
    page.keyboard.press("Home")
    reader.number("Slice 0")
    page.keyboard.press("w")
    reader.number("Slice 1")
    assert page.is_visible("#distance")
    page.click("#rows tbody tr:has-text('</script>') >> nth=0")
    page.wait_for_selector("#case:has-text('bold')")
    assert page.locator("b").count() == page.locator("i:text('odd')").count() == 0
    assert reader.wrong == []
    assert reader.asked == [(tmp_path / "report.html").as_uri()]


def test_slices_there_is_no_room_for_are_read_from_beside_the_page(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_page(tmp_path)
    monkeypatch.setattr(page_cases, "INSIDE", slices_path(tmp_path, "müller_2").stat().st_size)
    path = write_page(tmp_path)
    inside = re.findall(r'id="slices-(\d)">\[\{"case":("[^"]*")', path.read_text(encoding="utf-8"))
    assert [json.loads(name) for _, name in inside] == ["müller_2"]
    slices_path(tmp_path, "case_10").unlink()
    reader = Reader(browser, path)
    reader.page.click("#rows tbody tr:has-text('case_1') >> nth=0")
    reader.page.wait_for_selector("#trouble:has-text('is not beside this page')")
    assert [one.rpartition("/")[2] for one in reader.asked] == ["report.html", "case_10.js"]
    reader.page.click("#rows tbody tr:has-text('bold') >> nth=0")
    reader.page.wait_for_selector("#looks:not([hidden])")
    assert reader.ink() > 500


def test_without_labels_the_least_sure_come_first(browser: Any, tmp_path: Path) -> None:
    reader = Reader(browser, write_page(tmp_path, labelled=False), width=390)
    assert reader.page.evaluate("document.documentElement.scrollWidth") == 390
    assert reader.table()[0][:2] == ["müller_2", "box"]
    assert "predicted IoU" in reader.page.inner_text("#panels")
    assert not reader.page.is_visible("#show-reference")
    assert reader.wrong == []
