"""Who is connected: a session each, a bound on how many and how large, and an end for those that went away."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usframe.annotation.session import Session


class RefusalError(Exception):
    """A request that is not answered: the HTTP ``status``, and one line that says why."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status, self.line = status, line


@dataclass(frozen=True)
class Limits:
    """What clients may take. ``idle``: seconds without an action, ``silence``: without any request at all."""

    clients: int = 4
    idle: float = 600.0
    silence: float = 60.0
    body: int = 1 << 30  # bytes, compressed
    body_seconds: float = 300.0
    voxels: int = 1 << 28  # of a volume
    all_voxels: int = 1 << 29  # of the volumes of all clients
    room: int = 2 << 30  # bytes of encodings of all clients
    steps: int = 20  # that can be undone


class Client:
    """One that has connected. ``seen``: (D, H, W), the mask that it has been sent so far."""

    def __init__(self, lease: str, silence: float) -> None:
        """``silence``: seconds that it may say nothing at all."""
        self.silence = silence
        self.lease = lease
        self.lock = asyncio.Lock()
        self.session: Session | None = None
        self.seen: NDArray[np.bool_] = np.zeros((0, 0, 0), bool)
        self.voxels = 0
        self.acted = self.heard = time.monotonic()

    def touch(self) -> None:
        """It has done something."""
        self.acted = self.heard = time.monotonic()

    def volume(self) -> Session:
        """Its session. Raises `RefusalError` before there is a volume."""
        if self.session is None:
            raise RefusalError(409, "there is no volume yet; send it with /set_image first")
        return self.session


class Clients:
    """Clients by their lease."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.known: dict[str, Client] = {}

    def claim(self, *, beats: bool = True) -> Client:
        """A new client; one that ``beats`` says something all the time.

        Raises `RefusalError` where there are as many as may be.
        """
        self.sweep()
        if len(self.known) >= self.limits.clients:
            raise RefusalError(503, f"all {self.limits.clients} sessions of this server are taken; try again later")
        client = Client(secrets.token_urlsafe(24), self.limits.silence if beats else self.limits.idle)
        self.known[client.lease] = client
        return client

    def find(self, lease: str) -> Client:
        """The client of a lease. Raises `RefusalError` for one that is unknown, or is no longer."""
        self.sweep()
        client = self.known.get(lease)
        if client is None:
            raise RefusalError(
                410, "this session is not known (any more): it was idle for too long, or the server restarted"
            )
        client.heard = time.monotonic()
        return client

    def release(self, lease: str) -> None:
        """Forget a client, and what it sent."""
        self.known.pop(lease, None)

    def sweep(self) -> None:
        """Release clients that are idle or silent, but none that is waiting for an answer."""
        self.known = {lease: one for lease, one in self.known.items() if not self.is_gone(one)}

    def remaining(self, client: Client) -> float:
        """Seconds until a client is released that does nothing."""
        return max(0.0, client.acted + self.limits.idle - time.monotonic())

    def is_gone(self, client: Client) -> bool:
        """Whether a client has done nothing for too long, or said nothing, and waits for nothing."""
        silent = time.monotonic() - client.heard > client.silence
        return not client.lock.locked() and (silent or self.remaining(client) == 0)

    def make_room(self, client: Client, voxels: int) -> None:
        """Let a client have a volume of so many voxels. Raises `RefusalError` for too many."""
        if voxels > self.limits.voxels:
            raise RefusalError(413, f"the volume has {voxels} voxels; this server takes up to {self.limits.voxels}")
        client.voxels = voxels
        if sum(one.voxels for one in list(self.known.values())) > self.limits.all_voxels:
            client.voxels = 0
            raise RefusalError(503, "the volumes of other sessions leave no room for this one; try again later")
