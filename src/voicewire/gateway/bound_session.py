"""Session objects of the OpenAI wire outside of a connection: what a client secret is asked for, and configures."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from voicewire.errors import InvalidRequest
from voicewire.events.session import SessionConfig, Transcription
from voicewire.gateway.client_secrets import DEFAULT_LIFETIME_S, MAX_LIFETIME_S, MIN_LIFETIME_S
from voicewire.protocols.openai.limits import ServerLimits
from voicewire.protocols.openai.server_requests import read_client_frame
from voicewire.protocols.openai.server_session import ServerSession
from voicewire.protocols.openai.wire_client import SessionUpdate
from voicewire.protocols.openai.wire_response import ErrorBody
from voicewire.protocols.openai.wire_session import SessionBody

_TRANSCRIPTION_TURNS = frozenset({"type", "threshold", "prefix_padding_ms", "silence_duration_ms"})
_DEFAULT_SESSION: Mapping[str, Any] = {"type": "realtime"}


class _ExpiresAfter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Meta(ge=MIN_LIFETIME_S, le=MAX_LIFETIME_S)] = DEFAULT_LIFETIME_S


class SecretRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /v1/realtime/client_secrets``."""

    expires_after: _ExpiresAfter | None | UnsetType = UNSET
    session: dict[str, Any] | None | UnsetType = UNSET

    @classmethod
    def read(cls, body: bytes) -> SecretRequest:
        """Reads the body; an empty one asks for the defaults.

        Raises:
            InvalidRequest: It is not such a request.
        """
        try:
            return msgspec.json.decode(body or b"{}", type=cls)
        except msgspec.ValidationError as error:
            raise InvalidRequest(
                f"Invalid request: {error}.", code="invalid_value", http_status=400
            ) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise InvalidRequest(
                "We could not parse the JSON body of your request.", code="invalid_json", http_status=400
            ) from error

    @property
    def lifetime_s(self) -> int:
        """How long the secret is to be good for."""
        return (
            self.expires_after.seconds
            if isinstance(self.expires_after, _ExpiresAfter)
            else DEFAULT_LIFETIME_S
        )

    @property
    def session_body(self) -> dict[str, Any]:
        """The session object as the client wrote it."""
        return self.session if isinstance(self.session, dict) else dict(_DEFAULT_SESSION)


def shown_session(body: Mapping[str, Any], *, model: str, expires_at: int) -> dict[str, Any]:
    """The whole session object that a connection with this configuration begins with, every default filled in.

    Raises:
        InvalidRequest: The body is not a session object; carries the wire's code.
    """
    fields = _session_of(body, SessionConfig(model=model, transcription=None), model, expires_at).fields
    turns = fields["audio"]["input"]["turn_detection"]
    if fields["type"] == "transcription" and turns is not None:
        # Where nobody answers, this object has no more than these (in ``session.created`` it may have).
        fields["audio"]["input"]["turn_detection"] = {
            name: value for name, value in turns.items() if name in _TRANSCRIPTION_TURNS
        }
    return fields


def bound_config(body: Mapping[str, Any], model: str) -> SessionConfig:
    """The configuration that a session object stands for.

    Raises:
        InvalidRequest: See ``shown_session``.
    """
    wants_transcripts = body.get("type") == "transcription"
    base = SessionConfig(model=model, transcription=Transcription() if wants_transcripts else None)
    return _session_of(body, base, model, 0).config


def _session_of(body: Mapping[str, Any], base: SessionConfig, model: str, expires_at: int) -> ServerSession:
    session = ServerSession(
        session_id=f"sess_{secrets.token_hex(12)}", model=model, expires_at=expires_at, config=base
    )
    update = session.update(_checked(body), "")
    if isinstance(update, ErrorBody):
        raise _refusal(update)
    session.confirmed(base.updated(update))
    return session


def _checked(body: Mapping[str, Any]) -> SessionBody:
    """The body as the wire's own type: the reader of ``session.update`` says what is wrong with it."""
    frame = msgspec.json.encode({"type": "session.update", "session": body}).decode()
    event = read_client_frame(frame, ServerLimits())
    if isinstance(event, SessionUpdate):
        return event.session
    assert isinstance(event, ErrorBody)
    raise _refusal(event)


def _refusal(error: ErrorBody) -> InvalidRequest:
    return InvalidRequest(
        error.message or "invalid session", code=error.code or "invalid_value", http_status=400
    )
