"""Every verb of HTTP, on real files and a toy network; what is saved; who and what is turned away."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from conftest import AFFINE, DataSet, usframe_, write_case
from starlette.testclient import TestClient
from toy_backbones import ToyWithMemory

import usframe
from usframe import RequestError
from usframe.annotation.session import Session
from usframe.config.schema import Fill
from usframe.labelling.app import make_app
from usframe.labelling.bench import Bench
from usframe.labelling.folder import Folder
from usframe.labelling.request import asked
from usframe.labelling.verbs import VERBS

PORT, TOKEN = 8000, "a-secret"
DEPTH, HEIGHT, WIDTH = 5, 36, 48
FLIPPED = np.array([[-0.4, 0, 0, 10], [0, 0.4, 0, 7], [0, 0, -1.5, 3], [0, 0, 0, 1.0]])
X, Y = 16, 12  # in object 1 on slice 2
PATH = [[14.0, 10.0], [18.0, 10.0], [18.0, 14.0], [14.0, 14.0]]


class Desk:
    """What a page does, and the bench behind it."""

    def __init__(self, data: DataSet, *more: str, backbone: Any = None) -> None:
        request = asked([f"volumes={data.volumes}", f"out={data.out}", "backbone=demo", *more])
        folder = Folder(request.config.folder, request.cases, request.plugins)
        self.bench = Bench(request, backbone or ToyWithMemory(), folder)
        self.client = TestClient(make_app(self.bench, TOKEN, PORT), base_url=f"http://127.0.0.1:{PORT}")
        self.client.headers["x-usframe-token"] = TOKEN

    def post(self, verb: str, frame: int = 2, case: str = "case_0", **fields: Any) -> Any:
        if verb in VERBS and "frame" in VERBS[verb].takes.__annotations__:
            fields = {"frame": frame, **fields}
        return self.client.post(f"/api/cases/{case}/{verb}?frame={frame}", json=fields)

    def do(self, verb: str, frame: int = 2, **fields: Any) -> dict[str, Any]:
        answer = self.post(verb, frame, **fields)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def click(self, x: float = X, y: float = Y, *, inside: bool = True) -> dict[str, Any]:
        return self.do("point", x=x, y=y, inside=inside)

    def propagate(self, way: str = "memory", *, every: bool = False) -> dict[str, Any]:
        assert self.post("propagate", way=way, every=every).status_code == 202
        assert self.bench.job
        assert self.bench.job.thread
        self.bench.job.thread.join()
        told: dict[str, Any] = self.client.get("/api/job").json()
        return told

    def look(self, case: str = "case_0") -> dict[str, Any]:
        told: dict[str, Any] = self.client.get(f"/api/cases/{case}").json()
        return told

    def mask(self, frame: int = 2, case: str = "case_0") -> np.ndarray:
        content = self.client.get(f"/api/cases/{case}/masks/0/{frame}").content
        return np.frombuffer(content, np.uint8).reshape(HEIGHT, WIDTH)

    def whole(self) -> np.ndarray:
        return np.stack([self.mask(frame) for frame in range(DEPTH)])


@pytest.fixture
def desk(data: DataSet) -> Iterator[Desk]:
    made = Desk(data)
    yield made
    made.bench.close()


def standings(desk: Desk) -> list[str]:
    return [case["standing"] for case in desk.client.get("/api/cases").json()["cases"]]


def test_cases_are_listed_and_opened(desk: Desk) -> None:
    assert standings(desk) == ["untouched"] * 3
    told = desk.look()
    assert told["shape"] == [DEPTH, HEIGHT, WIDTH]
    assert [one["id"] for one in told["objects"]] == [1]
    assert told["spacing"] == pytest.approx([1.5, 0.403, 0.403], abs=1e-3)


def test_a_slice_is_its_grey_values_as_bytes(desk: Desk, data: DataSet) -> None:
    content = desk.client.get("/api/cases/case_0/planes/0/2").content
    grey = np.asarray(nib.load(data.volumes / "case_0.nii.gz").dataobj)[..., 2].T
    seen = np.frombuffer(content, np.uint8).reshape(HEIGHT, WIDTH)
    assert np.corrcoef(grey.ravel(), seen.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(("axis", "at"), [(0, 2), (1, Y), (1, HEIGHT - 1), (2, X), (2, WIDTH - 1)])
def test_a_plane_of_any_axis_is_that_of_the_volume_and_of_the_masks(desk: Desk, axis: int, at: int) -> None:
    desk.click()
    desk.do("name", id=2, name="other")
    desk.do("box", 3, box=[26, 18, WIDTH - 1, HEIGHT - 1])
    session = desk.bench.session("case_0")
    for kind, volume in (("planes", np.round(session.data[:] * 255)), ("masks", session.mask)):
        content = desk.client.get(f"/api/cases/case_0/{kind}/{axis}/{at}").content
        plane = volume.take(at, axis)
        np.testing.assert_array_equal(np.frombuffer(content, np.uint8), (plane.T if axis == 2 else plane).ravel())


@pytest.mark.parametrize(("more", "time"), [([], False), (["axis=time"], True)])
def test_it_is_told_whether_slices_are_frames(data: DataSet, more: list[str], time: bool) -> None:
    desk = Desk(data, *more)
    assert desk.look()["time"] is time
    desk.bench.close()


@pytest.mark.parametrize("given", [[0.2, 0.3, 0.5], [0.2, 0.3, 1]], ids=["all", "as the placeholder"])
def test_the_voxel_size_can_be_told_for_files_that_tell_none(data: DataSet, given: list[float]) -> None:
    for folder in (data.volumes, data.labels):
        for file in [*folder.iterdir()]:
            np.save(folder / f"{file.name.split('.')[0]}.npy", usframe.read_volume(file).data)
            file.unlink()
    desk = Desk(data, f"spacing={given}")
    told = desk.look()
    assert told["spacing"] == given[::-1]
    assert told["time"] is False
    desk.bench.close()


def test_a_click_is_answered_with_the_mask_of_its_slice(desk: Desk) -> None:
    told = desk.click()
    mask = np.frombuffer(base64.b64decode(told["mask"]), np.uint8).reshape(HEIGHT, WIDTH)
    assert mask[Y, X] == 1
    np.testing.assert_array_equal(mask, desk.mask())
    assert told["changed"] == [2]
    assert told["objects"][0]["prompts"] == {"2": {"points": [[X, Y, 1]], "box": None, "mask": False}}
    assert standings(desk) == ["begun", "untouched", "untouched"]


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("point", {"x": X, "y": Y, "inside": True}),
        ("box", {"box": [8, 4, 24, 20]}),
        ("scribble", {"path": PATH, "inside": True}),
        ("lasso", {"path": PATH, "inside": True}),
        ("brush", {"path": PATH, "inside": True, "width": 5}),
    ],
)
def test_every_tool_draws_and_is_undone_and_done_again(desk: Desk, verb: str, fields: dict[str, Any]) -> None:
    assert desk.do(verb, **fields)["undo"]
    drawn = desk.mask()
    assert drawn[Y, X] == 1 or verb == "brush"
    assert drawn.any()
    assert desk.do("undo")["redo"]
    assert not desk.mask().any()
    desk.do("redo")
    np.testing.assert_array_equal(desk.mask(), drawn)


def test_an_eraser_takes_pixels_away_and_at_last_the_prompt(desk: Desk) -> None:
    desk.do("brush", path=[[10, 10], [20, 10]], inside=True, width=5)
    desk.do("brush", path=[[10, 10]], inside=False, width=5)
    assert desk.mask()[10, 10] == 0
    assert desk.mask()[10, 18] == 1
    told = desk.do("brush", path=[[0, 10], [40, 10]], inside=False, width=40)
    assert not desk.mask().any()
    assert told["objects"][0]["prompts"] == {}


def test_points_are_taken_back_and_slices_cleared(desk: Desk) -> None:
    desk.click()
    desk.click(40, 30, inside=False)
    assert len(desk.do("remove_point", number=1)["objects"][0]["prompts"]["2"]["points"]) == 1
    assert not desk.do("clear")["objects"][0]["prompts"]
    assert not desk.mask().any()


def test_objects_are_made_named_locked_and_removed(desk: Desk) -> None:
    desk.click()
    desk.do("lock")
    kept = desk.mask()
    assert "is locked" in desk.post("point", x=X, y=Y, inside=True).json()["error"]
    told = desk.do("name", id=2, name="vessel")
    assert (told["active"], told["objects"][1]["name"]) == (2, "vessel")
    desk.do("brush", path=[[X, Y]], inside=True, width=30)
    np.testing.assert_array_equal(desk.mask() == 1, kept == 1)
    assert (desk.mask() == 2).any()
    assert [one["id"] for one in desk.do("remove_object")["objects"]] == [1]
    desk.do("object", id=1)
    assert not desk.do("unlock")["objects"][0]["locked"]


@pytest.mark.parametrize("way", ["memory", "both", "shape"])
def test_an_object_is_carried_as_a_session_carries_it(desk: Desk, data: DataSet, way: Fill) -> None:
    for frame in (1, 3):
        desk.do("box", frame, box=[8, 4, 24, 20])
    told = desk.propagate(way)
    assert (told["error"], told["running"], told["done"]) == ("", False, told["total"])
    assert desk.look()["objects"][0]["carried"] == way
    session = Session(usframe.read_volume(data.volumes / "case_0.nii.gz"), ToyWithMemory())
    for frame in (1, 3):
        session.box(frame, (8, 4, 24, 20))
    session.propagate(way)
    np.testing.assert_array_equal(desk.whole(), session.mask)
    assert None not in desk.look()["expected"]
    assert desk.click()["objects"][0]["stale"]


def test_all_objects_are_carried_at_once(desk: Desk) -> None:
    desk.click()
    desk.do("name", id=2, name="other")
    desk.do("box", 3, box=[26, 18, 40, 32])
    told = desk.propagate(every=True)
    assert (told["error"], told["done"], told["total"]) == ("", 2 * DEPTH, 2 * DEPTH)
    assert [one["carried"] for one in desk.look()["objects"]] == ["memory"] * 2
    desk.do("undo")
    assert [one["carried"] for one in desk.look()["objects"]] == [None] * 2


class Slow(ToyWithMemory):
    """It holds until it is let go of, from the second slice that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.going, self.seen = threading.Event(), 0

    def encode(self, images: Any) -> Any:
        self.seen += 1
        if self.seen > 1:
            self.going.wait(20)
        return super().encode(images)


def test_a_propagation_is_cancelled_and_nothing_else_is_done_meanwhile(data: DataSet) -> None:
    network = Slow()
    desk = Desk(data, backbone=network)
    desk.click()
    before = desk.whole()
    assert desk.post("propagate", way="memory", every=False).json()["running"]
    for answer in (desk.post("undo"), desk.post("save"), desk.client.get("/api/cases/case_1")):
        assert answer.status_code == 409
        assert "a propagation is running in case_0" in answer.json()["error"]
    assert desk.mask().any()
    threading.Timer(0.05, network.going.set).start()
    told = desk.client.post("/api/cancel").json()
    assert told["error"] == "cancelled; nothing was changed"
    np.testing.assert_array_equal(desk.whole(), before)
    desk.bench.close()


@pytest.mark.parametrize("affine", [AFFINE, FLIPPED], ids=["oblique", "flipped"])
def test_what_is_saved_is_the_mask_on_the_source_grid(data: DataSet, affine: np.ndarray) -> None:
    source = data.volumes / "case_0.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(nib.load(source).dataobj), affine), source)
    desk = Desk(data)
    desk.click()
    desk.propagate()
    desk.click()
    desk.do("name", id=7, name="other")
    desk.do("box", 3, box=[26, 18, 40, 32])
    told = desk.do("save")
    saved = nib.load(told["saved"])
    assert Path(told["saved"]) == data.out / "labels" / "case_0.nii.gz"
    np.testing.assert_array_equal(np.asarray(saved.dataobj), desk.whole().transpose(2, 1, 0))
    np.testing.assert_allclose(saved.affine, affine, atol=1e-6)
    assert {1, 7} <= {*np.unique(np.asarray(saved.dataobj)).tolist()}
    desk.bench.close()


def test_a_case_that_is_accepted_is_saved_until_it_changes(desk: Desk, data: DataSet) -> None:
    desk.click()
    assert desk.do("accept", accepted=True)["standing"] == "accepted"
    assert (data.out / "labels" / "case_0.nii.gz").exists()
    assert desk.click(20, 14)["standing"] == "begun"


def test_the_next_command_goes_on_where_this_one_ended(data: DataSet) -> None:
    desk = Desk(data)
    desk.do("name", id=1, name="nerve")
    desk.click()
    desk.propagate()
    desk.do("brush", 3, path=PATH, inside=True, width=5)
    before, told = desk.whole(), desk.look()
    # nothing is closed: the process may have been killed
    again = Desk(data)
    np.testing.assert_array_equal(again.whole(), before)
    assert again.look()["objects"] == told["objects"]
    assert standings(again) == ["begun", "untouched", "untouched"]
    assert [one["name"] for one in again.look("case_1")["objects"]] == ["nerve"]
    again.bench.close()


def test_labels_that_are_there_are_painted(data: DataSet) -> None:
    desk = Desk(data, f"labels={data.labels}")
    labels = np.asarray(nib.load(data.labels / "case_0.nii.gz").dataobj).transpose(2, 1, 0)
    np.testing.assert_array_equal(desk.whole(), labels)
    told = desk.look()
    assert not told["undo"]
    assert [sorted(one["prompts"]) for one in told["objects"]] == [["1", "2", "3"]] * 2
    assert standings(desk) == ["untouched"] * 3
    desk.bench.close()


def test_the_prompts_of_all_cases_are_run_in_batch(data: DataSet, tmp_path: Path) -> None:
    desk = Desk(data)
    desk.do("box", box=[8, 4, 24, 20])
    desk.do("brush", 3, path=PATH, inside=True, width=5)
    assert desk.post("point", case="case_1", x=X, y=Y, inside=True).status_code == 200
    desk.bench.close()
    words = ["run", "-i", data.volumes, "-o", tmp_path / "run", "--backbone", "demo", "--checkpoint", "random"]
    done = usframe_(*words, f"frames=file:{data.out / 'prompts.csv'}", "cases=[case_0,case_1]")
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "run" / "masks" / "file").iterdir())) == 2


@pytest.mark.parametrize(
    ("verb", "fields", "line"),
    [
        ("point", {"x": 99, "y": 1, "inside": True}, "outside the slice of 48 x 36 pixels"),
        ("point", {"x": "1", "y": 1, "inside": True}, "point takes frame, x, y, inside"),
        ("point", {"x": 1, "y": 1, "inside": False}, "begin with one inside"),
        ("point", {"x": 1, "y": 1, "inside": True, "more": 1}, "and no more"),
        ("box", {"box": [1, 2, 3]}, "box has 3 numbers"),
        ("box", {"box": [1, 2, 300, 4]}, "no xyxy box within 48 x 36 pixels"),
        ("lasso", {"path": [[1, 2, 3]], "inside": True}, "path must be 1 to 20000 points"),
        ("scribble", {"path": [], "inside": True}, "path must be 1 to 20000 points"),
        ("brush", {"path": [[1, 200]], "inside": True, "width": 3}, "path leaves the slice of 48 x 36"),
        ("brush", {"path": [[1, 2]], "inside": True, "width": 0}, "a brush has 1 to 400 pixels"),
        ("remove_point", {"number": 0}, "slice 2 has no point 0"),
        ("object", {"id": 256}, "object ids run from 1 to 255"),
        ("name", {"id": 1, "name": "a\nb"}, "in one line"),
        ("propagate", {"way": "magic", "every": False}, "one of memory, shape, both"),
        ("propagate", {"way": "memory"}, "propagate takes way and every"),
        ("propagate", {"way": "memory", "every": False}, "object 1 has no prompt to begin with"),
        ("propagate", {"way": "both", "every": True}, "no object that is not locked has a prompt"),
        ("wish", {}, "wish is no verb"),
    ],
)
def test_a_bad_request_is_one_line_and_changes_nothing(
    desk: Desk, verb: str, fields: dict[str, Any], line: str
) -> None:
    before = desk.look()
    answer = desk.post(verb, **fields)
    assert answer.status_code == 400
    assert line in answer.json()["error"]
    assert desk.look() == before
    assert desk.click()["undo"]


def test_slices_and_cases_that_are_not_there_are_not_found(desk: Desk) -> None:
    for path in (
        "case_0/planes/0/5",
        "case_0/masks/1/36",
        "case_0/planes/3/0",
        "case_9",
        "..%2f..%2fetc",
        "case_9/planes/0/0",
    ):
        answer = desk.client.get(f"/api/cases/{path}")
        assert answer.status_code == 404, path
        assert answer.json()["error"]
    assert desk.client.get("/page/..%2Fapp.py").status_code == 404
    assert desk.post("clear", 7).status_code == 400
    assert desk.post("clear", case="case_9").status_code == 404


@pytest.mark.parametrize("body", ["{", "[" * 100_000, '{"x": NaN, "y": 1, "frame": 2, "inside": true}'])
def test_a_body_that_is_no_json_is_one_line(desk: Desk, body: str) -> None:
    headers = {"content-type": "application/json"}
    answer = desk.client.post("/api/cases/case_0/point?frame=2", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_only_json_of_a_bounded_size_is_taken(desk: Desk) -> None:
    plain = desk.client.post("/api/cases/case_0/undo", content="{}", headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    headers = {"content-type": "application/json"}
    large = desk.client.post("/api/cases/case_0/undo", content=b" " * (1 << 21), headers=headers)
    endless = desk.client.post("/api/cases/case_0/undo", content=iter([b"{", b"}"]), headers=headers)
    assert (large.status_code, endless.status_code) == (413, 413)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-usframe-token": ""}, 403),
        ({"x-usframe-token": "a-secreu"}, 403),
        ({"x-usframe-token": "", "cookie": f"usframe-{PORT}=wrong"}, 403),
        ({"x-usframe-token": "", "cookie": f"usframe-{PORT + 1}={TOKEN}"}, 403),
        ({"host": "evil.example:8000"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"x-usframe-token": "", "cookie": f"usframe-{PORT}={TOKEN}"}, 200),
        ({"origin": f"http://localhost:{PORT}"}, 200),
    ],
)
def test_only_the_holder_of_the_token_is_answered(desk: Desk, headers: dict[str, str], status: int) -> None:
    for path in ("/", "/api/cases", "/page/main.js", "/api/cases/case_0/planes/0/0"):
        assert desk.client.get(path, headers=headers).status_code == status, path


def test_the_address_with_the_token_becomes_a_cookie(desk: Desk) -> None:
    del desk.client.headers["x-usframe-token"]
    first = desk.client.get(f"/?token={TOKEN}", follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict"} <= {*first.headers["set-cookie"].split("; ")}
    page = desk.client.get("/")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert "http" not in page.text.replace("http-equiv", "")


def test_a_volume_that_cannot_be_read_is_one_line_and_the_others_go_on(data: DataSet) -> None:
    (data.volumes / "case_0.nii.gz").write_bytes(b"no volume")
    desk = Desk(data)
    answer = desk.client.get("/api/cases/case_0")
    assert answer.status_code == 422
    assert "case_0.nii.gz" in answer.json()["error"]
    assert desk.look("case_1")["name"] == "case_1"
    desk.bench.close()


def test_labels_that_another_has_made_are_not_replaced(data: DataSet) -> None:
    theirs = DataSet(data.volumes, data.out / "labels", data.out)
    write_case(theirs, "case_0")
    with pytest.raises(RequestError, match="was not made here"):
        Desk(data)
