"""The page's three planes, what is propagated and what is saved, in a real browser, with a toy network at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from threading import Thread
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import uvicorn
from conftest import AFFINE, DataSet

from labelling.reader import Reader
from labelling.test_app import DEPTH, FLIPPED, HEIGHT, TOKEN, WIDTH, Desk, Slow, X, Y
from usframe.labelling.app import make_app
from usframe.labelling.serve import Server


@contextmanager
def reading(browser: Any, desk: Desk) -> Iterator[Reader]:
    """Somebody at the page of a desk; at the end nothing went wrong, and nobody else was asked."""
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        app = make_app(desk.bench, TOKEN, listening.getsockname()[1])
        server = Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=2))
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        reader = Reader(browser, f"http://{host}/?token={TOKEN}")
        try:
            yield reader
        finally:
            reader.page.close()
            server.should_exit = True
            thread.join(30)
            desk.bench.close()
    assert (reader.wrong, reader.hosts) == ([], {host})


def share(x: float, y: float, reader: Reader) -> tuple[float, float]:
    """A pixel of a slice of the test's data as shares of the canvas; its pixels are square."""
    box = reader.page.locator("#view").bounding_box()
    scale = 0.97 * min(box["width"] / WIDTH, box["height"] / HEIGHT)
    return 0.5 + (x + 0.5 - WIDTH / 2) * scale / box["width"], 0.5 + (y + 0.5 - HEIGHT / 2) * scale / box["height"]


@pytest.fixture
def bright(data: DataSet) -> DataSet:
    """Discs that the toy sees: those of slices 1 to 3, brighter than anything else."""
    labels = nib.load(data.labels / "case_0.nii.gz")
    grey = np.where(np.asarray(labels.dataobj) > 0, 0.9, 0.2).astype(np.float32)
    nib.save(nib.Nifti1Image(grey, labels.affine), data.volumes / "case_0.nii.gz")
    return data


def seen(reader: Reader, canvas: str) -> None:
    """Wait until a canvas shows a mask."""
    for _ in range(100):
        if reader.ink(canvas):
            return
        reader.page.wait_for_timeout(50)
    raise AssertionError(f"{canvas} shows no mask")


@pytest.mark.parametrize("affine", [AFFINE, FLIPPED], ids=["oblique", "flipped"])
def test_what_is_seen_is_what_is_saved(browser: Any, bright: DataSet, affine: np.ndarray) -> None:
    source = bright.volumes / "case_0.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(nib.load(source).dataobj), affine), source)
    desk = Desk(bright)
    with reading(browser, desk) as reader:
        reader.drag(share(X, Y, reader))
        told = reader.until("told.objects[0].prompts['2']")
        assert told["objects"][0]["prompts"]["2"]["points"][0] == pytest.approx([X, Y, 1], abs=0.2)
        reader.page.keyboard.press("o")
        reader.until("told.active === 2")
        reader.page.keyboard.press("b")
        reader.drag(share(26, 18, reader), share(40, 32, reader))
        told = reader.until("told.objects[1].prompts['2']")
        assert told["objects"][1]["prompts"]["2"]["box"] == [26, 18, 40, 32]
        reader.page.keyboard.press("a")
        reader.page.keyboard.press("g")
        reader.until("told.objects.every((one) => one.carried === 'memory')")
        reader.page.wait_for_selector("#job", state="hidden")
        reader.page.keyboard.press("Control+s")
        reader.wait("document.getElementById('message').textContent.startsWith('Wrote')")
        mask = desk.bench.session("case_0").mask
        saved = nib.load(bright.out / "labels" / "case_0.nii.gz")
        np.testing.assert_array_equal(np.asarray(saved.dataobj), mask.transpose(2, 1, 0))
        np.testing.assert_allclose(saved.affine, affine, atol=1e-6)
        assert all((mask[at] == one).any() for at in (1, 2, 3) for one in (1, 2))


def test_a_propagation_is_followed_and_cancelled_and_others_come_to_an_end(browser: Any, data: DataSet) -> None:
    network = Slow()
    desk = Desk(data, backbone=network)
    with reading(browser, desk) as reader:
        page = reader.page
        reader.drag(share(X, Y, reader))
        reader.until("told.objects[0].prompts['2']")
        before = desk.bench.session("case_0").mask.copy()
        page.keyboard.press("g")
        reader.wait("document.getElementById('progress').value > 0")
        assert page.is_visible("#job")
        assert page.is_disabled("#undo")
        page.keyboard.press("Escape")
        while not (desk.bench.job and desk.bench.job.cancelled):
            page.wait_for_timeout(20)
        network.going.set()
        reader.wait("document.getElementById('message').textContent.includes('nothing was changed')")
        np.testing.assert_array_equal(desk.bench.session("case_0").mask, before)

        page.keyboard.press("End")
        reader.wait("document.getElementById('number').textContent.startsWith('Slice 4')")
        reader.drag(share(X, Y, reader))
        reader.until("told.objects[0].prompts['4']")
        page.keyboard.press("f")
        reader.until("told.objects[0].carried === 'both'")
        page.wait_for_selector("#job", state="hidden")


def test_planes_across_are_drawn_to_scale_and_answer_clicks_and_the_wheel(browser: Any, bright: DataSet) -> None:
    desk = Desk(bright)
    with reading(browser, desk) as reader:
        page = reader.page
        reader.wait("document.getElementById('told-1').textContent === 'Row 18 of 0 to 35'")
        assert (reader.ink("view-1"), reader.ink("view-2")) == (0, 0)
        high, wide = reader.extent("view-1")
        assert wide / high == pytest.approx(WIDTH * 0.4031 / (DEPTH * 1.5), rel=0.05)
        high, wide = reader.extent("view-2")
        assert high / wide == pytest.approx(HEIGHT * 0.4031 / (DEPTH * 1.5), rel=0.05)

        page.mouse.click(*reader.place(0.5, 0.35, "view-2"))  # slice 2 again, and a row of the upper disc
        reader.wait("document.getElementById('told-1').textContent !== 'Row 18 of 0 to 35'")
        row = int(page.inner_text("#told-1").split()[1])
        assert 5 <= row <= 15
        reader.drag(share(X, Y, reader))
        reader.until("told.objects[0].prompts['2']")
        seen(reader, "view-1")
        page.keyboard.press("g")
        reader.until("told.objects[0].carried === 'memory'")
        page.keyboard.down("Shift")
        reader.drag(share(X, Y, reader))
        page.keyboard.up("Shift")
        for axis, at in ((1, Y), (2, X)):
            reader.wait(f"document.getElementById('told-{axis}').textContent.split(' ')[1] === '{at}'")
        assert len(reader.case()["objects"][0]["prompts"]["2"]["points"]) == 1
        seen(reader, "view-2")
        page.mouse.click(*reader.place(0.7, 0.5, "view-2"))
        reader.wait("['3', '4'].includes(document.getElementById('number').textContent.split(/[ ,]+/)[1])")

        page.keyboard.press("v")
        assert page.is_hidden("#view-1")
        page.keyboard.press("v")
        assert page.is_visible("#view-1")


def test_a_request_that_is_overtaken_is_called_off(browser: Any, data: DataSet) -> None:
    with reading(browser, Desk(data)) as reader:
        gone: list[str] = []
        reader.page.on("requestfailed", lambda one: gone.append(one.url.rpartition("/api/cases/case_0/")[2]))
        reader.page.route("**/planes/1/19", lambda route: None)
        reader.page.mouse.move(*reader.place(0.5, 0.5, "view-1"))
        with reader.page.expect_request("**/planes/1/19"):
            reader.page.mouse.wheel(0, 100)
        with reader.page.expect_response("**/planes/1/20"):
            reader.page.mouse.wheel(0, 100)
        reader.wait("document.getElementById('told-1').textContent.startsWith('Row 20')")
        assert "planes/1/19" in gone
        reader.page.unroute_all()


def test_frames_of_a_clip_fill_the_planes_across(browser: Any, data: DataSet) -> None:
    with reading(browser, Desk(data, "axis=time")) as reader:
        reader.wait("document.getElementById('told-2').textContent.endsWith('over time')")
        box = reader.page.locator("#view-2").bounding_box()
        assert reader.extent("view-2") == pytest.approx((0.97 * box["height"], 0.97 * box["width"]), abs=3)
