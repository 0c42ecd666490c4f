"""What a Gemini Live client sends, when it waits, and what it reports about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.protocols.gemini_wire import (
    GENERATED,
    INTERRUPTED,
    SETUP_COMPLETE,
    TURN_END,
    audio,
    client,
    heard,
    kinds,
    of,
    receive,
    sent,
    tool_call,
    words,
)
from voicewire.errors import UnsupportedError
from voicewire.events.base import EventBase
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateItem,
    CreateResponse,
    DeleteItem,
    SendImage,
    SendText,
    SendToolResult,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.items import ContentPart, Item
from voicewire.events.model import (
    ModelAudioDroppedEvent,
    ModelErrorEvent,
    ModelInputCommittedEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelSessionUpdatedEvent,
)
from voicewire.events.session import SessionConfig, ToolSpec, TurnDetection
from voicewire.protocols.gemini.client import GeminiClientCodec
from voicewire.protocols.gemini.client_requests import SetupFrame

pytestmark = pytest.mark.unit

MANUAL = SessionConfig(turn_detection=None)
A_SECOND = AppendAudio(bytes(32000), 16000)
START: dict[str, Any] = {"realtimeInput": {"activityStart": {}}}
END: dict[str, Any] = {"realtimeInput": {"activityEnd": {}}}
NEXT = {"clientContent": {"turnComplete": True}}
HELLO = Item(id="", role="user", content=(ContentPart(kind="text", text="hello"),))


def shape(messages: list[dict[str, Any]]) -> list[str]:
    """The messages, each by the keys that say what it is."""
    return [
        ".".join([key, *body]) if key == "realtimeInput" else key
        for ((key, body),) in map(dict.items, messages)
    ]


def said(text: str, *, is_complete: bool, role: str = "user") -> dict[str, Any]:
    turn = {"role": role, "parts": [{"text": text}]}
    return {"clientContent": {"turns": [turn], "turnComplete": is_complete}}


# ---------------------------------------------------------------------- text, audio, images, items


def test_text() -> None:
    codec = client()
    assert sent(codec, SendText("a", respond=False), SendText("b", "assistant", respond=False)) == [
        said("a", is_complete=False),
        said("b", is_complete=False, role="model"),
    ]
    assert sent(codec, SendText("c")) == [said("c", is_complete=True)]


def test_audio_streams_while_the_detector_listens() -> None:
    codec = client()
    (message,) = sent(codec, AppendAudio(b"\1\2\3\4", 16000))
    assert message == {"realtimeInput": {"audio": {"data": "AQIDBA==", "mimeType": "audio/pcm;rate=16000"}}}
    sent(codec, SendText("hi"))
    receive(codec, audio())
    assert len(sent(codec, A_SECOND)) == 1, "the model speaking stops no microphone"


def test_much_audio_is_several_messages() -> None:
    messages = sent(client(), AppendAudio(bytes(1_000_000), 16000))
    assert len(messages) > 1
    assert sum(len(m["realtimeInput"]["audio"]["data"]) for m in messages) == 1_333_336
    assert all(len(m["realtimeInput"]["audio"]["data"]) % 8 == 0 for m in messages[:-1])


@pytest.mark.parametrize("command", [AppendAudio(b"\0\0", 24000), AppendAudio(b"\0", 8000, encoding="pcmu")])
def test_other_audio_is_refused(command: AppendAudio) -> None:
    with pytest.raises(UnsupportedError, match="convert"):
        client().encode(command)


def test_images_are_frames_of_video() -> None:
    codec = client()
    uri = "data:image/png;base64,AAEC"
    assert sent(codec, SendImage(b"\0\1\2"), SendImage(uri), SendImage("AAEC", "image/webp")) == [
        {"realtimeInput": {"video": {"data": "AAEC", "mimeType": kind}}}
        for kind in ("image/jpeg", "image/png", "image/webp")
    ]
    assert shape(sent(codec, SendImage(b"x", respond=True))) == ["realtimeInput.video", "clientContent"]
    with pytest.raises(UnsupportedError, match="address"):
        codec.encode(SendImage("https://host/a.jpg"))


def test_items_of_every_kind() -> None:
    codec = client()
    call = Item(id="", kind="function_call", call_id="c", name="f", arguments='{"a": 1}')
    image = Item(
        id="", role="user", content=(ContentPart(kind="image", image_url="data:image/png;base64,AA=="),)
    )
    spoken = Item(id="", role="user", content=(ContentPart(kind="audio", audio="AAAA"),))
    turns = [
        m["clientContent"]["turns"][0]
        for m in sent(codec, *(CreateItem(item=i) for i in (HELLO, call, image, spoken)))
    ]
    assert turns == [
        {"role": "user", "parts": [{"text": "hello"}]},
        {"role": "model", "parts": [{"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}}]},
        {"role": "user", "parts": [{"inlineData": {"data": "AA==", "mimeType": "image/png"}}]},
        {"role": "user", "parts": [{"inlineData": {"data": "AAAA", "mimeType": "audio/pcm;rate=16000"}}]},
    ]


@pytest.mark.parametrize(
    "command",
    [
        DeleteItem("i"),
        TruncateItem("i", 10),
        CreateItem(item=HELLO, previous_item_id="root"),
        CreateItem(item=Item(id="", kind="mcp_call")),
        CreateResponse(instructions="x"),
        CreateResponse(is_out_of_band=True),
        CreateResponse(input_items=()),
        UpdateSession(speed=2.0),
        UpdateSession(tool_choice="required"),
        UpdateSession(turn_detection=TurnDetection(create_response=False)),
    ],
)
@pytest.mark.parametrize("is_ready", [False, True])
def test_what_the_wire_cannot_say_is_refused_at_once(command: Command, is_ready: bool) -> None:
    codec = client(is_ready=is_ready)
    with pytest.raises(UnsupportedError):
        codec.encode(command)
    receive(codec, SETUP_COMPLETE)
    assert sent(codec, SendText("still there")) == [said("still there", is_complete=True)]


def test_a_change_that_is_impossible() -> None:
    with pytest.raises(UnsupportedError, match="generationConfig"):
        client().encode(UpdateSession(voice="Kore"))
    codec = client(is_ready=False)
    assert sent(codec, UpdateSession(voice="Kore", command_id="u")) == []
    (error,) = of(receive(codec, SETUP_COMPLETE), ModelErrorEvent)
    assert (error.code, error.command_id) == ("unsupported", "u")


def test_nothing_goes_out_before_the_set_up() -> None:
    codec = client(is_ready=False)
    assert sent(codec, A_SECOND, SendText("hi"), CreateResponse()) == []
    receive(codec, SETUP_COMPLETE)
    assert shape(sent(codec)) == ["realtimeInput.audio", "clientContent"]


# ---------------------------------------------------------------------- requests


def test_requests_wait_for_the_answer_and_are_one() -> None:
    codec = client()
    sent(codec, SendText("one"))
    receive(codec, audio())
    assert sent(codec, SendText("two"), SendText("three")) == []
    receive(codec, GENERATED)
    assert sent(codec) == []
    receive(codec, TURN_END)
    assert sent(codec) == [said("two", is_complete=False), said("three", is_complete=True)]


def test_a_request_after_the_generation_does_not_wait_for_the_playout() -> None:
    codec = client()
    sent(codec, SendText("one"))
    receive(codec, audio(), GENERATED)
    assert shape(sent(codec, SendText("two"))) == ["clientContent"]
    events = receive(codec, INTERRUPTED, TURN_END, audio(), GENERATED, TURN_END)
    assert [event.status for event in of(events, ModelResponseDoneEvent)] == ["completed", "completed"]
    assert "input_started" not in kinds(events)


def test_a_plain_request_after_one_is_the_same() -> None:
    codec = client()
    assert len(sent(codec, SendText("hi"), CreateResponse())) == 1
    receive(codec, audio(), TURN_END)
    assert sent(codec, CreateResponse()) == [NEXT]


def test_metadata_of_a_request() -> None:
    codec = client()
    sent(codec, CreateResponse(metadata={"a": "b"}))
    (created,) = of(receive(codec, audio()), ModelResponseCreatedEvent)
    assert created.metadata == {"a": "b"}


# ---------------------------------------------------------------------- turns by hand


def test_a_turn_by_hand() -> None:
    codec = client(MANUAL)
    assert shape(sent(codec, A_SECOND, A_SECOND)) == [
        "realtimeInput.activityStart",
        *["realtimeInput.audio"] * 2,
    ]
    assert sent(codec, CommitAudio()) == [END]
    events = receive(codec, heard("Hello"), audio(), GENERATED, TURN_END)
    assert kinds(events) == [
        "input_committed",
        "item_added",
        "item_done",
        "input_transcription_delta",
        "response_created",
        "item_added",
        "response_audio_delta",
        "response_audio_done",
        "input_transcription_done",
        "response_audio_transcript_done",
        "item_done",
        "response_done",
    ]
    assert shape(sent(codec, A_SECOND)) == ["realtimeInput.activityStart", "realtimeInput.audio"]


def test_a_commit_without_a_response_waits_for_the_request() -> None:
    codec = client(MANUAL)
    sent(codec, A_SECOND)
    assert sent(codec, CommitAudio(respond=False)) == []
    assert kinds(codec.receive("{}")) == ["input_committed", "item_added", "item_done"]
    assert sent(codec, CreateResponse()) == [END]


def test_a_commit_of_nothing_is_an_error() -> None:
    codec = client(MANUAL)
    assert sent(codec, CommitAudio(command_id="c1")) == []
    (error,) = codec.receive("{}")
    assert isinstance(error, ModelErrorEvent)
    assert (error.code, error.command_id) == ("input_audio_buffer_commit_empty", "c1")


def test_an_open_microphone_does_not_interrupt_by_itself() -> None:
    codec = client(MANUAL)
    sent(codec, A_SECOND, CommitAudio())
    assert sent(codec, A_SECOND) == [], "asked"
    receive(codec, audio())
    assert sent(codec, A_SECOND) == [], "answering"
    receive(codec, GENERATED, TURN_END)
    assert shape(sent(codec)) == ["realtimeInput.activityStart", *["realtimeInput.audio"] * 2]


def test_talking_again_after_silence_was_answered_with_silence() -> None:
    codec = client(MANUAL)
    sent(codec, A_SECOND, CommitAudio())
    assert sent(codec, A_SECOND) == []
    assert shape(sent(codec, CommitAudio())) == [
        "realtimeInput.activityStart",
        "realtimeInput.audio",
        "realtimeInput.activityEnd",
    ]


def test_cancel_lets_the_user_talk() -> None:
    codec = client(MANUAL)
    sent(codec, A_SECOND, CommitAudio())
    receive(codec, audio())
    assert sent(codec, A_SECOND) == []
    assert shape(sent(codec, CancelResponse())) == ["realtimeInput.activityStart", "realtimeInput.audio"]
    receive(codec, INTERRUPTED, TURN_END)
    assert sent(codec, CommitAudio()) == [END]
    assert of(receive(codec, audio()), ModelResponseCreatedEvent)


def test_a_turn_taken_back() -> None:
    codec = client(MANUAL)
    sent(codec, A_SECOND)
    assert sent(codec, ClearAudio()) == [END]
    assert kinds(receive(codec, words("What?"), GENERATED)) == ["input_cleared"]
    assert shape(sent(codec, A_SECOND)) == ["realtimeInput.activityStart", "realtimeInput.audio"]
    sent(codec, CommitAudio())
    assert of(receive(codec, words("Yes?")), ModelResponseCreatedEvent)


def test_a_commit_while_the_detector_listens_ends_the_stream() -> None:
    codec = client()
    sent(codec, A_SECOND)
    assert sent(codec, CommitAudio()) == [{"realtimeInput": {"audioStreamEnd": True}}]
    events = receive(codec, audio())
    assert len(of(events, ModelInputCommittedEvent)) == 1


def test_audio_that_waits_too_long_is_dropped_and_declared() -> None:
    codec = client(MANUAL)
    sent(codec, A_SECOND, CommitAudio())
    receive(codec, audio())
    for _ in range(62):
        sent(codec, A_SECOND)
    dropped = of(codec.receive("{}"), ModelAudioDroppedEvent)
    assert [(event.samples, event.sample_rate_hz) for event in dropped] == [(16000, 16000)] * 2
    receive(codec, GENERATED, TURN_END)
    assert len(sent(codec)) == 61


# ---------------------------------------------------------------------- function calls


def test_older_models_hear_nothing_while_a_call_blocks() -> None:
    codec = client(holds_audio_during_calls=True)
    receive(codec, tool_call("f"))
    assert sent(codec, A_SECOND) == []
    assert shape(sent(codec, SendToolResult("call_f", "x"))) == ["toolResponse", "realtimeInput.audio"]


def test_results_wait_for_the_request_that_follows_them() -> None:
    codec = client()
    receive(codec, tool_call("one", "two"))
    outputs = [
        Item(id="", kind="function_call_output", call_id=f"call_{n}", output=n) for n in ("one", "two")
    ]
    assert sent(codec, *(CreateItem(item=item) for item in outputs)) == []
    (message,) = sent(codec, CreateResponse())
    assert [r["name"] for r in message["toolResponse"]["functionResponses"]] == ["one", "two"]
    assert sent(codec, SendToolResult("nobody", "x", command_id="c")) == []
    (error,) = of(codec.receive("{}"), ModelErrorEvent)
    assert (error.code, error.command_id) == ("invalid_tool_call_id", "c")


@pytest.mark.parametrize(
    ("output", "respond", "extra", "scheduling"),
    [
        ("x", True, {}, None),
        ("x", True, {"toolScheduling": {"f": "WHEN_IDLE"}}, "WHEN_IDLE"),
        (
            '{"result": 1, "scheduling": "INTERRUPT"}',
            True,
            {"toolScheduling": {"f": "WHEN_IDLE"}},
            "INTERRUPT",
        ),
        ("x", False, {}, "SILENT"),
    ],
)
def test_asynchronous_calls(
    output: str, respond: bool, extra: dict[str, Any], scheduling: str | None
) -> None:
    config = SessionConfig(
        tools=(ToolSpec(name="f"),), extra={"toolBehaviors": {"f": "NON_BLOCKING"}, **extra}
    )
    codec = client(config)
    (setup,) = (json.loads(frame)["setup"] for frame in codec.opening())
    assert setup["tools"][0]["functionDeclarations"][0]["behavior"] == "NON_BLOCKING"
    receive(codec, tool_call("f"))
    (message,) = sent(codec, SendToolResult("call_f", output, respond))
    (response,) = message["toolResponse"]["functionResponses"]
    assert response.get("scheduling") == scheduling


# ---------------------------------------------------------------------- the configuration


def test_a_change_that_changes_nothing_is_confirmed() -> None:
    codec = client()
    assert sent(codec, UpdateSession(instructions="", command_id="u")) == []
    (updated,) = codec.receive("{}")
    assert isinstance(updated, ModelSessionUpdatedEvent)
    assert updated.command_id == "u"


def test_a_change_in_place() -> None:
    codec = client(supports_context_update=True)
    (message,) = sent(codec, UpdateSession(instructions="Be kind.", tools=(ToolSpec(name="f"),)))
    assert message == {
        "contextUpdate": {
            "systemInstruction": {"parts": [{"text": "Be kind."}], "role": "user"},
            "tools": {"tools": [{"functionDeclarations": [{"name": "f", "description": ""}]}]},
        }
    }
    assert codec.config.instructions == "Be kind."


def _with_handle(codec: GeminiClientCodec) -> None:
    receive(codec, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})


@pytest.mark.parametrize("has_handle", [False, True])
def test_a_change_that_needs_a_new_connection(has_handle: bool) -> None:
    codec = client(can_reopen=True)
    sent(codec, SendText("hi"))
    receive(codec, words("hello"), audio(), GENERATED, TURN_END)
    if has_handle:
        _with_handle(codec)
    (frame,) = codec.encode(UpdateSession(voice="Kore", command_id="u"))
    assert type(frame) is SetupFrame
    setup = json.loads(frame)["setup"]
    assert setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"] == {
        "voiceName": "Kore"
    }
    assert setup.get("sessionResumption", {}).get("handle") == ("h1" if has_handle else None)
    assert not codec.is_ready
    assert sent(codec, SendText("and now?")) == []
    (updated,) = of(receive(codec, SETUP_COMPLETE), ModelSessionUpdatedEvent)
    assert (updated.command_id, updated.config.voice) == ("u", "Kore")
    history, *rest = sent(codec)
    if has_handle:
        assert history == said("and now?", is_complete=True)
    else:
        assert history["clientContent"]["turnComplete"] is False
        assert [turn["role"] for turn in history["clientContent"]["turns"]] == ["user", "model"]
        assert rest == [said("and now?", is_complete=True)]


def test_a_change_waits_for_the_answer() -> None:
    codec = client(can_reopen=True)
    sent(codec, SendText("hi"))
    receive(codec, audio())
    assert sent(codec, UpdateSession(voice="Kore")) == []
    receive(codec, GENERATED, TURN_END)
    assert shape(sent(codec)) == ["setup"]


def test_a_new_connection_by_order_of_the_supervisor() -> None:
    codec = client()
    _with_handle(codec)
    (frame,) = codec.reopen()
    assert json.loads(frame)["setup"]["sessionResumption"] == {"handle": "h1"}


def test_events_of_sending_are_reported_at_once() -> None:
    codec = client()
    told: list[EventBase] = []
    report: Callable[[EventBase], None] = told.append
    codec.report_to(report)
    sent(codec, SendText("hi"))
    assert kinds(told) == ["item_added", "item_done"]
    assert codec.receive("{}") == []
