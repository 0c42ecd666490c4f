"""The server side of the DashScope realtime wire: client frames to commands, model events to frames."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from tests.protocols.dashscope_wire import PCM_24K, read, server
from voicewire.events import model as m
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
    RetrieveItem,
    SendImage,
    SendText,
    UpdateSession,
)
from voicewire.protocols.dashscope.server import DashScopeServerCodec
from voicewire.protocols.dashscope.server_requests import family_of_frame, family_of_model

pytestmark = pytest.mark.unit

CREATED = m.ModelResponseCreatedEvent(response_id="r1")
DONE = m.ModelResponseDoneEvent(response_id="r1", input_tokens=2, output_tokens=3)


def take(codec: DashScopeServerCodec, kind: str, **fields: Any) -> list[Command]:
    """The commands of one client event."""
    return codec.receive(json.dumps({"event_id": "c1", "type": kind, **fields}))


def refused(codec: DashScopeServerCodec, kind: str, **fields: Any) -> dict[str, Any]:
    """The error that one client event gets."""
    assert take(codec, kind, **fields) == []
    (event,) = read(codec.data_to_send())
    assert event["type"] == "error"
    error: dict[str, Any] = event["error"]
    return error


def tell(codec: DashScopeServerCodec, *events: EventBase) -> list[dict[str, Any]]:
    """What the client is told of model events."""
    return [told for event in events for told in read(codec.encode(event))]


def configured(codec: DashScopeServerCodec, **session: Any) -> dict[str, Any]:
    """Updates the session as a model confirms it; gives what the client is shown."""
    (update,) = take(codec, "session.update", session=session)
    assert isinstance(update, UpdateSession)
    config = codec.config.updated(update)
    (updated,) = tell(codec, m.ModelSessionUpdatedEvent(session_id="s", config=config))
    shown: dict[str, Any] = updated["session"]
    return shown


def delta(pcm: bytes = b"\x01\x00", response_id: str = "r1") -> m.ModelResponseAudioDeltaEvent:
    return m.ModelResponseAudioDeltaEvent(response_id=response_id, item_id="i1", format=PCM_24K, pcm=pcm)


# ---------------------------------------------------------------------- the session


def test_the_greeting() -> None:
    codec = DashScopeServerCodec(ids=lambda prefix: f"{prefix}_1", model="qwen")
    (created,) = read(codec.data_to_send())
    assert created["type"] == "session.created"
    session = created["session"]
    assert (session["id"], session["model"], session["modalities"]) == ("sess_1", "qwen", ["text", "audio"])
    assert session["turn_detection"]["silence_duration_ms"] == 800
    assert (codec.config.input_format.rate, codec.config.output_format.rate) == (16000, 24000)
    assert tell(codec, m.ModelSessionCreatedEvent(session_id="other")) == []


def test_the_sdks_update() -> None:
    codec = server(voices=("heart",))
    shown = configured(
        codec,
        modalities=["text", "audio"],
        voice="Ethan",
        input_audio_format="pcm16",
        output_audio_format="pcm24",
        input_audio_transcription={"model": "gummy-realtime-v1"},
        turn_detection={"type": "server_vad", "threshold": -0.5, "silence_duration_ms": 900},
        tools=[
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
            }
        ],
        temperature=0.3,
    )
    assert (shown["voice"], shown["temperature"]) == ("Ethan", 0.3)
    assert shown["turn_detection"]["threshold"] == -0.5
    assert shown["turn_detection"]["prefix_padding_ms"] == 300
    assert shown["input_audio_transcription"]["model"] == "gummy-realtime-v1"
    assert shown["tools"][0]["function"]["name"] == "f"
    config = codec.config
    assert (config.voice, config.extra) == ("", {})
    assert config.transcription is not None
    assert config.transcription.model is None
    assert config.turn_detection is not None
    assert config.turn_detection.threshold == 0.05
    assert config.tools[0].name == "f"


def test_a_model_of_this_wire_gets_its_own_settings() -> None:
    codec = server(passes_settings=True)
    transcription = {"model": "gummy-realtime-v1"}
    configured(codec, enable_search=True, input_audio_transcription=transcription)
    assert codec.config.extra == {"enable_search": True}
    assert codec.config.transcription is not None
    assert codec.config.transcription.model == "gummy-realtime-v1"


def test_the_nested_shape_is_shown_nested() -> None:
    codec = server()
    audio_format = {"type": "pcm", "sample_rate": 48000}
    shown = configured(codec, audio={"input": {"format": audio_format}, "output": {"voice": "Ethan"}})
    assert shown["audio"]["input"]["format"] == audio_format
    assert shown["audio"]["output"]["voice"] == "Ethan"
    assert "input_audio_format" not in shown
    assert codec.config.input_format.rate == 48000
    (command,) = take(codec, "input_audio_buffer.append", audio="AAA=")
    assert isinstance(command, AppendAudio)
    assert command.sample_rate_hz == 48000


def test_the_clients_rate_holds_whatever_the_model_makes_of_it() -> None:
    codec = server()
    (update,) = take(codec, "session.update", session={"instructions": "x"})
    assert isinstance(update, UpdateSession)
    config = msgspec.structs.replace(codec.config.updated(update), input_format=PCM_24K)
    tell(codec, m.ModelSessionUpdatedEvent(session_id="s", config=config))
    assert codec.config.input_format.rate == 16000


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"modalities": ["audio"]}, "session.modalities"),
        ({"modalities": "text"}, "session.modalities"),
        ({"input_audio_format": "opus"}, "session.input_audio_format"),
        ({"audio": {"output": {"format": {"type": "wav"}}}}, "session.audio.output.format"),
        ({"audio": {"input": {"format": {"sample_rate": 44100}}}}, "session.audio.input.format.sample_rate"),
        ({"turn_detection": {"type": "server_vad", "threshold": 2}}, "session.turn_detection.threshold"),
        (
            {"turn_detection": {"type": "server_vad", "silence_duration_ms": 1}},
            "session.turn_detection.silence_duration_ms",
        ),
        ({"tools": {"a": 1}}, "session.tools"),
        ({"tools": [{"type": "function", "function": {"name": 5}}]}, "session.tools"),
        ({"mode": "later"}, "session.mode"),
    ],
)
def test_refused_updates(session: dict[str, Any], param: str) -> None:
    error = refused(server(), "session.update", session=session)
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", param, "c1")


def test_an_update_that_the_model_refuses_is_forgotten() -> None:
    codec = server()
    take(codec, "session.update", session={"voice": "Ethan"})
    refusal = m.ModelErrorEvent(error_type="invalid_request_error", code="x", message="no", command_id="c1")
    (told,) = tell(codec, refusal)
    assert told["error"]["event_id"] == "c1"
    assert tell(codec, m.ModelSessionUpdatedEvent(session_id="s", config=codec.config)) == []


# ---------------------------------------------------------------------- commands


def test_commands() -> None:
    codec = server()
    assert take(codec, "input_audio_buffer.append", audio="AQA=") == [AppendAudio(b"\x01\x00", 16000)]
    assert take(codec, "input_audio_buffer.commit") == [CommitAudio(respond=False, command_id="c1")]
    assert take(codec, "input_audio_buffer.clear") == [ClearAudio(command_id="c1")]
    assert take(codec, "input_image_buffer.append", image="/9j/") == [SendImage("/9j/", command_id="c1")]
    assert take(codec, "conversation.item.retrieve", item_id="i") == [RetrieveItem("i", "c1")]
    assert take(codec, "conversation.item.delete", item_id="i") == [DeleteItem("i", "c1")]
    assert take(codec, "response.create", response={"instructions": None}) == [
        CreateResponse(command_id="c1")
    ]
    assert take(codec, "response.cancel") == [CancelResponse(command_id="c1")]
    (command,) = take(
        codec,
        "conversation.item.create",
        item={"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hi"}]},
    )
    assert isinstance(command, CreateItem)
    assert (command.item.role, command.item.text) == ("assistant", "hi")


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("no.such", {}, "invalid_value"),
        ("input_audio_buffer.append", {}, "invalid_value"),
        ("input_audio_buffer.append", {"audio": "AAA"}, "invalid_value"),
        ("input_image_buffer.append", {"image": "???"}, "invalid_value"),
        ("conversation.item.create", {"item": {"type": "novelty"}}, "invalid_value"),
        ("response.create", {"response": {"modalities": ["audio"]}}, "invalid_value"),
        ("response.cancel", {}, "response_cancel_not_active"),
        ("input_text_buffer.append", {"text": "x"}, "invalid_event"),
    ],
)
def test_refused_events(kind: str, fields: dict[str, Any], code: str) -> None:
    assert refused(server(), kind, **fields)["code"] == code


def test_frames_that_are_no_events() -> None:
    codec = server()
    for frame, code in ((b"\0", "invalid_event"), ("{", "invalid_json"), ("[]", "invalid_event")):
        assert codec.receive(frame) == []
        (event,) = read(codec.data_to_send())
        assert event["error"]["code"] == code
    assert codec.receive("ping") == codec.data_to_send() == []


def test_a_second_response_is_refused() -> None:
    codec = server()
    tell(codec, CREATED)
    error = refused(codec, "response.create")
    assert "already has an active response" in error["message"]


# ---------------------------------------------------------------------- events


def test_the_order_of_a_spoken_response() -> None:
    codec = server()
    told = tell(
        codec,
        CREATED,
        m.ModelResponseAudioTranscriptDeltaEvent(response_id="r1", item_id="i1", delta="Hi"),
        delta(),
        delta(b"\x02\x00"),
        m.ModelResponseAudioDoneEvent(response_id="r1", item_id="i1"),
        m.ModelResponseAudioTranscriptDoneEvent(response_id="r1", item_id="i1", transcript="Hi"),
        DONE,
    )
    assert [event["type"] for event in told] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.audio_transcript.delta",
        "response.audio.delta",
        "response.audio.delta",
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    assert [base64.b64decode(event["delta"]) for event in told[5:7]] == [b"\x01\x00", b"\x02\x00"]
    response = told[-1]["response"]
    assert (response["modalities"], response["voice"]) == (["text", "audio"], "Cherry")
    assert response["usage"]["total_tokens"] == 5
    assert "input_tokens_details" in response["usage"]
    assert response["output"][0]["content"] == [{"type": "audio", "transcript": "Hi"}]


def test_a_call_of_a_function() -> None:
    codec = server()
    use = m.ToolUseBlock(type="tool_use", id="call_1", name="f", input={"a": 1}, raw_input='{"a": 1}')
    told = tell(
        codec, CREATED, m.ModelResponseToolUseDoneEvent(response_id="r1", item_id="i1", tool_use=use), DONE
    )
    (call,) = (event for event in told if event["type"] == "response.function_call_arguments.done")
    assert (call["call_id"], call["name"], call["arguments"]) == ("call_1", "f", '{"a": 1}')


def test_partial_transcripts_are_whole_texts() -> None:
    codec = server()
    partials = [
        m.ModelInputTranscriptionDeltaEvent(item_id="u1", delta=text, is_revision=True)
        for text in ("I want", "I want two", "I won too")
    ]
    told = tell(codec, *partials, m.ModelInputTranscriptionDoneEvent(item_id="u1", transcript="I want two."))
    assert [(event["text"], event["stash"]) for event in told[:-1]] == [
        ("", "I want"),
        ("I want", " two"),
        ("I", " won too"),
    ]
    assert told[-1]["transcript"] == "I want two."
    more = [m.ModelInputTranscriptionDeltaEvent(item_id="u2", delta=text) for text in ("One", " two")]
    assert [event["text"] for event in tell(codec, *more)] == ["One", "One two"]


# ---------------------------------------------------------------------- the goodbye


def test_the_goodbye_waits_for_everything() -> None:
    codec = server()
    take(codec, "response.create")
    assert take(codec, "session.finish") == []
    assert codec.data_to_send() == []
    tell(codec, CREATED, delta())
    assert [event["type"] for event in tell(codec, DONE)][-2:] == ["response.done", "session.finished"]
    assert codec.last_frame is not None
    assert refused(codec, "response.create")["code"] == "invalid_event"


def test_the_goodbye_comes_at_once_when_nothing_is_open() -> None:
    codec = server()
    assert take(codec, "session.finish") == []
    assert [event["type"] for event in read(codec.data_to_send())] == ["session.finished"]


def test_an_open_turn_is_ended_before_the_goodbye() -> None:
    codec = server("asr")
    tell(codec, m.ModelInputStartedEvent(item_id="u1", audio_start_ms=0))
    assert take(codec, "session.finish") == [CommitAudio(respond=False)]
    tell(codec, m.ModelInputDoneEvent(item_id="u1", audio_end_ms=5), m.ModelInputCommittedEvent(item_id="u1"))
    told = tell(codec, m.ModelInputTranscriptionDoneEvent(item_id="u1", transcript="hi"))
    assert [event["type"] for event in told][-1] == "session.finished"


# ---------------------------------------------------------------------- the other families


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("qwen3-tts-flash-realtime", "tts"),
        ("qwen3-asr-flash-realtime", "asr"),
        ("qwen3.5-omni-plus-realtime", "omni"),
        ("echo", "omni"),
    ],
)
def test_a_models_name_tells_its_family(name: str, family: str) -> None:
    assert family_of_model(name) == family


@pytest.mark.parametrize(
    ("event", "family"),
    [
        ({"type": "session.update", "session": {"mode": "commit"}}, "tts"),
        ({"type": "session.update", "session": {"sample_rate": 16000}}, "asr"),
        ({"type": "session.update", "session": {"voice": "x"}}, None),
        ({"type": "input_text_buffer.append", "text": "x"}, "tts"),
        ({"type": "response.create"}, None),
        ([], None),
    ],
)
def test_the_first_event_tells_the_family(event: object, family: str | None) -> None:
    assert family_of_frame(json.dumps(event)) == family


def test_whole_sentences_are_spoken_at_once() -> None:
    codec = server("tts")
    configured(codec, mode="server_commit", voice="Cherry", response_format="pcm", sample_rate=24000)
    pieces = ["Good mor", "ning. It is 3.14", " o'clock! And", " so on"]
    said = [
        c.text
        for piece in pieces
        for c in take(codec, "input_text_buffer.append", text=piece)
        if isinstance(c, SendText)
    ]
    assert said == ["Good morning.", "It is 3.14 o'clock!"]
    (rest,) = take(codec, "session.finish")
    assert isinstance(rest, SendText)
    assert rest.text == "And so on"
    for number in (1, 2, 3):
        done = m.ModelResponseDoneEvent(response_id=f"r{number}", input_tokens=1, output_tokens=1)
        told = tell(
            codec,
            m.ModelResponseCreatedEvent(response_id=f"r{number}"),
            delta(response_id=f"r{number}"),
            done,
        )
        assert ("session.finished" in [event["type"] for event in told]) == (number == 3)


def test_committed_text() -> None:
    codec = server("tts")
    shown = configured(codec, mode="commit", sample_rate=48000, response_format="pcm", instructions="Softly.")
    assert (shown["mode"], shown["sample_rate"]) == ("commit", 48000)
    assert codec.config.output_format.rate == 48000
    assert codec.config.instructions.endswith("The manner: Softly.")
    only_speaks = server("tts", is_told_to_speak=False)
    assert only_speaks.config.instructions == ""
    configured(only_speaks, instructions="Softly.")
    assert only_speaks.config.instructions == "Softly."
    assert take(codec, "input_text_buffer.append", text="Lost. ") == []
    assert take(codec, "input_text_buffer.clear") == []
    take(codec, "input_text_buffer.append", text="One. Two.")
    (command,) = take(codec, "input_text_buffer.commit")
    assert isinstance(command, SendText)
    assert command.text == "One. Two."
    assert [event["type"] for event in read(codec.data_to_send())] == [
        "input_text_buffer.cleared",
        "input_text_buffer.committed",
    ]
    words = m.ModelResponseAudioTranscriptDeltaEvent(response_id="r1", item_id="i1", delta="One.")
    told = tell(codec, CREATED, words, delta(), DONE)
    assert not [event for event in told if "transcript" in event["type"]]
    assert told[-1]["response"]["usage"]["characters"] == len("One. Two.")


def test_a_session_for_one_thing_takes_no_other() -> None:
    assert refused(server("tts"), "input_audio_buffer.append", audio="AAA=")["code"] == "invalid_event"
    assert refused(server("asr"), "response.create")["code"] == "invalid_event"
    assert refused(server("tts"), "session.update", session={"sample_rate": 7})["code"] == "invalid_value"
