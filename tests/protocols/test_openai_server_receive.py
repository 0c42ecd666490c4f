"""Client frames in, commands out; a client's mistakes are answered and never end the session."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.openai_samples import CLIENT_SAMPLES, client_sample
from tests.protocols.openai_server import judged, server, types
from voicewire.events import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    ContentPart,
    CreateItem,
    CreateResponse,
    DeleteItem,
    Item,
    MediaFormat,
    RetrieveItem,
    SessionConfig,
    ToolSpec,
    Transcription,
    TruncateItem,
    TurnDetection,
    UpdateSession,
)
from voicewire.events import model as events
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai import codes
from voicewire.protocols.openai.limits import ServerLimits
from voicewire.protocols.openai.server import OpenAIServerCodec

pytestmark = pytest.mark.unit


def error_of(codec: OpenAIServerCodec, frame: Frame | dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(frame) if isinstance(frame, dict) else frame
    assert codec.receive(text) == []
    (event,) = judged(codec.data_to_send())
    assert event["type"] == "error"
    error: dict[str, Any] = event["error"]
    return error


def update(session: dict[str, Any], event_id: str = "e") -> dict[str, Any]:
    return {"type": "session.update", "event_id": event_id, "session": {"type": "realtime", **session}}


COMMANDS: dict[str, Command] = {
    "session.update": UpdateSession(instructions="Be brief.", command_id="client_1"),
    "input_audio_buffer.append": AppendAudio(b"\0\0\0\0", command_id="client_1"),
    "input_audio_buffer.commit": CommitAudio(respond=False, command_id="client_1"),
    "input_audio_buffer.clear": ClearAudio(command_id="client_1"),
    "conversation.item.create": CreateItem(
        item=Item(id="", role="user", content=(ContentPart(kind="text", text="Hello"),)),
        previous_item_id="root",
        command_id="client_1",
    ),
    "conversation.item.retrieve": RetrieveItem("item_1", "client_1"),
    "conversation.item.truncate": TruncateItem("item_1", 250, 0, "client_1"),
    "conversation.item.delete": DeleteItem("item_1", "client_1"),
    "response.create": CreateResponse(instructions="Now.", metadata={"topic": "x"}, command_id="client_1"),
    "response.cancel": CancelResponse(None, "client_1"),
}


@pytest.mark.parametrize("event_type", sorted(CLIENT_SAMPLES))
def test_every_event(event_type: str) -> None:
    codec = server()
    codec.encode(events.ModelResponseCreatedEvent(response_id="resp_1", is_out_of_band=False))
    if event_type == "response.create":
        codec = server()
    commands = codec.receive(json.dumps(client_sample(event_type)))
    if event_type == "output_audio_buffer.clear":
        assert commands == []
        assert types(judged(codec.data_to_send())) == ["error"]
    else:
        assert commands == [COMMANDS[event_type]]
        assert codec.data_to_send() == []
        assert commands[0].command_id == "client_1"


def test_an_event_needs_no_id() -> None:
    assert server().receive('{"type":"input_audio_buffer.clear"}') == [ClearAudio()]


def test_appended_audio_keeps_its_base64() -> None:
    (command,) = server().receive(json.dumps(client_sample("input_audio_buffer.append")))
    assert isinstance(command, AppendAudio)
    assert (command.pcm, command.base64, command.sample_rate_hz) == (b"\0\0\0\0", "AAAAAA==", 24000)


def test_appended_audio_is_in_the_input_format() -> None:
    codec = server(SessionConfig(input_format=MediaFormat("audio/pcmu", 8000)))
    (command,) = codec.receive('{"type":"input_audio_buffer.append","audio":"AAAA"}')
    assert command == AppendAudio(b"\0\0\0", 8000, encoding="pcmu")


@pytest.mark.parametrize("frame", ["ping", "", "  pong ", "7", '"text"', "null", "\ud800"])
def test_what_is_no_json_object_is_ignored(frame: str) -> None:
    codec = server()
    assert codec.receive(frame) == []
    assert codec.data_to_send() == []


_TEXT_ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}


def create(**item: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "event_id": "e", "item": {**_TEXT_ITEM, **item}}


def respond(**response: Any) -> dict[str, Any]:
    return {"type": "response.create", "event_id": "e", "response": response}


MISTAKES: list[tuple[Frame | dict[str, Any], str, str | None]] = [
    (b"\0\1", codes.INVALID_EVENT, None),
    ("{", codes.INVALID_JSON, None),
    ("[1,", codes.INVALID_JSON, None),
    ('{"type":"x\ud800"}', codes.INVALID_JSON, None),
    ('{"a":' * 100_000, codes.INVALID_JSON, None),
    ("[" * 100_000, codes.INVALID_JSON, None),
    ("[]", codes.INVALID_EVENT, None),
    ({"event_id": "e"}, codes.MISSING_REQUIRED_PARAMETER, "type"),
    ({"type": 7, "event_id": "e"}, codes.INVALID_TYPE, "type"),
    ({"type": "hologram.start", "event_id": "e"}, codes.INVALID_VALUE, "type"),
    ({"type": "input_audio_buffer.clear", "event_id": 7}, codes.INVALID_TYPE, "event_id"),
    ({"type": "session.update", "event_id": "e"}, codes.MISSING_REQUIRED_PARAMETER, "session"),
    (
        {"type": "session.update", "event_id": "e", "session": {}},
        codes.MISSING_REQUIRED_PARAMETER,
        "session.type",
    ),
    (
        {"type": "session.update", "event_id": "e", "session": {"type": "magic"}},
        codes.INVALID_VALUE,
        "session.type",
    ),
    (update({"temperature": 0.8}), codes.UNKNOWN_PARAMETER, "session.temperature"),
    (update({"voice": "alloy"}), codes.UNKNOWN_PARAMETER, "session.voice"),
    (update({"audio": {"input": {"x": 1}}}), codes.UNKNOWN_PARAMETER, "session.audio.input.x"),
    (update({"instructions": None}), codes.INVALID_TYPE, "session.instructions"),
    (update({"output_modalities": ["audio", "text"]}), codes.INVALID_VALUE, "session.output_modalities"),
    (update({"output_modalities": ["smell"]}), codes.INVALID_VALUE, "session.output_modalities[0]"),
    (update({"max_output_tokens": 5000}), codes.INVALID_VALUE, "session.max_output_tokens"),
    (update({"tools": [{"type": "function"}]}), codes.MISSING_REQUIRED_PARAMETER, "session.tools[0].name"),
    (update({"tools": [{"type": "function", "name": "f"}] * 2}), codes.INVALID_VALUE, "session.tools"),
    (update({"audio": {"output": {"speed": 2}}}), codes.INVALID_VALUE, "session.audio.output.speed"),
    (
        update({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}),
        codes.INVALID_VALUE,
        "session.audio.input.format.rate",
    ),
    (
        update({"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}}),
        codes.UNKNOWN_PARAMETER,
        "session.audio.input.format.rate",
    ),
    (
        update({"audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": None}}}}),
        codes.INVALID_TYPE,
        "session.audio.input.turn_detection.interrupt_response",
    ),
    (
        update({"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}}),
        codes.UNKNOWN_PARAMETER,
        "session.audio.input.turn_detection.threshold",
    ),
    (
        {
            "type": "session.update",
            "event_id": "e",
            "session": {"type": "transcription", "instructions": "x"},
        },
        codes.UNKNOWN_PARAMETER,
        "session.instructions",
    ),
    ({"type": "input_audio_buffer.append", "event_id": "e"}, codes.MISSING_REQUIRED_PARAMETER, "audio"),
    ({"type": "input_audio_buffer.append", "event_id": "e", "audio": 5}, codes.INVALID_TYPE, "audio"),
    ({"type": "input_audio_buffer.append", "event_id": "e", "audio": ""}, codes.INVALID_VALUE, "audio"),
    ({"type": "input_audio_buffer.append", "event_id": "e", "audio": "AA"}, codes.INVALID_VALUE, "audio"),
    ({"type": "input_audio_buffer.append", "event_id": "e", "audio": "-_8="}, codes.INVALID_VALUE, "audio"),
    ({"type": "input_audio_buffer.append", "event_id": "e", "audio": "AAAA"}, codes.INVALID_VALUE, "audio"),
    ({"type": "input_audio_buffer.append", "event_id": "e", "audio": "é"}, codes.INVALID_VALUE, "audio"),
    ({"type": "conversation.item.create", "event_id": "e"}, codes.MISSING_REQUIRED_PARAMETER, "item"),
    (create(type="hologram"), codes.INVALID_VALUE, "item.type"),
    (create(role="tool"), codes.INVALID_VALUE, "item.role"),
    (create(content=[{"type": "smell"}]), codes.INVALID_VALUE, "item.content[0].type"),
    (create(role="assistant"), codes.INVALID_VALUE, "item.content[0].type"),
    (
        create(role="assistant", content=[{"type": "output_audio", "audio": "AAAA"}]),
        codes.UNSUPPORTED_CONTENT_TYPE,
        "item.content[0].type",
    ),
    (
        create(content=[{"type": "input_audio", "audio": "%"}]),
        codes.INVALID_VALUE,
        "item.content[0].audio",
    ),
    (
        create(content=[{"type": "input_image", "image_url": "https://x.invalid/a.png"}]),
        codes.INVALID_VALUE,
        "item.content[0].image_url",
    ),
    (
        {
            "type": "conversation.item.create",
            "event_id": "e",
            "item": {"type": "function_call_output", "output": "o"},
        },
        codes.MISSING_REQUIRED_PARAMETER,
        "item.call_id",
    ),
    (
        {"type": "conversation.item.truncate", "event_id": "e", "item_id": "i", "audio_end_ms": 1},
        codes.MISSING_REQUIRED_PARAMETER,
        "content_index",
    ),
    (client_sample("conversation.item.truncate", audio_end_ms=-1), codes.INVALID_VALUE, "audio_end_ms"),
    (client_sample("conversation.item.truncate", content_index=-1), codes.INVALID_VALUE, "content_index"),
    (respond(modalities=["text"]), codes.UNKNOWN_PARAMETER, "response.modalities"),
    (respond(conversation="other"), codes.INVALID_VALUE, "response.conversation"),
    (respond(metadata={str(n): "" for n in range(17)}), codes.INVALID_VALUE, "response.metadata"),
    (respond(metadata={"k" * 65: ""}), codes.INVALID_VALUE, "response.metadata"),
    (respond(metadata={"k": "v" * 513}), codes.INVALID_VALUE, "response.metadata"),
    (respond(metadata={"k": 1}), codes.INVALID_TYPE, "response.metadata"),
    (
        respond(input=[{"type": "item_reference"}, {}]),
        codes.MISSING_REQUIRED_PARAMETER,
        "response.input[1].type",
    ),
    (
        respond(input=[{**_TEXT_ITEM, "role": "assistant"}]),
        codes.INVALID_VALUE,
        "response.input[0].content[0].type",
    ),
    (client_sample("response.cancel"), codes.RESPONSE_CANCEL_NOT_ACTIVE, None),
    (client_sample("response.cancel", response_id="resp_0"), codes.RESPONSE_CANCEL_NOT_ACTIVE, None),
    (client_sample("output_audio_buffer.clear"), codes.INVALID_EVENT, "type"),
]


@pytest.mark.parametrize(("frame", "code", "param"), MISTAKES)
def test_mistakes(frame: Frame | dict[str, Any], code: str, param: str | None) -> None:
    codec = server()
    error = error_of(codec, frame)
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    given_id = frame.get("event_id") if isinstance(frame, dict) else None
    assert error["event_id"] == (given_id if isinstance(given_id, str) else None)
    assert error["message"]
    assert codec.receive('{"type":"input_audio_buffer.clear"}') == [ClearAudio()]


def test_limits() -> None:
    codec = server(limits=ServerLimits(max_append_bytes=4, max_text_chars=100))
    audio = base64.b64encode(bytes(6)).decode() * 2
    error = error_of(codec, {"type": "input_audio_buffer.append", "audio": audio})
    assert (error["code"], error["param"]) == (codes.INVALID_VALUE, "audio")
    assert error_of(codec, '{"type":"' + "x" * 100)["code"] == codes.INVALID_EVENT


def test_a_message_is_never_endless() -> None:
    error = error_of(server(), {"type": "conversation.item.create", "item": {"type": "x" * 10_000}})
    assert len(error["message"]) < 600


def test_one_response_at_a_time() -> None:
    codec = server()
    assert codec.receive('{"type":"response.create"}') == [CreateResponse()]
    codec.encode(events.ModelResponseCreatedEvent(response_id="resp_1"))
    error = error_of(codec, client_sample("response.create"))
    assert error["code"] == codes.CONVERSATION_ALREADY_HAS_ACTIVE_RESPONSE
    assert error["event_id"] == "client_1"
    (beside,) = codec.receive('{"type":"response.create","response":{"conversation":"none"}}')
    assert beside == CreateResponse(is_out_of_band=True)
    codec.encode(events.ModelResponseDoneEvent(response_id="resp_1", input_tokens=0, output_tokens=0))
    assert codec.receive('{"type":"response.create"}') == [CreateResponse()]


def test_a_cancel_of_what_has_not_begun_is_handed_on() -> None:
    codec = server()
    codec.receive('{"type":"response.create","event_id":"a"}')
    assert codec.receive('{"type":"response.cancel"}') == [CancelResponse()]
    refusal = events.ModelErrorEvent(
        error_type="invalid_request_error", code="bad_response_create", message="No.", command_id="a"
    )
    (error,) = judged(codec.encode(refusal))
    assert error["error"]["event_id"] == "a"
    assert error_of(codec, '{"type":"response.cancel"}')["code"] == codes.RESPONSE_CANCEL_NOT_ACTIVE


def test_everything_of_a_response() -> None:
    body = {
        "instructions": "i",
        "output_modalities": ["text"],
        "audio": {"output": {"voice": {"id": "voice_1"}, "format": {"type": "audio/pcmu"}}},
        "tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "s"}],
        "tool_choice": {"type": "mcp", "server_label": "s"},
        "parallel_tool_calls": True,
        "max_output_tokens": 9,
        "input": [{"type": "item_reference", "id": "item_9"}, _TEXT_ITEM],
        "prompt": {"id": "p"},
        "reasoning": {"effort": "low"},
    }
    (command,) = server().receive(json.dumps({"type": "response.create", "response": body}))
    assert command == CreateResponse(
        instructions="i",
        modality="text",
        voice="voice_1",
        tools=(ToolSpec(name="f"),),
        max_output_tokens=9,
        input_items=(
            Item(id="item_9", kind="item_reference"),
            Item(id="", role="user", content=(ContentPart(kind="text", text="a"),)),
        ),
        extra={
            "output_format": "audio/pcmu",
            "mcp_tools": [{"type": "mcp", "server_label": "s"}],
            "tool_choice": {"type": "mcp", "server_label": "s"},
            "parallel_tool_calls": True,
            "prompt": {"id": "p"},
            "reasoning": {"effort": "low"},
        },
    )


# ---------------------------------------------------------------------- the session


def updated_by(codec: OpenAIServerCodec, command: Command) -> SessionConfig:
    """What is in force when the model carries the command out."""
    assert isinstance(command, UpdateSession)
    return codec.config.updated(command)


def confirm(codec: OpenAIServerCodec, config: SessionConfig) -> list[dict[str, Any]]:
    updated = events.ModelSessionUpdatedEvent(session_id="x", config=config)
    return judged(codec.encode(updated))


def test_the_greeting() -> None:
    codec = OpenAIServerCodec(ids=lambda prefix: f"{prefix}_1", now_s=1000, model="gpt-realtime")
    assert codec.data_to_send() == []
    codec.greet(SessionConfig(instructions="Hi.", voice="marin", transcription=None))
    codec.greet(SessionConfig())
    (created,) = judged(codec.data_to_send())
    assert created["session"] == {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "Hi.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": 4600,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
        },
        "include": None,
    }


def test_a_late_greeting_comes_with_the_model() -> None:
    codec = OpenAIServerCodec(ids=lambda prefix: f"{prefix}_1", now_s=0, model="m")
    created = events.ModelSessionCreatedEvent(session_id="x", config=SessionConfig(instructions="Hi."))
    (event,) = judged(codec.encode(created))
    assert event["session"]["instructions"] == "Hi."
    assert codec.encode(created) == []


WHOLE: dict[str, Any] = {
    "instructions": "Be brief.",
    "output_modalities": ["text"],
    "model": "another",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "whisper-1", "language": "de", "keywords": ["x"]},
            "noise_reduction": {"type": "near_field"},
            "turn_detection": {"type": "semantic_vad"},
        },
        "output": {"format": {"type": "audio/pcma"}, "voice": {"id": "voice_1"}, "speed": 1.25},
    },
    "tools": [{"type": "function", "name": "f", "strict": True}, {"type": "mcp", "server_label": "s"}],
    "tool_choice": {"type": "function", "name": "f"},
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low"},
    "max_output_tokens": 100,
    "tracing": {"workflow_name": "w"},
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
    "prompt": {"id": "p"},
    "include": ["item.input_audio_transcription.logprobs"],
}


def test_everything_of_a_session() -> None:
    codec = server()
    (command,) = codec.receive(json.dumps(update(WHOLE)))
    extra = {
        "noise_reduction": {"type": "near_field"},
        "transcription": {"keywords": ["x"]},
        "mcp_tools": [{"type": "mcp", "server_label": "s"}],
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "tracing": {"workflow_name": "w"},
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
        "prompt": {"id": "p"},
        "include": ["item.input_audio_transcription.logprobs"],
    }
    assert command == UpdateSession(
        instructions="Be brief.",
        modality="text",
        input_format=MediaFormat("audio/pcmu", 8000),
        transcription=Transcription(model="whisper-1", language="de"),
        turn_detection=TurnDetection(kind="semantic_vad", eagerness="auto"),
        output_format=MediaFormat("audio/pcma", 8000),
        voice="voice_1",
        speed=1.25,
        tools=(ToolSpec(name="f"),),
        tool_choice="function:f",
        max_output_tokens=100,
        extra=extra,
        command_id="e",
    )
    (updated,) = confirm(codec, updated_by(server(), command))
    session = updated["session"]
    assert session["model"] == "echo"
    assert session["tools"] == [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "s"}]
    assert session["audio"]["input"]["transcription"] == {
        "model": "whisper-1",
        "language": "de",
        "prompt": None,
        "keywords": ["x"],
    }
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    for key in ("truncation", "prompt", "include", "tracing", "reasoning", "parallel_tool_calls"):
        assert session[key] == WHOLE[key]


def test_an_update_changes_only_what_it_names() -> None:
    codec = server()
    before = codec._session.fields
    (command,) = codec.receive(json.dumps(update({"audio": {"output": {"speed": 1.5}}})))
    assert command == UpdateSession(speed=1.5, command_id="e")
    (updated,) = confirm(codec, updated_by(codec, command))
    after = updated["session"]
    assert after["audio"]["output"]["speed"] == 1.5
    after["audio"]["output"]["speed"] = before["audio"]["output"]["speed"]
    assert after == before


@pytest.mark.parametrize("off", [None, {"type": "none"}])
def test_turn_detection_off(off: object) -> None:
    codec = server()
    (command,) = codec.receive(json.dumps(update({"audio": {"input": {"turn_detection": off}}})))
    assert command == UpdateSession(turn_detection=None, command_id="e")
    (updated,) = confirm(codec, updated_by(codec, command))
    assert updated["session"]["audio"]["input"]["turn_detection"] is None


def test_what_was_set_can_be_cleared() -> None:
    codec = server()
    cleared: dict[str, Any] = {"tools": [], "prompt": None, "tracing": None, "truncation": "auto"}
    for session in (WHOLE, cleared):
        (command,) = codec.receive(json.dumps(update(session)))
        (updated,) = confirm(codec, updated_by(codec, command))
    assert command == UpdateSession(
        tools=(),
        extra={
            "noise_reduction": {"type": "near_field"},
            "transcription": {"keywords": ["x"]},
            "parallel_tool_calls": False,
            "reasoning": {"effort": "low"},
            "include": ["item.input_audio_transcription.logprobs"],
        },
        command_id="e",
    )
    assert updated["session"]["tools"] == []


def test_the_model_has_the_last_word() -> None:
    codec = server()
    codec.receive(json.dumps(update({"instructions": "x", "audio": {"output": {"voice": "nobody"}}})))
    (updated,) = confirm(codec, SessionConfig(instructions="x", voice="marin"))
    assert updated["session"]["audio"]["output"]["voice"] == "marin"
    assert codec.config.voice == "marin"


def test_an_update_nobody_asked_for_is_not_announced() -> None:
    codec = server()
    assert confirm(codec, SessionConfig(instructions="new")) == []
    codec.receive(json.dumps(update({})))
    (updated,) = confirm(codec, SessionConfig(instructions="new"))
    assert updated["session"]["instructions"] == "new"


def test_a_refused_update_changes_nothing() -> None:
    codec = server()
    codec.receive(json.dumps(update({"instructions": "bad"}, "a")))
    codec.receive(json.dumps(update({"instructions": "good"}, "b")))
    refusal = events.ModelErrorEvent(
        error_type="invalid_request_error", code="invalid_value", message="No.", command_id="a"
    )
    assert types(judged(codec.encode(refusal))) == ["error"]
    (updated,) = confirm(codec, SessionConfig(instructions="good"))
    assert updated["session"]["instructions"] == "good"
    assert confirm(codec, SessionConfig(instructions="good")) == []


def test_the_voice_is_fixed_once_heard() -> None:
    codec = server()
    codec.encode(events.ModelResponseCreatedEvent(response_id="r"))
    codec.encode(
        events.ModelResponseAudioDeltaEvent(
            response_id="r", item_id="i", pcm=b"\0\0", format=MediaFormat("audio/pcm", 24000)
        )
    )
    error = error_of(codec, update({"audio": {"output": {"voice": "marin"}}}))
    assert (error["code"], error["event_id"]) == (codes.CANNOT_UPDATE_VOICE, "e")
    assert len(codec.receive(json.dumps(update({"audio": {"output": {"voice": "alloy"}}})))) == 1


def test_a_transcription_session() -> None:
    codec = server(SessionConfig(is_transcription_only=True))
    assert error_of(codec, client_sample("response.create"))["code"] == codes.INVALID_EVENT
    body = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    (command,) = codec.receive(json.dumps({"type": "session.update", "session": body}))
    assert command == UpdateSession(transcription=Transcription(model="whisper-1"))
    (updated,) = confirm(codec, updated_by(codec, command))
    assert updated["session"] == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_1",
        "expires_at": 1_800_003_600,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "whisper-1", "language": None, "prompt": None},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "idle_timeout_ms": None,
                },
            }
        },
        "include": None,
    }


def test_a_session_may_become_one_that_transcribes() -> None:
    codec = server()
    body = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    (command,) = codec.receive(json.dumps({"type": "session.update", "session": body}))
    assert command == UpdateSession(is_transcription_only=True, turn_detection=None)
    (updated,) = confirm(codec, updated_by(codec, command))
    assert updated["session"]["type"] == "transcription"
    assert codec.config.is_transcription_only


# ---------------------------------------------------------------------- fuzz

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
_KEYS = st.sampled_from(
    ["type", "event_id", "audio", "item", "item_id", "session", "response", "content_index"]
)


@given(frame=st.text() | st.binary() | _JSON.map(json.dumps))
def test_garbage_gets_the_wires_errors(frame: str | bytes) -> None:
    codec = server()
    assert codec.receive(frame) == []
    for event in judged(codec.data_to_send()):
        assert event["error"]["code"] in codes.REQUEST_CODES


@given(event_type=st.sampled_from(sorted(CLIENT_SAMPLES)), changes=st.dictionaries(_KEYS, _JSON, max_size=3))
def test_wrong_fields_get_the_wires_errors(event_type: str, changes: dict[str, Any]) -> None:
    codec = server()
    commands = codec.receive(json.dumps({**client_sample(event_type), **changes}))
    answers = judged(codec.data_to_send())
    assert len(commands) + len(answers) == 1
    for event in answers:
        assert event["error"]["code"] in codes.REQUEST_CODES


@given(session=st.dictionaries(st.sampled_from(sorted(WHOLE)) | st.text(max_size=5), _JSON, max_size=3))
def test_any_session_is_taken_or_refused(session: dict[str, Any]) -> None:
    codec = server()
    commands = codec.receive(json.dumps(update({**WHOLE, **session})))
    answers = judged(codec.data_to_send())
    assert len(commands) + len(answers) == 1
    for command in commands:
        assert isinstance(command, UpdateSession)
        assert types(confirm(codec, updated_by(codec, command))) == ["session.updated"]
