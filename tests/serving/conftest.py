"""Servers on free ports, and the client that viewers use, as it is in the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import numpy as np
import pytest
from nnInteractive.inference.remote import nnInteractiveRemoteInferenceSession

import usframe
from usframe import Volume
from usframe.serving.app import Service
from usframe.serving.clients import Limits
from usframe.serving.server import Server, listen


@pytest.fixture(scope="session")
def demo():
    return usframe.load_backbone("demo", device="cpu")


@pytest.fixture(scope="session")
def vessel() -> Volume:
    return Volume(usframe.simulate(3, shape=(4, 96, 96), scene="vessel").image)


@contextmanager
def running(
    backbone, token: str | None = None, limits: Limits | None = None, *, ending: bool = False
) -> Iterator[str]:
    """The address of a server in a thread. ``ending``: it has been told to end."""
    listening = listen("127.0.0.1", 0)
    server = Server(Service(backbone, token, limits))
    if ending:
        server.service.ending.set()
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def start() -> Callable[..., object]:
    return running


@pytest.fixture(scope="session")
def address(demo) -> Iterator[str]:
    """A server that most tests share."""
    with running(demo, limits=Limits(clients=64, silence=600)) as url:
        yield url


class Viewer:
    """What a viewer does: a remote session, and the array that it keeps up to date."""

    def __init__(self, address: str, image: np.ndarray, **options) -> None:
        self.remote = nnInteractiveRemoteInferenceSession(address, **options)
        self.remote.set_image(image[None])
        self.mask = np.zeros(image.shape, np.uint8)
        self.remote.set_target_buffer(self.mask)


@pytest.fixture
def view() -> Iterator[Callable[..., Viewer]]:
    opened: list[Viewer] = []

    def begin(*args, **options) -> Viewer:
        opened.append(Viewer(*args, **options))
        return opened[-1]

    yield begin
    for viewer in opened:
        viewer.remote.close()
