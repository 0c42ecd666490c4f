"""Our client side against our server side: commands and events arrive as what they were."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.protocols.openai_samples import server_sample
from tests.protocols.openai_server import server
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
    ModelEvents,
    RetrieveItem,
    SendImage,
    SendText,
    SendToolResult,
    SessionConfig,
    TokenUsage,
    ToolSpec,
    Transcription,
    TruncateItem,
    TurnDetection,
    UpdateSession,
)
from voicewire.events import model as events
from voicewire.events.base import EventBase
from voicewire.protocols.codec import OPENED
from voicewire.protocols.openai.client import OPENING_COMMAND_ID, OpenAIClientCodec
from voicewire.protocols.openai.server import OpenAIServerCodec

pytestmark = pytest.mark.unit

PCM = MediaFormat("audio/pcm", 24000)
R: dict[str, Any] = {"response_id": "resp_1"}
P: dict[str, Any] = {**R, "item_id": "item_1"}
CONFIG = SessionConfig(
    model="echo",
    instructions="Be brief.",
    voice="marin",
    speed=1.25,
    transcription=Transcription(model="whisper-1", language="en"),
    turn_detection=TurnDetection(threshold=0.25, prefix_padding_ms=100, silence_duration_ms=400),
    tools=(ToolSpec(name="f", description="d", parameters={"type": "object", "properties": {}}),),
    tool_choice="function:f",
    max_output_tokens=99,
    extra={"truncation": "disabled", "noise_reduction": {"type": "near_field"}},
)


def message(text: str, role: Any = "user", **changes: Any) -> Item:
    fields: dict[str, Any] = {"id": "", **changes}
    return Item(role=role, content=(ContentPart(kind="text", text=text),), **fields)


def image(uri: str) -> Item:
    return Item(id="", role="user", content=(ContentPart(kind="image", image_url=uri),))


CHANGE = UpdateSession(
    instructions="",
    modality="text",
    turn_detection=None,
    transcription=None,
    tools=(),
    max_output_tokens=None,
    input_format=MediaFormat("audio/pcmu", 8000),
    command_id="c",
)
EVERYTHING = CreateResponse(
    instructions="i",
    modality="text",
    voice="voice_9",
    tools=(ToolSpec(name="g", parameters={}),),
    tool_choice="function:g",
    max_output_tokens=5,
    metadata={"k": "v"},
    input_items=(message("q"), Item(id="item_0", kind="item_reference")),
    is_out_of_band=True,
    extra={"output_format": "audio/pcma", "parallel_tool_calls": True},
    command_id="c",
)
RESULT = Item(id="", kind="function_call_output", call_id="x", output="o")

COMMANDS: list[tuple[Command, list[Command]]] = [
    (AppendAudio(b"\1\0", command_id="c"), [AppendAudio(b"\1\0", command_id="c")]),
    (CommitAudio(respond=False, command_id="c"), [CommitAudio(respond=False, command_id="c")]),
    (ClearAudio(command_id="c"), [ClearAudio(command_id="c")]),
    (
        SendText("Hi", command_id="c"),
        [CreateItem(item=message("Hi"), command_id="c"), CreateResponse(command_id="voicewire_1")],
    ),
    (
        SendText("Hi", "system", respond=False),
        [CreateItem(item=message("Hi", "system"))],
    ),
    (SendImage(b"\0", "image/png"), [CreateItem(item=image("data:image/png;base64,AA=="))]),
    (
        CreateItem(item=message("Hi", id="mine"), previous_item_id="root", command_id="c"),
        [CreateItem(item=message("Hi", id="mine"), previous_item_id="root", command_id="c")],
    ),
    (DeleteItem("i", "c"), [DeleteItem("i", "c")]),
    (RetrieveItem("i", "c"), [RetrieveItem("i", "c")]),
    (EVERYTHING, [EVERYTHING]),
    (TruncateItem("i", 5, 1, "c"), [TruncateItem("i", 5, 1, "c")]),
    (SendToolResult("x", "o", respond=False, command_id="c"), [CreateItem(item=RESULT, command_id="c")]),
    (CHANGE, [CHANGE]),
]


@pytest.mark.parametrize(("sent", "arrived"), COMMANDS, ids=lambda value: type(value).__name__)
def test_commands(sent: Command, arrived: list[Command]) -> None:
    codec = server()
    client = OpenAIClientCodec(SessionConfig())
    got = [command for frame in client.encode(sent) for command in codec.receive(frame)]
    assert codec.data_to_send() == []
    assert got == arrived


def test_every_command_is_in_the_table() -> None:
    assert {type(sent) for sent, _ in COMMANDS} | {CancelResponse} == set(Command.__args__)


def test_cancel() -> None:
    codec, client = server(), OpenAIClientCodec(SessionConfig())
    for frame in codec.encode(events.ModelResponseCreatedEvent(**R)):
        client.receive(frame)
    (frame,) = client.encode(CancelResponse(command_id="c"))
    assert codec.receive(frame) == [CancelResponse("resp_1", "c")]


def test_the_opening_comes_back_whole() -> None:
    codec = OpenAIServerCodec(SessionConfig(), ids=lambda prefix: f"{prefix}_1", now_s=0, model="echo")
    client = OpenAIClientCodec(CONFIG)
    for frame in codec.data_to_send():
        client.receive(frame)
    (frame,) = client.opening()
    (command,) = codec.receive(frame)
    assert isinstance(command, UpdateSession)
    assert command.command_id == OPENING_COMMAND_ID
    assert SessionConfig(model="echo").updated(command) == CONFIG
    effective = SessionConfig().updated(command)
    (answer,) = codec.encode(events.ModelSessionUpdatedEvent(session_id="x", config=effective))
    assert client.receive(answer) == [
        events.ModelSessionUpdatedEvent(session_id="sess_1", config=CONFIG, command_id=OPENED)
    ]
    assert client.is_ready
    assert client.config == codec.config == CONFIG


ASSISTANT = Item(id="item_1", role="assistant", status="in_progress")
SAID = Item(id="item_1", role="assistant", content=(ContentPart(kind="audio", text="Hi"),))
WRITTEN = Item(id="item_1", role="assistant", content=(ContentPart(kind="text", text="Hi"),))
CALL = Item(id="item_2", kind="function_call", status="in_progress", call_id="c", name="f", arguments="")
CALLED = msgspec.structs.replace(CALL, status="completed", arguments='{"a":1}')
USE: events.ToolUseBlock = {
    "type": "tool_use",
    "id": "c",
    "name": "f",
    "input": {"a": 1},
    "raw_input": '{"a":1}',
}
GROWING: events.ToolUseBlock = {**USE, "input": {}}
USAGE = TokenUsage(
    input_text_tokens=1,
    input_audio_tokens=2,
    input_image_tokens=3,
    cached_tokens=1,
    output_text_tokens=4,
    output_audio_tokens=5,
)
USER = Item(id="item_u", role="user", content=(ContentPart(kind="audio", is_transcribed=False),))
IN_CALL: dict[str, Any] = {**R, "item_id": "item_2"}


def response_done(*output: Item, **changes: Any) -> events.ModelResponseDoneEvent:
    fields: dict[str, Any] = {
        "input_tokens": 6,
        "output_tokens": 9,
        "usage": USAGE,
        "output": output,
        **R,
        **changes,
    }
    return events.ModelResponseDoneEvent(**fields)


STREAMS: dict[str, list[EventBase]] = {
    "audio": [
        events.ModelInputStartedEvent(item_id="item_u", audio_start_ms=10),
        events.ModelInputDoneEvent(item_id="item_u", audio_end_ms=20),
        events.ModelInputCommittedEvent(item_id="item_u"),
        events.ModelItemAddedEvent(item=USER),
        events.ModelItemDoneEvent(item=USER),
        events.ModelResponseCreatedEvent(**R),
        events.ModelItemAddedEvent(item=ASSISTANT, previous_item_id="item_u", **R),
        events.ModelResponseAudioTranscriptDeltaEvent(delta="Hi", **P),
        events.ModelResponseAudioDeltaEvent(pcm=b"\1\0", format=PCM, **P),
        events.ModelInputTranscriptionDeltaEvent(item_id="item_u", delta="Hello"),
        events.ModelResponseAudioDeltaEvent(pcm=b"\2\0", format=PCM, **P),
        events.ModelInputTranscriptionDoneEvent(item_id="item_u", transcript="Hello", duration_s=0.5),
        events.ModelResponseAudioDoneEvent(**P),
        events.ModelResponseAudioTranscriptDoneEvent(transcript="Hi", **P),
        events.ModelItemDoneEvent(item=SAID, **R),
        response_done(SAID),
    ],
    "text, metadata": [
        events.ModelResponseCreatedEvent(metadata={"a": "b"}, **R),
        events.ModelItemAddedEvent(item=ASSISTANT, **R),
        events.ModelResponseTextDeltaEvent(delta="H", **P),
        events.ModelResponseTextDeltaEvent(delta="i", **P),
        events.ModelResponseTextDoneEvent(text="Hi", **P),
        events.ModelItemDoneEvent(item=WRITTEN, **R),
        response_done(WRITTEN, metadata={"a": "b"}),
    ],
    "out of band": [
        events.ModelResponseCreatedEvent(is_out_of_band=True, **R),
        events.ModelItemAddedEvent(item=ASSISTANT, **R),
        events.ModelResponseTextDeltaEvent(delta="Hi", **P),
        events.ModelResponseTextDoneEvent(text="Hi", **P),
        events.ModelItemDoneEvent(item=WRITTEN, **R),
        response_done(WRITTEN),
    ],
    "call": [
        events.ModelResponseCreatedEvent(**R),
        events.ModelItemAddedEvent(item=CALL, **R),
        events.ModelResponseToolUseDeltaEvent(tool_use=GROWING, delta='{"a":1}', **IN_CALL),
        events.ModelResponseToolUseDoneEvent(tool_use=USE, **IN_CALL),
        events.ModelItemDoneEvent(item=CALLED, **R),
        response_done(CALLED),
    ],
    "cancelled": [
        events.ModelResponseCreatedEvent(**R),
        response_done(status="cancelled", reason="turn_detected"),
    ],
    "incomplete": [
        events.ModelResponseCreatedEvent(**R),
        response_done(status="incomplete", reason="content_filter"),
    ],
    "failed": [
        events.ModelResponseCreatedEvent(**R),
        response_done(status="failed", reason="code", message="Oh."),
    ],
    "items and input": [
        events.ModelItemRetrievedEvent(item=message("Hi", id="i")),
        events.ModelItemTruncatedEvent(item_id="i", audio_end_ms=5, content_index=1),
        events.ModelItemDeletedEvent(item_id="i"),
        events.ModelInputClearedEvent(),
        events.ModelInputTranscriptionFailedEvent(item_id="i", code="c", message="m"),
        events.ModelInputTranscriptionDoneEvent(item_id="i", transcript="", input_tokens=1, output_tokens=2),
        events.ModelErrorEvent(error_type="server_error", code="c", message="m", param="p", command_id="x"),
    ],
}


@pytest.mark.parametrize("name", STREAMS)
def test_events(name: str) -> None:
    codec, client = server(), OpenAIClientCodec(SessionConfig())
    arrived = [
        event
        for sent in STREAMS[name]
        for frame in codec.encode(sent)
        for event in client.receive(frame)
        if not (isinstance(event, events.ModelProviderEvent) and event.name == "rate_limits.updated")
    ]
    assert arrived == STREAMS[name]


def test_every_event_is_in_a_stream() -> None:
    in_streams = {type(event) for stream in STREAMS.values() for event in stream}
    not_on_this_wire = {
        events.ModelAudioDroppedEvent,
        events.WebsocketConnectEvent,
        events.WebsocketDisconnectEvent,
        events.ModelSessionEndedEvent,
    }
    told_elsewhere = {
        events.ModelSessionCreatedEvent,
        events.ModelSessionUpdatedEvent,
        events.ModelProviderEvent,
    }
    every = {
        value
        for value in vars(ModelEvents).values()
        if isinstance(value, type) and issubclass(value, EventBase) and value is not EventBase
    }
    assert in_streams | not_on_this_wire | told_elsewhere == every


def test_a_relay_neither_decodes_nor_encodes_audio() -> None:
    codec, client = server(), OpenAIClientCodec(SessionConfig())
    client.receive(json.dumps(server_sample("response.created")))
    (event,) = client.receive(json.dumps(server_sample("response.output_audio.delta")))
    codec.encode(events.ModelResponseCreatedEvent(**R))
    codec.encode(event)
    assert isinstance(event, events.ModelResponseAudioDeltaEvent)
    assert event.payload._pcm is None
