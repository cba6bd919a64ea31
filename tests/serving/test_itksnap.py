"""Requests shaped as ITK-SNAP 4.4 sends them to its deep learning server."""

from __future__ import annotations

import base64
import gzip
import json

import httpx
import numpy as np
import pytest

import usframe
from usframe import Prompt
from usframe.annotation.session import Session
from usframe.serving.clients import RefusalError
from usframe.serving.dls import parts_of

POINT = "x=44&y=40&z=1&foreground=true"


def form(array: np.ndarray, **changed: object) -> dict[str, object]:
    """An array (D, H, W) as multipart/form-data."""
    metadata = {
        "dimensions": list(array.shape[::-1]),
        "spacing": [1.0, 1.0, 1.0],
        "origin": [0.0, 0.0, 0.0],
        "direction": [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0],
        "components_per_pixel": 1,
        "component_type": "float32",
        **changed,
    }
    packed = gzip.compress(array.astype("<f4").tobytes())
    parts = {"file": ("image.gz", packed, "application/gzip")}
    return {"files": {**parts, "metadata": (None, json.dumps(metadata), "application/json")}}


class Snap:
    """A session of ITK-SNAP."""

    def __init__(self, address: str, start: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=60)
        self.session = self.http.get(start).json()["session_id"]

    def mask(self, answer: httpx.Response, shape: tuple[int, ...]) -> np.ndarray:
        assert answer.status_code == 200, answer.text
        content = gzip.decompress(base64.b64decode(answer.json()["result"]))
        return np.frombuffer(content, np.int8).reshape(shape)


@pytest.fixture(params=["/start_session", "/v2/start_session/usframe"])
def snap(request, address):
    begun = Snap(address, request.param)
    yield begun
    begun.http.get(f"/end_session/{begun.session}")
    assert begun.http.get(f"/reset_interactions/{begun.session}").status_code == 410
    begun.http.close()


def test_it_is_found_and_says_what_it_can(address):
    assert httpx.get(f"{address}/status").json()["status"] == "ok"
    (model,) = httpx.get(f"{address}/v2/models").json()["models"]
    assert (model["dimensions"], model["interactions"]) == (3, ["point", "scribble", "lasso"])


def test_points_scribbles_and_lassos_are_answered_with_the_whole_mask(snap, vessel, demo):
    one, shape = snap.session, vessel.data.shape
    assert snap.http.post(f"/upload_raw/{one}?filename=upload.nii.gz", **form(vessel.data)).status_code == 200
    prompt = Prompt(1, 1, points=np.array([[44, 40]], np.float32), point_labels=np.ones(1, np.int64))
    expected = usframe.segment(vessel, [prompt], demo, mode="propagate").mask
    got = snap.mask(snap.http.get(f"/process_point_interaction/{one}?{POINT}"), shape)
    np.testing.assert_array_equal(got, expected)
    assert got.any()

    assert snap.http.get(f"/reset_interactions/{one}").json() == {"status": "success"}
    newer = snap.http.get(f"/v2/process_point_interaction/{one}?point=44&point=40&point=1&foreground=true")
    np.testing.assert_array_equal(snap.mask(newer, shape), expected)

    for verb in ("scribble", "lasso"):
        snap.http.get(f"/reset_interactions/{one}")
        drawn = np.zeros(shape, np.float32)
        drawn[2, 30:60, 34:58] = 1
        session = Session(vessel, demo)
        (session.go_over if verb == "scribble" else session.enclose)(2, drawn[2] > 0)
        session.propagate()
        answer = snap.http.post(f"/process_{verb}_interaction/{one}?foreground=true", **form(drawn))
        np.testing.assert_array_equal(snap.mask(answer, shape), session.mask)


@pytest.mark.parametrize(
    ("request_", "status", "line"),
    [
        ({"content": b"x"}, 400, "must be a form"),
        ({"files": {"file": b"x"}}, 400, "the parts file and metadata"),
        (form(np.zeros((2, 3, 4)), dimensions=[4, 3]), 422, "dimensions must be a list of 3"),
        (form(np.zeros((2, 3, 4)), dimensions=[4, 3, 0]), 422, "whole numbers of 1 or more"),
        (form(np.zeros((2, 3, 4)), dimensions=[4, 3, 3]), 400, "does not hold an array of the shape"),
        (form(np.zeros((2, 3, 4)), dimensions=[4, 3, 1]), 400, "does not hold an array of the shape"),
        (form(np.zeros((2, 3, 4)), dimensions=[9999, 9999, 9999]), 413, "this server takes up to"),
        (form(np.zeros((2, 3, 4)), components_per_pixel=3), 422, "one component per voxel"),
        (form(np.full((2, 3, 4), np.nan)), 422, "NaN or infinite"),
        ({"files": {"file": b"no gzip", "metadata": b'{"dimensions": [1, 1, 1]}'}}, 400, "is no gzip file"),
    ],
)
def test_a_volume_that_is_none_is_one_line(snap, request_, status, line):
    answer = snap.http.post(f"/upload_raw/{snap.session}", **request_)
    assert answer.status_code == status
    assert line in answer.json()["detail"]


@pytest.mark.parametrize("query", ["", "x=1&y=2", "x=1&y=2&z=three", "x=1&y=2&z=99999999999", "point=1&point=2"])
def test_a_point_needs_three_numbers(snap, vessel, query):
    snap.http.post(f"/upload_raw/{snap.session}", **form(vessel.data))
    answer = snap.http.get(f"/process_point_interaction/{snap.session}?{query}")
    assert (answer.status_code, answer.json()["detail"]) == (422, "coordinates must be a list of 3 finite numbers")


def test_a_form_that_breaks_off_is_refused():
    with pytest.raises(RefusalError, match="cut off"):
        parts_of(
            "multipart/form-data; boundary=xyz", b'--xyz\r\nContent-Disposition: form-data; name="file"\r\n\r\n1'
        )
