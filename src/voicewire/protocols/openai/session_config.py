"""`SessionConfig` in the words of the OpenAI wire, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET

from voicewire.errors import ConfigError
from voicewire.events.base import MediaFormat
from voicewire.events.session import (
    Modality,
    SessionChange,
    SessionConfig,
    ToolSpec,
    Transcription,
    TurnDetection,
    tool_specs,
)
from voicewire.protocols.openai.limits import G711_RATE_HZ, PCM_RATE_HZ
from voicewire.protocols.openai.wire_session import format_body

DEFAULT_TRANSCRIPTION_MODEL: Final = "gpt-realtime-whisper"
"""Transcribes the user's audio when the configuration names no model."""

PASSED_KEYS: Final[Mapping[str, Any]] = {
    "parallel_tool_calls": None,
    "reasoning": None,
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "include": None,
}
"""Top-level settings that only this wire has, kept in ``SessionConfig.extra``, each with its default."""

GA_ONLY_KEYS: Final = frozenset({"parallel_tool_calls", "reasoning", "tracing", "truncation", "prompt"})
"""Those of them that no other dialect of this wire has: clients of GA send them to any model."""

_PLACED_KEYS: Final = frozenset(
    {"noise_reduction", "transcription", "turn_detection", "mcp_tools", "tool_choice"}
)
"""Keys of ``SessionConfig.extra`` that belong somewhere inside the session object."""


def session_body(
    config: SessionConfig, *, transcription_model: str = DEFAULT_TRANSCRIPTION_MODEL
) -> dict[str, Any]:
    """The whole configuration as the ``session`` of a ``session.update``."""
    change = SessionChange(
        **{name: getattr(config, name) for name in SessionChange.__struct_fields__ if name != "model"}
    )
    body = change_body(change, config, transcription_model=transcription_model)
    if not config.voice and not config.is_transcription_only:
        body["audio"]["output"].pop("voice", None)
    return body


def change_body(
    change: SessionChange, config: SessionConfig, *, transcription_model: str = DEFAULT_TRANSCRIPTION_MODEL
) -> dict[str, Any]:
    """A partial change as the ``session`` of a ``session.update``.

    Args:
        change: What is to change.
        config: The whole configuration after the change.
        transcription_model: Used when the configuration wants transcripts and names no model.
    """
    extra: Mapping[str, Any] = config.extra if change.extra is not UNSET else {}
    audio_in = _audio_input(change, config, transcription_model, extra)
    if config.is_transcription_only:
        body: dict[str, Any] = {"type": "transcription"}
        if audio_in:
            body["audio"] = {"input": audio_in}
        if "include" in extra:
            body["include"] = extra["include"]
        return body
    body = {"type": "realtime"}
    if change.instructions is not UNSET:
        body["instructions"] = config.instructions
    if change.modality is not UNSET:
        body["output_modalities"] = [config.modality]
    audio: dict[str, Any] = {}
    if audio_in:
        audio["input"] = audio_in
    if audio_out := _audio_output(change, config):
        audio["output"] = audio_out
    if audio:
        body["audio"] = audio
    if change.tools is not UNSET or "mcp_tools" in extra:
        body["tools"] = [tool_body(tool) for tool in config.tools] + list(config.extra.get("mcp_tools", ()))
    if change.tool_choice is not UNSET:
        body["tool_choice"] = tool_choice_body(config.tool_choice)
    if "tool_choice" in extra:
        body["tool_choice"] = extra["tool_choice"]
    if change.max_output_tokens is not UNSET:
        body["max_output_tokens"] = "inf" if config.max_output_tokens is None else config.max_output_tokens
    body.update({key: value for key, value in extra.items() if key not in _PLACED_KEYS})
    return body


def _audio_input(
    change: SessionChange, config: SessionConfig, transcription_model: str, extra: Mapping[str, Any]
) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if change.input_format is not UNSET:
        body["format"] = format_body(config.input_format.type)
    if change.transcription is not UNSET or "transcription" in extra:
        body["transcription"] = transcription_body(config, transcription_model)
    if change.turn_detection is not UNSET or "turn_detection" in extra:
        body["turn_detection"] = turn_detection_body(config)
    if "noise_reduction" in extra:
        body["noise_reduction"] = extra["noise_reduction"]
    return body


def _audio_output(change: SessionChange, config: SessionConfig) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if change.output_format is not UNSET:
        body["format"] = format_body(config.output_format.type)
    if change.voice is not UNSET:
        body["voice"] = voice_body(config.voice)
    if change.speed is not UNSET:
        body["speed"] = config.speed
    return body


def transcription_body(config: SessionConfig, transcription_model: str) -> dict[str, Any] | None:
    """``audio.input.transcription`` of a client."""
    wanted = config.transcription
    if wanted is None:
        return None
    body: dict[str, Any] = {"model": wanted.model or transcription_model}
    if wanted.language is not None:
        body["language"] = wanted.language
    if wanted.prompt is not None:
        body["prompt"] = wanted.prompt
    body.update(config.extra.get("transcription") or {})
    return body


def turn_detection_body(config: SessionConfig) -> dict[str, Any] | None:
    """``audio.input.turn_detection`` of a client: only what the configuration says."""
    wanted = config.turn_detection
    if wanted is None:
        return None
    body: dict[str, Any] = {"type": wanted.kind}
    for name in _TURN_NUMBERS:
        value = getattr(wanted, name)
        if value is not None:
            body[name] = value
    body["create_response"] = wanted.create_response
    body["interrupt_response"] = wanted.interrupt_response
    body.update(config.extra.get("turn_detection") or {})
    return body


_TRANSCRIPTION_KEYS: Final = ("model", "language", "prompt")
_TURN_NUMBERS: Final = (
    "threshold",
    "prefix_padding_ms",
    "silence_duration_ms",
    "idle_timeout_ms",
    "eagerness",
)


def tool_body(tool: ToolSpec) -> dict[str, Any]:
    """A function tool."""
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def tool_choice_body(choice: str) -> str | dict[str, str]:
    """``auto``, ``none``, ``required``, or the object that names a function."""
    prefix, _, name = choice.partition(":")
    return {"type": "function", "name": name} if prefix == "function" and name else choice


def voice_body(voice: str) -> str | dict[str, str]:
    """A voice by name, or the object that names a custom voice by its id."""
    return {"id": voice} if voice.startswith("voice_") else voice


def config_from_session(session: Mapping[str, Any], base: SessionConfig) -> SessionConfig:
    """The configuration that a server's session object describes.

    Args:
        session: The object; keys that are absent or not understood change nothing.
        base: What is known so far.
    """
    fields: dict[str, Any] = {}
    if isinstance(model := session.get("model"), str) and model:
        fields["model"] = model
    if isinstance(instructions := session.get("instructions"), str):
        fields["instructions"] = instructions
    modalities = session.get("output_modalities", session.get("modalities"))
    if isinstance(modalities, list) and modalities:
        modality: Modality = "audio" if "audio" in modalities else "text"
        fields["modality"] = modality
    audio = _mapping(session.get("audio"))
    _read_input(_mapping(audio.get("input")), session, fields)
    _read_output(_mapping(audio.get("output")), session, fields)
    if (choice := read_tool_choice(session.get("tool_choice"))) is not None:
        fields["tool_choice"] = choice
    if "max_output_tokens" in session:
        limit = session["max_output_tokens"]
        fields["max_output_tokens"] = limit if isinstance(limit, int) else None
    if session.get("type") in ("realtime", "transcription"):
        fields["is_transcription_only"] = session["type"] == "transcription"
    extra = _read_extra(session, base)
    if isinstance(session.get("tools"), list):
        tools = cast("list[Any]", session["tools"])
        fields["tools"] = read_tools(tools)
        _set_or_drop(extra, "mcp_tools", [tool for tool in tools if _mapping(tool).get("type") == "mcp"])
    fields["extra"] = extra
    return msgspec.structs.replace(base, **fields)


def _read_input(body: Mapping[str, Any], session: Mapping[str, Any], fields: dict[str, Any]) -> None:
    if (media := read_format(body.get("format"))) is not None:
        fields["input_format"] = media
    if "transcription" in body:
        fields["transcription"] = read_transcription(body["transcription"])
    elif "input_audio_transcription" in session:
        fields["transcription"] = read_transcription(session["input_audio_transcription"])
    if "turn_detection" in body:
        fields["turn_detection"] = read_turn_detection(body["turn_detection"])
    elif "turn_detection" in session:
        fields["turn_detection"] = read_turn_detection(session["turn_detection"])


def _read_output(body: Mapping[str, Any], session: Mapping[str, Any], fields: dict[str, Any]) -> None:
    if (media := read_format(body.get("format"))) is not None:
        fields["output_format"] = media
    voice = body.get("voice", session.get("voice"))
    if isinstance(voice, dict):
        named = cast("dict[str, Any]", voice)
        voice = named.get("id", named.get("name"))
    if isinstance(voice, str) and voice:
        fields["voice"] = voice
    if isinstance(speed := body.get("speed"), (int, float)):
        fields["speed"] = float(speed)


def _read_extra(session: Mapping[str, Any], base: SessionConfig) -> dict[str, Any]:
    extra = dict(base.extra)
    for key, default in PASSED_KEYS.items():
        if key in session:
            _set_or_drop(extra, key, None if session[key] == default else session[key])
    audio_in = _mapping(_mapping(session.get("audio")).get("input"))
    if "noise_reduction" in audio_in:
        _set_or_drop(extra, "noise_reduction", audio_in["noise_reduction"])
    if "transcription" in audio_in:
        wanted = _mapping(audio_in["transcription"]).items()
        further = {
            key: value for key, value in wanted if key not in _TRANSCRIPTION_KEYS and value is not None
        }
        _set_or_drop(extra, "transcription", further)
    if "tool_choice" in session:
        choice = session["tool_choice"]
        _set_or_drop(extra, "tool_choice", None if read_tool_choice(choice) else choice)
    return extra


def _set_or_drop(target: dict[str, Any], key: str, value: object) -> None:
    if value in (None, [], {}):
        target.pop(key, None)
    else:
        target[key] = value


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def read_format(body: object) -> MediaFormat | None:
    """A format object; None when it is none."""
    fields = _mapping(body)
    media_type, rate = fields.get("type"), fields.get("rate")
    if not isinstance(media_type, str) or not media_type:
        return None
    if not isinstance(rate, int) or rate <= 0:
        rate = PCM_RATE_HZ if media_type == "audio/pcm" else G711_RATE_HZ
    return MediaFormat(media_type, rate)


def read_transcription(body: object) -> Transcription | None:
    """A transcription object; None when there is no transcription."""
    if not isinstance(body, dict):
        return None
    fields = cast("dict[str, Any]", body)
    known = {name: fields[name] for name in _TRANSCRIPTION_KEYS if isinstance(fields.get(name), str)}
    return Transcription(**known)


def read_turn_detection(body: object) -> TurnDetection | None:
    """A turn detection object; None when turns are manual (null, or a type of null or ``none``)."""
    fields = _mapping(body)
    kind = fields.get("type")
    if not isinstance(kind, str) or kind == "none":
        return None
    known: dict[str, Any] = {"kind": kind}
    for name in (*_TURN_NUMBERS, "create_response", "interrupt_response"):
        if fields.get(name) is not None:
            known[name] = fields[name]
    try:
        return msgspec.convert(known, TurnDetection)
    except msgspec.ValidationError:
        return TurnDetection(kind=kind)


def read_tools(tools: list[Any]) -> tuple[ToolSpec, ...]:
    """The function tools of a list, in either spelling; others are left out."""
    functions = [tool for tool in tools if _mapping(tool).get("type", "function") == "function"]
    try:
        return tool_specs(functions)
    except ConfigError:
        return ()


def read_tool_choice(choice: object) -> str | None:
    """A tool choice in our words; None for what we have no word for."""
    if isinstance(choice, str):
        return choice
    fields = _mapping(choice)
    return f"function:{fields['name']}" if fields.get("type") == "function" and fields.get("name") else None
