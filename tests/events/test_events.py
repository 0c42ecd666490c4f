"""The JSON of every public event, against the types and fields that seed 002's users know."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.errors import AudioError, ConfigError, InvalidEventError
from voicewire.events import (
    AppendAudio,
    ClientEvents,
    ClientEventType,
    MediaFormat,
    ModelEvents,
    ModelEventType,
    ServerEvents,
    ServerEventType,
    SessionConfig,
    ToolSpec,
    TurnDetection,
    UpdateSession,
    client,
    model,
    server,
    tool_specs,
)
from voicewire.events.audio_delta import delta_from_wire
from voicewire.events.base import AudioPayload, EventBase, type_name

pytestmark = pytest.mark.unit

_TOOL_USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
_TOOL_RESULT = {"type": "tool_result", "id": "c1", "output": "42", "name": "f"}
_FORMAT = {"type": "audio/pcm", "rate": 24000}
_RESPONSE = {"response_id": "r1"}
_PART = {"response_id": "r1", "item_id": "i1"}
_ITEM = {"item_id": "i1"}

# JSON type -> the fields that seed 002 requires (spec section 3).
SEED_MODEL: dict[str, dict[str, Any]] = {
    "model_session_created": {"session_id": "s"},
    "model_session_ended": {"session_id": "s", "reason": "bye"},
    "model_response_created": _RESPONSE,
    "model_response_done": {**_RESPONSE, "input_tokens": 1, "output_tokens": 2},
    "model_response_audio_delta": {**_PART, "delta": "AAA=", "format": _FORMAT},
    "model_response_audio_done": _PART,
    "model_response_audio_transcript_delta": {**_PART, "delta": "hi"},
    "model_response_audio_transcript_done": _PART,
    "model_response_tool_use_delta": {**_PART, "tool_use": _TOOL_USE},
    "model_response_tool_use_done": {**_PART, "tool_use": _TOOL_USE},
    "model_input_transcription_delta": {**_ITEM, "delta": "hi"},
    "model_input_transcription_done": {**_ITEM, "transcript": "hi"},
    "model_input_started": {**_ITEM, "audio_start_ms": 10},
    "model_input_done": {**_ITEM, "audio_end_ms": 20},
    "model_error": {"error_type": "t", "code": "c", "message": "m"},
    "model_websocket_connect": {},
    "model_websocket_disconnect": {},
}
_WHO = {"agent_id": "a1", "agent_name": "Friday"}
SEED_SERVER: dict[str, dict[str, Any]] = {
    "server_session_created": {"session_id": "s"},
    "server_session_updated": {"session_id": "s"},
    "server_session_ended": {"session_id": "s"},
    "agent_ready": _WHO,
    "agent_ended": _WHO,
    "agent_response_tool_result": {**_WHO, "tool_result": _TOOL_RESULT},
    **{
        name.replace("model_", "agent_", 1): {**_WHO, **fields}
        for name, fields in SEED_MODEL.items()
        if name.startswith(("model_response", "model_input", "model_error"))
    },
}
_SESSION = {"session_id": "s1"}
SEED_CLIENT: dict[str, dict[str, Any]] = {
    "client_session_create": {"config": {"instructions": "be kind"}},
    "client_session_end": _SESSION,
    "client_response_create": _SESSION,
    "client_response_cancel": _SESSION,
    "client_image_append": {**_SESSION, "image": "AAA=", "format": {"type": "image/jpeg"}},
    "client_text_append": {**_SESSION, "text": "hello"},
    "client_audio_append": {**_SESSION, "audio": "AAA=", "format": _FORMAT},
    "client_audio_commit": _SESSION,
    "client_tool_result": {**_SESSION, "id": "c1", "name": "f", "output": "42"},
}


def test_the_seed_has_all_its_events_and_the_total_stays_under_its_cap() -> None:
    assert set(SEED_MODEL) <= set(model.BY_TYPE)
    assert set(SEED_SERVER) <= set(server.BY_TYPE)
    assert set(SEED_CLIENT) <= set(client.BY_TYPE)
    assert len(model.BY_TYPE) <= 30


@pytest.mark.parametrize(
    ("enum", "by_type"),
    [
        (ModelEventType, model.BY_TYPE),
        (ServerEventType, server.BY_TYPE),
        (ClientEventType, client.BY_TYPE),
    ],
)
def test_enum_and_classes_name_the_same_types(enum: Any, by_type: dict[str, type[EventBase]]) -> None:
    assert {member.value for member in enum} == set(by_type)
    assert all(member.name == member.value.upper() for member in enum)
    assert all(type_name(event) == name for name, event in by_type.items())


@pytest.mark.parametrize(("name", "fields"), [*SEED_MODEL.items(), *SEED_SERVER.items()])
def test_an_event_goes_through_json_unchanged(name: str, fields: dict[str, Any]) -> None:
    family = ModelEvents if name.startswith("model") else ServerEvents
    event = family.from_json({"type": name, **fields})
    dumped = event.model_dump()
    assert dumped["type"] == name
    assert type(dumped["type"]) is str
    assert {key: dumped[key] for key in fields} == fields
    assert family.from_json(event.model_dump_json()) == event
    assert json.loads(event.model_dump_json()) == json.loads(json.dumps(dumped))
    assert event.type == name
    assert isinstance(event, family.EventBase)


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field) for name, fields in {**SEED_MODEL, **SEED_SERVER}.items() for field in fields],
)
def test_a_missing_field_is_a_value_error_that_names_it(name: str, field: str) -> None:
    family = ModelEvents if name.startswith("model") else ServerEvents
    fields = {**SEED_MODEL, **SEED_SERVER}[name]
    with pytest.raises(ValueError, match=field):
        family.from_json({"type": name, **{key: value for key, value in fields.items() if key != field}})


@pytest.mark.parametrize(("name", "fields"), SEED_CLIENT.items())
def test_client_events_from_json(name: str, fields: dict[str, Any]) -> None:
    event = ClientEvents.from_json({"type": name, **fields, "unknown": 1})
    assert event.model_dump() == {"type": name, **fields}
    assert ClientEvents.from_json({"type": ClientEventType(name), **fields}) == event


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, "Invalid JSON data"),
        ({}, "Invalid JSON data"),
        ({"type": "nope"}, "Unknown ClientEvent type: nope"),
        ({"type": ["client_text_append"]}, "Unknown ClientEvent type"),
        ({"type": "client_text_append", "session_id": "s"}, "text"),
        ({"type": "client_text_append", "session_id": "s", "text": 5}, "text"),
        ({"type": "client_audio_append", **_SESSION, "audio": "", "format": {"encoding": "pcm16"}}, "format"),
    ],
)
def test_bad_client_events_are_value_errors(data: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClientEvents.from_json(data)


@pytest.mark.parametrize("family", [ModelEvents, ServerEvents])
@pytest.mark.parametrize("data", ["{", "5", "{}", '{"type": "nope"}', '{"type": [1]}'])
def test_bad_json_is_an_invalid_event(family: Any, data: str) -> None:
    with pytest.raises(InvalidEventError):
        family.from_json(data)


@pytest.mark.parametrize(
    "name", [name for name in SEED_MODEL if name.startswith(("model_r", "model_i", "model_e"))]
)
def test_agents_speak_for_models(name: str) -> None:
    event = ModelEvents.from_json({"type": name, **SEED_MODEL[name]})
    spoken = ServerEvents.from_model_event(event, "a1", "Friday").model_dump()
    assert spoken["type"] == name.replace("model_", "agent_", 1)
    assert {key: spoken[key] for key in SEED_MODEL[name]} == SEED_MODEL[name]
    assert (spoken["agent_id"], spoken["agent_name"]) == ("a1", "Friday")


@pytest.mark.parametrize("name", ["model_session_created", "model_websocket_connect"])
def test_events_without_an_agent_form_are_refused(name: str) -> None:
    event = ModelEvents.from_json({"type": name, **SEED_MODEL[name]})
    with pytest.raises(InvalidEventError, match="no agent form"):
        ServerEvents.from_model_event(event, "a1", "Friday")


@given(st.binary())
def test_audio_payload_is_the_same_audio_in_both_forms(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    assert AudioPayload(pcm=data).base64 == encoded
    assert AudioPayload(base64=encoded).pcm == data
    assert AudioPayload(base64=encoded) == AudioPayload(pcm=data)


def test_a_relay_hands_audio_on_without_converting_it() -> None:
    not_decodable = "@@@"
    event = ModelEvents.ModelResponseAudioDeltaEvent(
        response_id="r", item_id="i", delta=not_decodable, format=MediaFormat("audio/pcm", 24000)
    )
    spoken = ServerEvents.from_model_event(event, "a", "n")
    assert spoken.model_dump()["delta"] == not_decodable
    with pytest.raises(AudioError, match="base64"):
        _ = event.pcm


@given(st.binary(), st.integers(0, 3))
def test_a_codecs_delta_is_what_the_constructor_makes(data: bytes, content_index: int) -> None:
    audio = MediaFormat("audio/pcm", 24000)
    text = base64.b64encode(data).decode()
    event = delta_from_wire("r", "i", audio, content_index, text)
    same = ModelEvents.ModelResponseAudioDeltaEvent(
        response_id="r", item_id="i", format=audio, delta=text, content_index=content_index
    )
    assert event == same
    assert event.model_dump() == same.model_dump()
    assert (event.payload.size_bytes, event.pcm, event.payload.pcm) == (len(data), data, data)


def test_a_delta_without_audio_is_refused() -> None:
    with pytest.raises(AudioError, match="delta, pcm or payload"):
        ModelEvents.ModelResponseAudioDeltaEvent(
            response_id="r", item_id="i", format=MediaFormat("audio/pcm", 24000)
        )


def test_appended_audio_does_not_follow_a_buffer_that_changes() -> None:
    buffer = bytearray(b"abcd")
    command = AppendAudio(buffer)  # type: ignore[arg-type]  # callers without a type checker do it
    buffer[0] = 0
    assert command.pcm == b"abcd"
    assert command.base64 == base64.b64encode(b"abcd").decode()


def test_appended_audio_is_handed_on_without_converting_it() -> None:
    assert AppendAudio(AudioPayload(base64="@@@")).base64 == "@@@"
    with pytest.raises(AudioError, match="base64"):
        _ = AppendAudio(AudioPayload(base64="@@@")).pcm


@pytest.mark.parametrize("text", ["-_8=", "AAA", "A A=", "ä"])
def test_wrong_base64_is_an_audio_error(text: str) -> None:
    with pytest.raises(AudioError, match="base64"):
        _ = AudioPayload(base64=text).pcm


def test_append_audio_refuses_half_samples_and_absurd_rates() -> None:
    with pytest.raises(AudioError, match="odd"):
        AppendAudio(b"abc")
    with pytest.raises(AudioError, match="sample_rate_hz"):
        AppendAudio(b"ab", sample_rate_hz=0)
    assert AppendAudio(b"ab", 16000).base64 == "YWI="
    assert "ab" not in repr(AppendAudio(b"abab")).replace("AppendAudio", "")


def test_tools_are_read_in_every_spelling() -> None:
    flat = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    nested = {"type": "function", "function": {"name": "g", "description": None}}
    assert [tool.name for tool in tool_specs([flat, nested, ToolSpec(name="h")])] == ["f", "g", "h"]
    with pytest.raises(ConfigError, match="two tools"):
        tool_specs([flat, flat])
    with pytest.raises(ConfigError, match="not a function tool"):
        tool_specs([{"type": "mcp"}])


def test_an_update_changes_only_what_it_names() -> None:
    config = SessionConfig(instructions="a", voice="b")
    changed = config.updated(UpdateSession(instructions="c", turn_detection=None))
    assert (changed.instructions, changed.voice, changed.turn_detection) == ("c", "b", None)
    assert config.turn_detection == TurnDetection()
