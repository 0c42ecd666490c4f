"""The page at ``/``: its files, and what it is told of this gateway.

The files are read once, when the application is made, so that a request can name none but these. They hold no
secret and are given to whoever could talk to the gateway with a key; the models are told to those who have one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from voicewire._version import __version__
from voicewire.gateway.auth import is_from_this_machine
from voicewire.gateway.doors import House
from voicewire.gateway.room_plan import RoomPlan
from voicewire.models.model import Capabilities, RealtimeModel

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HOST: Final = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_PAGE_RATES_HZ: Final = (24000, 16000)
"""Rates that the page's microphone gives; any other model is sent the first, and the gateway resamples."""

ROOM_PAGE: Final = "/room"

_HEADERS: Final = {
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(self)",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page."""

    body: bytes
    media_type: str
    etag: str


def page_files() -> dict[str, PageFile]:
    """The files by their path under ``/page/``."""
    return dict(_files_in(Path(__file__).with_name("web"), ""))


def page_config(models: tuple[RealtimeModel, ...], rooms: RoomPlan) -> dict[str, object]:
    """What the page is told of this gateway: its models, what can be chosen for each, and who is in its rooms."""
    return {
        "version": __version__,
        "models": [_model(model.name, model.capabilities) for model in models],
        "room_agents": [agent.name for agent in rooms.agents],
    }


def content_security_policy(host: str) -> str:
    """Nothing but this gateway's own files, and connections to itself.

    Args:
        host: The request's ``Host``; left out of the policy when it is not a host at all.
    """
    connect = "'self'"
    if _HOST.fullmatch(host):
        # Not every browser takes 'self' for the WebSocket of the same host.
        connect += f" ws://{host} wss://{host}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"connect-src {connect}",
            "worker-src 'self'",
            "img-src 'self' data:",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def add_page(app: FastAPI, house: House) -> None:
    """Serves the page at ``/``, its view of rooms at ``/room``, and their files under ``/page/``."""
    known = page_files()

    def headers(request: Request) -> dict[str, str]:
        policy = content_security_policy(request.headers.get("host", ""))
        return {**_HEADERS, "content-security-policy": policy}

    def answer(request: Request, name: str) -> Response:
        # Without keys the gateway is for this machine only, and so is its page; with keys anybody may see the page.
        if not house.keys and not is_from_this_machine(request.scope):
            return Response("this server is for its own machine only", 403, headers(request), "text/plain")
        found = known.get(name)
        if found is None:
            return Response("no such file", 404, headers(request), "text/plain")
        named = {**headers(request), "etag": found.etag}
        if found.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=named)
        return Response(found.body, 200, named, found.media_type)

    async def index(request: Request) -> Response:
        return answer(request, "index.html")

    async def room(request: Request) -> Response:
        return answer(request, "room.html")

    async def page_file(request: Request, name: str) -> Response:
        return answer(request, name)

    async def config(request: Request) -> Response:
        named = {**headers(request), "cache-control": "no-store"}
        if refused := house.refusal(request.scope):
            status, code, message = refused
            return JSONResponse({"error": {"code": code, "message": message}}, status, named)
        return JSONResponse(page_config(house.models, house.room_plan), 200, named)

    methods = ["GET", "HEAD"]
    app.add_api_route("/", index, methods=methods, response_model=None)
    app.add_api_route(ROOM_PAGE, room, methods=methods, response_model=None)
    app.add_api_route("/page/config.json", config, methods=methods, response_model=None)
    app.add_api_route("/page/{name:path}", page_file, methods=methods, response_model=None)


def _files_in(folder: Path, prefix: str) -> list[tuple[str, PageFile]]:
    found: list[tuple[str, PageFile]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _files_in(entry, f"{prefix}{entry.name}/")
        elif media_type := _TYPES.get(entry.name.rpartition(".")[2]):
            body = entry.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            found.append((prefix + entry.name, PageFile(body, media_type, etag)))
    return found


def _model(name: str, can: Capabilities) -> dict[str, object]:
    detections = ("server_vad", can.supports_server_vad), ("semantic_vad", can.supports_semantic_vad)
    kinds = [kind for kind, is_there in detections if is_there]
    rates_hz = [rate for rate in can.input_rates_hz if rate in _PAGE_RATES_HZ]
    return {
        "id": name,
        "voices": list(can.voices),
        "turn_detection": [*kinds, "none"] if can.supports_manual_turns else kinds,
        "input_rate_hz": rates_hz[0] if rates_hz else _PAGE_RATES_HZ[0],
        "speaks": "audio" in can.output_modalities,
        "takes_images": "image" in can.input_modalities,
    }
