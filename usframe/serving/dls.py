"""The protocol by which ITK-SNAP asks its deep learning server, versions 1 and 2.

Sessions are named in the path, flags in the query. An array is the part ``file`` of a form: gzipped float32, x
fastest, whose ``dimensions`` (x, y, z) are in the part ``metadata``, JSON. Answers hold the whole mask: int8,
gzipped, in base64.
"""

from __future__ import annotations

import base64
import gzip
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from usframe.serving import nninteractive
from usframe.serving.clients import RefusalError
from usframe.serving.fields import numbers, parsed
from usframe.serving.nninteractive import OBJECT, Desk, Verb

if TYPE_CHECKING:
    from usframe.serving.app import Service

MODEL = {"id": "usframe", "channels": [1], "dimensions": 3, "interactions": ["point", "scribble", "lasso"]}
VERSION = "0.1.6"  # of the server whose protocol this is


@dataclass(frozen=True)
class Gzipped:
    """An array of float32 that has not been unpacked."""

    shape: tuple[int, ...]
    content: bytes

    def unpack(self) -> NDArray[Any]:
        """The array. Raises `RefusalError` for one that is damaged, not finite, or larger than it says."""
        size = 4 * math.prod(self.shape)
        try:
            unpacker = zlib.decompressobj(wbits=31)
            raw = unpacker.decompress(self.content, size + 1)
        except zlib.error as error:
            raise RefusalError(400, "the array is no gzip file") from error
        if len(raw) != size:
            raise RefusalError(400, f"the body does not hold an array of the shape {list(self.shape)}")
        array = np.frombuffer(raw, "<f4").reshape(self.shape)
        if not np.isfinite(array).all():
            raise RefusalError(422, "the array has voxels that are NaN or infinite")
        return array


def routes(service: Service) -> list[Route]:
    """The paths of the protocol, in both versions."""

    async def status(request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": VERSION})

    async def models(request: Request) -> Response:
        return JSONResponse({"models": [MODEL]})

    async def begin(request: Request) -> Response:
        return JSONResponse({"session_id": service.clients.claim(beats=False).lease})

    async def end(request: Request) -> Response:
        service.clients.release(request.path_params["session"])
        return JSONResponse({"message": "Session ended"})

    async def act(verb: Verb, request: Request) -> Response:
        run, limit = partial(_act, verb, request), service.limits.body if verb.packed else 0
        return await service.work(request.path_params["session"], request, run, limit=limit, asks=verb.asks)

    def paths(path: str, verb: Verb) -> list[Route]:
        method = "POST" if verb.packed else "GET"
        handler = service.guarded(partial(act, verb))
        return [Route(f"{prefix}/{path}/{{session}}", handler, methods=[method]) for prefix in ("", "/v2")]

    plain = {"/status": status, "/v2/models": models, "/start_session": begin, "/v2/start_session/{model}": begin}
    plain |= {"/end_session/{session}": end, "/v2/end_session/{session}": end}
    return [
        *(Route(path, service.guarded(handler)) for path, handler in plain.items()),
        *paths("upload_raw", nninteractive.VERBS["/set_image"]),
        *paths("reset_interactions", nninteractive.VERBS["/reset_interactions"]),
        *paths("process_point_interaction", nninteractive.VERBS["/add_point_interaction"]),
        *paths("process_scribble_interaction", nninteractive.VERBS["/add_scribble_interaction"]),
        *paths("process_lasso_interaction", nninteractive.VERBS["/add_lasso_interaction"]),
    ]


def _act(verb: Verb, request: Request, desk: Desk, body: bytes) -> Response:
    query = request.query_params
    fields: dict[str, Any] = {"include_interaction": query.get("foreground", "false").lower() in ("true", "1")}
    packed = None
    if verb.packed:
        packed = _packed(parts_of(request.headers.get("content-type", ""), body))
        if verb.run is nninteractive.set_image:
            packed = Gzipped((1, *packed.shape), packed.content)
    elif verb.asks:
        given = query.getlist("point") or [query.get(axis, "") for axis in "xyz"]
        fields["coordinates"] = [int(part) if re.fullmatch(r"-?\d{1,9}", part) else None for part in given][::-1]
    verb.run(desk, fields, packed)
    if not verb.answers:
        return JSONResponse({"status": "success"})
    mask = (desk.client.volume().mask == OBJECT).astype(np.int8)
    return JSONResponse(
        {"status": "success", "result": base64.b64encode(gzip.compress(mask.tobytes(), 1)).decode()}
    )


def _packed(parts: Mapping[str, bytes]) -> Gzipped:
    if not {"file", "metadata"} <= parts.keys():
        raise RefusalError(400, "the form must have the parts file and metadata")
    metadata = parsed(parts["metadata"])
    x, y, z = numbers(metadata, "dimensions", 3)
    if min(x, y, z) < 1 or not all(size.is_integer() for size in (x, y, z)):
        raise RefusalError(422, "dimensions must be three whole numbers of 1 or more")
    if metadata.get("components_per_pixel", 1) != 1 or metadata.get("component_type", "float32") != "float32":
        raise RefusalError(422, "the array must have one component per voxel, of type float32")
    return Gzipped((int(z), int(y), int(x)), parts["file"])


def parts_of(kind: str, body: bytes) -> dict[str, bytes]:
    """The parts of a form by name. ``kind``: the content type. Raises `RefusalError` for a body that is none."""
    found = re.search(r'^multipart/form-data;.*\bboundary="?([^";,]{1,70})"?', kind, re.IGNORECASE)
    if found is None:
        raise RefusalError(400, "the body must be a form (multipart/form-data)")
    mark = b"\r\n--" + found[1].encode("latin-1")
    _, *pieces = (b"\r\n" + body).split(mark)
    if not pieces or pieces[-1][:2] != b"--":
        raise RefusalError(400, "the form is cut off")
    parts = {}
    for piece in pieces[:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        name = re.search(rb'content-disposition:[^\r\n]*[; ]name="?([^";\r\n]+)', head, re.IGNORECASE)
        if name is not None:
            parts[name[1].decode("latin-1")] = content
    return parts
