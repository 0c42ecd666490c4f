"""The ASGI application of the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from voicewire._version import __version__
from voicewire.errors import ConfigError
from voicewire.gateway.admission import Admission
from voicewire.gateway.agent_door import AgentDoor
from voicewire.gateway.auth import KeyRing
from voicewire.gateway.doors import Door, House, OpenAIDoor
from voicewire.gateway.gemini_door import GEMINI_PATHS, GeminiDoor
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.voice_door import VoiceDoor
from voicewire.models.model import RealtimeModel


def create_app(
    models: RealtimeModel | Sequence[RealtimeModel], *, settings: GatewaySettings | None = None
) -> FastAPI:
    """Makes the gateway's application; nothing is acquired before the first session.

    Args:
        models: The models to serve. A client that asks for one by name gets it, any other client the first.
        settings: Limits and keys; the defaults let clients on this machine in.

    Returns:
        An application to run under uvicorn or to mount in another one. ``app.state.admission`` counts the
        sessions and tells them to end (``admission.draining.set()``).

    Raises:
        ConfigError: No model, or two of one name.
    """
    served = (models,) if isinstance(models, RealtimeModel) else tuple(models)
    names = [model.name for model in served]
    if not served or len(set(names)) != len(names):
        raise ConfigError(f"the gateway needs at least one model, each with its own name; it got {names!r}")
    limits = settings or GatewaySettings()
    keys = KeyRing(key.get_secret_value() for key in limits.api_keys)
    house = House(served, limits, keys, Admission(limits.max_sessions))
    app = FastAPI(
        title="Voicewire gateway", version=__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.admission = house.admission
    app.state.settings = limits
    _add_pages(app, house)
    openai = OpenAIDoor(house)
    doors: dict[str, Door] = {
        **dict.fromkeys(GEMINI_PATHS, GeminiDoor(house)),  # first: the next but one would match some of them
        "/v1/realtime": openai,
        "/openai/v1/realtime": openai,
        "/ws/{user_id}/{session_id}": AgentDoor(house),
        "/voice": VoiceDoor(house),
    }
    for path, door in doors.items():
        app.router.routes.append(WebSocketRoute(path, cast("ASGIApp", door), name=path))
    return app


def _add_pages(app: FastAPI, house: House) -> None:
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    async def readyz() -> Response:
        state = {
            "status": "draining" if house.admission.is_draining else "ready",
            "sessions": house.admission.session_count,
            "max_sessions": house.settings.max_sessions,
        }
        return JSONResponse(state, status_code=503 if house.admission.is_draining else 200)

    async def list_models(request: Request) -> Response:
        if refused := house.refusal(request.scope):
            status, code, message = refused
            kind = "invalid_request_error"
            error = {"type": kind, "code": code, "message": message, "param": None}
            return JSONResponse({"error": error}, status_code=status)
        entries: list[dict[str, Any]] = [
            {"id": model.name, "object": "model", "created": 0, "owned_by": "voicewire"}
            for model in house.models
        ]
        return JSONResponse({"object": "list", "data": entries})

    app.add_api_route("/healthz", healthz)
    app.add_api_route("/readyz", readyz)
    app.add_api_route("/v1/models", list_models, response_model=None)
