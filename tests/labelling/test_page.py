"""The page itself in a real browser, served by the real command, through what an afternoon of labelling does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import usframe
from labelling.reader import Reader
from usframe import Volume, write_mask

DEPTH = 6


class Command:
    """`usframe annotate` in a process of its own, until it is ended."""

    def __init__(self, volumes: Path, out: Path) -> None:
        words = [str(volumes), "-o", str(out), "--backbone", "demo", "--device", "cpu", "--no-browser"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "usframe", "annotate", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
        assert found, line + (self.process.stderr.read() if self.process.stderr else "")
        self.address = found[0]

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(how)
        printed, errors = self.process.communicate(timeout=60)
        return self.process.returncode, printed, errors


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    for number in (0, 1):
        scan = usframe.simulate(3 + number, shape=(DEPTH, 96, 112), scene="vessel")
        write_mask(
            tmp_path / "volumes" / f"case_{number}.nii.gz",
            np.round(scan.image * 255).astype(np.uint8),
            Volume(scan.image, spacing_mm=scan.spacing_mm),
        )
    return tmp_path / "volumes"


@pytest.fixture
def command(volumes: Path, tmp_path: Path) -> Iterator[Command]:
    made = Command(volumes, tmp_path / "out")
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.communicate()


def test_an_afternoon_of_labelling(browser: Any, command: Command, volumes: Path, tmp_path: Path) -> None:
    reader = Reader(browser, command.address)
    page = reader.page
    assert "token" not in page.url
    assert reader.ink() == 0

    page.keyboard.press("b")
    reader.drag((0.35, 0.35), (0.65, 0.65))  # a box, and the mask at once
    reader.until("told.objects[0].prompts['3']")
    reader.wait("document.getElementById('undo').disabled === false")
    page.wait_for_timeout(100)
    assert reader.ink() > 500
    page.keyboard.press("g")
    reader.until("told.objects[0].carried === 'memory' && told.expected.every((one) => one !== null)")
    page.wait_for_selector("#job", state="hidden")

    page.keyboard.press("ArrowDown")  # a correction on the next slice, with the keyboard alone
    page.keyboard.press("p")
    page.keyboard.press("Control+Shift+ArrowRight")
    page.keyboard.press("Enter")
    told = reader.until("told.objects[0].prompts['4']")
    assert told["objects"][0]["stale"]

    page.keyboard.press("k")
    reader.until("told.objects[0].locked")
    page.keyboard.press("o")
    reader.until("told.active === 2")
    page.fill("#objects input[data-object='2']", "plaque")
    page.keyboard.press("Enter")
    page.keyboard.press("r")
    reader.drag((0.2, 0.2), (0.3, 0.3))
    told = reader.until("told.objects[1].prompts['4']")
    assert told["objects"][1]["name"] == "plaque"
    page.keyboard.press("e")
    reader.drag((0.2, 0.2), (0.22, 0.22))
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    reader.until("!told.objects[1].prompts['4']")
    page.keyboard.press("Control+Shift+z")
    kept = reader.until("told.objects[1].prompts['4']")

    page.keyboard.press("Control+s")
    reader.wait("document.getElementById('message').textContent.startsWith('Wrote')")
    saved = nib.load(tmp_path / "out" / "labels" / "case_0.nii.gz")
    assert {*np.unique(np.asarray(saved.dataobj)).tolist()} == {0, 1, 2}
    np.testing.assert_allclose(saved.affine, nib.load(volumes / "case_0.nii.gz").affine)

    page.reload()
    reader.open(page.url)
    assert reader.case()["objects"] == kept["objects"]
    page.keyboard.press("PageDown")
    reader.wait("document.getElementById('title').textContent === 'case_1'")
    page.keyboard.press("Control+Enter")
    reader.until("told.accepted")
    assert (tmp_path / "out" / "labels" / "case_1.nii.gz").exists()
    page.keyboard.press("?")
    assert page.is_visible("#keys")

    status, printed, errors = command.end()
    assert (status, errors) == (0, "")
    assert "Kept: " in printed
    assert reader.wrong == []
    assert reader.hosts == {command.address.split("/")[2]}

    again = Command(volumes, tmp_path / "out")
    after = Reader(browser, again.address)
    after.page.click("#cases [data-case=case_0]")
    after.wait("document.getElementById('title').textContent === 'case_0'")
    assert after.case()["objects"] == kept["objects"]
    assert [one["standing"] for one in after.ask("/api/cases")["cases"]] == ["begun", "accepted"]
    assert again.end(signal.SIGINT)[0] == 0


def test_what_is_wrong_is_a_line_at_the_foot_of_the_page(browser: Any, command: Command) -> None:
    reader = Reader(browser, command.address)
    reader.drag((0.5, 0.5), (0.5, 0.5), button="right")
    reader.page.wait_for_selector("footer.wrong")
    assert "begin with one inside" in reader.page.inner_text("footer")
    command.end()
    reader.drag((0.5, 0.5), (0.5, 0.5))
    reader.wait("document.getElementById('message').textContent.includes('does not answer')")


def test_one_folder_is_one_command_s(command: Command, volumes: Path, tmp_path: Path) -> None:
    words = ["annotate", str(volumes), "-o", str(tmp_path / "out"), "--backbone", "demo", "--no-browser"]
    done = subprocess.run([sys.executable, "-m", "usframe", *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert "is in use by process" in done.stderr
    assert done.stderr.count("\n") == 1
    command.end()
