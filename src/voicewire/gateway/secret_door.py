"""``POST /v1/realtime/client_secrets``: a short-lived key for a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from voicewire.errors import InvalidEventError, InvalidRequest
from voicewire.gateway.auth import presented_keys
from voicewire.gateway.bound_session import SecretRequest, bound_config, shown_session
from voicewire.gateway.client_secrets import looks_like_one
from voicewire.gateway.doors import House

SECRETS_PATH: Final = "/v1/realtime/client_secrets"
MAX_BODY_BYTES: Final = 256 * 1024


def secret_page(house: House) -> Callable[[Request], Awaitable[Response]]:
    """The handler of the URL.

    Args:
        house: What all doors share.
    """

    async def make_secret(request: Request) -> Response:
        visitor = house.http_visitor(request.scope)
        if isinstance(visitor, tuple):
            status, code, message = visitor
            return wire_error(status, code, message)
        if visitor.secret is not None or any(map(looks_like_one, presented_keys(request.scope))):
            return wire_error(
                401, "invalid_api_key", "a client secret cannot make another one; use an API key"
            )
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                return wire_error(413, "invalid_value", f"at most {MAX_BODY_BYTES} bytes are allowed")
        try:
            asked = SecretRequest.read(bytes(body))
            session = asked.session_body
            model = house.model_named(str(session.get("model") or "")).name
            bound_config(session, model)
            value, expires_at = house.lock.mint.make(
                session, key_id=visitor.key_id, lifetime_s=asked.lifetime_s
            )
            shown = shown_session(session, model=str(session.get("model") or model), expires_at=expires_at)
        except (InvalidRequest, InvalidEventError) as error:
            code = error.code if isinstance(error, InvalidRequest) else "invalid_value"
            return wire_error(400, code, str(error))
        return JSONResponse({"value": value, "expires_at": expires_at, "session": shown})

    return make_secret


def wire_error(status: int, code: str, message: str) -> JSONResponse:
    """An error in the form of the OpenAI API."""
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
    return JSONResponse({"error": error}, status_code=status)
