"""The client side of a flat dialect: the GA codec behind two translations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from voicewire.errors import UnsupportedError
from voicewire.events.base import EventBase
from voicewire.events.commands import Command, CreateItem, CreateResponse, SendImage, UpdateSession
from voicewire.events.items import Item
from voicewire.events.model import ModelProviderEvent
from voicewire.events.session import SessionConfig
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai.client import OpenAIClientCodec
from voicewire.protocols.openai.flat import EVENT_NAMES, FlatDialect, item_to_flat
from voicewire.protocols.openai.flat_session import (
    Json,
    mapping,
    response_params_to_flat,
    session_to_flat,
    session_to_ga,
)
from voicewire.protocols.openai.session_config import GA_ONLY_KEYS

_TYPE: Final = re.compile(rb'\s*\{[^{}\[\]]*?"type"\s*:\s*"([a-z_.]+)"')
"""The type of an event when it stands before anything nested. It cannot match inside a string: a quotation
mark in there has a backslash before it."""
_NEW_NAMES: Final = {flat.encode(): ga.encode() for flat, ga in EVENT_NAMES.items()}
_SESSION_EVENTS: Final = frozenset(
    {"session.created", "session.updated", "transcription_session.created", "transcription_session.updated"}
)
_SESSION_TYPES: Final = frozenset(name.encode() for name in _SESSION_EVENTS)
_PASSED_AS_IS: Final = '{"type":"input_audio_buffer.'


class FlatClientCodec:
    """Commands to a dialect's frames, its frames to model events. Implements `ClientCodec`.

    Args:
        config: The configuration to ask for.
        dialect: What the provider speaks.
        transcription_model: Transcribes the user when the configuration names no model.

    Raises:
        UnsupportedError: The dialect cannot say what the configuration asks for.

    Concurrency: one caller at a time.
    """

    def __init__(self, config: SessionConfig, dialect: FlatDialect, *, transcription_model: str) -> None:
        self._dialect = dialect
        self._passed = frozenset(name.encode() for name in dialect.passed_events)
        _check_options(config.extra, dialect)
        self._check_kind(config.is_transcription_only)
        self._ga = OpenAIClientCodec(config, transcription_model=transcription_model)

    @property
    def is_ready(self) -> bool:
        """True once the provider confirmed the configuration."""
        return self._ga.is_ready

    @property
    def config(self) -> SessionConfig:
        """What was asked for, with what the provider made of it."""
        return self._ga.config

    def opening(self) -> list[Frame]:
        """The configuration, sent without waiting for ``session.created``."""
        return self._flat(self._ga.opening())

    def encode(self, command: Command) -> list[Frame]:
        """The frames of one command, in order; none when it is absorbed or has to wait.

        Raises:
            UnsupportedError: The dialect has no way to say it.
            SessionClosed: The session is over.
        """
        # What the dialect lacks is found before the codec notes the command as sent.
        match command:
            case SendImage() if not self._dialect.has_images:
                raise UnsupportedError(f"{self._dialect.name} does not take images")
            case CreateItem():
                self._check_item(command.item)
            case CreateResponse():
                for item in command.input_items or ():
                    self._check_item(item)
            case UpdateSession():
                if isinstance(command.extra, dict):
                    _check_options(command.extra, self._dialect)
                self._check_kind(command.is_transcription_only is True)
            case _:
                pass
        return self._flat(self._ga.encode(command))

    def receive(self, frame: Frame | memoryview) -> list[EventBase]:
        """The model events of one frame, in order.

        Raises:
            RemoteProtocolError: The frame breaks the protocol; the codec is closed for good.
        """
        if isinstance(frame, bytes):
            return self._ga.receive(frame)  # which refuses it
        if isinstance(frame, str):
            try:
                frame = memoryview(frame.encode())
            except UnicodeError:
                return self._ga.receive(frame)
        found = _TYPE.match(frame)
        if found is None:
            return self._receive_slowly(frame)
        name = found.group(1)
        if name in _SESSION_TYPES:
            return self._receive_slowly(frame)
        if name in self._passed:
            return self._passed_event(frame)
        if (new_name := _NEW_NAMES.get(name)) is None:
            return self._ga.receive(frame)
        start, end = found.span(1)
        return self._ga.receive(memoryview(b"".join((frame[:start], new_name, frame[end:]))))

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary; taking them clears them."""
        return self._flat(self._ga.data_to_send())

    def connection_lost(self, code: int, reason: str, *, is_expected: bool) -> list[EventBase]:
        """The socket is gone: terminal events for everything open, then the one session-ended event."""
        return self._ga.connection_lost(code, reason, is_expected=is_expected)

    # ------------------------------------------------------------------ frames of the provider

    def _receive_slowly(self, frame: memoryview) -> list[EventBase]:
        event = _object(frame)
        name = event.get("type")
        if not isinstance(name, str):
            return self._ga.receive(frame)  # which refuses it
        if name in self._dialect.passed_events:
            return self._passed_event(frame)
        changed = {**event, "type": EVENT_NAMES.get(name, name)}
        if name in _SESSION_EVENTS and isinstance(session := event.get("session"), dict):
            kind = "transcription" if name.startswith("transcription_") else "realtime"
            shown = cast("Json", session)
            changed["session"] = {
                **session_to_ga(shown, self._dialect, kind=kind)[0],
                "id": shown.get("id"),
            }
        return self._ga.receive(memoryview(msgspec.json.encode(changed)))

    def _passed_event(self, frame: memoryview) -> list[EventBase]:
        raw = _object(frame)
        name = raw.get("type")
        if not isinstance(name, str):
            return self._ga.receive(frame)  # which refuses it
        return [ModelProviderEvent(name=name, raw=raw)]

    # ------------------------------------------------------------------ frames of ours

    def _flat(self, frames: Iterable[Frame]) -> list[Frame]:
        return [self._flat_frame(frame) if isinstance(frame, str) else frame for frame in frames]

    def _flat_frame(self, frame: str) -> str:
        if frame.startswith(_PASSED_AS_IS):
            return frame
        event = cast("Json", msgspec.json.decode(frame))
        match event["type"]:
            case "session.update":
                event = self._session_update(event)
            case "response.create" if "response" in event:
                event["response"] = response_params_to_flat(event["response"], self._dialect)
            case "conversation.item.create":
                event["item"] = item_to_flat(event["item"])
            case _:
                return frame
        return msgspec.json.encode(event).decode()

    def _session_update(self, event: Json) -> Json:
        body = cast("Json", event["session"])
        said = {key: value for key, value in body.items() if key not in GA_ONLY_KEYS}
        session = session_to_flat(said, self._dialect)
        if session.get("speed") == 1.0:
            del session["speed"]  # the early servers do not know the key
        if self._dialect.has_voice_objects and "input_audio_format" in session:
            session["input_audio_sampling_rate"] = self._dialect.rates_hz[0]
        is_transcription = body.get("type") == "transcription"
        name = "transcription_session.update" if is_transcription else "session.update"
        return {**event, "type": name, "session": session}

    # ------------------------------------------------------------------ what the dialect lacks

    def _check_kind(self, is_transcription_only: bool) -> None:
        if is_transcription_only and not self._dialect.has_transcription_sessions:
            raise UnsupportedError(f"{self._dialect.name} has no sessions that only transcribe")

    def _check_item(self, item: Item) -> None:
        if item.kind.startswith("mcp_") and not self._dialect.has_mcp:
            raise UnsupportedError(f"{self._dialect.name} has no items of MCP servers")
        if not self._dialect.has_images and any(part.kind == "image" for part in item.content):
            raise UnsupportedError(f"{self._dialect.name} does not take images")


def _check_options(extra: Mapping[str, Any], dialect: FlatDialect) -> None:
    for key, why in dialect.refused_options.items():
        if extra.get(key) is not None:
            raise UnsupportedError(f"{key!r} cannot be used: {why}")


def _object(frame: memoryview) -> Json:
    """The object of a frame; empty for what is none."""
    try:
        return dict(mapping(msgspec.json.decode(frame)))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}
