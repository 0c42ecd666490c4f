"""The session as the server side of this wire keeps it: what is in force, and how the client is shown it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from voicewire.errors import ConfigError
from voicewire.events.base import MediaFormat
from voicewire.events.commands import UpdateSession
from voicewire.events.session import SessionChange, SessionConfig, Transcription, tool_specs
from voicewire.protocols.dashscope.server_requests import modalities_fault
from voicewire.protocols.dashscope.session_config import (
    PASSED_KEYS,
    config_from_session,
    mapping,
    modalities,
    tool_body,
)
from voicewire.protocols.dashscope.traits import (
    INPUT_RATE_HZ,
    NESTED_RATES_HZ,
    OUTPUT_RATE_HZ,
    PCM_NAMES,
    TTS_RATES_HZ,
    Family,
)
from voicewire.protocols.openai import codes
from voicewire.protocols.openai.server_requests import request_error
from voicewire.protocols.openai.wire_response import ErrorBody

DEFAULT_VOICE: Final = "Cherry"
SERVER_VAD_DEFAULTS: Final[Mapping[str, Any]] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 800,
    "create_response": True,
    "interrupt_response": True,
}
"""What ``server_vad`` means where the client says nothing."""
SPEECH_INSTRUCTIONS: Final = (
    "Say the user's text aloud, word for word and exactly as it is written. Do not answer it, add nothing, leave "
    "nothing out."
)
"""What a model is told that is to speak text; models that only speak text have no use for it."""
_MODES: Final = ("server_commit", "commit")
_MIN_THRESHOLD, _MAX_THRESHOLD = 0.05, 0.95
_MIN_SILENCE_MS, _MAX_SILENCE_MS = 200, 6000


class DashScopeSession:
    """What is in force, what the client asked for, and what it is shown.

    Args:
        session_id: Its id.
        model: The name that the client is shown.
        voices: Voices that the served model has; another one is shown and not asked for. Empty for any.
        passes_settings: Whether settings that only this wire has mean something to the served model.
        is_told_to_speak: Whether the served model has to be told to say a text instead of answering it.
    """

    def __init__(
        self,
        *,
        session_id: str,
        model: str,
        voices: tuple[str, ...] = (),
        passes_settings: bool = False,
        is_told_to_speak: bool = True,
    ) -> None:
        self.session_id = session_id
        self._model = model
        self._voices = voices
        self._passes_settings = passes_settings
        self._speech_instructions = SPEECH_INSTRUCTIONS if is_told_to_speak else ""
        self.family: Family = "omni"
        self.config = self.first_config("omni")
        self._own: dict[str, Any] = {}
        """What the client asked for, in its own spelling."""
        self._pending: list[tuple[str, SessionConfig, dict[str, Any]]] = []

    def first_config(self, family: Family) -> SessionConfig:
        """What is in force at the beginning of a session of a family."""
        self.family = family
        config = SessionConfig(
            model=self._model,
            input_format=MediaFormat("audio/pcm", INPUT_RATE_HZ),
            output_format=MediaFormat("audio/pcm", OUTPUT_RATE_HZ),
        )
        if family == "asr":
            config = msgspec.structs.replace(config, is_transcription_only=True, modality="text")
        elif family == "tts":
            config = msgspec.structs.replace(
                config, turn_detection=None, transcription=None, instructions=self._speech_instructions
            )
        self.config = config
        return config

    @property
    def mode(self) -> str:
        """``server_commit`` or ``commit`` (text to speech)."""
        newest = self._pending[-1][2] if self._pending else self._own
        return str(newest.get("mode", "server_commit"))

    # ------------------------------------------------------------------ changes

    def change(self, patch: Mapping[str, Any], command_id: str) -> UpdateSession | ErrorBody:
        """A client's change as a command; it takes effect with ``confirmed``."""
        if (fault := self._fault(patch)) is not None:
            return fault
        base, own = (
            (self._pending[-1][1], self._pending[-1][2]) if self._pending else (self.config, self._own)
        )
        config = self._asked(patch, base)
        own = {**own, **patch}
        self._pending.append((command_id, config, own))
        values: dict[str, Any] = {}
        for name in SessionChange.__struct_fields__:
            if name not in ("model", "is_transcription_only") and getattr(config, name) != getattr(
                base, name
            ):
                values[name] = getattr(config, name)
        return UpdateSession(command_id=command_id, **values)

    def _asked(self, patch: Mapping[str, Any], base: SessionConfig) -> SessionConfig:
        config = config_from_session(patch, base)
        fields: dict[str, Any] = {"model": base.model}
        if not self._passes_settings:
            fields["extra"] = base.extra
            if config.transcription is not None:
                # Its models are this provider's; which one transcribes is the served model's business.
                fields["transcription"] = msgspec.structs.replace(config.transcription, model=None)
        turns = config.turn_detection
        if turns is not None and turns.threshold is not None:
            bounded = min(max(turns.threshold, _MIN_THRESHOLD), _MAX_THRESHOLD)
            kind = turns.kind if turns.kind == "semantic_vad" else "server_vad"
            fields["turn_detection"] = msgspec.structs.replace(turns, threshold=bounded, kind=kind)
        if config.voice and self._voices and config.voice not in self._voices:
            fields["voice"] = base.voice
        if self.family == "tts":
            manner = patch.get("instructions")
            fields["instructions"] = base.instructions
            if isinstance(manner, str) and manner:
                told = self._speech_instructions
                fields["instructions"] = f"{told} The manner: {manner}" if told else manner
        return msgspec.structs.replace(config, **fields)

    def _fault(self, patch: Mapping[str, Any]) -> ErrorBody | None:
        for name in ("modalities", "output_modalities"):
            if patch.get(name) is not None and self.family != "tts":
                if (fault := modalities_fault(patch[name], f"session.{name}")) is not None:
                    return fault
        return (
            self._format_fault(patch) or self._turn_fault(patch) or _tools_fault(patch) or _mode_fault(patch)
        )

    def _format_fault(self, patch: Mapping[str, Any]) -> ErrorBody | None:
        audio = mapping(patch.get("audio"))
        places: list[tuple[str, Mapping[str, Any], tuple[int, ...]]] = [
            (f"audio.{side}.format", mapping(mapping(audio.get(side)).get("format")), NESTED_RATES_HZ)
            for side in ("input", "output")
        ]
        flat = {
            name: {"type": patch.get(name)}
            for name in ("input_audio_format", "output_audio_format", "response_format")
        }
        rates = TTS_RATES_HZ if self.family == "tts" else NESTED_RATES_HZ
        places += [(name, fields, rates) for name, fields in flat.items()]
        places.append(("", {"sample_rate": patch.get("sample_rate")}, rates))
        for place, fields, allowed_hz in places:
            kind, rate_hz = fields.get("type"), fields.get("sample_rate")
            if kind is not None and kind not in PCM_NAMES:
                message = f"Invalid audio format: {kind!r}. This server speaks 'pcm'."
                return request_error(codes.INVALID_VALUE, message, param=f"session.{place}")
            if rate_hz is not None and rate_hz not in allowed_hz:
                message = f"Invalid sample rate: {rate_hz!r}. Supported rates are: {list(allowed_hz)}."
                param = ".".join(part for part in ("session", place, "sample_rate") if part)
                return request_error(codes.INVALID_VALUE, message, param=param)
        return None

    def _turn_fault(self, patch: Mapping[str, Any]) -> ErrorBody | None:
        turns = mapping(patch.get("turn_detection"))
        limits = {"threshold": (-1, 1), "silence_duration_ms": (_MIN_SILENCE_MS, _MAX_SILENCE_MS)}
        for name, (low, high) in limits.items():
            value = turns.get(name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (is_number and low <= value <= high):
                message = f"Invalid {name}: {value!r}. It must lie in [{low}, {high}]."
                return request_error(codes.INVALID_VALUE, message, param=f"session.turn_detection.{name}")
        return None

    def refused(self, command_id: str) -> None:
        """The model refused a command; forgets the update if it was one."""
        self._pending = [entry for entry in self._pending if not command_id or entry[0] != command_id]

    def confirmed(self, config: SessionConfig, command_id: str = "") -> bool:
        """The model's configuration is now this; tells whether a client's update was waiting for it.

        Args:
            config: What is in force.
            command_id: What brought it about. A command that no client sent, such as the opening of the model's own
                session, answers nobody.
        """
        is_ours = not command_id or any(entry[0] == command_id for entry in self._pending)
        was_asked = bool(self._pending) and is_ours
        input_format = self.config.input_format
        if was_asked:
            _, asked, self._own = self._pending.pop(0)
            input_format = asked.input_format
        # What the client sends is what it said it would, whatever the model makes of it.
        self.config = msgspec.structs.replace(config, input_format=input_format)
        return was_asked

    # ------------------------------------------------------------------ what the client is shown

    def shown(self) -> dict[str, Any]:
        """The session object."""
        body: dict[str, Any] = {"id": self.session_id, "object": "realtime.session", "model": self._model}
        own, config = self._own, self.config
        extras: dict[str, Any] = {key: own[key] for key in PASSED_KEYS if key in own}
        voice = own.get("voice") or mapping(mapping(own.get("audio")).get("output")).get("voice")
        voice = voice or config.voice or DEFAULT_VOICE
        if self.family == "tts":
            rate_hz = config.output_format.rate
            fixed = {"voice": voice, "response_format": "pcm", "sample_rate": rate_hz}
            return {**body, "mode": self.mode, **extras, **fixed}
        body["modalities"] = ["text"] if self.family == "asr" else modalities(config.modality)
        body["input_audio_transcription"] = self._shown_transcription()
        body["turn_detection"] = self._shown_turns()
        if "audio" in own:
            body["audio"] = self._shown_audio(voice)
        else:
            body |= {"voice": voice, "input_audio_format": "pcm", "output_audio_format": "pcm"}
        if self.family == "asr":
            return {**body, "sample_rate": config.input_format.rate, **extras}
        tools = [tool_body(tool) for tool in config.tools]
        return {
            **body,
            "instructions": config.instructions,
            "tools": tools,
            "tool_choice": config.tool_choice,
            **({} if config.max_output_tokens is None else {"max_tokens": config.max_output_tokens}),
            **extras,
        }

    def response_fields(self) -> dict[str, Any]:
        """What every response shows of the session."""
        shown = self.shown()
        voice = shown.get("voice") or mapping(mapping(shown.get("audio")).get("output")).get("voice")
        return {
            "modalities": ["audio"] if self.family == "tts" else shown["modalities"],
            "voice": voice,
            "output_audio_format": "pcm",
        }

    def _shown_transcription(self) -> dict[str, Any] | None:
        wanted: Transcription | None = self.config.transcription
        asked = mapping(self._own.get("input_audio_transcription"))
        if wanted is None:
            return None
        return {"model": wanted.model, **{key: value for key, value in asked.items() if value is not None}}

    def _shown_turns(self) -> dict[str, Any] | None:
        turns = self.config.turn_detection
        if turns is None:
            return None
        said = {key: value for key, value in msgspec.structs.asdict(turns).items() if value is not None}
        said["type"] = said.pop("kind")
        asked = mapping(self._own.get("turn_detection"))
        return {**SERVER_VAD_DEFAULTS, **said, **{k: v for k, v in asked.items() if v is not None}}

    def _shown_audio(self, voice: str) -> dict[str, Any]:
        heard, spoken = self.config.input_format.rate, self.config.output_format.rate
        return {
            "input": {"format": {"type": "pcm", "sample_rate": heard}},
            "output": {"format": {"type": "pcm", "sample_rate": spoken}, "voice": voice},
        }


def _tools_fault(patch: Mapping[str, Any]) -> ErrorBody | None:
    tools = patch.get("tools")
    if tools is None:
        return None
    try:
        if not isinstance(tools, list):
            raise ConfigError("tools are a list")
        tool_specs(cast("list[Mapping[str, Any]]", tools))
    except (ConfigError, AttributeError, TypeError) as error:
        return request_error(codes.INVALID_VALUE, f"Invalid tools: {error}.", param="session.tools")
    return None


def _mode_fault(patch: Mapping[str, Any]) -> ErrorBody | None:
    mode = patch.get("mode")
    if mode is None or mode in _MODES:
        return None
    message = f"Invalid mode: {mode!r}. Supported modes are: {list(_MODES)}."
    return request_error(codes.INVALID_VALUE, message, param="session.mode")
