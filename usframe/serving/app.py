"""The web application: who may ask, how much, and what is answered to a request that is wrong."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from threading import Event
from typing import Any

import torch
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from usframe.annotation.session import Cancelled
from usframe.errors import CaseError, PluginError, UsframeError, escape
from usframe.serving import arrays, dls
from usframe.serving.clients import Clients, Limits, RefusalError
from usframe.serving.fields import parsed
from usframe.serving.nninteractive import CAPABILITIES, VERBS, Desk, Verb
from usframe.types import Backbone

LEASE, META = "X-Lease-Token", "X-Meta"
log = logging.getLogger("uvicorn.error")
JSON_BODY = 1 << 20  # bytes
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
Handler = Callable[[Request], Awaitable[Response]]


class Service:
    """One network and its clients. ``token``: what a client must know, None where all on this machine may ask."""

    def __init__(self, backbone: Backbone, token: str | None = None, limits: Limits | None = None) -> None:
        self.backbone, self.token = backbone, token
        self.limits = limits or Limits()
        self.clients = Clients(self.limits)
        self.network = asyncio.Lock()
        self.ending = Event()

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/health", self.health),
            Route("/healthz", self.health),
            Route("/capabilities", self.guarded(self.capabilities)),
            Route("/claim", self.guarded(self.claim), methods=["POST"]),
            Route("/release", self.guarded(self.release), methods=["POST"]),
            Route("/heartbeat", self.guarded(self.lease), methods=["POST"]),
            Route("/lease_status", self.guarded(self.lease)),
            *(Route(path, self.guarded(partial(self.act, verb)), methods=["POST"]) for path, verb in VERBS.items()),
            *dls.routes(self),
        ]
        failures: dict[Any, Any] = {HTTPException: _not_found, Exception: _broken}
        return Starlette(routes=routes, exception_handlers=failures, lifespan=self._living)

    async def health(self, request: Request) -> Response:
        """Whether the server lives."""
        return JSONResponse({"ok": True})

    async def capabilities(self, request: Request) -> Response:
        """What can be drawn."""
        return JSONResponse(CAPABILITIES)

    async def claim(self, request: Request) -> Response:
        """A session of one's own."""
        client = self.clients.claim()
        waits = {"idle_timeout_seconds": self.limits.idle, "liveness_timeout_seconds": self.limits.silence}
        return JSONResponse({"lease_token": client.lease, **waits})

    async def release(self, request: Request) -> Response:
        """The end of a session."""
        self.clients.release(request.headers.get(LEASE, ""))
        return JSONResponse({"ok": True})

    async def lease(self, request: Request) -> Response:
        """How long a session lasts if nothing is drawn; asked with POST, it is a sign of life."""
        client = self.clients.find(request.headers.get(LEASE, ""))
        told = {"remaining_seconds": self.clients.remaining(client), "idle_timeout_seconds": self.limits.idle}
        return JSONResponse(told)

    async def act(self, verb: Verb, request: Request) -> Response:
        """What a session does."""
        limit = self.limits.body if verb.packed else JSON_BODY
        run = partial(_act, verb, request.headers.get(META, "{}"))
        return await self.work(request.headers.get(LEASE, ""), request, run, limit=limit, asks=verb.asks)

    async def work(
        self,
        lease: str,
        request: Request,
        run: Callable[[Desk, bytes], Response],
        *,
        limit: int = JSON_BODY,
        asks: bool,
    ) -> Response:
        """What ``run`` makes of a body of up to ``limit`` bytes. ``asks``: it needs the network.

        One request of a client after the other; the network answers one at a time.
        """
        client = self.clients.find(lease)
        async with client.lock:
            self.clients.find(lease).touch()
            body = await self._body(request, limit)
            desk = Desk(self.clients, client, self.backbone, self._go_on)
            async with self.network if asks else nullcontext():
                response = await run_in_threadpool(run, desk, body)
            client.touch()
        return response

    def _go_on(self, slices: int) -> None:
        if self.ending.is_set():
            raise Cancelled

    async def _body(self, request: Request, limit: int) -> bytes:
        """Raises `RefusalError` for one that is larger, or does not come."""

        async def read() -> bytes:
            parts, size = [], 0
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise RefusalError(413, f"the body is larger than {limit} bytes")
                parts.append(part)
            return b"".join(parts)

        stated = request.headers.get("content-length", "0")
        if not stated.isdecimal() or int(stated) > limit:
            raise RefusalError(413, f"the body is larger than {limit} bytes")
        try:
            return await asyncio.wait_for(read(), self.limits.body_seconds)
        except asyncio.TimeoutError as error:
            raise RefusalError(408, f"the body did not come within {self.limits.body_seconds:g} seconds") from error

    def guarded(self, handler: Handler) -> Handler:
        """The handler, for those who may ask; what goes wrong is one line."""

        async def answer(request: Request) -> Response:
            try:
                self._check(request)
                return await handler(request)
            except RefusalError as refusal:
                return _told(refusal.status, refusal.line)
            except (CaseError, PluginError) as error:  # no fault of the request
                log.error(escape(str(error)))
                return _told(500, "the network failed; the server's terminal says how")
            except UsframeError as error:
                return _told(422, "; ".join(str(error).splitlines()))
            except Cancelled:
                return _told(503, "the server is ending")
            except ClientDisconnect:
                return _told(400, "the body is cut off")
            except (MemoryError, torch.OutOfMemoryError):
                return _told(507, "the server has not enough memory for this; try a smaller volume")

        return answer

    def _check(self, request: Request) -> None:
        """Raises `RefusalError` for a web page of another site, and for one that does not know the token."""
        if "origin" in request.headers or "sec-fetch-site" in request.headers:
            raise RefusalError(403, "web pages may not use this server")
        if self.token is None:
            if request.url.hostname not in LOCAL_NAMES:
                raise RefusalError(403, "without a token this server answers as localhost only")
            return
        given = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
            raise RefusalError(401, "the token is missing or wrong; the API key must be the server's token")

    @asynccontextmanager
    async def _living(self, app: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(self._sweep())
        yield
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(5.0, self.limits.idle / 4, self.limits.silence / 4))
            self.clients.sweep()


def _act(verb: Verb, meta: str, desk: Desk, body: bytes) -> Response:
    fields, packed = (parsed(meta), arrays.read(body)) if verb.packed else (parsed(body), None)
    answer = verb.run(desk, fields, packed)
    if not verb.answers:
        return JSONResponse(answer.said)
    content = b"" if answer.array is None else arrays.pack(answer.array)
    return Response(content, headers={META: json.dumps(answer.said)}, media_type="application/octet-stream")


def _told(status: int, line: str) -> Response:
    more = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"detail": escape(line)}, status, more)


async def _not_found(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    line = (
        "this path takes another method" if status == 405 else "there is no such path in the nnInteractive protocol"
    )
    return _told(status, line)


async def _broken(request: Request, error: Exception) -> Response:
    return _told(500, "an error in usframe; the server's terminal has the rest")
