"""Commands in, client frames out; and when requests for responses may go."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from tests.protocols.openai_samples import RESPONSE, SESSION, server_sample
from voicewire.errors import SessionClosed, UnsupportedError
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
    SendImage,
    SendText,
    SendToolResult,
    SessionConfig,
    ToolSpec,
    Transcription,
    TruncateItem,
    TurnDetection,
    UpdateSession,
)
from voicewire.events import model as events
from voicewire.events.base import AudioPayload
from voicewire.protocols.codec import OPENED
from voicewire.protocols.openai.client import OpenAIClientCodec
from voicewire.protocols.openai.limits import MAX_APPEND_BYTES

pytestmark = pytest.mark.unit

_SDK = TypeAdapter[Any](RealtimeClientEvent)


def sent(codec: OpenAIClientCodec, *commands: Command) -> list[dict[str, Any]]:
    frames = [frame for command in commands for frame in codec.encode(command)]
    for frame in frames:
        _SDK.validate_json(frame)
    return [cast("dict[str, Any]", json.loads(frame)) for frame in frames]


def types(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


def answers(codec: OpenAIClientCodec, *frames: dict[str, Any]) -> list[dict[str, Any]]:
    for frame in frames:
        codec.receive(json.dumps(frame))
    return [cast("dict[str, Any]", json.loads(frame)) for frame in codec.data_to_send()]


def begun(response_id: str = "resp_1", **changes: Any) -> dict[str, Any]:
    return server_sample("response.created", response={**RESPONSE, "id": response_id, **changes})


def ended(response_id: str = "resp_1", status: str = "completed") -> dict[str, Any]:
    return server_sample("response.done", response={**RESPONSE, "id": response_id, "status": status})


def refused(event_id: str | None, code: str) -> dict[str, Any]:
    body = {"type": "invalid_request_error", "code": code, "message": "No.", "event_id": event_id}
    return server_sample("error", error=body)


def called(call_id: str, response_id: str = "resp_1") -> dict[str, Any]:
    return server_sample(
        "response.function_call_arguments.done",
        response_id=response_id,
        item_id=f"item_{call_id}",
        call_id=call_id,
    )


@pytest.fixture
def codec() -> OpenAIClientCodec:
    return OpenAIClientCodec(SessionConfig())


FRAMES: list[tuple[Command, list[dict[str, Any]]]] = [
    (AppendAudio(b"\1\0\2\0"), [{"type": "input_audio_buffer.append", "audio": "AQACAA=="}]),
    (
        AppendAudio(b"\1\0", command_id='a"b'),
        [{"type": "input_audio_buffer.append", "event_id": 'a"b', "audio": "AQA="}],
    ),
    (AppendAudio(b""), []),
    (CommitAudio(respond=False), [{"type": "input_audio_buffer.commit"}]),
    (ClearAudio(command_id="c"), [{"type": "input_audio_buffer.clear", "event_id": "c"}]),
    (
        SendText("Hi", respond=False, command_id="c"),
        [
            {
                "type": "conversation.item.create",
                "event_id": "c",
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hi"}],
                },
            }
        ],
    ),
    (
        SendText("Hi", "assistant", respond=False),
        [
            {
                "type": "conversation.item.create",
                "item": {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hi"}],
                },
            }
        ],
    ),
    (
        SendImage(b"\0", "image/png"),
        [
            {
                "type": "conversation.item.create",
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA=="}],
                },
            }
        ],
    ),
    (
        SendImage("data:image/gif;base64,AA=="),
        [
            {
                "type": "conversation.item.create",
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "data:image/gif;base64,AA=="}],
                },
            }
        ],
    ),
    (
        CreateItem(item=Item(id="", kind="function_call_output", call_id="c", output="o")),
        [
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "c", "output": "o"},
            }
        ],
    ),
    (DeleteItem("item_9"), [{"type": "conversation.item.delete", "item_id": "item_9"}]),
    (RetrieveItem("item_9"), [{"type": "conversation.item.retrieve", "item_id": "item_9"}]),
    (
        TruncateItem("item_9", 250, 1),
        [
            {
                "type": "conversation.item.truncate",
                "item_id": "item_9",
                "content_index": 1,
                "audio_end_ms": 250,
            }
        ],
    ),
    (TruncateItem("item_9", 0), [{"type": "conversation.item.delete", "item_id": "item_9"}]),
    (CancelResponse(), []),
    (CreateResponse(command_id="c"), [{"type": "response.create", "event_id": "c"}]),
    (
        CreateResponse(
            instructions="i",
            modality="text",
            voice="marin",
            tools=(ToolSpec(name="f", description="d", parameters={}),),
            tool_choice="function:f",
            max_output_tokens=7,
            metadata={"k": "v"},
            input_items=(
                Item(id="item_9", kind="item_reference"),
                Item(id="", role="user", content=(ContentPart(kind="text", text="q"),)),
            ),
            is_out_of_band=True,
            extra={"output_format": "audio/pcmu", "parallel_tool_calls": False},
            command_id="c",
        ),
        [
            {
                "type": "response.create",
                "event_id": "c",
                "response": {
                    "instructions": "i",
                    "output_modalities": ["text"],
                    "audio": {"output": {"voice": "marin", "format": {"type": "audio/pcmu"}}},
                    "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {}}],
                    "tool_choice": {"type": "function", "name": "f"},
                    "max_output_tokens": 7,
                    "metadata": {"k": "v"},
                    "input": [
                        {"type": "item_reference", "id": "item_9"},
                        {
                            "type": "message",
                            "role": "user",
                            "content": [{"type": "input_text", "text": "q"}],
                        },
                    ],
                    "conversation": "none",
                    "parallel_tool_calls": False,
                },
            }
        ],
    ),
    (
        UpdateSession(instructions="", turn_detection=None, command_id="c"),
        [
            {
                "type": "session.update",
                "event_id": "c",
                "session": {
                    "type": "realtime",
                    "instructions": "",
                    "audio": {"input": {"turn_detection": None}},
                },
            }
        ],
    ),
]


@pytest.mark.parametrize(("command", "frames"), FRAMES, ids=lambda value: type(value).__name__)
def test_frames(command: Command, frames: list[dict[str, Any]]) -> None:
    assert [json.loads(frame) for frame in OpenAIClientCodec(SessionConfig()).encode(command)] == frames


def test_every_command_is_in_the_table() -> None:
    commands = {type(command) for command, _ in FRAMES} | {SendToolResult}
    assert commands == set(Command.__args__)


def test_the_whole_session_is_sent_at_once() -> None:
    config = SessionConfig(
        instructions="Be brief.",
        voice="marin",
        input_format=MediaFormat("audio/pcmu", 8000),
        transcription=Transcription(language="en"),
        turn_detection=TurnDetection(kind="semantic_vad", eagerness="low", create_response=False),
        tools=(ToolSpec(name="f", description="d", parameters={"type": "object"}),),
        extra={
            "noise_reduction": {"type": "far_field"},
            "truncation": "disabled",
            "transcription": {"keywords": ["Voicewire"]},
            "mcp_tools": [{"type": "mcp", "server_label": "s", "server_url": "https://x.invalid"}],
        },
    )
    (frame,) = OpenAIClientCodec(config, transcription_model="whisper-1").opening()
    _SDK.validate_json(frame)
    assert json.loads(frame)["session"] == {
        "type": "realtime",
        "instructions": "Be brief.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "whisper-1", "language": "en", "keywords": ["Voicewire"]},
                "turn_detection": {
                    "type": "semantic_vad",
                    "eagerness": "low",
                    "create_response": False,
                    "interrupt_response": True,
                },
                "noise_reduction": {"type": "far_field"},
            },
            "output": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "voice": "marin",
                "speed": 1.0,
            },
        },
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}},
            {"type": "mcp", "server_label": "s", "server_url": "https://x.invalid"},
        ],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "disabled",
    }


def test_a_provider_that_spells_the_session_otherwise() -> None:
    def shaped(body: dict[str, Any]) -> dict[str, Any]:
        return {"said": body["instructions"]}

    codec = OpenAIClientCodec(SessionConfig(instructions="a"), shape_session=shaped)
    updates = [*codec.opening(), *codec.encode(UpdateSession(instructions="b"))]
    assert [json.loads(frame)["session"] for frame in updates] == [{"said": "a"}, {"said": "b"}]


def test_further_settings() -> None:
    choice = {"type": "mcp", "server_label": "s"}
    config = SessionConfig(transcription=Transcription(prompt="Names"), extra={"tool_choice": choice})
    session = json.loads(str(*OpenAIClientCodec(config).opening()))["session"]
    assert session["tool_choice"] == choice
    assert session["audio"]["input"]["transcription"]["prompt"] == "Names"
    include = ["item.input_audio_transcription.logprobs"]
    config = SessionConfig(is_transcription_only=True, extra={"include": include})
    assert json.loads(str(*OpenAIClientCodec(config).opening()))["session"]["include"] == include
    command = CreateResponse(extra={"mcp_tools": [choice]})
    (frame,) = OpenAIClientCodec(SessionConfig()).encode(command)
    assert json.loads(frame)["response"] == {"tools": [choice]}


def test_a_transcription_session() -> None:
    codec = OpenAIClientCodec(SessionConfig(is_transcription_only=True, turn_detection=None))
    (frame,) = codec.opening()
    assert json.loads(frame)["session"] == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-realtime-whisper"},
                "turn_detection": None,
            }
        },
    }
    assert types(sent(codec, CommitAudio())) == ["input_audio_buffer.commit"]
    for command in (SendText("x"), CreateResponse(), TruncateItem("i", 1), SendToolResult("c", "o")):
        with pytest.raises(UnsupportedError, match=type(command).__name__):
            codec.encode(command)


def test_relayed_audio_is_not_converted() -> None:
    text = base64.b64encode(b"\1\0").decode()
    payload = AudioPayload(base64=text)
    (frame,) = OpenAIClientCodec(SessionConfig()).encode(AppendAudio(payload))
    assert json.loads(frame)["audio"] == text
    assert payload._pcm is None


def test_audio_above_the_limit_is_split() -> None:
    pcm = bytes(range(256)) * (MAX_APPEND_BYTES // 256 + 1)
    frames = [json.loads(frame) for frame in OpenAIClientCodec(SessionConfig()).encode(AppendAudio(pcm))]
    parts = [base64.b64decode(frame["audio"]) for frame in frames]
    assert len(parts) == 2
    assert all(len(part) <= MAX_APPEND_BYTES and len(part) % 2 == 0 for part in parts)
    assert b"".join(parts) == pcm


@pytest.mark.parametrize(
    "command", [AppendAudio(b"\0\0", 16000), AppendAudio(b"\0\0", 24000, encoding="pcmu")]
)
def test_audio_of_another_format_is_refused(codec: OpenAIClientCodec, command: AppendAudio) -> None:
    with pytest.raises(UnsupportedError, match="convert"):
        codec.encode(command)


@pytest.mark.parametrize(
    "item",
    [
        Item(id="x", kind="item_reference"),
        Item(id="", role="user", content=(ContentPart(kind="audio"),)),
        Item(id="", kind="mcp_call"),
    ],
)
def test_items_that_cannot_be_said(codec: OpenAIClientCodec, item: Item) -> None:
    with pytest.raises(UnsupportedError):
        codec.encode(CreateItem(item=item))


def test_nothing_is_sent_after_the_end(codec: OpenAIClientCodec) -> None:
    codec.connection_lost(1000, "", is_expected=True)
    for command in (AppendAudio(b"\0\0"), SendText("x")):
        with pytest.raises(SessionClosed):
            codec.encode(command)


# ---------------------------------------------------------------------- requests for responses


def test_text_asks_for_a_response(codec: OpenAIClientCodec) -> None:
    assert types(sent(codec, SendText("Hi"))) == ["conversation.item.create", "response.create"]


def test_requests_wait_and_become_one(codec: OpenAIClientCodec) -> None:
    sent(codec, SendText("one"))
    assert types(sent(codec, SendText("two"), SendText("three"))) == ["conversation.item.create"] * 2
    sent(codec, CreateResponse(instructions="Shout.", metadata={"a": "1"}))
    sent(codec, CreateResponse(modality="text", metadata={"b": "2"}, command_id="late"))
    assert answers(codec, begun()) == []
    (request,) = answers(codec, ended())
    assert request == {
        "type": "response.create",
        "event_id": "late",
        "response": {
            "instructions": "Shout.",
            "output_modalities": ["text"],
            "metadata": {"a": "1", "b": "2"},
        },
    }
    assert answers(codec, begun("resp_2"), ended("resp_2")) == []


def test_a_response_of_the_server_is_waited_for(codec: OpenAIClientCodec) -> None:
    answers(codec, begun("resp_vad"))
    assert types(sent(codec, SendText("Hi"))) == ["conversation.item.create"]
    assert types(answers(codec, ended("resp_vad", "cancelled"))) == ["response.create"]


def test_out_of_band_responses_do_not_wait(codec: OpenAIClientCodec) -> None:
    answers(codec, begun())
    assert types(sent(codec, CreateResponse(is_out_of_band=True))) == ["response.create"]
    assert answers(codec, begun("resp_oob", conversation_id=None), ended("resp_oob")) == []
    assert types(sent(codec, CreateResponse())) == []
    assert types(answers(codec, ended())) == ["response.create"]


def test_a_provider_that_names_no_conversation(codec: OpenAIClientCodec) -> None:
    sent(codec, SendText("Hi"))
    (created,) = codec.receive(json.dumps(begun(conversation_id=None)))
    assert created == events.ModelResponseCreatedEvent(response_id="resp_1", is_out_of_band=False)


@pytest.mark.parametrize("first", [SendText("Hi"), CommitAudio(), SendToolResult("c", "o")])
def test_a_plain_request_after_an_ask_is_absorbed_once(codec: OpenAIClientCodec, first: Command) -> None:
    assert types(sent(codec, first))[-1] == "response.create"
    assert sent(codec, AppendAudio(b"")) == []
    assert sent(codec, CreateResponse(command_id="same")) == []
    assert answers(codec, begun(), ended()) == []
    assert types(sent(codec, CreateResponse())) == ["response.create"]


def test_what_is_not_absorbed(codec: OpenAIClientCodec) -> None:
    sent(codec, SendText("Hi"))
    sent(codec, CreateResponse(instructions="Else."))
    assert types(answers(codec, begun(), ended())) == ["response.create"]
    answers(codec, begun("resp_2"), ended("resp_2"))
    sent(codec, SendText("Hi"), ClearAudio(), CreateResponse())
    assert types(answers(codec, begun("resp_3"), ended("resp_3"))) == ["response.create"]
    answers(codec, begun("resp_4"), ended("resp_4"))
    sent(codec, SendText("Hi"))
    answers(codec, begun("resp_5"), ended("resp_5"))
    assert types(sent(codec, CreateResponse())) == ["response.create"]


def test_the_end_of_an_earlier_response_does_not_count(codec: OpenAIClientCodec) -> None:
    answers(codec, begun("resp_vad"))
    sent(codec, SendText("Hi"))
    assert types(answers(codec, ended("resp_vad"))) == ["response.create"]
    assert sent(codec, CreateResponse()) == []
    assert answers(codec, begun(), ended()) == []


def test_a_race_with_the_server_is_lost_quietly(codec: OpenAIClientCodec) -> None:
    request = sent(codec, SendText("Hi"))[-1]
    answers(codec, begun("resp_vad"))
    error = refused(request["event_id"], "conversation_already_has_active_response")
    assert codec.receive(json.dumps(error)) == []
    (again,) = answers(codec, ended("resp_vad"))
    assert again == request
    assert answers(codec, begun(), ended()) == []


def test_a_refused_request_is_reported_and_forgotten(codec: OpenAIClientCodec) -> None:
    sent(codec, CreateResponse(command_id="mine"))
    sent(codec, SendText("Hi"))
    (error,) = codec.receive(json.dumps(refused("mine", "bad_response_create")))
    assert isinstance(error, events.ModelErrorEvent)
    assert error.command_id == "mine"
    assert [json.loads(frame)["type"] for frame in codec.data_to_send()] == ["response.create"]


def test_a_generated_id_is_not_shown(codec: OpenAIClientCodec) -> None:
    request = sent(codec, SendText("Hi"))[-1]
    (error,) = codec.receive(json.dumps(refused(request["event_id"], "bad_response_create")))
    assert isinstance(error, events.ModelErrorEvent)
    assert error.command_id == ""
    update = sent(codec, UpdateSession(speed=1.1))[0]
    (error,) = codec.receive(json.dumps(refused(update["event_id"], "invalid_value")))
    assert isinstance(error, events.ModelErrorEvent)
    assert error.command_id == ""


def test_an_error_that_names_nothing_frees_the_way(codec: OpenAIClientCodec) -> None:
    sent(codec, SendText("Hi"))
    codec.receive(json.dumps(refused(None, "server_error")))
    assert types(sent(codec, SendText("Again"))) == ["conversation.item.create", "response.create"]


# ---------------------------------------------------------------------- tools


def test_results_wait_for_the_end_of_the_call(codec: OpenAIClientCodec) -> None:
    answers(codec, begun(), called("call_1"))
    assert types(sent(codec, SendToolResult("call_1", "12 degrees"))) == ["conversation.item.create"]
    assert types(answers(codec, ended())) == ["response.create"]


def test_results_wait_for_each_other(codec: OpenAIClientCodec) -> None:
    answers(codec, begun(), called("call_1"), called("call_2"), ended())
    assert types(sent(codec, SendToolResult("call_1", "a"))) == ["conversation.item.create"]
    assert sent(codec, CreateResponse()) == []
    assert types(sent(codec, SendToolResult("call_2", "b", respond=False))) == [
        "conversation.item.create",
        "response.create",
    ]


def test_silent_results_ask_for_nothing(codec: OpenAIClientCodec) -> None:
    answers(codec, begun(), called("call_1"), ended())
    assert types(sent(codec, SendToolResult("call_1", "a", respond=False))) == ["conversation.item.create"]
    assert types(sent(codec, CreateResponse())) == ["response.create"]


def test_results_and_text_become_one_request(codec: OpenAIClientCodec) -> None:
    answers(codec, begun(), called("call_1"))
    sent(codec, SendToolResult("call_1", "a"), SendText("and?"))
    assert types(answers(codec, ended())) == ["response.create"]
    assert answers(codec, begun("resp_2"), ended("resp_2")) == []


# ---------------------------------------------------------------------- cancel, truncate, update


def test_cancel(codec: OpenAIClientCodec) -> None:
    answers(codec, begun())
    assert sent(codec, CancelResponse(command_id="c")) == [
        {"type": "response.cancel", "event_id": "c", "response_id": "resp_1"}
    ]
    assert sent(codec, CancelResponse(), CancelResponse("resp_1"), CancelResponse("resp_0")) == []
    answers(codec, ended(status="cancelled"))
    assert sent(codec, CancelResponse(), CancelResponse("resp_1")) == []


def test_an_early_cancel_is_held(codec: OpenAIClientCodec) -> None:
    sent(codec, SendText("Hi"))
    assert sent(codec, CancelResponse()) == []
    assert answers(codec, begun()) == [{"type": "response.cancel", "response_id": "resp_1"}]
    assert answers(codec, ended(status="cancelled"), begun("resp_2")) == []


def test_a_late_cancel_is_no_error(codec: OpenAIClientCodec) -> None:
    assert codec.receive(json.dumps(refused("c", "response_cancel_not_active"))) == []


def test_an_out_of_band_response_is_cancelled_by_name(codec: OpenAIClientCodec) -> None:
    answers(codec, begun("resp_oob", conversation_id=None))
    assert sent(codec, CancelResponse()) == []
    assert types(sent(codec, CancelResponse("resp_oob"))) == ["response.cancel"]


def audio(n_bytes: int, **changes: Any) -> dict[str, Any]:
    return server_sample(
        "response.output_audio.delta", delta=base64.b64encode(bytes(n_bytes)).decode(), **changes
    )


@given(sizes=st.lists(st.integers(0, 600).map(lambda n: 2 * n), max_size=5), end_ms=st.integers(-5, 80))
def test_truncation_is_clamped(sizes: list[int], end_ms: int) -> None:
    codec = OpenAIClientCodec(SessionConfig())
    answers(codec, begun(), server_sample("response.output_item.added"), *map(audio, sizes))
    frames = sent(codec, TruncateItem("item_1", end_ms))
    generated_ms = sum(sizes) // 48
    if not sizes and end_ms > 0:
        assert frames == []
    elif min(end_ms, generated_ms) <= 0:
        assert frames == [{"type": "conversation.item.delete", "item_id": "item_1"}]
    else:
        assert frames[0]["audio_end_ms"] == min(end_ms, generated_ms)


def test_a_deletion_of_what_nobody_heard_is_reported_as_a_truncation(codec: OpenAIClientCodec) -> None:
    deleted = server_sample("conversation.item.deleted")
    sent(codec, TruncateItem("item_1", 0, 1))
    cut = events.ModelItemTruncatedEvent(item_id="item_1", audio_end_ms=0, content_index=1)
    assert codec.receive(json.dumps(deleted)) == [cut]
    assert codec.receive(json.dumps(deleted)) == [events.ModelItemDeletedEvent(item_id="item_1")]


def test_many_small_pieces_are_counted_exactly(codec: OpenAIClientCodec) -> None:
    answers(codec, begun(), *[audio(4)] * 240, *[audio(2)] * 480)
    assert sent(codec, TruncateItem("item_1", 1000))[0]["audio_end_ms"] == 40


def test_parts_that_take_turns_are_counted_apart(codec: OpenAIClientCodec) -> None:
    pieces = [audio(480), audio(96, item_id="item_2"), audio(960, content_index=1)]
    answers(codec, begun(), *pieces * 3)
    assert sent(codec, TruncateItem("item_1", 1000))[0]["audio_end_ms"] == 30
    assert sent(codec, TruncateItem("item_2", 1000))[0]["audio_end_ms"] == 6
    assert sent(codec, TruncateItem("item_1", 1000, 1))[0]["audio_end_ms"] == 60


def test_parts_are_counted_apart(codec: OpenAIClientCodec) -> None:
    answers(codec, begun(), audio(480), audio(960, content_index=1))
    assert sent(codec, TruncateItem("item_1", 1000))[0]["audio_end_ms"] == 10
    assert sent(codec, TruncateItem("item_1", 1000, 1))[0]["audio_end_ms"] == 20


def test_updates_are_confirmed_in_order(codec: OpenAIClientCodec) -> None:
    codec.opening()
    sent(codec, UpdateSession(speed=1.1, command_id="a"), UpdateSession(speed=1.2, command_id="b"))
    codec.receive(json.dumps(refused("a", "invalid_value")))
    confirmed = [
        event.command_id
        for _ in range(3)
        for event in codec.receive(json.dumps(server_sample("session.updated", session=SESSION)))
        if isinstance(event, events.ModelSessionUpdatedEvent)
    ]
    assert confirmed == [OPENED, "b", ""]


@pytest.mark.parametrize(
    ("change", "body"),
    [
        (UpdateSession(modality="text"), {"output_modalities": ["text"]}),
        (UpdateSession(voice="voice_5"), {"audio": {"output": {"voice": {"id": "voice_5"}}}}),
        (UpdateSession(speed=0.5), {"audio": {"output": {"speed": 0.5}}}),
        (UpdateSession(transcription=None), {"audio": {"input": {"transcription": None}}}),
        (UpdateSession(tools=()), {"tools": []}),
        (UpdateSession(tool_choice="function:f"), {"tool_choice": {"type": "function", "name": "f"}}),
        (UpdateSession(max_output_tokens=None), {"max_output_tokens": "inf"}),
        (UpdateSession(extra={"tracing": "auto"}), {"tracing": "auto"}),
        (
            UpdateSession(output_format=MediaFormat("audio/pcma", 8000)),
            {"audio": {"output": {"format": {"type": "audio/pcma"}}}},
        ),
    ],
)
def test_partial_updates(codec: OpenAIClientCodec, change: UpdateSession, body: dict[str, Any]) -> None:
    (frame,) = sent(codec, change)
    assert frame["session"] == {"type": "realtime", **body}


def test_no_command_changes_what_it_was_given() -> None:
    extra = {"output_format": "audio/pcmu"}
    command = CreateResponse(extra=extra)
    OpenAIClientCodec(SessionConfig()).encode(command)
    assert msgspec.to_builtins(command.extra) == {"output_format": "audio/pcmu"}


@given(
    steps=st.lists(
        st.sampled_from(["text", "create", "call", "result", "cancel", "created", "done", "vad"]),
        max_size=40,
    )
)
def test_requests_never_collide_and_never_get_lost(steps: list[str]) -> None:
    """A provider that refuses what the wire forbids has nothing to refuse, and answers the last ask."""
    codec = OpenAIClientCodec(SessionConfig())
    active, asked, made, owed = "", 0, 0, False
    open_calls: list[str] = []

    def take(frames: list[dict[str, Any]]) -> None:
        nonlocal asked, owed
        for frame in frames:
            if frame["type"] == "response.create":
                assert not active
                assert asked == 0
                asked, owed = 1, False
            elif frame["type"] == "response.cancel":
                assert frame["response_id"] == active

    def step(name: str) -> None:
        nonlocal active, asked, made, owed
        if name in ("text", "create"):
            owed = True
            take(sent(codec, SendText("x") if name == "text" else CreateResponse(instructions="x")))
        elif name == "cancel":
            take(sent(codec, CancelResponse()))
        elif name == "call" and active:
            made += 1
            open_calls.append(f"call_{made}")
            take(answers(codec, called(open_calls[-1], active)))
        elif name == "result" and open_calls:
            owed = True
            take(sent(codec, SendToolResult(open_calls.pop(), "x")))
        elif not active and (name == "vad" and not asked or name == "created" and asked):
            made, asked = made + 1, 0
            active = f"resp_{made}"
            take(answers(codec, begun(active)))
        elif name == "done" and active:
            response_id, active = active, ""
            take(answers(codec, ended(response_id)))

    for name in steps:
        step(name)
    while open_calls or active or asked:
        for name in ("created", "result", "done"):
            step(name)
    assert not owed
