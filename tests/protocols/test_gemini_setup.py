"""Configurations and tool schemas as Gemini Live spells them, and back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.errors import RemoteProtocolError, UnsupportedError
from voicewire.events.session import SessionConfig, ToolSpec, Transcription, TurnDetection
from voicewire.protocols.gemini.keys import normalised, standard_base64
from voicewire.protocols.gemini.schema import to_json_schema, to_schema
from voicewire.protocols.gemini.setup import input_format, output_format, read_setup, setup_body

pytestmark = pytest.mark.unit


def test_a_whole_setup() -> None:
    config = SessionConfig(
        model="gemini-x",
        instructions="Be brief.",
        voice="Kore",
        turn_detection=TurnDetection(
            threshold=0.9, prefix_padding_ms=20, silence_duration_ms=400, interrupt_response=False
        ),
        tools=(ToolSpec(name="f", description="d", parameters={"properties": {"a": {"type": "integer"}}}),),
        max_output_tokens=100,
        extra={
            "temperature": 0.5,
            "proactivity": {"proactiveAudio": True},
            "builtInTools": [{"googleSearch": {}}],
            "noise_reduction": "belongs to another provider",
        },
    )
    assert setup_body(config, defaults={"sessionResumption": {}}) == {
        "model": "models/gemini-x",
        "generationConfig": {
            "temperature": 0.5,
            "responseModalities": ["AUDIO"],
            "maxOutputTokens": 100,
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
        },
        "systemInstruction": {"parts": [{"text": "Be brief."}], "role": "user"},
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": "d",
                        "parameters": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}},
                    }
                ]
            },
            {"googleSearch": {}},
        ],
        "realtimeInputConfig": {
            "automaticActivityDetection": {
                "prefixPaddingMs": 20,
                "silenceDurationMs": 400,
                "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
            },
            "activityHandling": "NO_INTERRUPTION",
        },
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "sessionResumption": {},
        "proactivity": {"proactiveAudio": True},
    }


def test_a_small_setup() -> None:
    config = SessionConfig(model="models/m", modality="text", transcription=None, turn_detection=None)
    assert setup_body(config) == {
        "model": "models/m",
        "generationConfig": {"responseModalities": ["TEXT"]},
        "realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"speed": 1.5},
        {"tool_choice": "required"},
        {"is_transcription_only": True},
        {"turn_detection": TurnDetection(create_response=False)},
        {"turn_detection": TurnDetection(idle_timeout_ms=5000)},
    ],
)
def test_what_cannot_be_said(change: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        setup_body(SessionConfig(**change))


@given(
    instructions=st.text(max_size=20),
    modality=st.sampled_from(["audio", "text"]),
    turns=st.one_of(
        st.none(),
        st.builds(
            TurnDetection,
            prefix_padding_ms=st.none() | st.integers(0, 1000),
            silence_duration_ms=st.none() | st.integers(0, 3000),
            interrupt_response=st.booleans(),
        ),
    ),
    transcribes=st.booleans(),
    limit=st.none() | st.integers(1, 4096),
)
def test_what_is_asked_is_what_is_read(
    instructions: str, modality: Any, turns: TurnDetection | None, transcribes: bool, limit: int | None
) -> None:
    config = SessionConfig(
        model="m",
        instructions=instructions,
        modality=modality,
        voice="Puck" if modality == "audio" else "",
        input_format=input_format(),
        output_format=output_format(),
        transcription=Transcription() if transcribes else None,
        turn_detection=turns,
        tools=(
            ToolSpec(name="f", parameters={"type": "object", "properties": {"a": {"type": "string"}}}),
            ToolSpec(name="g"),
        ),
        max_output_tokens=limit,
        extra={
            "temperature": 1,
            "toolBehaviors": {"f": "NON_BLOCKING"},
            "sessionResumption": {"handle": "h"},
        },
    )
    read = read_setup(setup_body(config))
    assert read.config == config
    assert read.wants_words == (modality == "audio")


def test_the_spelling_of_the_official_client() -> None:
    setup = {
        "model": "models/gemini-x",
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}},
        },
        "systemInstruction": {"parts": [{"text": "One."}, {"text": "Two."}], "role": "user"},
        "realtimeInputConfig": {
            "automatic_activity_detection": {
                "start_of_speech_sensitivity": "START_SENSITIVITY_HIGH",
                "end_of_speech_sensitivity": "END_SENSITIVITY_LOW",
            }
        },
        "inputAudioTranscription": {"language_codes": ["de-DE"]},
    }
    config = read_setup(normalised(setup)).config
    assert (config.model, config.voice, config.instructions) == ("gemini-x", "Kore", "One.\nTwo.")
    assert config.transcription == Transcription(language="de")
    assert config.turn_detection is not None
    assert config.turn_detection.threshold == 0.35
    assert config.turn_detection.silence_duration_ms == 1000


@pytest.mark.parametrize(
    "setup",
    [
        {},
        {"model": 3},
        {"model": "m", "generationConfig": {"responseModalities": ["VIDEO"]}},
        {"model": "m", "generationConfig": {"responseModalities": ["AUDIO", "TEXT"]}},
        {"model": "m", "generationConfig": {"speechConfig": "loud"}},
        {"model": "m", "generationConfig": {"maxOutputTokens": "much"}},
        {"model": "m", "tools": [{"functionDeclarations": [{"description": "nameless"}]}]},
        {"model": "m", "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]},
        {"model": "m", "realtimeInputConfig": {"automaticActivityDetection": {"disabled": "maybe"}}},
    ],
)
def test_setups_that_cannot_be(setup: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        read_setup(setup)
    assert refused.value.code == "invalid_setup"


# ---------------------------------------------------------------------- schemas


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
        ({"enum": ["a", "b"]}, {"type": "STRING", "enum": ["a", "b"]}),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"enum": [1, 2], "description": "D."}, {"type": "INTEGER", "description": "D. One of: 1, 2."}),
        ({"enum": ["a", None]}, {"type": "STRING", "nullable": True, "enum": ["a"]}),
        ({"type": "string", "format": "email"}, {"type": "STRING"}),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "INTEGER", "nullable": True}),
        (
            {"oneOf": [{"type": "integer"}, {"type": "boolean"}]},
            {"anyOf": [{"type": "INTEGER"}, {"type": "BOOLEAN"}]},
        ),
        ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
        (
            {"prefixItems": [{"type": "string"}, {"type": "number"}]},
            {"type": "ARRAY", "items": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}},
        ),
        (
            {
                "type": "object",
                "properties": {"a": {}},
                "required": ["a", "b"],
                "additionalProperties": False,
            },
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]},
        ),
        (
            {
                "allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}],
                "properties": {"b": {"type": "number"}},
                "required": ["b"],
            },
            {
                "type": "OBJECT",
                "properties": {"a": {"type": "STRING"}, "b": {"type": "NUMBER"}},
                "required": ["a", "b"],
            },
        ),
        (
            {
                "properties": {"p": {"$ref": "#/$defs/P", "description": "d"}},
                "$defs": {"P": {"type": "integer"}},
            },
            {"type": "OBJECT", "properties": {"p": {"type": "INTEGER", "description": "d"}}},
        ),
        (
            {"$ref": "#/$defs/N", "$defs": {"N": {"properties": {"next": {"$ref": "#/$defs/N"}}}}},
            {"type": "OBJECT", "properties": {"next": {"type": "OBJECT"}}},
        ),
        ({"$ref": "#/nowhere"}, {"type": "OBJECT"}),
    ],
)
def test_schemas_are_cut_to_the_subset(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert to_schema(schema) == expected


def test_definitions_that_refer_to_each_other_end() -> None:
    names = [f"D{number}" for number in range(8)]
    refers = {"properties": {name: {"$ref": f"#/$defs/{name}"} for name in names}}
    schema = to_schema({**refers, "$defs": dict.fromkeys(names, refers)})
    assert len(msgspec.json.encode(schema)) < 1_000_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = st.sampled_from(
    [
        "type",
        "properties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "enum",
        "const",
        "format",
        "$ref",
        "required",
        "prefixItems",
    ]
)


@given(st.dictionaries(KEYWORDS, JSON | st.dictionaries(KEYWORDS, JSON, max_size=3), max_size=5))
def test_any_schema_gives_one_of_the_subset(schema: dict[str, Any]) -> None:
    found = to_schema(schema)
    assert "type" in found or "anyOf" in found
    assert found.get("type", "STRING") in {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"}
    msgspec.json.encode(found)


@given(st.dictionaries(st.text(max_size=8) | KEYWORDS, JSON, max_size=5))
def test_any_schema_of_a_client_is_read(schema: dict[str, Any]) -> None:
    assert isinstance(to_json_schema(schema), dict)


def test_a_schema_there_and_back() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "any_name": {"type": "ARRAY", "items": {"type": "STRING", "nullable": True}, "min_items": "2"}
        },
        "required": ["any_name"],
        "propertyOrdering": ["any_name"],
    }
    assert to_json_schema(schema) == {
        "type": "object",
        "properties": {"any_name": {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 2}},
        "required": ["any_name"],
    }


# ---------------------------------------------------------------------- keys and base64


def test_what_belongs_to_the_application_keeps_its_keys() -> None:
    message = {
        "tool_response": {"function_responses": [{"response": {"my_key": None}, "will_continue": None}]}
    }
    assert normalised(message) == {"toolResponse": {"functionResponses": [{"response": {"my_key": None}}]}}


@given(st.binary(max_size=40))
def test_both_base64_alphabets(data: bytes) -> None:
    import base64

    url_safe = base64.urlsafe_b64encode(data).decode()
    standard = base64.b64encode(data).decode()
    assert standard_base64(url_safe) == standard_base64(url_safe.rstrip("=")) == standard
