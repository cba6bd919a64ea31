"""Who is answered: the holder of the token, at the address that was printed, from the page itself."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE, HEADER = "usframe", "x-usframe-token"
LARGEST = 1 << 20  # bytes of a body
NAMES = ("127.0.0.1", "localhost")
TOLD: Mapping[str, str] = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Lets through what the holder of ``token`` asks at ``port`` of this machine, and turns away all else.

    The first visit brings the token in its address and leaves with a cookie that only this address gets. A name
    that leads here from elsewhere (DNS rebinding) is not in `NAMES`; another host's page has another origin.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token, self.port = app, token, port
        self.hosts = {f"{name}:{port}" for name in NAMES}
        self.cookie = f"{COOKIE}-{port}"  # a browser sends the cookies of one port to all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in TOLD.items()),
                ]
            await send(message)

        answer = self._turned_away(scope, Headers(scope=scope)) or self.app
        return await answer(scope, receive, told)

    def _turned_away(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """What is answered instead of letting a request through, if so."""
        if headers.get("host", "") not in self.hosts:
            return _line(421, f"this is 127.0.0.1:{self.port}, and it answers to no other name")
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self.hosts:
            return _line(403, "another page may not ask this")
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._is_token(asked):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
            return answer
        if not self._is_token(headers.get(HEADER, "")) and not self._is_token(self._in_cookie(headers)):
            return _line(403, "open the address that usframe annotate has printed")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST or "transfer-encoding" in headers:
            return _line(413, f"a request has up to {LARGEST >> 20} MB, and says how many")
        return None

    def _in_cookie(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found else ""

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


def _line(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status)
