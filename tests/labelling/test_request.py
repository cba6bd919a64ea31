"""What `usframe annotate` is asked for, and what it says where that cannot be."""

from __future__ import annotations

import socket

import pytest
from conftest import DataSet, usframe_

from usframe.cli import annotate
from usframe.labelling.request import KEYS, asked


def words(data: DataSet, *more: str) -> list[str]:
    return ["annotate", str(data.volumes), "-o", str(data.out), "--backbone", "demo", "--no-browser", *more]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["mode=propagate"], "mode is no key of usframe annotate; its keys are"),
        (["layout=sideways"], "layout=sideways is not possible"),
        (["cases=[case_7]"], "cases=case_7 not found"),
        (["--device", "abacus"], "device=abacus is not possible"),
        (["--checkpoint", "nowhere.pt"], "nowhere.pt"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_line(data: DataSet, more: list[str], line: str) -> None:
    done = usframe_(*words(data, *more))
    assert done.exit_code == 2, done.output
    assert line in done.output
    assert done.output.count("\n") == 1
    assert not (data.out / "sessions").exists()


def test_an_unknown_backbone_and_a_foreign_key_are_told_at_once(data: DataSet) -> None:
    done = usframe_("annotate", data.volumes, "-o", data.out, "--backbone", "dmo", "fill=both")
    assert done.exit_code == 2
    assert "did you mean 'demo'" in done.output
    assert "fill is no key" in done.output


def test_results_do_not_go_among_the_volumes(data: DataSet) -> None:
    done = usframe_("annotate", data.volumes, "-o", data.volumes / "out", "--backbone", "demo")
    assert done.exit_code == 2
    assert "choose another -o" in done.output


def test_a_port_that_is_taken_is_told(data: DataSet) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = usframe_(*words(data, "--port", str(port)))
    assert done.exit_code == 2
    assert f"--port {port} cannot be had" in done.output


def test_without_the_extra_it_says_what_to_install(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotate, "find_spec", lambda name: None)
    done = usframe_(*words(data))
    assert done.exit_code == 2
    assert done.output == ("Error: usframe annotate needs starlette and uvicorn: pip install 'usframe[serve]'\n")


def test_its_keys_are_those_that_reading_asks_for(data: DataSet) -> None:
    request = asked([f"volumes={data.volumes}", f"out={data.out}", "backbone=demo", "cases=[case_1]"])
    assert [case.name for case in request.cases] == ["case_1"]
    assert all(hasattr(request.config, key) for key in KEYS)
