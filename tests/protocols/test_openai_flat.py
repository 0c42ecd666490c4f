"""The flat dialects (beta, Azure preview, Voice Live) over the GA codec: both directions, and no surprises."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.protocols.openai_flat import client, confirmed, every_dialect, objects, server, types, updated
from voicewire.errors import UnsupportedError
from voicewire.events import SessionConfig, ToolSpec, UpdateSession
from voicewire.events import model as events
from voicewire.events.base import MediaFormat
from voicewire.events.commands import (
    AppendAudio,
    CommitAudio,
    CreateItem,
    CreateResponse,
    SendImage,
    SendText,
)
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import Transcription, TurnDetection
from voicewire.protocols.openai.dialect_beta import BETA, FIRST_BETA
from voicewire.protocols.openai.dialect_voicelive import VOICE_LIVE
from voicewire.protocols.openai.flat import CORE_EVENTS, FlatDialect

pytestmark = pytest.mark.unit

# ---------------------------------------------------------------------- client side


def test_the_beta_client_asks_in_flat_words() -> None:
    config = SessionConfig(
        instructions="Be brief.",
        voice="sage",
        input_format=MediaFormat("audio/pcmu", 8000),
        turn_detection=None,
        tools=(ToolSpec(name="f"),),
        max_output_tokens=7,
        extra={"temperature": 0.7, "noise_reduction": {"type": "near_field"}},
    )
    (update,) = objects(client(BETA, config).opening())
    assert update["type"] == "session.update"
    assert update["session"] == {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": None,
        "output_audio_format": "pcm16",
        "voice": "sage",
        "instructions": "Be brief.",
        "modalities": ["text", "audio"],
        "tools": [
            {
                "type": "function",
                "name": "f",
                "description": "",
                "parameters": {"type": "object", "properties": {}},
            }
        ],
        "tool_choice": "auto",
        "max_response_output_tokens": 7,
        "temperature": 0.7,
    }


def test_the_voice_live_client_says_what_only_that_service_has() -> None:
    config = SessionConfig(
        voice="en-US-AvaNeural",
        turn_detection=TurnDetection(kind="azure_semantic_vad", silence_duration_ms=300),
        extra={
            "turn_detection": {"auto_truncate": True},
            "noise_reduction": {"type": "azure_deep_noise_suppression"},
            "input_audio_echo_cancellation": {"type": "server_echo_cancellation"},
            "animation": {"outputs": ["viseme_id"]},
            "output_audio_timestamp_types": ["word"],
        },
    )
    session = objects(client(VOICE_LIVE, config).opening())[0]["session"]
    assert session["voice"] == {"type": "azure-standard", "name": "en-US-AvaNeural"}
    assert session["turn_detection"]["type"] == "azure_semantic_vad"
    assert session["turn_detection"]["auto_truncate"] is True
    assert session["input_audio_noise_reduction"] == {"type": "azure_deep_noise_suppression"}
    assert session["input_audio_echo_cancellation"] == {"type": "server_echo_cancellation"}
    assert session["animation"] == {"outputs": ["viseme_id"]}
    assert session["output_audio_timestamp_types"] == ["word"]
    assert session["input_audio_sampling_rate"] == 24000


def test_a_whole_voice_object_goes_before_the_name() -> None:
    voice = {"type": "azure-custom", "name": "Me", "endpoint_id": "e"}
    config = SessionConfig(voice="alloy", extra={"voice": voice})
    assert objects(client(VOICE_LIVE, config).opening())[0]["session"]["voice"] == voice


def test_response_parameters_go_flat() -> None:
    codec = client(BETA)
    codec.opening()
    command = CreateResponse(
        modality="text", voice="ash", max_output_tokens=5, input_items=(said("assistant", "a"),)
    )
    (frame,) = objects(codec.encode(command))
    assert frame["response"]["modalities"] == ["text"]
    assert frame["response"]["voice"] == "ash"
    assert frame["response"]["max_response_output_tokens"] == 5
    assert frame["response"]["input"][0]["content"] == [{"type": "text", "text": "a"}]


def said(role: Any, text: str) -> Item:
    return Item(id="i1", kind="message", role=role, content=(ContentPart(kind="text", text=text),))


def test_what_the_dialect_lacks_fails_before_anything_is_noted() -> None:
    codec = client(BETA)
    codec.opening()
    picture = Item(
        id="p", kind="message", role="user", content=(ContentPart(kind="image", image_url="data:image/png,"),)
    )
    approval = Item(id="m", kind="mcp_approval_response", raw={"approval_request_id": "r", "approve": True})
    for command in (
        SendImage(b"x", "image/png"),
        CreateItem(item=picture),
        CreateItem(item=approval),
        CreateResponse(input_items=(picture,)),
    ):
        with pytest.raises(UnsupportedError):
            codec.encode(command)
    # Had the codec noted one of them, this request would wait for its response.
    assert types(codec.encode(SendText("hi"))) == ["conversation.item.create", "response.create"]


def test_avatars_are_refused_on_both_sides() -> None:
    with pytest.raises(UnsupportedError, match="avatar"):
        client(VOICE_LIVE, SessionConfig(extra={"avatar": {"character": "lisa"}}))
    codec = server(VOICE_LIVE)
    codec.data_to_send()
    update = {"type": "session.update", "event_id": "a", "session": {"avatar": {"character": "lisa"}}}
    assert codec.receive(json.dumps(update)) == []
    (error,) = objects(codec.data_to_send())
    assert (error["error"]["code"], error["error"]["event_id"]) == ("unsupported", "a")
    assert codec.receive('{"type":"session.avatar.connect","client_sdp":"x"}') == []
    assert types(codec.data_to_send()) == ["error"]


def test_transcription_sessions() -> None:
    config = SessionConfig(is_transcription_only=True, transcription=Transcription(model="whisper-1"))
    assert types(client(BETA, config).opening()) == ["transcription_session.update"]
    with pytest.raises(UnsupportedError, match="only transcribe"):
        client(VOICE_LIVE, config)
    codec = server(BETA, config)
    assert types(codec.data_to_send()) == ["transcription_session.created"]
    update = {
        "type": "transcription_session.update",
        "session": {"input_audio_transcription": {"model": "whisper-1"}},
    }
    (command,) = codec.receive(json.dumps(update))
    assert isinstance(command, UpdateSession)
    (shown,) = confirmed(codec, config)
    assert shown["type"] == "transcription_session.updated"
    assert shown["session"]["input_audio_transcription"]["model"] == "whisper-1"
    assert "voice" not in shown["session"]


def test_events_of_the_service_are_passed_on_both_ways() -> None:
    codec = client(VOICE_LIVE)
    codec.opening()
    frame = {
        "event_id": "e",
        "type": "response.animation_viseme.delta",
        "response_id": "r",
        "audio_offset_ms": 20,
        "viseme_id": 3,
    }
    (event,) = codec.receive(json.dumps(frame))
    assert isinstance(event, events.ModelProviderEvent)
    assert event.is_known
    assert event.raw == frame
    assert objects(server(VOICE_LIVE).encode(event)) == [frame]
    assert server(BETA).encode(event) == []


@every_dialect
def test_names_are_read_wherever_the_type_stands(dialect: FlatDialect) -> None:
    body = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0, "delta": "AAAA"}
    for frame in (
        {"type": "response.audio.delta", **body},
        {**body, "type": "response.audio.delta"},
        {"more": {"type": "error"}, **body, "type": "response.audio.delta"},
    ):
        codec = client(dialect)
        text = json.dumps(frame)
        as_view = codec.receive(memoryview(text.encode()))
        assert any(isinstance(event, events.ModelResponseAudioDeltaEvent) for event in as_view)
        assert client(dialect).receive(text) == as_view


def test_a_type_inside_a_string_is_not_the_type() -> None:
    delta = '","type":"error","x":"'
    frame = {"delta": delta, "response_id": "r", "item_id": "i", "type": "response.text.delta"}
    found = client(BETA).receive(json.dumps(frame))
    assert [event.delta for event in found if isinstance(event, events.ModelResponseTextDeltaEvent)] == [
        delta
    ]


# ---------------------------------------------------------------------- server side


def test_the_first_beta_sends_nothing_that_came_later() -> None:
    codec = server(FIRST_BETA, SessionConfig(voice="marin", transcription=Transcription(model="new")))
    sent = codec.data_to_send()
    item = said("user", "hello")
    reply = Item(id="a1", kind="message", role="assistant", status="in_progress")
    for event in (
        events.ModelInputStartedEvent(item_id="i1", audio_start_ms=0),
        events.ModelInputDoneEvent(item_id="i1", audio_end_ms=20),
        events.ModelInputCommittedEvent(item_id="i1"),
        events.ModelItemAddedEvent(item=item),
        events.ModelItemDoneEvent(item=item),
        events.ModelInputTranscriptionDeltaEvent(item_id="i1", delta="hello "),
        events.ModelInputTranscriptionDoneEvent(item_id="i1", transcript="hello"),
        events.ModelItemRetrievedEvent(item=item),
        events.ModelResponseCreatedEvent(response_id="r1"),
        events.ModelItemAddedEvent(item=reply, response_id="r1"),
        events.ModelResponseTextDeltaEvent(response_id="r1", item_id="a1", delta="hi"),
        events.ModelResponseTextDoneEvent(response_id="r1", item_id="a1", text="hi"),
        events.ModelResponseDoneEvent(response_id="r1", status="completed", input_tokens=1, output_tokens=1),
        events.ModelProviderEvent(name="conversation.created", raw={"type": "conversation.created"}),
    ):
        sent += codec.encode(event)
    assert set(types(sent)) <= CORE_EVENTS
    order = types(sent)
    assert order.count("conversation.item.created") == 2
    assert order.index("response.output_item.added") < order.index("response.content_part.added")
    created = objects(sent)[0]["session"]
    assert created["voice"] == "alloy"
    assert created["input_audio_transcription"]["model"] == "whisper-1"
    assert created["temperature"] == 0.8
    done = objects(sent)[order.index("response.output_item.done")]
    assert done["item"]["content"] == [{"type": "text", "text": "hi"}]


def test_a_session_is_shown_as_the_client_spelled_it() -> None:
    codec = server(BETA)
    codec.data_to_send()
    asked = {
        "modalities": ["audio", "text"],
        "voice": "verse",
        "input_audio_format": "g711-ulaw",
        "temperature": 0.6,
        "turn_detection": {"type": "none"},
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "tools": [{"type": "function", "name": "f"}],
        "max_response_output_tokens": 9,
    }
    command = updated(codec, asked)
    assert command.voice == "verse"
    assert command.turn_detection is None
    assert command.input_format == MediaFormat("audio/pcmu", 8000)
    assert command.tool_choice == "function:f"
    assert command.max_output_tokens == 9
    (event,) = confirmed(codec, SessionConfig().updated(command))
    shown = event["session"]
    for key in ("modalities", "voice", "input_audio_format", "temperature"):
        assert shown[key] == asked[key]
    assert shown["turn_detection"] is None


def test_a_refused_update_is_not_shown() -> None:
    codec = server(BETA)
    codec.data_to_send()
    updated(codec, {"temperature": 1.1}, "first")
    codec.encode(events.ModelErrorEvent(error_type="x", code="unsupported", message="no", command_id="first"))
    command = updated(codec, {"instructions": "x"}, "second")
    (event,) = confirmed(codec, SessionConfig().updated(command))
    assert event["session"]["temperature"] == 0.8


def test_errors_name_what_the_client_wrote() -> None:
    codec = server(BETA)
    codec.data_to_send()
    bad = {"turn_detection": {"type": "server_vad", "threshold": 3}}
    assert codec.receive(json.dumps({"type": "session.update", "event_id": "e", "session": bad})) == []
    (error,) = objects(codec.data_to_send())
    assert error["error"]["param"] == "session.turn_detection.threshold"
    assert "audio.input" not in error["error"]["message"]
    assert error["error"]["event_id"] == "e"


def test_voice_live_options_reach_a_model_that_has_them() -> None:
    session: dict[str, dict[str, Any]] = {
        "turn_detection": {
            "type": "azure_semantic_vad",
            "threshold": 0.4,
            "auto_truncate": True,
            "remove_filler_words": True,
        },
        "input_audio_noise_reduction": {"type": "azure_deep_noise_suppression"},
        "input_audio_echo_cancellation": {"type": "server_echo_cancellation"},
        "input_audio_transcription": {"model": "azure-speech", "phrase_list": ["Voicewire"]},
        "voice": {"type": "azure-standard", "name": "en-US-AvaNeural", "rate": "1.1"},
        "animation": {"outputs": ["viseme_id"]},
    }
    options = VOICE_LIVE.options | VOICE_LIVE.turn_kinds
    codec = server(VOICE_LIVE, options=options)
    codec.data_to_send()
    command = updated(codec, session)
    assert isinstance(command.turn_detection, TurnDetection)
    assert command.turn_detection.kind == "azure_semantic_vad"
    assert isinstance(command.extra, dict)
    config = SessionConfig().updated(command)
    again = objects(client(VOICE_LIVE, config).opening())[0]["session"]
    for key, value in session.items():
        shown = again[key]
        assert {name: shown[name] for name in value} == value, key
    (event,) = confirmed(codec, config)
    assert event["session"]["turn_detection"]["type"] == "azure_semantic_vad"
    assert event["session"]["animation"] == {"outputs": ["viseme_id"]}


def test_voice_live_options_do_not_reach_other_models() -> None:
    codec = server(VOICE_LIVE)
    codec.data_to_send()
    command = updated(
        codec,
        {
            "turn_detection": {"type": "azure_semantic_vad", "threshold": 0.4, "remove_filler_words": True},
            "animation": {"outputs": ["viseme_id"]},
        },
    )
    assert isinstance(command.turn_detection, TurnDetection)
    assert (command.turn_detection.kind, command.turn_detection.threshold) == ("server_vad", 0.4)
    assert not isinstance(command.extra, dict)
    event, warning = confirmed(codec, SessionConfig().updated(command))
    assert event["session"]["turn_detection"]["type"] == "azure_semantic_vad"
    assert warning["type"] == "warning"
    assert warning["warning"]["param"] == "session.animation"


def test_voice_live_input_rates() -> None:
    codec = server(VOICE_LIVE)
    codec.data_to_send()
    updated(codec, {"input_audio_sampling_rate": 16000})
    (command,) = codec.receive('{"type":"input_audio_buffer.append","audio":"AAAAAA=="}')
    assert isinstance(command, AppendAudio)
    assert command.sample_rate_hz == 16000
    assert codec.receive('{"type":"session.update","session":{"input_audio_sampling_rate":44100}}') == []
    assert types(codec.data_to_send()) == ["error"]


@pytest.mark.parametrize(
    "session",
    [
        {"turn_detection": {"type": ["azure_semantic_vad"]}},
        {"turn_detection": {"type": {}}},
        {"input_audio_noise_reduction": {"type": []}},
        {"voice": {"name": {}}},
        {"input_audio_transcription": {"model": []}},
        {"input_audio_sampling_rate": []},
    ],
)
def test_fields_of_strange_types_are_refused_or_read(session: dict[str, Any]) -> None:
    codec = server(VOICE_LIVE)
    codec.data_to_send()
    commands = codec.receive(json.dumps({"type": "session.update", "session": session}))
    assert commands or types(codec.data_to_send()) == ["error"]


def test_a_rate_may_be_written_as_a_float() -> None:
    codec = server(VOICE_LIVE)
    codec.data_to_send()
    updated(codec, {"input_audio_sampling_rate": 16000.0})
    (command,) = codec.receive('{"type":"input_audio_buffer.append","audio":"AAAAAA=="}')
    assert isinstance(command, AppendAudio)
    assert command.sample_rate_hz == 16000


def test_parameters_of_the_azure_preview() -> None:
    codec = server(FIRST_BETA, SessionConfig(turn_detection=None))
    codec.data_to_send()
    codec.receive('{"type":"input_audio_buffer.append","audio":"AAAAAA=="}')
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    create = {"type": "response.create", "response": {"commit": True, "append_input_items": [message]}}
    commands = codec.receive(json.dumps(create))
    assert [type(command) for command in commands] == [CommitAudio, CreateItem, CreateResponse]
    assert not codec.data_to_send()


def test_text_that_is_no_json_is_ignored() -> None:
    codec = server(BETA)
    codec.data_to_send()
    assert codec.receive("ping") == []
    assert not codec.data_to_send()
    assert codec.receive("{") == []
    assert types(codec.data_to_send()) == ["error"]
