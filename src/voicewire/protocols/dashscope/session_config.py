"""`SessionConfig` in the words of this wire, and back. Both shapes are read: flat, and with ``audio`` nested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET

from voicewire.errors import UnsupportedError
from voicewire.events.base import MediaFormat
from voicewire.events.session import Modality, SessionChange, SessionConfig, ToolSpec, Transcription
from voicewire.protocols.dashscope.traits import PCM_NAMES, WireTraits
from voicewire.protocols.openai.session_config import read_tools, read_transcription, read_turn_detection

PASSED_KEYS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "presence_penalty",
    "seed",
    "smooth_output",
    "enable_search",
    "search_options",
    "enable_speech_emotion",
    "max_history_turns",
    "translation",
    "video",
    "mode",
    "volume",
    "pitch_rate",
    "bit_rate",
    "language_type",
    "enable_tn",
    "optimize_instructions",
)
"""Settings that only this wire has, kept in ``SessionConfig.extra`` under their own names."""
_TURN_NUMBERS: Final = ("threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms")
_TEXT_ONLY: Final = ["text"]
_SPOKEN: Final = ["text", "audio"]
DEFAULT_TTS_MODE: Final = "commit"
"""Text is spoken when it is complete, not when the service thinks so."""


def session_body(config: SessionConfig, traits: WireTraits) -> dict[str, Any]:
    """The whole configuration as the ``session`` of a ``session.update``.

    Raises:
        UnsupportedError: The wire has no way to say it.
    """
    change = SessionChange(
        **{name: getattr(config, name) for name in SessionChange.__struct_fields__ if name != "model"}
    )
    return change_body(change, config, traits)


def change_body(change: SessionChange, config: SessionConfig, traits: WireTraits) -> dict[str, Any]:
    """A partial change as the ``session`` of a ``session.update``.

    Args:
        change: What is to change.
        config: The whole configuration after the change.
        traits: The family.

    Raises:
        UnsupportedError: The wire has no way to say it.
    """
    check_sayable(config, traits)
    if traits.family == "tts":
        return _speech_body(change, config)
    body: dict[str, Any] = {}
    if traits.family == "asr":
        body["modalities"] = _TEXT_ONLY
    elif change.modality is not UNSET:
        body["modalities"] = modalities(config.modality)
    if traits.family == "omni":
        _add_conversation(body, change, config)
    if change.transcription is not UNSET:
        body["input_audio_transcription"] = _transcription_body(config, traits)
    if change.turn_detection is not UNSET:
        body["turn_detection"] = turn_detection_body(config)
    _add_audio(body, change, config, traits)
    return _with_extra(body, change, config)


def check_sayable(config: SessionConfig, traits: WireTraits) -> None:
    """Refuses what this wire has no words for.

    Raises:
        UnsupportedError: A tool choice, a speed (but for Qwen-TTS), or audio that is not PCM.
    """
    if config.tools and config.tool_choice != "auto":
        raise UnsupportedError(f"this wire has no tool choice; {config.tool_choice!r} cannot be asked for")
    if config.speed != 1.0 and traits.family != "tts":
        raise UnsupportedError("this wire has no speed of speech for conversations; leave it at 1.0")
    for media in (config.input_format, config.output_format):
        if media.type != "audio/pcm":
            raise UnsupportedError(f"this wire carries 16-bit PCM, not {media.type}")


def modalities(modality: Modality) -> list[str]:
    """What a response consists of; ``["audio"]`` alone is an error on this wire."""
    return _TEXT_ONLY if modality == "text" else _SPOKEN


def _add_conversation(body: dict[str, Any], change: SessionChange, config: SessionConfig) -> None:
    if change.instructions is not UNSET:
        body["instructions"] = config.instructions
    if change.tools is not UNSET:
        body["tools"] = [tool_body(tool) for tool in config.tools]
    if change.max_output_tokens is not UNSET and config.max_output_tokens is not None:
        body["max_tokens"] = config.max_output_tokens


def _add_audio(
    body: dict[str, Any], change: SessionChange, config: SessionConfig, traits: WireTraits
) -> None:
    """Formats and voice, in the shape of the family."""
    is_input = change.input_format is not UNSET
    is_output = change.output_format is not UNSET and traits.family == "omni"
    is_voice = change.voice is not UNSET and traits.family == "omni" and bool(config.voice)
    if not traits.is_audio_nested:
        if is_input:
            body["input_audio_format"] = traits.pcm_name
            if traits.family == "asr":
                body["sample_rate"] = config.input_format.rate
        if is_output:
            body["output_audio_format"] = traits.pcm_name
        if is_voice:
            body["voice"] = config.voice
        return
    audio: dict[str, Any] = {}
    if is_input:
        audio["input"] = {"format": {"type": "pcm", "sample_rate": config.input_format.rate}}
    if is_output:
        audio["output"] = {"format": {"type": "pcm", "sample_rate": config.output_format.rate}}
    if is_voice:
        audio.setdefault("output", {})["voice"] = config.voice
    if audio:
        body["audio"] = audio


def _speech_body(change: SessionChange, config: SessionConfig) -> dict[str, Any]:
    body: dict[str, Any] = {"mode": config.extra.get("mode", DEFAULT_TTS_MODE)}
    if change.voice is not UNSET and config.voice:
        body["voice"] = config.voice
    if change.output_format is not UNSET:
        body |= {"response_format": "pcm", "sample_rate": config.output_format.rate}
    if change.speed is not UNSET and config.speed != 1.0:
        body["speech_rate"] = config.speed
    if change.instructions is not UNSET and config.instructions:
        body["instructions"] = config.instructions
    return _with_extra(body, change, config)


def _with_extra(body: dict[str, Any], change: SessionChange, config: SessionConfig) -> dict[str, Any]:
    if change.extra is not UNSET:
        body.update({key: value for key, value in config.extra.items() if key in PASSED_KEYS})
    return body


def _transcription_body(config: SessionConfig, traits: WireTraits) -> dict[str, Any] | None:
    wanted = config.transcription
    if wanted is None:
        return None
    body: dict[str, Any] = {}
    if (model := wanted.model or traits.transcription_model) and traits.family != "asr":
        body["model"] = model
    if wanted.language:
        body["language"] = wanted.language
    if wanted.prompt:
        body["corpus"] = {"text": wanted.prompt}
    return body


def turn_detection_body(config: SessionConfig) -> dict[str, Any] | None:
    """``turn_detection``: only what the configuration says; what is true anyway is left out."""
    wanted = config.turn_detection
    if wanted is None:
        return None
    body: dict[str, Any] = {"type": wanted.kind}
    for name in _TURN_NUMBERS:
        if (value := getattr(wanted, name)) is not None:
            body[name] = value
    for name in ("create_response", "interrupt_response"):
        if not getattr(wanted, name):
            body[name] = False
    return body


def tool_body(tool: ToolSpec) -> dict[str, Any]:
    """A function tool: nested, unlike OpenAI's realtime."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def config_from_session(session: Mapping[str, Any], base: SessionConfig) -> SessionConfig:
    """The configuration that a session object describes, in either shape and for any family.

    Args:
        session: The object; keys that are absent or not understood change nothing.
        base: What is known so far.
    """
    fields: dict[str, Any] = {}
    for name in ("model", "instructions"):
        if isinstance(value := session.get(name), str) and (value or name == "instructions"):
            fields[name] = value
    wanted = session.get("modalities", session.get("output_modalities"))
    if isinstance(wanted, list) and wanted:
        fields["modality"] = "audio" if "audio" in wanted else "text"
    _read_audio(session, base, fields)
    if "input_audio_transcription" in session:
        fields["transcription"] = _read_transcription(session["input_audio_transcription"])
    turns = {**session, **mapping(mapping(session.get("audio")).get("input"))}
    if "turn_detection" in turns:
        fields["turn_detection"] = read_turn_detection(turns["turn_detection"])
    if isinstance(session.get("tools"), list):
        fields["tools"] = read_tools(cast("list[Any]", session["tools"]))
    limit = session.get("max_tokens")
    if isinstance(limit, int) and not isinstance(limit, bool):
        fields["max_output_tokens"] = limit
    if isinstance(speed := session.get("speech_rate"), (int, float)):
        fields["speed"] = float(speed)
    passed = {key: session[key] for key in PASSED_KEYS if key in session}
    if passed:
        fields["extra"] = {**base.extra, **passed}
    return msgspec.structs.replace(base, **fields)


def _read_audio(session: Mapping[str, Any], base: SessionConfig, fields: dict[str, Any]) -> None:
    audio = mapping(session.get("audio"))
    sides = (mapping(audio.get("input")), mapping(audio.get("output")))
    voice = sides[1].get("voice", session.get("voice"))
    if isinstance(voice, str) and voice:
        fields["voice"] = voice
    heard, spoken = (mapping(side.get("format")) for side in sides)
    is_speech = "response_format" in session
    flat_rate = session.get("sample_rate")
    flat_in = None if is_speech else flat_rate
    flat_out = flat_rate if is_speech else None
    input_name = heard.get("type", session.get("input_audio_format"))
    output_name = spoken.get("type", session.get("response_format", session.get("output_audio_format")))
    if (media := _media(input_name, heard.get("sample_rate", flat_in), base.input_format)) is not None:
        fields["input_format"] = media
    if (media := _media(output_name, spoken.get("sample_rate", flat_out), base.output_format)) is not None:
        fields["output_format"] = media


def _media(name: object, rate_hz: object, base: MediaFormat) -> MediaFormat | None:
    """PCM at the rate that is said, or at the one that was in force; None when nothing is said of PCM."""
    is_rate = isinstance(rate_hz, int) and not isinstance(rate_hz, bool) and rate_hz > 0
    if isinstance(name, str) and name not in PCM_NAMES:
        return None
    if not isinstance(name, str) and not is_rate:
        return None
    return MediaFormat("audio/pcm", rate_hz if is_rate and isinstance(rate_hz, int) else base.rate)


def _read_transcription(body: object) -> Transcription | None:
    found = read_transcription(body)
    text = mapping(mapping(body).get("corpus")).get("text")
    if found is not None and isinstance(text, str) and text:
        return msgspec.structs.replace(found, prompt=text)
    return found


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object; empty for anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
