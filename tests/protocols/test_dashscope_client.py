"""The client side of the DashScope realtime wire: commands to frames, frames to model events."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from tests.protocols.dashscope_wire import (
    CREATED,
    IDS,
    ITEM_ADDED,
    OMNI,
    PCM_16K,
    RESPONSE_CREATED,
    UPDATED,
    audio,
    client,
    done,
    error,
    read,
    receive,
    words,
)
from voicewire.errors import RemoteProtocolError, SessionClosed, UnsupportedError
from voicewire.events import model as m
from voicewire.events.base import MediaFormat
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateItem,
    CreateResponse,
    SendImage,
    SendText,
    SendToolResult,
    TruncateItem,
    UpdateSession,
)
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import SessionConfig, ToolSpec, Transcription, TurnDetection
from voicewire.protocols.dashscope.client import DashScopeClientCodec
from voicewire.protocols.dashscope.traits import WireTraits

pytestmark = pytest.mark.unit

TOOL = ToolSpec(name="f", description="does", parameters={"type": "object", "properties": {}})


def opening(config: SessionConfig, **traits: Any) -> dict[str, Any]:
    (frame,) = DashScopeClientCodec(config, traits=WireTraits(**traits)).opening()
    body: dict[str, Any] = json.loads(frame)["session"]
    return body


# ---------------------------------------------------------------------- the session


def test_the_flat_session() -> None:
    config = msgspec.structs.replace(
        OMNI,
        instructions="Be brief.",
        tools=(TOOL,),
        max_output_tokens=99,
        turn_detection=TurnDetection(threshold=0.2, silence_duration_ms=800),
        extra={"temperature": 0.5, "not_of_this_wire": 1},
    )
    assert opening(config, pcm_name="pcm16", transcription_model="gummy-realtime-v1") == {
        "modalities": ["text", "audio"],
        "voice": "Cherry",
        "instructions": "Be brief.",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "gummy-realtime-v1"},
        "turn_detection": {"type": "server_vad", "threshold": 0.2, "silence_duration_ms": 800},
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "does", "parameters": TOOL.parameters},
            }
        ],
        "max_tokens": 99,
        "temperature": 0.5,
    }


def test_the_nested_session() -> None:
    config = msgspec.structs.replace(OMNI, modality="text", turn_detection=None, transcription=None)
    assert opening(config, is_audio_nested=True) == {
        "modalities": ["text"],
        "instructions": "",
        "tools": [],
        "input_audio_transcription": None,
        "turn_detection": None,
        "audio": {
            "input": {"format": {"type": "pcm", "sample_rate": 16000}},
            "output": {"format": {"type": "pcm", "sample_rate": 24000}, "voice": "Cherry"},
        },
    }


def test_the_session_that_transcribes() -> None:
    config = SessionConfig(
        input_format=PCM_16K,
        transcription=Transcription(language="en", prompt="Voicewire"),
        turn_detection=None,
    )
    assert opening(config, family="asr") == {
        "modalities": ["text"],
        "input_audio_format": "pcm",
        "sample_rate": 16000,
        "input_audio_transcription": {"language": "en", "corpus": {"text": "Voicewire"}},
        "turn_detection": None,
    }


def test_the_session_that_speaks() -> None:
    config = SessionConfig(
        voice="Cherry", speed=1.5, output_format=MediaFormat("audio/pcm", 48000), extra={"volume": 70}
    )
    assert opening(config, family="tts") == {
        "mode": "commit",
        "voice": "Cherry",
        "response_format": "pcm",
        "sample_rate": 48000,
        "speech_rate": 1.5,
        "volume": 70,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"tools": (TOOL,), "tool_choice": "required"},
        {"speed": 1.2},
        {"input_format": MediaFormat("audio/pcmu", 8000)},
    ],
)
def test_what_the_wire_cannot_say_fails_before_it(change: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        DashScopeClientCodec(msgspec.structs.replace(OMNI, **change)).opening()


def test_ready_when_the_configuration_is_confirmed() -> None:
    codec = client(is_ready=False)
    (created,) = receive(codec, CREATED)
    assert isinstance(created, m.ModelSessionCreatedEvent)
    assert (created.session_id, codec.is_ready) == ("sess_1", False)
    (updated,) = receive(codec, UPDATED)
    assert isinstance(updated, m.ModelSessionUpdatedEvent)
    assert codec.is_ready
    assert updated.config.voice == "Cherry"


@pytest.mark.parametrize(
    "shown",
    [
        {"modalities": ["text"], "voice": "Ethan", "input_audio_format": "pcm", "max_tokens": 5},
        {
            "output_modalities": ["text"],
            "max_tokens": 5,
            "audio": {
                "input": {"format": {"type": "pcm", "sample_rate": 16000}},
                "output": {"voice": "Ethan"},
            },
        },
    ],
)
def test_both_shapes_of_the_session_are_read(shown: dict[str, Any]) -> None:
    codec = client()
    frames = codec.encode(UpdateSession(voice="Ethan", command_id="c1"))
    assert read(frames) == [{"type": "session.update", "session": {"voice": "Ethan"}}]
    (updated,) = receive(codec, {"type": "session.updated", "session": shown})
    assert isinstance(updated, m.ModelSessionUpdatedEvent)
    assert updated.command_id == "c1"
    config = updated.config
    assert (config.modality, config.voice, config.input_format, config.max_output_tokens) == (
        "text",
        "Ethan",
        PCM_16K,
        5,
    )


# ---------------------------------------------------------------------- commands


def test_a_text_is_an_item_and_a_request() -> None:
    codec = client()
    assert read(codec.encode(SendText("hi"))) == [
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        },
        {"type": "response.create", "response": {}},
    ]
    assert codec.encode(CreateResponse()) == []
    assert read(client(is_always_create_empty=True).encode(CreateResponse())) == [{"type": "response.create"}]


def test_the_assistants_words_have_their_flat_name() -> None:
    (frame,) = client().encode(SendText("hi", role="assistant", respond=False))
    assert json.loads(frame)["item"]["content"] == [{"type": "text", "text": "hi"}]


def test_a_response_of_its_own() -> None:
    (frame,) = client().encode(CreateResponse(instructions="Sing.", modality="text"))
    assert json.loads(frame)["response"] == {"instructions": "Sing.", "modalities": ["text"]}


def test_audio_goes_as_it_came() -> None:
    codec = client()
    (frame,) = codec.encode(AppendAudio(b"\x01\x00", 16000))
    assert json.loads(frame) == {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(b"\x01\x00").decode(),
    }
    with pytest.raises(UnsupportedError, match="16000"):
        codec.encode(AppendAudio(b"\x01\x00", 24000))
    assert read(codec.encode(ClearAudio())) == [{"type": "input_audio_buffer.clear"}]


def test_images() -> None:
    codec = client()
    uri = "data:image/jpeg;base64,/9j/"
    for image in (SendImage(b"\xff\xd8\xff"), SendImage("/9j/"), SendImage(uri, "image/png")):
        assert read(codec.encode(image)) == [{"type": "input_image_buffer.append", "image": "/9j/"}]
    with pytest.raises(UnsupportedError, match="JPEG"):
        codec.encode(SendImage(b"x", "image/png"))
    manual = client(msgspec.structs.replace(OMNI, turn_detection=None))
    kinds = [event["type"] for event in read(manual.encode(SendImage("/9j/", respond=True)))]
    assert kinds == ["input_image_buffer.append", "input_audio_buffer.commit", "response.create"]


@pytest.mark.parametrize(
    "command",
    [
        TruncateItem("i", 5),
        CreateResponse(voice="x"),
        CreateResponse(is_out_of_band=True),
        CreateResponse(tools=()),
        CreateItem(item=Item(id="", kind="item_reference")),
        CreateItem(item=Item(id="", role="user", content=(ContentPart(kind="image", image_url="data:,"),))),
    ],
)
def test_commands_without_words_fail_before_the_wire(command: Command) -> None:
    with pytest.raises(UnsupportedError):
        client().encode(command)


def test_metadata_of_a_request() -> None:
    codec = client()
    (frame,) = read(codec.encode(CreateResponse(metadata={"a": "b"})))
    assert frame["type"] == "response.create"
    assert "metadata" not in json.dumps(frame)
    (created,) = receive(codec, RESPONSE_CREATED)
    (ended,) = receive(codec, done())
    assert isinstance(created, m.ModelResponseCreatedEvent)
    assert isinstance(ended, m.ModelResponseDoneEvent)
    assert created.metadata == ended.metadata == {"a": "b"}
    (created,) = receive(codec, {**RESPONSE_CREATED, "response": {"id": "resp_2"}})
    assert isinstance(created, m.ModelResponseCreatedEvent)
    assert created.metadata == {}


def test_requests_wait_for_the_active_response() -> None:
    codec = client()
    codec.encode(SendText("one"))
    receive(codec, RESPONSE_CREATED)
    frames = read(codec.encode(SendText("two")))
    assert [event["type"] for event in frames] == ["conversation.item.create"]
    receive(codec, done())
    assert read(codec.data_to_send()) == [{"type": "response.create", "response": {}}]


def test_cancel_names_no_response() -> None:
    codec = client()
    assert codec.encode(CancelResponse()) == []
    receive(codec, RESPONSE_CREATED)
    assert read(codec.encode(CancelResponse())) == [{"type": "response.cancel"}]
    assert codec.encode(CancelResponse()) == []


# ---------------------------------------------------------------------- events


def test_a_spoken_response() -> None:
    codec = client()
    events = receive(
        codec,
        RESPONSE_CREATED,
        ITEM_ADDED,
        {"type": "conversation.item.created", "item": ITEM_ADDED["item"]},
        {"type": "response.content_part.added", **IDS, "part": {"type": "audio", "text": ""}},
        words("Hel"),
        audio(),
        words("lo"),
        {"type": "response.audio.done", **IDS},
        {"type": "response.audio_transcript.done", **IDS, "transcript": "Hello"},
        {
            "type": "response.output_item.done",
            "response_id": "r1",
            "item": {**ITEM_ADDED["item"], "status": "completed"},
        },
        done(),
    )
    kinds = [type(event).__name__.removeprefix("Model").removesuffix("Event") for event in events]
    assert kinds == [
        "ResponseCreated", "ItemAdded", "ResponseAudioTranscriptDelta", "ResponseAudioDelta",
        "ResponseAudioTranscriptDelta", "ResponseAudioDone", "ResponseAudioTranscriptDone", "ItemDone", "ResponseDone",
    ]  # fmt: skip
    end = events[-1]
    assert isinstance(end, m.ModelResponseDoneEvent)
    assert (end.status, end.input_tokens, end.output_tokens) == ("completed", 336, 41)
    assert (end.usage.input_audio_tokens, end.usage.output_audio_tokens) == (108, 32)
    assert end.output[0].text == "Hello"
    delta = events[3]
    assert isinstance(delta, m.ModelResponseAudioDeltaEvent)
    assert (delta.pcm, delta.format.rate) == (b"\x01\x02" * 4, 24000)


def test_a_tool_round_trip() -> None:
    codec = client()
    call = {"id": "i1", "type": "function_call", "name": "f", "call_id": "call_1", "arguments": ""}
    place = {"response_id": "r1", "item_id": "i1", "call_id": "call_1"}
    events = receive(
        codec,
        RESPONSE_CREATED,
        {
            "type": "response.output_item.added",
            "response_id": "r1",
            "item": {**call, "status": "in_progress"},
        },
        {"type": "response.function_call_arguments.delta", **place, "delta": '{"a":'},
        {"type": "response.function_call_arguments.done", **place, "name": "f", "arguments": '{"a":1}'},
        done(),
    )
    (made,) = (event for event in events if isinstance(event, m.ModelResponseToolUseDoneEvent))
    assert (made.tool_use["id"], made.tool_use["input"]) == ("call_1", {"a": 1})
    assert read(codec.encode(SendToolResult("call_1", "42"))) == [
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "call_1", "output": "42"},
        },
        {"type": "response.create", "response": {}},
    ]


def test_the_users_turn() -> None:
    codec = client()
    item = {
        "id": "u1",
        "type": "message",
        "role": "user",
        "status": "in_progress",
        "content": [{"type": "input_audio"}],
    }
    kind = "conversation.item.input_audio_transcription"
    events = receive(
        codec,
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 100, "item_id": "u1"},
        {"type": f"{kind}.text", "item_id": "u1", "text": "", "stash": "he"},
        {"type": f"{kind}.text", "item_id": "u1", "text": "hello", "stash": " wor"},
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900, "item_id": "u1"},
        {"type": "input_audio_buffer.committed", "item_id": "u1"},
        {"type": "conversation.item.created", "item": item},
        {
            "type": f"{kind}.completed",
            "item_id": "u1",
            "transcript": "hello world",
            "language": "en",
            "emotion": "calm",
        },
    )
    partials = [e for e in events if isinstance(e, m.ModelInputTranscriptionDeltaEvent)]
    assert [(p.delta, p.is_revision) for p in partials] == [("he", True), ("hello wor", True)]
    (finished,) = (e for e in events if isinstance(e, m.ModelItemDoneEvent))
    assert (finished.item.id, finished.item.status) == ("u1", "completed")
    assert isinstance(events[-1], m.ModelInputTranscriptionDoneEvent)


def test_snapshots_of_live_translation_become_deltas() -> None:
    codec = client()
    place = {key: IDS[key] for key in ("response_id", "item_id")}
    snapshots = [
        {"type": "response.audio_transcript.text", **place, "text": text, "stash": "?"}
        for text in ("Gut", "Guten", "Gu", "Guten Tag")
    ]
    events = receive(codec, RESPONSE_CREATED, ITEM_ADDED, *snapshots)
    deltas = [e.delta for e in events if isinstance(e, m.ModelResponseAudioTranscriptDeltaEvent)]
    assert deltas == ["Gut", "en", " Tag"]


def test_errors() -> None:
    codec = client()
    codec.encode(CreateResponse(command_id="mine"))
    (refused,) = receive(codec, error("invalid_value", event_id="mine"))
    assert isinstance(refused, m.ModelErrorEvent)
    assert refused.command_id == "mine"
    assert receive(codec, error("invalid_value", "Conversation has none active response.")) == []
    receive(codec, error("server_overloaded", kind="server_error"))
    (ended,) = codec.connection_lost(1011, "bye", is_expected=False)
    assert isinstance(ended, m.ModelSessionEndedEvent)
    assert ended.reason == "server_overloaded"


def test_a_request_that_lost_a_race_waits() -> None:
    codec = client()
    codec.encode(CreateResponse(command_id="mine"))
    receive(codec, RESPONSE_CREATED)
    busy = error("invalid_value", "Conversation already has an active response.", event_id="mine")
    assert receive(codec, busy) == []
    receive(codec, done())
    assert [event["type"] for event in read(codec.data_to_send())] == ["response.create"]


@pytest.mark.parametrize("is_expected", [False, True])
def test_a_lost_connection_ends_the_response(is_expected: bool) -> None:
    codec = client()
    receive(codec, RESPONSE_CREATED, ITEM_ADDED, words("Hel"))
    *_, response, ended = codec.connection_lost(1006, "", is_expected=is_expected)
    assert isinstance(response, m.ModelResponseDoneEvent)
    assert response.status == ("cancelled" if is_expected else "failed")
    assert response.output[0].text == "Hel"
    assert isinstance(ended, m.ModelSessionEndedEvent)
    assert codec.connection_lost(1006, "", is_expected=False) == []
    with pytest.raises(SessionClosed):
        codec.encode(SendText("late"))


@pytest.mark.parametrize("frame", [b"\x00", "nonsense", "[]", '{"a": 1}', '{"type": "response.audio.delta"}'])
def test_broken_frames_close_the_codec(frame: str | bytes) -> None:
    codec = client()
    with pytest.raises(RemoteProtocolError):
        codec.receive(frame)
    with pytest.raises(RemoteProtocolError, match="closed since"):
        codec.receive(json.dumps(CREATED))


def test_unknown_events_are_handed_on() -> None:
    (event,) = receive(client(), {"type": "response.novelty", "x": 1})
    assert isinstance(event, m.ModelProviderEvent)
    assert (event.name, event.is_known) == ("response.novelty", False)


# ---------------------------------------------------------------------- the other families


def test_text_to_speech() -> None:
    codec = client(SessionConfig(turn_detection=None, transcription=None), family="tts")
    append = {"type": "input_text_buffer.append", "text": "Hi."}
    commit = {"type": "input_text_buffer.commit"}
    assert read(codec.encode(SendText("Hi.", respond=False))) == [append]
    assert read(codec.encode(SendText("Hi."))) == [append, commit]
    assert codec.encode(CreateResponse()) == []
    assert read(codec.encode(CreateResponse())) == [commit]
    for command in (
        AppendAudio(b"\0\0", 16000),
        CommitAudio(),
        SendToolResult("c", "x"),
        CreateResponse(voice="x"),
    ):
        with pytest.raises(UnsupportedError):
            codec.encode(command)
    (known,) = receive(codec, {"type": "input_text_buffer.committed", "item_id": ""})
    assert isinstance(known, m.ModelProviderEvent)
    assert known.is_known
    receive(codec, RESPONSE_CREATED)
    assert read(codec.encode(CancelResponse())) == [{"type": "response.cancel"}]


def test_transcription() -> None:
    codec = client(SessionConfig(input_format=PCM_16K, is_transcription_only=True), family="asr")
    assert len(codec.encode(AppendAudio(b"\0\0", 16000))) == 1
    assert read(codec.encode(CommitAudio())) == [{"type": "input_audio_buffer.commit"}]
    for command in (SendText("x"), CreateResponse(), SendToolResult("c", "x")):
        with pytest.raises(UnsupportedError, match="only transcribes"):
            codec.encode(command)


def test_the_goodbye() -> None:
    codec = client()
    assert read(codec.finishing()) == [{"type": "session.finish"}]
    receive(codec, {"type": "session.finished"})
    assert codec.is_finished
    assert codec.finishing() == []
    assert client(has_finish=False).finishing() == []
