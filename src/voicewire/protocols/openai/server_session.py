"""The session as the server side of the OpenAI wire keeps it: the whole object, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from voicewire.events.commands import UpdateSession
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.protocols.openai import codes
from voicewire.protocols.openai.session_config import (
    DEFAULT_TRANSCRIPTION_MODEL,
    PASSED_KEYS,
    change_body,
    config_from_session,
    session_body,
    turn_detection_body,
)
from voicewire.protocols.openai.wire_response import ErrorBody
from voicewire.protocols.openai.wire_session import SessionBody, TranscriptionSessionBody, format_body

DEFAULT_VOICE: Final = "alloy"
SERVER_VAD_DEFAULTS: Final[Mapping[str, Any]] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
"""What ``server_vad`` means where the client says nothing; the documented values."""
SEMANTIC_VAD_DEFAULTS: Final[Mapping[str, Any]] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}

_SIMPLE_FIELDS: Final = {
    "instructions": "instructions",
    "output_modalities": "modality",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "max_output_tokens": "max_output_tokens",
}
_INPUT_FIELDS: Final = {
    "format": "input_format",
    "transcription": "transcription",
    "turn_detection": "turn_detection",
}
_OUTPUT_FIELDS: Final = {"format": "output_format", "voice": "voice", "speed": "speed"}
_ADOPTED: Final = (
    "instructions",
    "modality",
    "voice",
    "speed",
    "input_format",
    "output_format",
    "transcription",
    "turn_detection",
    "tools",
    "tool_choice",
    "max_output_tokens",
)


class ServerSession:
    """The wire's session object, and the configuration it stands for.

    Args:
        session_id: Its id.
        model: The name that the client is shown.
        expires_at: When it ends, in seconds since 1970.
        config: What is in force at the beginning.
    """

    def __init__(self, *, session_id: str, model: str, expires_at: int, config: SessionConfig) -> None:
        self.session_id = session_id
        self.model = model
        self._expires_at = expires_at
        self._pending: list[tuple[str, dict[str, Any]]] = []
        self.has_spoken = False
        """Whether audio went out; the voice is fixed from then on."""
        self.begin(config)

    def begin(self, config: SessionConfig) -> None:
        """What is in force at the beginning."""
        self.fields = _merged(self._skeleton(config.is_transcription_only), session_body(config))
        self.config = config_from_session(self.fields, config)

    def _skeleton(self, is_transcription_only: bool) -> dict[str, Any]:
        audio_in = {
            "format": format_body("audio/pcm"),
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": None,
        }
        if is_transcription_only:
            return {
                "type": "transcription",
                "object": "realtime.transcription_session",
                "id": self.session_id,
                "expires_at": self._expires_at,
                "audio": {"input": audio_in},
                "include": None,
            }
        audio_out = {"format": format_body("audio/pcm"), "voice": DEFAULT_VOICE, "speed": 1.0}
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": self.session_id,
            "model": self.model,
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "expires_at": self._expires_at,
            "audio": {"input": audio_in, "output": audio_out},
            "include": None,
        }

    def update(self, body: SessionBody, command_id: str) -> UpdateSession | ErrorBody:
        """A client's change as a command; it takes effect with ``confirmed``.

        Args:
            body: What the client sent, valid by itself.
            command_id: The client's id of the event.
        """
        change = cast("dict[str, Any]", msgspec.to_builtins(body))
        change.pop("model", None)
        current = self._pending[-1][1] if self._pending else self.fields
        becomes_other = change["type"] != current["type"]
        base = current
        if becomes_other:
            base = self._skeleton(isinstance(body, TranscriptionSessionBody))
            base["audio"]["input"] = current["audio"]["input"]
        fields = _merged(base, change)
        if (fault := self._fault(current, fields)) is not None:
            return fault
        config = config_from_session(fields, self.config)
        touched = _touched(change)
        values: dict[str, Any] = {name: getattr(config, name) for name in touched}
        if config.extra != config_from_session(current, self.config).extra:
            values["extra"] = config.extra
        if becomes_other:
            values["is_transcription_only"] = config.is_transcription_only
        self._pending.append((command_id, fields))
        return UpdateSession(command_id=command_id, **values)

    def _fault(self, current: Mapping[str, Any], fields: Mapping[str, Any]) -> ErrorBody | None:
        names = [tool.get("name") for tool in fields.get("tools", ()) if tool.get("type") == "function"]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            return ErrorBody(
                type=codes.INVALID_REQUEST_ERROR,
                code=codes.INVALID_VALUE,
                message=f"Invalid 'session.tools': two functions are named {doubled!r}.",
                param="session.tools",
            )
        if self.has_spoken and _voice(current) != _voice(fields):
            return ErrorBody(
                type=codes.INVALID_REQUEST_ERROR,
                code=codes.CANNOT_UPDATE_VOICE,
                message="Cannot update a conversation's voice if assistant audio is present.",
                param="session.audio.output.voice",
            )
        return None

    def refused(self, command_id: str) -> None:
        """The model refused a command; forgets the update if it was one."""
        if not command_id:
            return
        for index, (pending_id, _) in enumerate(self._pending):
            if pending_id == command_id:
                del self._pending[index]
                return

    def confirmed(self, config: SessionConfig, command_id: str = "") -> bool:
        """The model's configuration is now this; tells whether a client's update was waiting for it.

        Args:
            config: What is in force.
            command_id: What brought it about. A command that no client sent, such as the opening of the model's own
                session, answers nobody.
        """
        is_ours = not command_id or any(pending_id == command_id for pending_id, _ in self._pending)
        was_asked = bool(self._pending) and is_ours
        if was_asked:
            self.fields = self._pending.pop(0)[1]
        self._adopt(config)
        self.config = config_from_session(self.fields, config)
        return was_asked

    def _adopt(self, config: SessionConfig) -> None:
        """Lets the model have the last word, without touching what it did not change."""
        known = config_from_session(self.fields, config)
        if known.is_transcription_only != config.is_transcription_only:
            return
        changed: dict[str, Any] = {}
        for name in _ADOPTED:
            ours, theirs = getattr(known, name), getattr(config, name)
            if name == "turn_detection":
                ours, theirs = _filled_turns(ours), _filled_turns(theirs)
            elif name == "transcription" and theirs is not None and theirs.model is None and ours is not None:
                continue
            elif name == "voice" and not theirs:
                continue
            if ours != theirs:
                changed[name] = getattr(config, name)
        if changed:
            change = UpdateSession(**changed)
            self.fields = _merged(self.fields, change_body(change, known.updated(change)))


def _filled_turns(turns: TurnDetection | None) -> dict[str, Any] | None:
    return _turn_detection(turn_detection_body(SessionConfig(turn_detection=turns)))


def _voice(fields: Mapping[str, Any]) -> object:
    return fields["audio"].get("output", {}).get("voice")


def _touched(change: Mapping[str, Any]) -> list[str]:
    """Fields of the configuration that a change names."""
    audio = change.get("audio", {})
    return [
        *(name for key, name in _SIMPLE_FIELDS.items() if key in change),
        *(name for key, name in _INPUT_FIELDS.items() if key in audio.get("input", {})),
        *(name for key, name in _OUTPUT_FIELDS.items() if key in audio.get("output", {})),
    ]


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The session object after a change: present keys replace, those of ``audio`` two levels deeper."""
    fields = dict(base)
    is_transcription = fields["type"] == "transcription"
    audio = {key: dict(value) for key, value in base["audio"].items()}
    changed_audio = change.get("audio", {})
    for key, value in changed_audio.get("input", {}).items():
        if key == "turn_detection":
            value = _turn_detection(value, is_transcription=is_transcription)
        elif value is None:
            pass
        elif key == "transcription":
            value = {"model": DEFAULT_TRANSCRIPTION_MODEL, "language": None, "prompt": None, **value}
        elif key == "format":
            value = format_body(value["type"])
        audio["input"][key] = value
    if "output" in audio:
        for key, value in changed_audio.get("output", {}).items():
            audio["output"][key] = format_body(value["type"]) if key == "format" else value
    for key, value in change.items():
        if key in ("type", "audio"):
            continue
        if key in fields or key in PASSED_KEYS:
            fields[key] = [_tool(tool) for tool in value] if key == "tools" else value
    fields["audio"] = audio
    return fields


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tool.items() if key != "strict"}


def _turn_detection(
    value: Mapping[str, Any] | None, *, is_transcription: bool = False
) -> dict[str, Any] | None:
    if value is None or value.get("type") in (None, "none"):
        return None
    defaults = SEMANTIC_VAD_DEFAULTS if value["type"] == "semantic_vad" else SERVER_VAD_DEFAULTS
    filled = {**defaults, **value}
    if is_transcription:
        filled.pop("create_response", None)
        filled.pop("interrupt_response", None)
    return filled
