"""Who may ask, how much, for how long: what is wrong is one line, and the server goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from nnInteractive.inference.remote import ServerAtCapacityError, SessionExpiredError
from nnInteractive.inference.remote.serialization import pack_array

import usframe
from usframe import Prompt
from usframe.cli import main
from usframe.serving.clients import Limits

TOKEN = "correct-horse-battery"
BOX = np.array([20, 20, 70, 70], np.float32)
HALF_OPEN = [[1, 2], [20, 71], [20, 71]]
POINT = {"coordinates": [1, 40, 44], "include_interaction": True}
MASK = np.ones((4, 96, 96), np.uint8)


def test_health_is_told_to_everybody(address):
    assert httpx.get(f"{address}/healthz").json() == {"ok": True}
    assert httpx.get(f"{address}/health").json() == {"ok": True}


def packed(array: np.ndarray, **fields: object) -> dict[str, object]:
    return {"content": pack_array(array), "headers": {"X-Meta": json.dumps(fields)}}


BAD = {
    "not JSON": ("point", {"content": b"{"}, 400, "no JSON"),
    "deep": ("point", {"content": b"[" * 100_000}, 400, "no JSON"),
    "no object": ("point", {"json": [1]}, 400, "must be a JSON object"),
    "no coordinates": ("point", {"json": {"include_interaction": True}}, 422, "coordinates must be a list of 3"),
    "words": ("point", {"json": {**POINT, "coordinates": ["a", 1, 1]}}, 422, "3 finite numbers"),
    "NaN": ("point", {"content": b'{"coordinates":[NaN,1,1],"include_interaction":true}'}, 422, "finite numbers"),
    "huge number": ("point", {"json": {**POINT, "coordinates": [10**400, 1, 1]}}, 422, "finite numbers"),
    "no flag": ("point", {"json": {"coordinates": [1, 1, 1]}}, 422, "include_interaction must be true or false"),
    "run": ("point", {"json": {**POINT, "run_prediction": "yes"}}, 422, "run_prediction must be true or false"),
    "slice": ("point", {"json": {**POINT, "coordinates": [9, 1, 1]}}, 422, "there is no slice 9"),
    "pixel": ("point", {"json": {**POINT, "coordinates": [1, 1, 500]}}, 422, "outside the slice"),
    "first outside": ("point", {"json": {**POINT, "include_interaction": False}}, 422, "begin with one inside"),
    "long body": ("point", {"content": b" " * (2 << 20)}, 413, "larger than 1048576 bytes"),
    "box": ("bbox", {"json": {"bbox_coords": [[1, 2], [3, 4]], "include_interaction": True}}, 422, "three"),
    "3D box": (
        "bbox",
        {"json": {"bbox_coords": [[0, 3], [1, 9], [1, 9]], "include_interaction": True}},
        422,
        "one sl",
    ),
    "turned": (
        "bbox",
        {"json": {"bbox_coords": [[1, 2], [9, 1], [1, 9]], "include_interaction": True}},
        422,
        "end af",
    ),
    "no pixel": (
        "bbox",
        {"json": {"bbox_coords": [[1, 2], [200, 300], [1, 9]], "include_interaction": True}},
        422,
        "no pi",
    ),
    "box below": (
        "bbox",
        {"json": {"bbox_coords": [[-1, 0], [1, 9], [1, 9]], "include_interaction": True}},
        422,
        "slice -1",
    ),
    "nothing there": (
        "bbox",
        {"json": {"bbox_coords": HALF_OPEN, "include_interaction": False}},
        422,
        "nothing of",
    ),
    "cut off": ("scribble", {"content": pack_array(MASK)[:-9]}, 400, "cut off"),
    "no array": ("lasso", {"content": b"\x80\x04K\x01."}, 400, "cut off"),
    "shape": ("lasso", packed(MASK[:, :9], include_interaction=True), 422, "does not fit its place"),
    "place": ("lasso", packed(MASK, interaction_bbox=[[0, 4], [1, 97], [0, 96]]), 422, "beyond the volume"),
    "empty": ("scribble", packed(MASK * 0, include_interaction=True), 422, "nothing is drawn"),
    "meta": ("scribble", {"content": pack_array(MASK), "headers": {"X-Meta": "?"}}, 400, "no JSON"),
    "scribble outside": ("scribble", packed(MASK, include_interaction=False), 422, "slices without the object"),
}


@pytest.fixture
def drawn(address, vessel):
    """The client of a session of its own that has a volume and nothing drawn."""
    with httpx.Client(base_url=address) as client:
        client.headers["X-Lease-Token"] = client.post("/claim").json()["lease_token"]
        assert client.post("/set_image", content=pack_array(vessel.data[None])).status_code == 200
        yield client
        client.post("/release")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_one_line_and_nothing_else(drawn, name):
    verb, request, status, line = BAD[name]
    answer = drawn.post(f"/add_{verb}_interaction", **request)
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])
    assert line in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert drawn.post("/undo", json={}).headers["X-Meta"] == '{"ran_prediction": false, "bbox": null}'


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (np.zeros((2, 4, 8, 8), np.uint8), "send one channel"),
        (np.zeros((4, 8, 8), np.uint8), "send one channel"),
        (np.full((1, 4, 8, 8), np.nan, np.float32), "NaN or infinite"),
    ],
)
def test_a_volume_that_is_none_is_refused(address, image, line):
    with httpx.Client(base_url=address) as client:
        client.headers["X-Lease-Token"] = client.post("/claim").json()["lease_token"]
        answer = client.post("/set_image", content=pack_array(image))
        assert answer.status_code == 422
        assert line in answer.json()["detail"]
        answer = client.post("/add_point_interaction", json=POINT)
        assert answer.status_code == 409
        client.post("/release")


def test_the_target_buffer_must_be_as_large_as_the_volume(drawn):
    answer = drawn.post("/set_target_buffer", json={"shape": [4, 96], "dtype": "uint8"})
    assert (answer.status_code, answer.json()["detail"][:26]) == (422, "the target buffer must hav")


def test_unknown_sessions_paths_and_methods(address):
    assert httpx.post(f"{address}/undo", json={}).status_code == 410
    assert httpx.post(f"{address}/undo", json={}, headers={"X-Lease-Token": "x"}).status_code == 410
    assert httpx.post(f"{address}/segment", json={}).status_code == 404
    assert httpx.get(f"{address}/../../etc/passwd").status_code == 404
    assert httpx.get(f"{address}/undo").status_code == 405


def test_web_pages_may_not_ask(address):
    answer = httpx.post(f"{address}/claim", headers={"Origin": "http://example.org"})
    assert (answer.status_code, answer.json()["detail"]) == (403, "web pages may not use this server")
    answer = httpx.post(f"{address}/claim", headers={"Host": "example.org"})
    assert (answer.status_code, answer.json()["detail"][:15]) == (403, "without a token")


def test_a_token_is_asked_for(view, start, demo, vessel):
    with start(demo, token=TOKEN) as address:
        for given in (None, "wrong", TOKEN + "x", "ü"):
            headers = {} if given is None else {"Authorization": f"Bearer {given}".encode()}
            answer = httpx.post(f"{address}/claim", headers=headers)
            assert (answer.status_code, answer.json()["detail"][:28]) == (401, "the token is missing or wron")
        assert httpx.get(f"{address}/capabilities").status_code == 401
        viewer = view(address, vessel.data, api_key=TOKEN)
        viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
        assert viewer.mask.any()
        viewer.remote.close()


def test_two_clients_at_once_do_not_see_each_other(view, address, vessel, demo):
    other = usframe.Volume(usframe.simulate(4, shape=(3, 80, 90), scene="vessel").image)
    volumes, viewers = [vessel, other], [view(address, vessel.data), view(address, other.data)]
    threads = [threading.Thread(target=one.remote.add_bbox_interaction, args=(HALF_OPEN, True)) for one in viewers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for volume, viewer in zip(volumes, viewers, strict=True):
        expected = usframe.segment(volume, [Prompt(1, 1, box=BOX)], demo, mode="propagate").mask
        np.testing.assert_array_equal(viewer.mask, expected)


def test_there_are_no_more_sessions_than_asked_for(view, start, demo, vessel):
    with start(demo, limits=Limits(clients=1)) as address:
        first = view(address, vessel.data)
        with pytest.raises(ServerAtCapacityError, match="all 1 sessions"):
            view(address, vessel.data)
        first.remote.close()
        view(address, vessel.data).remote.close()


def test_there_are_no_more_voxels_than_asked_for(view, start, demo, vessel):
    size = vessel.data.size
    with start(demo, limits=Limits(voxels=size, all_voxels=size + 9, body=1 << 20)) as address:
        first = view(address, vessel.data)
        with pytest.raises(ServerAtCapacityError, match="leave no room"):
            view(address, vessel.data)
        with pytest.raises(httpx.HTTPStatusError, match="413"):
            first.remote.set_image(np.zeros((1, 5, 96, 96), np.uint8))
        first.remote.set_image(vessel.data[None])
        first.remote.close()


@pytest.fixture
def later(monkeypatch):
    """Lets so many seconds pass for those who look at how long clients have been idle."""
    ahead = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead[0])
    monkeypatch.setattr("usframe.serving.clients.time", clock)

    def wait(seconds: float) -> None:
        ahead[0] += seconds

    return wait


@pytest.mark.parametrize("limits", [Limits(clients=1, silence=1e6), Limits(clients=1, idle=1e6, silence=600)])
def test_who_went_away_is_released(view, start, demo, vessel, later, limits):
    with start(demo, limits=limits) as address:
        viewer = view(address, vessel.data)
        later(500)
        assert not viewer.remote.undo()
        later(601)
        with pytest.raises(SessionExpiredError, match="idle for too long"):
            viewer.remote.undo()
        view(address, vessel.data).remote.close()


def test_a_heartbeat_is_a_sign_of_life_and_no_action(view, start, demo, vessel, later):
    with start(demo) as address:
        viewer = view(address, vessel.data)
        for _ in range(12):
            later(45)
            left = viewer.remote.heartbeat()
        assert left < 60
        assert viewer.remote.lease_status()["remaining_seconds"] < 60
        later(59)
        later(1)
        with pytest.raises(SessionExpiredError):
            viewer.remote.undo()


def test_nobody_waits_for_a_server_that_is_ending(view, start, demo, vessel):
    with start(demo, ending=True) as address:
        viewer = view(address, vessel.data)
        with pytest.raises(ServerAtCapacityError, match="the server is ending"):
            viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
        assert not viewer.remote.undo()
        viewer.remote.close()


def test_a_network_that_fails_is_one_line_for_the_client(view, start, demo, vessel):
    class Broken:
        image_size, module, checkpoint, decode = demo.image_size, demo.module, demo.checkpoint, demo.decode

        def encode(self, images):
            raise ArithmeticError("a secret of the server")

    with start(Broken()) as address:
        viewer = view(address, vessel.data)
        answer = viewer.remote._http.post("/add_point_interaction", json=POINT)
        assert answer.status_code == 500
        assert answer.json() == {"detail": "the network failed; the server's terminal says how"}
        assert not viewer.remote.undo()
        viewer.remote.close()


def test_a_body_that_breaks_off_costs_nothing(drawn, address):
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        lease = drawn.headers["X-Lease-Token"]
        head = (
            f"POST /set_image HTTP/1.1\r\nHost: localhost\r\nX-Lease-Token: {lease}\r\nContent-Length: 99\r\n\r\n"
        )
        line.sendall(head.encode() + b"NNIA")
    assert drawn.post("/undo", json={}).status_code == 200
    answer = drawn.post("/undo", content=(b" " * (1 << 20) for _ in range(2)))
    assert (answer.status_code, answer.json()["detail"]) == (413, "the body is larger than 1048576 bytes")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_the_command_serves_until_it_is_told_to_end(view, vessel, number, status):
    words = ["serve", "--backbone", "demo", "--device", "cpu", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "usframe", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+", said)
    try:
        viewer = view(address[0], vessel.data)
        viewer.remote.add_bbox_interaction(HALF_OPEN, include_interaction=True)
        assert viewer.mask.any()
    finally:
        os.kill(process.pid, number)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (status, "", "")


def test_beyond_this_machine_a_token_is_made_up(monkeypatch):
    served = []
    monkeypatch.setattr("usframe.serving.server.serve", lambda service, listening: served.append(service) or 0)
    words = ["serve", "--backbone", "demo", "--device", "cpu", "--port", "0", "--host", "0.0.0.0"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert f"API key for the clients: {served[0].token}\n" in done.output
    assert len(served[0].token) >= 24
    given = CliRunner().invoke(main, [*words, "--token", TOKEN])
    assert served[1].token == TOKEN
    assert TOKEN not in given.output
    monkeypatch.setenv("USFRAME_TOKEN", TOKEN + "2")
    assert CliRunner().invoke(main, words).exit_code == 0
    assert served[2].token == TOKEN + "2"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--token", "short"], "--token must be at least 16 letters"),
        (["--token", "with a space in the middle"], "--token must be at least 16 letters"),
        (["--host", "no.such.host.invalid"], "cannot listen at no.such.host.invalid:1527"),
        (["--backbone", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_served_is_one_line(words, line):
    done = CliRunner().invoke(main, ["serve", *words, *([] if "--host" in words else ["--port", "0"])])
    assert done.exit_code == 2
    assert done.output.startswith("Error: ")
    assert line in done.output
    assert done.output.count("\n") == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "usframe.serving.server")
    done = CliRunner().invoke(main, ["serve", "--backbone", "demo"])
    assert (done.exit_code, done.output) == (
        2,
        "Error: serving needs the package uvicorn: pip install 'usframe[serve]'\n",
    )
