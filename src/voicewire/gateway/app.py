"""The ASGI application of the gateway."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from voicewire._version import __version__
from voicewire.errors import ConfigError
from voicewire.gateway.admission import Admission
from voicewire.gateway.agent_door import AgentDoor
from voicewire.gateway.auth import KeyRing
from voicewire.gateway.azure_speech_doors import azure_speech_doors
from voicewire.gateway.cassettes import Cassettes
from voicewire.gateway.client_secrets import SecretMint
from voicewire.gateway.dashscope_door import DASHSCOPE_PATHS, DashScopeDoor
from voicewire.gateway.dialects import PREVIEW_PATH, VOICE_LIVE_PATH
from voicewire.gateway.doors import Door, House, NoDoor, OpenAIDoor, VoiceLiveDoor
from voicewire.gateway.gemini_door import GEMINI_PATHS, GeminiDoor
from voicewire.gateway.metrics import GatewayMetrics
from voicewire.gateway.observe import GatewayObserver, ObserverTeam, Traffic
from voicewire.gateway.origins import ANY, OriginRule
from voicewire.gateway.pages import add_page
from voicewire.gateway.recordings import Recordings
from voicewire.gateway.room_door import ROOM_PATH, RoomDoor
from voicewire.gateway.room_plan import RoomPlan
from voicewire.gateway.secret_door import SECRETS_PATH, secret_page
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.speech_doors import TASK_PATHS, DashScopeTaskDoor
from voicewire.gateway.visitors import Lock
from voicewire.gateway.voice_door import VoiceDoor
from voicewire.gateway.watch_pages import add_watch_pages
from voicewire.models.model import RealtimeModel


def create_app(
    models: RealtimeModel | Sequence[RealtimeModel],
    *,
    settings: GatewaySettings | None = None,
    observers: Iterable[GatewayObserver] = (),
    recordings: Recordings | None = None,
    cassettes: Cassettes | None = None,
    rooms: RoomPlan | None = None,
) -> FastAPI:
    """Makes the gateway's application; nothing is acquired before the first session.

    Args:
        models: The models to serve. A client that asks for one by name gets it, any other client the first.
        settings: Limits and keys; the defaults let clients on this machine in.
        observers: Told of what happens, besides the metrics: traces, or your own.
        recordings: Where sessions are recorded; whoever made it opens and closes it.
        cassettes: Where the wires of clients are recorded; whoever made it opens and closes it.
        rooms: Which agents are in the rooms; two of the first model by default.

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
    admission, traffic = Admission(limits.max_sessions), Traffic()
    metrics = GatewayMetrics(admission, traffic)
    told = (metrics, *observers) if recordings is None else (metrics, recordings, *observers)
    observer = ObserverTeam(told, traffic)
    house = House(
        served,
        limits,
        keys,
        admission,
        observer,
        _lock(limits, keys),
        cassettes=cassettes,
        room_plan=rooms or RoomPlan(),
    )
    app = FastAPI(
        title="Voicewire gateway", version=__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.admission = house.admission
    app.state.settings = limits
    app.state.observer = house.observer
    _let_in(app, limits.allowed_origins)
    app.router.default = NoDoor(app.router.default)
    _add_pages(app, house)
    add_page(app, house)
    app.add_api_route(SECRETS_PATH, secret_page(house), methods=["POST"], response_model=None)
    add_watch_pages(app, house, metrics, [keeper for keeper in (recordings, cassettes) if keeper is not None])
    _add_doors(app, house)
    return app


def _let_in(app: FastAPI, origins: tuple[str, ...]) -> None:
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"]
        )


def _add_doors(app: FastAPI, house: House) -> None:
    openai = OpenAIDoor(house)
    doors: dict[str, Door] = {
        **dict.fromkeys(GEMINI_PATHS, GeminiDoor(house)),  # first: the next but one would match some of them
        "/v1/realtime": openai,
        "/openai/v1/realtime": openai,
        PREVIEW_PATH: openai,
        VOICE_LIVE_PATH: VoiceLiveDoor(house),
        **dict.fromkeys(DASHSCOPE_PATHS, DashScopeDoor(house)),
        **dict.fromkeys(TASK_PATHS, DashScopeTaskDoor(house)),
        **azure_speech_doors(app, house),
        "/ws/{user_id}/{session_id}": AgentDoor(house),
        ROOM_PATH: RoomDoor(house),
        "/voice": VoiceDoor(house),
    }
    for path, door in doors.items():
        app.router.routes.append(WebSocketRoute(path, cast("ASGIApp", door), name=path))


def _lock(settings: GatewaySettings, keys: KeyRing) -> Lock:
    if ANY in settings.allowed_origins and not keys:
        raise ConfigError(
            "without API keys, '*' lets every web page of the world in; list the origins, or set keys"
        )
    signing_key = settings.signing_key.get_secret_value() if settings.signing_key else None
    return Lock(keys, OriginRule(settings.allowed_origins), SecretMint(signing_key))


def _add_pages(app: FastAPI, house: House) -> None:
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    async def readyz() -> Response:
        admission = house.admission
        status = "draining" if admission.is_draining else "warming" if admission.is_warming else "ready"
        state = {
            "status": status,
            "sessions": admission.session_count,
            "max_sessions": house.settings.max_sessions,
        }
        return JSONResponse(state, status_code=200 if status == "ready" else 503)

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
