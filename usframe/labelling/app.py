"""The verbs of HTTP: the page's files, the cases, their pixels as raw bytes, and what is drawn, as JSON.

Of the volume (D, H, W) a plane at a time: a slice is H rows of W bytes, the plane along a row D rows of W, and that
along a column H rows of D. The mask of a plane, of all objects, has the same form.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from usframe.annotation.session import Session
from usframe.errors import CaseError, RequestError, UsframeError, WriteError, shown
from usframe.labelling.bench import Bench, Busy
from usframe.labelling.guard import Guard

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PAGE = {
    file.name: (file.read_bytes(), TYPES[f".{file.name.rpartition('.')[2]}"])
    for file in files("usframe.labelling").joinpath("page").iterdir()
    if file.name.endswith(tuple(TYPES))
}
AXES = ("slice", "row", "column")
Place: TypeAlias = tuple[slice | int, ...]
STATUS: dict[type[UsframeError], int] = {Busy: 409, RequestError: 400, WriteError: 507, CaseError: 422}


def make_app(bench: Bench, token: str, port: int) -> Starlette:
    """The application, for the holder of ``token`` at ``port``."""
    routes = [
        Route("/", page),
        Route("/page/{file}", page),
        Route("/api/cases", listing),
        Route("/api/job", job),
        Route("/api/cancel", cancel, methods=["POST"]),
        Route("/api/cases/{case}", look),
        Route("/api/cases/{case}/planes/{axis:int}/{at:int}", picture),
        Route("/api/cases/{case}/masks/{axis:int}/{at:int}", mask),
        Route("/api/cases/{case}/{verb}", verb, methods=["POST"]),
    ]
    known: Any = {UsframeError: failed, HTTPException: not_found}
    app = Starlette(routes=routes, middleware=[Middleware(Guard, token=token, port=port)], exception_handlers=known)
    app.state.bench = bench
    return app


def failed(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse({"error": shown(str(error))}, status)


def not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": shown(str(error.detail))}, error.status_code)


async def page(request: Request) -> Response:
    name = request.path_params.get("file", "index.html")
    if name not in PAGE:
        raise HTTPException(404, "there is no such file")
    content, kind = PAGE[name]
    return Response(content, media_type=kind)


def listing(request: Request) -> Response:
    return JSONResponse(_bench(request).listing())


def job(request: Request) -> Response:
    now = _bench(request).job
    return JSONResponse(now.told() if now else None)


def cancel(request: Request) -> Response:
    _bench(request).cancel()
    return job(request)


def look(request: Request) -> Response:
    return JSONResponse(_bench(request).look(_case(request)))


def picture(request: Request) -> Response:
    session, place = _place(request)
    return _pixels(np.round(session.data[place] * 255).astype(np.uint8), place)


def mask(request: Request) -> Response:
    session, place = _place(request)
    return _pixels(session.mask[place], place)


async def verb(request: Request) -> Response:
    """POST of a verb's fields; ``?frame=`` is the slice whose mask is wanted back."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "a verb takes application/json")
    try:
        asked = json.loads(await request.body())
        frame = int(request.query_params.get("frame", "0"))
    except (ValueError, RecursionError) as error:
        raise RequestError("the request is no JSON, or its frame is no number") from error
    bench, name, what = _bench(request), _case(request), request.path_params["verb"]
    if what == "propagate":
        return JSONResponse(await run_in_threadpool(bench.propagate, name, asked), 202)
    if what == "save":
        return JSONResponse(await run_in_threadpool(bench.save, name))
    return JSONResponse(await run_in_threadpool(bench.do, name, what, asked, frame))


def _bench(request: Request) -> Bench:
    bench: Bench = request.app.state.bench
    return bench


def _case(request: Request) -> str:
    """A case that there is: no name from outside becomes a path."""
    name: str = request.path_params["case"]
    if name not in _bench(request).cases:
        raise HTTPException(404, f"there is no case {name}")
    return name


def _place(request: Request) -> tuple[Session, Place]:
    """Where the plane lies that is asked for, as an index of the volume."""
    session, asked = _bench(request).session(_case(request)), request.path_params
    axis, at = asked["axis"], asked["at"]
    if axis >= len(AXES) or at >= session.data.shape[axis]:
        last = ", ".join(f"{name} {size - 1}" for name, size in zip(AXES, session.data.shape, strict=True))
        raise HTTPException(404, f"there is no plane {at} of axis {axis}; the last ones are {last}")
    return session, (*(slice(None),) * axis, at)


def _pixels(plane: NDArray[np.uint8], place: Place) -> Response:
    shown = plane.T if len(place) == len(AXES) else plane
    return Response(shown.tobytes(), media_type="application/octet-stream")
