"""The server side of a flat dialect: the GA codec behind two translations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

import msgspec

from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, Command, UpdateSession
from voicewire.events.model import ModelErrorEvent, ModelProviderEvent
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai import codes
from voicewire.protocols.openai.flat import FLAT_NAMES, FlatDialect, item_to_flat
from voicewire.protocols.openai.flat_requests import FlatFault, FlatRequest, FlatRequests
from voicewire.protocols.openai.flat_session import Json, flat_path, response_to_flat
from voicewire.protocols.openai.flat_view import SessionView
from voicewire.protocols.openai.server import OpenAIServerCodec

_HEAD: Final = '{"type":"'
_ITEM_EVENTS: Final = frozenset(
    {
        "conversation.item.added",
        "conversation.item.retrieved",
        "response.output_item.added",
        "response.output_item.done",
    }
)
_CHANGED: Final = _ITEM_EVENTS | {
    "session.created",
    "session.updated",
    "response.created",
    "response.done",
    "error",
}
"""GA events whose content changes; of all others at most the name does."""


class FlatServerCodec:
    """A dialect's client frames to commands, model events to its frames. Implements `ServerCodec`.

    Args:
        codec: The GA codec to speak through; this one alone uses it from now on.
        dialect: What the client speaks.
        options: Options of the dialect that the served model has.

    Concurrency: one caller at a time.
    """

    def __init__(
        self, codec: OpenAIServerCodec, dialect: FlatDialect, *, options: frozenset[str] = frozenset()
    ) -> None:
        self._ga = codec
        self._dialect = dialect
        self._view = SessionView(dialect)
        self._requests = FlatRequests(dialect, options)
        self._outbox: list[Frame] = []
        self._warnings = 0

    @property
    def session_id(self) -> str:
        """The id that the client is shown."""
        return self._ga.session_id

    # ------------------------------------------------------------------ from the client

    def receive(self, frame: Frame) -> list[Command]:
        """The commands of one client frame; errors for bad frames are queued for ``data_to_send``."""
        event = _object(frame)
        if event is None:
            return self._ga_receive(frame)  # which ignores it, or says what is wrong
        try:
            request = self._requests.read(event, self._ga.config)
        except FlatFault as fault:
            event_id = event.get("event_id")
            error = ModelErrorEvent(
                error_type=codes.INVALID_REQUEST_ERROR,
                code=fault.code,
                message=str(fault),
                param=fault.param,
                command_id=event_id if isinstance(event_id, str) else "",
            )
            self._outbox += self.encode(error)
            return []
        commands: list[Command] = []
        for ga_event in request.events:
            waiting = len(self._outbox)
            found = self._ga_receive(msgspec.json.encode(ga_event).decode())
            commands += [self._finished(command, request) for command in found]
            if len(self._outbox) > waiting:
                break  # refused; what was to follow it has no ground
        return commands

    def data_to_send(self) -> list[Frame]:
        """Frames that receiving made necessary; taking them clears them."""
        frames, self._outbox = self._outbox, []
        return frames + self._flat(self._ga.data_to_send())

    def _ga_receive(self, frame: Frame) -> list[Command]:
        commands = self._ga.receive(frame)
        self._outbox += self._flat(self._ga.data_to_send())
        return commands

    def _finished(self, command: Command, request: FlatRequest) -> Command:
        """The command of the GA codec with what GA has no words for."""
        if isinstance(command, AppendAudio):
            self._requests.appended()
            rate_hz = self._requests.input_rate_hz
            if command.encoding == "pcm16" and rate_hz != command.sample_rate_hz:
                return AppendAudio(command, rate_hz, command_id=command.command_id)
        if isinstance(command, UpdateSession):
            self._view.asked(command.command_id, request.asked)
            return self._requests.completed(command, request, self._ga.config)
        return command

    # ------------------------------------------------------------------ to the client

    def encode(self, event: EventBase) -> list[Frame]:
        """The frames that tell the client of one model event, in the order the dialect demands."""
        if isinstance(event, ModelProviderEvent) and event.name in self._dialect.passed_events:
            return [msgspec.json.encode({**event.raw, "type": event.name}).decode()]
        if isinstance(event, ModelErrorEvent):
            self._view.refused(event.command_id)
        return self._flat(self._ga.encode(event))

    def _flat(self, frames: Iterable[Frame]) -> list[Frame]:
        found: list[Frame] = []
        for frame in frames:
            if isinstance(frame, str):
                found += self._flat_frames(frame)
        return found

    def _flat_frames(self, frame: str) -> list[str]:
        # Every frame of the GA codec begins with its type.
        end = frame.index('"', len(_HEAD))
        name = frame[len(_HEAD) : end]
        flat_name = FLAT_NAMES.get(name, name)
        if flat_name not in self._dialect.server_events:
            return []
        if name in _CHANGED:
            return self._changed(name, cast("Json", msgspec.json.decode(frame)))
        return [frame if name == flat_name else f"{_HEAD}{flat_name}{frame[end:]}"]

    def _changed(self, name: str, event: Json) -> list[str]:
        more: list[Json] = []
        if name in _ITEM_EVENTS:
            event["item"] = item_to_flat(event["item"])
        elif name.startswith("response."):
            event["response"] = response_to_flat(event["response"], self._dialect, self._view.temperature)
            self._view.dress_response(event["response"])
        elif name == "error":
            error = cast("Json", event["error"])
            event["error"] = {**error, **_flat_error(error)}
        else:
            event, more = self._session(name, event)
        event["type"] = FLAT_NAMES.get(event["type"], event["type"])
        return [msgspec.json.encode(entry).decode() for entry in (event, *more)]

    def _session(self, name: str, event: Json) -> tuple[Json, list[Json]]:
        body = cast("Json", event["session"])
        asked = self._view.confirmed() if name == "session.updated" else {}
        is_transcription = body.get("type") == "transcription"
        if is_transcription and self._dialect.has_transcription_sessions:
            event["type"] = f"transcription_{name}"
        event["session"] = self._view.shown(body)
        return event, [self._warning(key) for key in self._requests.without_effect(asked)]

    def _warning(self, option: str) -> Json:
        self._warnings += 1
        message = f"the served model has no {option!r}; nothing comes of it"
        warning = {"code": "unsupported_option", "message": message, "param": f"session.{option}"}
        return {"type": "warning", "event_id": f"event_warning_{self._warnings}", "warning": warning}


def _flat_error(error: Json) -> Json:
    """Names of parameters as the client wrote them."""
    return {key: flat_path(error[key]) for key in ("message", "param") if isinstance(error.get(key), str)}


def _object(frame: Frame) -> Json | None:
    """The event of a frame; None for one that is no object."""
    if not isinstance(frame, str):
        return None
    try:
        value: Any = msgspec.json.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return cast("Json", value) if isinstance(value, dict) else None
