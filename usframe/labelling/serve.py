"""A server for one person at this machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from usframe.errors import RequestError
from usframe.inference.verbs import with_memory
from usframe.labelling.app import make_app
from usframe.labelling.bench import Bench
from usframe.labelling.folder import Folder
from usframe.labelling.request import Asked
from usframe.tasks.predict import load_network

ADDRESS = "127.0.0.1"
ENDS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """One that is ended by `ending`, and does not raise the signal once more afterwards."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(asked: Asked, port: int, *, browser: bool, say: Callable[[str], object]) -> None:
    """Answer at ``port`` (0: any that is free) until a signal ends it. Raises `RequestError` before that begins.

    ``say`` is told the address, and at the end what was left where.
    """
    config = asked.config
    listening = _listen(port)
    folder = Folder(config.folder, asked.cases, asked.plugins)
    try:
        backbone = load_network(config, asked.plugins, config.device)
        with_memory(backbone)
        bench = Bench(asked, backbone, folder)
    except BaseException:
        folder.close()
        raise
    port, token = listening.getsockname()[1], secrets.token_urlsafe(24)
    address = f"http://{ADDRESS}:{port}/?token={token}"
    settings = uvicorn.Config(
        make_app(bench, token, port),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = Server(settings)
    try:
        with ending(server):
            say(f"{len(asked.cases)} cases, kept in {config.folder}. Open {address}")
            say("Ctrl-C ends it.")
            if browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            server.run(sockets=[listening])
    finally:
        listening.close()
        bench.close()
    say(f"Kept: {folder.out / 'sessions'}, {folder.out / 'prompts.csv'}; saved labels: {folder.out / 'labels'}")


@contextmanager
def ending(server: uvicorn.Server) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the server in peace."""

    def end(*_: object) -> None:
        server.should_exit = True

    before = {one: signal.signal(one, end) for one in ENDS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ADDRESS, port))
        listening.listen()  # who comes before the server begins is answered once it has
    except OSError as error:
        listening.close()
        raise RequestError(
            f"--port {port} cannot be had ({error.strerror}); choose another, or leave it out"
        ) from error
    return listening
