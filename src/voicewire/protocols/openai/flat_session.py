"""Session objects and response parameters: flat dialect to GA, and back. Pure functions of JSON objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from voicewire.protocols.openai.flat import FlatDialect, item_to_flat, item_to_ga

Json = dict[str, Any]

PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "max_response_output_tokens": ("max_output_tokens",),
}
"""Flat keys of a session, each with the path of its GA key; all other keys have one name."""

_MEDIA_TYPES: Final = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
    "g711-ulaw": "audio/pcmu",
    "g711-alaw": "audio/pcma",
}
_FORMATS: Final = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
_RESPONSE_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "voice": ("audio", "output", "voice"),
    "output_audio_format": ("audio", "output", "format"),
    "max_response_output_tokens": ("max_output_tokens",),
}
PREVIEW_PARAMS: Final = frozenset({"commit", "cancel_previous", "append_input_items"})
"""Parameters of ``response.create`` that the Azure preview of 2024 has beside those of OpenAI."""
DROPPED: Final = frozenset({"temperature", "id", "object", "expires_at", "client_secret"})
"""Flat keys that GA does not have and that change nothing where it is spoken."""


def modalities_to_ga(value: object) -> object:
    """Text beside audio goes without saying in GA."""
    if isinstance(value, list):
        entries = cast("list[object]", value)
        if "audio" in entries:
            return [entry for entry in entries if entry not in ("audio", "text")] or ["audio"]
    return cast("Any", value)


def modalities_to_flat(value: Any) -> Any:
    """Audio comes with text in the flat dialects."""
    return ["text", "audio"] if value == ["audio"] else value


def format_to_ga(value: Any) -> Any:
    """A format by name as the GA object; anything else as it is, for the reader to refuse."""
    media_type = _MEDIA_TYPES.get(value) if isinstance(value, str) else None
    if media_type is None:
        return value
    return {"type": media_type, "rate": 24000} if media_type == "audio/pcm" else {"type": media_type}


def format_to_flat(value: object) -> object:
    """A GA format object by its flat name."""
    media_type = mapping(value).get("type")
    return _FORMATS.get(media_type, value) if isinstance(media_type, str) else value


def tool_choice_to_ga(value: Any) -> Any:
    """The three spellings of a function that must be called, as one."""
    if not isinstance(value, dict):
        return value
    choice = cast("Json", value)
    named = choice.get("function")
    if isinstance(named, dict):
        named = cast("Json", named).get("name")
    if isinstance(named, str):
        return {"type": "function", "name": named}
    return choice


def voice_to_ga(value: object) -> object:
    """A voice object by its name."""
    name = mapping(value).get("name")
    return name if isinstance(name, str) else value


def voice_to_flat(value: object, dialect: FlatDialect) -> object:
    """A GA voice as the dialect shows it."""
    if isinstance(value, dict):
        value = mapping(cast("object", value)).get("id", "")
    if not isinstance(value, str):
        return value
    if dialect.has_voice_objects:
        kind = "openai" if value in dialect.openai_voices else "azure-standard"
        return {"name": value, "type": kind}
    if dialect.voices and value not in dialect.voices:
        return dialect.voices[0]
    return value


def session_to_ga(body: Mapping[str, Any], dialect: FlatDialect, *, kind: str) -> tuple[Json, Json]:
    """A flat session object, whole or partial, in GA's shape.

    Args:
        body: What was received.
        dialect: How it is spelled.
        kind: ``realtime`` or ``transcription``.

    Returns:
        The GA object; and the dialect's own options, by their flat names.
    """
    session: Json = {"type": kind}
    options: Json = {}
    for key, value in body.items():
        if key in DROPPED:
            continue
        if key in dialect.options:
            options[key] = value
        elif key == "modalities":
            if kind == "realtime":
                session["output_modalities"] = modalities_to_ga(value)
        elif key in PLACES:
            _put(session, PLACES[key], _TO_GA.get(key, _same)(value))
        else:
            session[key] = tool_choice_to_ga(value) if key == "tool_choice" else value
    return session, options


def session_to_flat(session: Mapping[str, Any], dialect: FlatDialect) -> Json:
    """A GA session object, whole or partial, in the dialect's shape."""
    flat: Json = {}
    paths: dict[tuple[str, ...], str] = {path: key for key, path in PLACES.items()}
    for half, settings in mapping(session.get("audio")).items():
        for key, value in mapping(settings).items():
            name = paths.get(("audio", half, key), key)
            if name.endswith("_format"):
                value = format_to_flat(value)
            elif name == "voice":
                value = voice_to_flat(value, dialect)
            flat[name] = value
    for key, value in session.items():
        if key == "output_modalities":
            flat["modalities"] = modalities_to_flat(value)
        elif key not in ("type", "audio"):
            flat[paths.get((key,), key)] = value
    return flat


def response_params_to_ga(body: Mapping[str, Any]) -> Json:
    """The parameters of a flat ``response.create`` in GA's shape; those of the Azure preview are left out."""
    params: Json = {}
    for key, value in body.items():
        if key in DROPPED or key in PREVIEW_PARAMS:
            continue
        if key == "modalities":
            params["output_modalities"] = modalities_to_ga(value)
        elif key in _RESPONSE_PLACES:
            _put(params, _RESPONSE_PLACES[key], _TO_GA.get(key, _same)(value))
        elif key in ("input", "input_items"):
            params["input"] = items_to(item_to_ga, value)
        else:
            params[key] = tool_choice_to_ga(value) if key == "tool_choice" else value
    return params


def response_params_to_flat(params: Mapping[str, Any], dialect: FlatDialect) -> Json:
    """The parameters of a GA ``response.create`` in the dialect's shape."""
    flat: Json = {}
    for key, value in params.items():
        name = dialect.response_keys.get(key, key)
        if key == "output_modalities":
            flat["modalities"] = modalities_to_flat(value)
        elif key == "input":
            flat[name] = items_to(item_to_flat, value)
        elif key != "audio":
            flat[name] = value
    _put_output(flat, params, dialect)
    return flat


def response_to_flat(response: Mapping[str, Any], dialect: FlatDialect, temperature: Any) -> Json:
    """A response object of a GA server in the dialect's shape."""
    flat = {key: value for key, value in response.items() if key not in ("audio", "output_modalities")}
    if "output_modalities" in response:
        flat["modalities"] = modalities_to_flat(response["output_modalities"])
    _put_output(flat, response, dialect)
    flat["temperature"] = temperature
    flat["output"] = items_to(item_to_flat, response.get("output"))
    return flat


def items_to(change: Callable[[Json], Json], items: object) -> Any:
    """A list of items, each changed; anything else as it is, for the reader to refuse."""
    if not isinstance(items, list):
        return items
    entries = cast("list[object]", items)
    return [change(cast("Json", entry)) if isinstance(entry, dict) else entry for entry in entries]


def _put_output(flat: Json, source: Mapping[str, Any], dialect: FlatDialect) -> None:
    output = mapping(mapping(source.get("audio")).get("output"))
    if "voice" in output:
        flat["voice"] = voice_to_flat(output["voice"], dialect)
    if "format" in output:
        flat["output_audio_format"] = format_to_flat(output["format"])


def flat_path(text: str) -> str:
    """A message or a parameter's name with GA's paths replaced by the flat ones."""
    for flat, ga in _ERROR_PATHS:
        text = text.replace(ga, flat)
    return text


def _put(target: Json, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        if not isinstance(target.get(key), dict):
            target[key] = {}
        target = target[key]
    target[path[-1]] = value


def mapping(value: object) -> Mapping[str, Any]:
    """An object; empty for anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _same(value: Any) -> Any:
    return value


_TO_GA: Final[Mapping[str, Callable[[Any], Any]]] = {
    "voice": voice_to_ga,
    "input_audio_format": format_to_ga,
    "output_audio_format": format_to_ga,
}
_ERROR_PATHS: Final = (
    *((f"session.{flat}", ".".join(("session", *path))) for flat, path in PLACES.items()),
    *((f"response.{flat}", ".".join(("response", *path))) for flat, path in _RESPONSE_PLACES.items()),
    *((f"{root}.modalities", f"{root}.output_modalities") for root in ("session", "response")),
)
