"""`SessionConfig` as the ``setup`` of this wire, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from voicewire.errors import RemoteProtocolError, UnsupportedError
from voicewire.events.base import MediaFormat
from voicewire.events.session import SessionConfig, ToolSpec, Transcription, TurnDetection
from voicewire.protocols.gemini.codes import INPUT_RATE_HZ, NON_BLOCKING, OUTPUT_RATE_HZ
from voicewire.protocols.gemini.schema import to_json_schema, to_schema

GENERATION_KEYS: Final = (
    "candidateCount", "temperature", "topP", "topK", "presencePenalty", "frequencyPenalty", "seed", "mediaResolution",
    "thinkingConfig", "enableAffectiveDialog", "translationConfig",
)  # fmt: skip
"""Keys of ``SessionConfig.extra`` that belong into ``generationConfig``."""
SETUP_KEYS: Final = (
    "sessionResumption", "contextWindowCompression", "proactivity", "historyConfig", "explicitVadSignal",
    "avatarConfig", "safetySettings", "labels",
)  # fmt: skip
"""Keys of ``SessionConfig.extra`` that belong into ``setup`` itself."""
TURN_COVERAGE: Final = "turnCoverage"
BUILT_IN_TOOLS: Final = "builtInTools"
"""Key of ``SessionConfig.extra``: tools that the provider runs itself, such as ``{"googleSearch": {}}``."""
TOOL_BEHAVIORS: Final = "toolBehaviors"
"""Key of ``SessionConfig.extra``: ``BLOCKING`` or ``NON_BLOCKING`` by the function's name."""
TOOL_SCHEDULING: Final = "toolScheduling"
"""Key of ``SessionConfig.extra``: ``INTERRUPT``, ``WHEN_IDLE`` or ``SILENT`` by the function's name."""

_PCM: Final = "audio/pcm"
_MODEL_PREFIXES: Final = ("models/", "tunedModels/", "publishers/", "projects/")
_SENSITIVE_BELOW: Final = 0.45
_INSENSITIVE_ABOVE: Final = 0.55
_SILENCE_MS: Final = {"END_SENSITIVITY_HIGH": 300, "END_SENSITIVITY_LOW": 1000}
_THRESHOLDS: Final = {"START_SENSITIVITY_HIGH": 0.35, "START_SENSITIVITY_LOW": 0.65}

Json = dict[str, Any]


def input_format() -> MediaFormat:
    """What this wire hears."""
    return MediaFormat(_PCM, INPUT_RATE_HZ)


def output_format() -> MediaFormat:
    """What this wire speaks."""
    return MediaFormat(_PCM, OUTPUT_RATE_HZ)


# ---------------------------------------------------------------------- to the wire


def setup_body(config: SessionConfig, *, defaults: Mapping[str, Any] | None = None) -> Json:
    """The whole configuration as the ``setup`` of a session.

    Args:
        config: What is asked for.
        defaults: Values of ``extra`` where the configuration has none.

    Raises:
        UnsupportedError: The wire has no way to say it.
    """
    _check(config)
    extra = {**(defaults or {}), **config.extra}
    body: Json = {"model": _model_name(config.model), "generationConfig": _generation(config, extra)}
    if config.instructions:
        body["systemInstruction"] = {"parts": [{"text": config.instructions}], "role": "user"}
    if tools := tool_bodies(config):
        body["tools"] = tools
    if turns := _input_config(config, extra):
        body["realtimeInputConfig"] = turns
    if config.transcription is not None:
        body["inputAudioTranscription"] = {}
    if config.modality == "audio":
        body["outputAudioTranscription"] = {}
    body.update({key: extra[key] for key in SETUP_KEYS if extra.get(key) is not None})
    return body


def _check(config: SessionConfig) -> None:
    lacks = {
        "a session that only transcribes": config.is_transcription_only,
        "a speed of speech": config.speed != 1.0,
        f"tool_choice={config.tool_choice!r}": config.tool_choice not in ("auto", "none"),
        f"output as {config.output_format.type!r}": config.output_format.type != _PCM,
        f"input as {config.input_format.type!r}": config.input_format.type != _PCM,
    }
    turns = config.turn_detection
    if turns is not None:
        lacks["turn detection that does not respond by itself"] = not turns.create_response
        lacks["an idle timeout"] = turns.idle_timeout_ms is not None
    for what, is_asked in lacks.items():
        if is_asked:
            raise UnsupportedError(f"the Gemini Live wire cannot say this: {what}")


def _model_name(model: str) -> str:
    return model if model.startswith(_MODEL_PREFIXES) else f"models/{model}"


def _generation(config: SessionConfig, extra: Mapping[str, Any]) -> Json:
    body: Json = {key: extra[key] for key in GENERATION_KEYS if extra.get(key) is not None}
    body["responseModalities"] = [config.modality.upper()]
    if config.max_output_tokens is not None:
        body["maxOutputTokens"] = config.max_output_tokens
    speech: Json = dict(extra.get("speechConfig") or {})
    if config.voice and config.modality == "audio":
        speech["voiceConfig"] = {"prebuiltVoiceConfig": {"voiceName": config.voice}}
    if speech:
        body["speechConfig"] = speech
    return body


def _input_config(config: SessionConfig, extra: Mapping[str, Any]) -> Json:
    body: Json = {}
    turns = config.turn_detection
    if turns is None:
        body["automaticActivityDetection"] = {"disabled": True}
    else:
        detection: Json = {}
        if turns.prefix_padding_ms is not None:
            detection["prefixPaddingMs"] = turns.prefix_padding_ms
        if turns.silence_duration_ms is not None:
            detection["silenceDurationMs"] = turns.silence_duration_ms
        if turns.threshold is not None and turns.threshold < _SENSITIVE_BELOW:
            detection["startOfSpeechSensitivity"] = "START_SENSITIVITY_HIGH"
        elif turns.threshold is not None and turns.threshold > _INSENSITIVE_ABOVE:
            detection["startOfSpeechSensitivity"] = "START_SENSITIVITY_LOW"
        if detection:
            body["automaticActivityDetection"] = detection
        if not turns.interrupt_response:
            body["activityHandling"] = "NO_INTERRUPTION"
    if extra.get(TURN_COVERAGE) is not None:
        body[TURN_COVERAGE] = extra[TURN_COVERAGE]
    return body


def tool_bodies(config: SessionConfig) -> list[Json]:
    """The tools of a configuration."""
    if config.tool_choice == "none":
        return []
    behaviors: Mapping[str, Any] = config.extra.get(TOOL_BEHAVIORS) or {}
    bodies: list[Json] = []
    if config.tools:
        bodies.append({"functionDeclarations": [_declaration(tool, behaviors) for tool in config.tools]})
    bodies += config.extra.get(BUILT_IN_TOOLS) or ()
    return bodies


def _declaration(tool: ToolSpec, behaviors: Mapping[str, Any]) -> Json:
    body: Json = {"name": tool.name, "description": tool.description}
    schema = to_schema(tool.parameters)
    # An object without properties is refused; a function without parameters has none at all.
    if schema.get("properties"):
        body["parameters"] = schema
    if behaviors.get(tool.name) is not None:
        body["behavior"] = behaviors[tool.name]
    return body


# ---------------------------------------------------------------------- from the wire


class _Setup(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    model: str
    generation_config: Json = {}
    system_instruction: Json | str | None = None
    tools: list[Json] = []
    realtime_input_config: Json = {}
    input_audio_transcription: Json | None = None
    output_audio_transcription: Json | None = None


class _Turns(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    disabled: bool = False
    start_of_speech_sensitivity: str = ""
    end_of_speech_sensitivity: str = ""
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class _Declaration(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    name: str
    description: str = ""
    parameters: Json | None = None
    parameters_json_schema: Json | None = None
    behavior: str = ""


class ClientSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked for."""

    config: SessionConfig
    wants_words: bool
    """Whether it wants a transcript of the reply."""


def read_setup(setup: Mapping[str, Any]) -> ClientSetup:
    """A client's ``setup``, normalised, as a configuration.

    Raises:
        RemoteProtocolError: A field is missing, of the wrong type, or asks for what cannot be.
    """
    try:
        body = msgspec.convert(setup, _Setup, strict=False)
        generation = body.generation_config
        extra: Json = {key: generation[key] for key in GENERATION_KEYS if key in generation}
        extra |= {key: setup[key] for key in SETUP_KEYS if key in setup}
        turns = _read_turns(body.realtime_input_config, extra)
        tools = read_tools(body.tools, extra)
        speech = _object(generation.get("speechConfig"), "generationConfig.speechConfig")
        voice = _voice(speech)
        if speech and not voice:
            extra["speechConfig"] = speech
        config = SessionConfig(
            model=body.model.rpartition("/")[2],
            instructions=content_text(body.system_instruction),
            modality=_modality(generation.get("responseModalities")),  # type: ignore[arg-type]  # one of two
            voice=voice,
            input_format=input_format(),
            output_format=output_format(),
            transcription=_transcription(body.input_audio_transcription),
            turn_detection=turns,
            tools=tools,
            max_output_tokens=msgspec.convert(generation.get("maxOutputTokens"), int | None, strict=False),
            extra=extra,
        )
    except (msgspec.ValidationError, RecursionError) as error:
        raise RemoteProtocolError(f"invalid setup: {error}", code="invalid_setup") from error
    return ClientSetup(config=config, wants_words=body.output_audio_transcription is not None)


def _object(value: object, name: str) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"invalid setup: {name} is not an object", code="invalid_setup", param=name)
    return cast("Json", value)


def _modality(value: object) -> str:
    modalities = msgspec.convert(value, list[str] | None) or ["AUDIO"]
    if len(modalities) != 1 or modalities[0] not in ("AUDIO", "TEXT"):
        raise RemoteProtocolError(
            f"invalid setup: responseModalities is {modalities!r}; give one of AUDIO, TEXT",
            code="invalid_setup",
            param="generationConfig.responseModalities",
        )
    return modalities[0].lower()


def _voice(speech: Json) -> str:
    if isinstance(speech.get("voice"), str):
        return str(speech["voice"])
    voice = _object(speech.get("voiceConfig"), "speechConfig.voiceConfig")
    prebuilt = _object(voice.get("prebuiltVoiceConfig"), "voiceConfig.prebuiltVoiceConfig")
    return str(prebuilt.get("voiceName") or "")


def _transcription(body: Json | None) -> Transcription | None:
    if body is None:
        return None
    codes: list[str] = msgspec.convert(body.get("languageCodes"), list[str] | None) or []
    return Transcription(language=codes[0].partition("-")[0] if len(codes) == 1 else None)


def _read_turns(body: Json, extra: Json) -> TurnDetection | None:
    if body.get(TURN_COVERAGE) is not None:
        extra[TURN_COVERAGE] = body[TURN_COVERAGE]
    found = msgspec.convert(body.get("automaticActivityDetection") or {}, _Turns, strict=False)
    if found.disabled:
        if body.get("activityHandling"):
            extra["activityHandling"] = body["activityHandling"]
        return None
    silence_ms = found.silence_duration_ms
    return TurnDetection(
        threshold=_THRESHOLDS.get(found.start_of_speech_sensitivity),
        prefix_padding_ms=found.prefix_padding_ms,
        silence_duration_ms=_SILENCE_MS.get(found.end_of_speech_sensitivity)
        if silence_ms is None
        else silence_ms,
        interrupt_response=body.get("activityHandling") != "NO_INTERRUPTION",
    )


def read_tools(bodies: list[Json], extra: Json) -> tuple[ToolSpec, ...]:
    """The functions among a client's tools; behaviors and the provider's own tools go into ``extra``.

    Raises:
        msgspec.ValidationError: A declaration is malformed.
        RemoteProtocolError: Two functions have one name.
    """
    tools: dict[str, ToolSpec] = {}
    behaviors: dict[str, str] = {}
    built_in: list[Json] = []
    for body in bodies:
        declared = msgspec.convert(body.get("functionDeclarations") or [], list[_Declaration])
        for declaration in declared:
            if declaration.name in tools:
                raise RemoteProtocolError(
                    f"invalid setup: two functions are named {declaration.name!r}", code="invalid_setup"
                )
            tools[declaration.name] = _tool(declaration)
            if declaration.behavior:
                behaviors[declaration.name] = declaration.behavior
        rest = {key: value for key, value in body.items() if key != "functionDeclarations"}
        if rest:
            built_in.append(rest)
    if behaviors:
        extra[TOOL_BEHAVIORS] = behaviors
    if built_in:
        extra[BUILT_IN_TOOLS] = built_in
    return tuple(tools.values())


def _tool(declaration: _Declaration) -> ToolSpec:
    parameters: Json
    if declaration.parameters_json_schema is not None:
        parameters = declaration.parameters_json_schema
    elif declaration.parameters is not None:
        parameters = to_json_schema(declaration.parameters)
    else:
        parameters = {"type": "object", "properties": {}}
    return ToolSpec(name=declaration.name, description=declaration.description, parameters=parameters)


def is_non_blocking(config: SessionConfig, name: str, *, by_default: bool) -> bool:
    """Whether the model goes on talking while this function runs."""
    behaviors: dict[str, str] = config.extra.get(TOOL_BEHAVIORS) or {}
    behavior = behaviors.get(name)
    return by_default if behavior is None else behavior == NON_BLOCKING


def content_text(content: object) -> str:
    """The text of a ``Content``, of a list of its parts, or of plain text."""
    if isinstance(content, str):
        return content
    parts: object = cast("Json", content).get("parts") if isinstance(content, dict) else content
    if isinstance(parts, dict):
        parts = [cast("object", parts)]
    if not isinstance(parts, list):
        return ""
    found: list[str] = []
    for part in cast("list[object]", parts):
        text: object = cast("Json", part).get("text") if isinstance(part, dict) else part
        if isinstance(text, str) and text:
            found.append(text)
    return "\n".join(found)
