"""A server that listens until it is told to end."""

from __future__ import annotations

import ipaddress
import secrets
import signal
import socket
from contextlib import ExitStack
from types import FrameType
from typing import Any

import uvicorn

from usframe.errors import RequestError
from usframe.serving.app import Service

SHORTEST = 16  # characters of a token
GRACE = 5  # seconds for answers that are under way
TOGETHER = 64  # connections


def token_for(host: str, token: str | None) -> tuple[str | None, bool]:
    """The token that clients must know, and whether it was made up here: beyond this machine there always is one.

    Raises `RequestError` for one that is too short, or that no header can carry.
    """
    if token is None:
        return (None, False) if is_local(host) else (secrets.token_urlsafe(24), True)
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise RequestError(f"--token must be at least {SHORTEST} letters, digits and signs without a space")
    return token, False


def is_local(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket at an address; port 0 takes a free one. Raises `RequestError` where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise RequestError(f"cannot listen at {host}:{port} ({error}); choose another --host or --port") from error


def serve(service: Service, listening: socket.socket) -> int:
    """Answer until SIGINT or SIGTERM; the exit status."""
    server, came = Server(service), []

    def end(number: int, frame: Any) -> None:
        came.append(number)
        server.should_exit = True

    with ExitStack() as stack:
        stack.callback(listening.close)
        for one in (signal.SIGINT, signal.SIGTERM):  # uvicorn hands them back once it has ended
            stack.callback(signal.signal, one, signal.signal(one, end))
        server.run(sockets=[listening])
    return 128 + signal.SIGTERM if signal.SIGTERM in came else 0


class Server(uvicorn.Server):
    """One that lets a service know that it ends, so that no answer is waited for."""

    def __init__(self, service: Service) -> None:
        config = uvicorn.Config(
            service.app(),
            log_level="error",
            access_log=False,
            limit_concurrency=TOGETHER,
            timeout_graceful_shutdown=GRACE,
            server_header=False,
        )
        super().__init__(config)
        self.service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self.service.ending.set()
        super().handle_exit(sig, frame)
