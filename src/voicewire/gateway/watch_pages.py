"""What whoever runs the gateway asks for over HTTP: metrics, and the deletion of recordings."""

from __future__ import annotations

from collections.abc import Sequence

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from voicewire.gateway.doors import House
from voicewire.gateway.keeping import SessionKeeper
from voicewire.gateway.metrics import GatewayMetrics

METRICS_PATH = "/metrics"
RECORDING_PATH = "/recordings/{user_id}/{session_id}"


def add_watch_pages(
    app: FastAPI, house: House, metrics: GatewayMetrics, keepers: Sequence[SessionKeeper]
) -> None:
    """Adds ``GET /metrics``, and ``DELETE /recordings/...`` where sessions are recorded.

    Both are for keys, or for this machine where there are none; a client secret opens sessions, not these.
    """

    async def show_metrics(request: Request) -> Response:
        if refused := _refused(house, request):
            return refused
        body, content_type = metrics.page(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    app.add_api_route(METRICS_PATH, show_metrics, response_model=None)
    if not keepers:
        return

    async def delete_recording(request: Request, user_id: str, session_id: str) -> Response:
        if refused := _refused(house, request):
            return refused
        if any(keeper.is_running(user_id, session_id) for keeper in keepers):
            return _error(409, "session_runs", "the session is being recorded; end it first")
        found = [await anyio.to_thread.run_sync(keeper.delete, user_id, session_id) for keeper in keepers]
        if not any(found):
            return _error(404, "not_found", "there is no such recording")
        return Response(status_code=204)

    app.add_api_route(RECORDING_PATH, delete_recording, methods=["DELETE"], response_model=None)


def _refused(house: House, request: Request) -> Response | None:
    visitor = house.http_visitor(request.scope)
    if isinstance(visitor, tuple):
        return _error(*visitor)
    if visitor.secret is not None:
        return _error(403, "forbidden", "a client secret opens sessions only; send an API key")
    return None


def _error(status: int, code: str, message: str) -> Response:
    kind = "invalid_request_error"
    body = {"error": {"type": kind, "code": code, "message": message, "param": None}}
    return JSONResponse(body, status_code=status)
