"""What clients of a flat dialect send, as GA events and as what GA has no words for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from voicewire.events.commands import UpdateSession
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.protocols.openai import codes
from voicewire.protocols.openai.flat import FlatDialect, item_to_ga
from voicewire.protocols.openai.flat_session import (
    Json,
    items_to,
    mapping,
    response_params_to_ga,
    session_to_ga,
)

_SERVER_VAD_KEYS: Final = frozenset(
    {
        "threshold",
        "prefix_padding_ms",
        "silence_duration_ms",
        "idle_timeout_ms",
        "create_response",
        "interrupt_response",
    }
)
_TRANSCRIPTION_KEYS: Final = frozenset({"model", "language", "prompt"})
_NOISE_KINDS: Final = ("near_field", "far_field")


class FlatFault(ValueError):
    """A mistake of the client that is found before GA's reader sees it.

    Args:
        code: The wire's code.
        message: What is wrong, and what to do.
        param: The parameter at fault.
    """

    def __init__(self, code: str, message: str, param: str) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


@dataclass(slots=True)
class FlatRequest:
    """One client event, translated."""

    events: list[Json]
    """GA events that say the same."""
    options: Json = field(default_factory=dict[str, Any])
    """Of a change of the session: settings for ``SessionConfig.extra``."""
    turn_kind: str = ""
    """Of a change of the session: the kind of turn detection, where GA does not have it and the model does."""
    asked: Json = field(default_factory=dict[str, Any])
    """Of a change of the session: the object as the client wrote it."""


class FlatRequests:
    """Reads client events of one session.

    Args:
        dialect: What the client speaks.
        options: Options of the dialect that the served model has.
    """

    def __init__(self, dialect: FlatDialect, options: frozenset[str]) -> None:
        self._dialect = dialect
        self._options = options
        self._has_audio = False
        self.input_rate_hz = dialect.rates_hz[0]
        """Rate of ``pcm16`` from the client."""

    def appended(self) -> None:
        """Audio waits in the input buffer."""
        self._has_audio = True

    def without_effect(self, asked: Json) -> list[str]:
        """What was asked for and the served model does not have, although a client would see it."""
        return sorted(key for key in self._dialect.effects - self._options if asked.get(key))

    def read(self, event: Json, config: SessionConfig) -> FlatRequest:
        """One event.

        Raises:
            FlatFault: It asks for what cannot be had here.
        """
        match event.get("type"):
            case "session.update" | "transcription_session.update":
                return self._session_update(event)
            case "response.create" if isinstance(event.get("response"), dict):
                return self._response_create(event, config)
            case "conversation.item.create":
                return FlatRequest([_with_item(event)])
            case "input_audio_buffer.commit" | "input_audio_buffer.clear":
                self._has_audio = False
                return FlatRequest([event])
            case "mcp_approval_response" if self._dialect.has_mcp:
                item = {key: value for key, value in event.items() if key != "event_id"}
                created = {key: value for key, value in event.items() if key == "event_id"}
                return FlatRequest([{**created, "type": "conversation.item.create", "item": item}])
            case "session.avatar.connect" if "avatar" in self._dialect.refused_options:
                raise FlatFault(
                    "unsupported", f"No avatar: {self._dialect.refused_options['avatar']}.", "type"
                )
            case _:
                return FlatRequest([event])

    # ------------------------------------------------------------------ the session

    def _session_update(self, event: Json) -> FlatRequest:
        kind = "transcription" if event["type"] == "transcription_session.update" else "realtime"
        session = event.get("session")
        if not isinstance(session, dict):
            return FlatRequest([{**event, "type": "session.update"}])
        asked = cast("Json", session)
        self._refuse(asked)
        body, own = session_to_ga(asked, self._dialect, kind=kind)
        extra = {key: value for key, value in own.items() if key in self._options}
        kind = ""
        if self._dialect.has_voice_objects:
            parts = _split_parts(mapping(mapping(body.get("audio")).get("input")), self._dialect)
            if self._options:
                extra.update(parts)
                kind = str(mapping(asked.get("turn_detection")).get("type", ""))
                if isinstance(asked.get("voice"), dict):
                    extra["voice"] = asked["voice"]
        return FlatRequest(
            [{**event, "type": "session.update", "session": body}],
            options=extra,
            turn_kind=kind if kind in self._dialect.turn_kinds & self._options else "",
            asked=asked,
        )

    def _refuse(self, asked: Json) -> None:
        for key, why in self._dialect.refused_options.items():
            if asked.get(key) is not None:
                raise FlatFault(
                    "unsupported", f"'session.{key}' cannot be used here: {why}.", f"session.{key}"
                )
        if "input_audio_sampling_rate" in self._dialect.options:
            rate_hz = asked.get("input_audio_sampling_rate", self.input_rate_hz)
            if rate_hz is not None and rate_hz not in self._dialect.rates_hz:
                due = ", ".join(map(str, self._dialect.rates_hz))
                raise FlatFault(
                    codes.INVALID_VALUE,
                    f"Invalid 'session.input_audio_sampling_rate': {str(rate_hz)[:40]}; give one of {due}.",
                    "session.input_audio_sampling_rate",
                )
            self.input_rate_hz = int(rate_hz or self._dialect.rates_hz[0])

    def completed(self, command: UpdateSession, request: FlatRequest, config: SessionConfig) -> UpdateSession:
        """A change of the session with the dialect's own settings."""
        if request.options:
            extra = command.extra if isinstance(command.extra, dict) else config.extra
            command = msgspec.structs.replace(command, extra={**extra, **request.options})
        if request.turn_kind and isinstance(command.turn_detection, TurnDetection):
            turns = msgspec.structs.replace(command.turn_detection, kind=request.turn_kind)
            command = msgspec.structs.replace(command, turn_detection=turns)
        return command

    # ------------------------------------------------------------------ responses and items

    def _response_create(self, event: Json, config: SessionConfig) -> FlatRequest:
        response = cast("Json", event["response"])
        before: list[Json] = []
        if response.get("commit") is True and self._has_audio and config.turn_detection is None:
            self._has_audio = False
            before.append({"type": "input_audio_buffer.commit"})
        added = response.get("append_input_items")
        items = cast("list[object]", added) if isinstance(added, list) else []
        before += [_with_item({"type": "conversation.item.create", "item": item}) for item in items]
        return FlatRequest([*before, {**event, "response": response_params_to_ga(response)}])


def _with_item(event: Json) -> Json:
    items = items_to(item_to_ga, [event.get("item")])
    return {**event, "item": items[0]} if "item" in event else event


def _split_parts(audio_in: Mapping[str, Any], dialect: FlatDialect) -> Json:
    """Takes out of GA's input settings what GA would refuse, and gives it."""
    settings = cast("Json", audio_in)
    parts: Json = {}
    turns = settings.get("turn_detection")
    if isinstance(turns, dict) and (fields := cast("Json", turns)).get("type") in [
        *dialect.turn_kinds,
        "server_vad",
    ]:
        known = {key: fields[key] for key in _SERVER_VAD_KEYS if fields.get(key) is not None}
        settings["turn_detection"] = {"type": "server_vad", **known}
        parts["turn_detection"] = _others(fields, _SERVER_VAD_KEYS | {"type"})
    transcription = settings.get("transcription")
    if isinstance(transcription, dict):
        fields = cast("Json", transcription)
        settings["transcription"] = {key: fields[key] for key in _TRANSCRIPTION_KEYS if key in fields}
        parts["transcription"] = _others(fields, _TRANSCRIPTION_KEYS)
    noise = settings.get("noise_reduction")
    if isinstance(noise, dict) and cast("Json", noise).get("type") not in _NOISE_KINDS:
        parts["noise_reduction"] = noise
        settings["noise_reduction"] = {"type": _NOISE_KINDS[0]}
    return parts


def _others(fields: Json, known: frozenset[str]) -> Json:
    return {name: value for name, value in fields.items() if name not in known and value is not None}
