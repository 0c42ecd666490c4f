"""Recorded sessions with the real services: what they sent, and what their client sent, through our codec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.protocols.openai_server import judged, server
from voicewire.events import AppendAudio, CreateItem, CreateResponse, SessionConfig, UpdateSession
from voicewire.events import model as events
from voicewire.events.base import EventBase
from voicewire.protocols.openai.client import OpenAIClientCodec

pytestmark = pytest.mark.unit

NAMES = [
    "test_openai_ws/test_text_in_audio_out_turn",
    "test_openai_ws/test_tool_call_round",
    "test_openai_ws/test_audio_in_server_vad_turn",
    "test_azure_ws/test_text_in_audio_out_turn",
    "test_azure_ws/test_audio_in_server_vad_transcribes",
    "test_xai_ws/test_text_in_audio_out_turn",
    "test_xai_ws/test_tool_call_round",
]


def frames(recordings: Path, name: str, direction: str) -> list[dict[str, Any]]:
    path = recordings / f"{name}.yaml"
    if not path.is_file():
        pytest.skip(f"the recording {name} is not there")
    interactions = yaml.safe_load(path.read_text())["interactions"]
    data = [entry["data"] for entry in interactions if entry["direction"] == direction]
    return [cast("dict[str, Any]", json.loads(d) if isinstance(d, str) else d) for d in data]


def replayed(recordings: Path, name: str) -> list[EventBase]:
    codec = OpenAIClientCodec(SessionConfig())
    codec.opening()
    found = [
        event for frame in frames(recordings, name, "received") for event in codec.receive(json.dumps(frame))
    ]
    assert codec.is_ready
    return found


def only(found: list[EventBase], kind: type[Any]) -> list[Any]:
    return [event for event in found if isinstance(event, kind)]


@pytest.mark.parametrize("name", NAMES)
def test_every_session_keeps_the_invariants(recordings: Path, name: str) -> None:
    found = replayed(recordings, name)
    created = [event.response_id for event in only(found, events.ModelResponseCreatedEvent)]
    done = [event.response_id for event in only(found, events.ModelResponseDoneEvent)]
    assert created == done
    assert len(set(created)) == len(created)
    added = [event.item.id for event in only(found, events.ModelItemAddedEvent)]
    finished = [event.item.id for event in only(found, events.ModelItemDoneEvent)]
    assert sorted(added) == sorted(finished)
    assert len(set(added)) == len(added)
    for event in only(found, events.ModelItemDoneEvent):
        assert event.item.status == "completed"
    started = only(found, events.ModelInputStartedEvent)
    assert len(started) == len(only(found, events.ModelInputDoneEvent))


@pytest.mark.parametrize("name", NAMES)
def test_words_are_whole(recordings: Path, name: str) -> None:
    found = replayed(recordings, name)
    for done in only(found, events.ModelResponseAudioTranscriptDoneEvent):
        deltas = only(found, events.ModelResponseAudioTranscriptDeltaEvent)
        assert "".join(d.delta for d in deltas if d.item_id == done.item_id) == done.transcript
    for done in only(found, events.ModelResponseTextDoneEvent):
        deltas = only(found, events.ModelResponseTextDeltaEvent)
        assert "".join(d.delta for d in deltas if d.item_id == done.item_id) == done.text
    for done in only(found, events.ModelInputTranscriptionDoneEvent):
        deltas = only(found, events.ModelInputTranscriptionDeltaEvent)
        assert "".join(d.delta for d in deltas if d.item_id == done.item_id).strip() == done.transcript
    for done in only(found, events.ModelResponseDoneEvent):
        for item in done.output:
            assert item.text or item.arguments


TURNS = {
    "test_openai_ws/test_text_in_audio_out_turn": ("Hi there!", 16, 24),
    "test_openai_ws/test_audio_in_server_vad_turn": (
        "Hello, Marcelo! Great to meet you. How can I help you today?",
        41,
        164,
    ),
    "test_azure_ws/test_text_in_audio_out_turn": ("Hello there! Great to meet you!", 16, 98),
    "test_xai_ws/test_text_in_audio_out_turn": ("Hello there!", 5, 42),
}


@pytest.mark.parametrize("name", TURNS)
def test_turns(recordings: Path, name: str) -> None:
    (done,) = only(replayed(recordings, name), events.ModelResponseDoneEvent)
    text, input_tokens, output_tokens = TURNS[name]
    assert done.status == "completed"
    assert [item.text for item in done.output] == [text]
    assert (done.input_tokens, done.output_tokens) == (input_tokens, output_tokens)


@pytest.mark.parametrize("name", ["test_openai_ws/test_tool_call_round", "test_xai_ws/test_tool_call_round"])
def test_tool_calls(recordings: Path, name: str) -> None:
    found = replayed(recordings, name)
    (call,) = only(found, events.ModelResponseToolUseDoneEvent)
    assert call.tool_use["name"] == "get_weather"
    assert call.tool_use["input"] == {"city": "London"}
    deltas = only(found, events.ModelResponseToolUseDeltaEvent)
    assert "".join(delta.delta for delta in deltas) == call.tool_use["raw_input"]
    last = only(found, events.ModelResponseDoneEvent)[-1]
    assert "12 degrees" in last.output[-1].text


@pytest.mark.parametrize("name", [name for name in NAMES if "xai" not in name])
def test_the_recorded_client_is_understood(recordings: Path, name: str) -> None:
    codec = server()
    for frame in frames(recordings, name, "sent"):
        commands = codec.receive(json.dumps(frame))
        # The cassettes cut audio to 33 bytes, which is no whole number of samples.
        is_cut = frame["type"] == "input_audio_buffer.append"
        answers = judged(codec.data_to_send())
        if is_cut:
            assert [answer["error"]["param"] for answer in answers] == ["audio"]
            continue
        assert answers == []
        (command,) = commands
        kind = {
            "session.update": UpdateSession,
            "conversation.item.create": CreateItem,
            "response.create": CreateResponse,
            "input_audio_buffer.append": AppendAudio,
        }[frame["type"]]
        assert isinstance(command, kind)
        if isinstance(command, UpdateSession):
            updated = events.ModelSessionUpdatedEvent(session_id="x", config=codec.config.updated(command))
            (answer,) = judged(codec.encode(updated))
            recorded = next(
                f["session"] for f in frames(recordings, name, "received") if f["type"] == "session.updated"
            )
            assert set(recorded) <= set(answer["session"])
            assert answer["session"]["instructions"] == recorded["instructions"]
            assert answer["session"]["tools"] == recorded["tools"]
            assert (
                answer["session"]["audio"]["input"]["transcription"]
                == (recorded["audio"]["input"]["transcription"])
            )


@pytest.mark.parametrize("name", [name for name in NAMES if "openai_ws" in name])
def test_our_order_is_the_recorded_order(recordings: Path, name: str) -> None:
    """What our server says, when the recorded events are put through both our sides, is what was recorded."""
    client, codec = OpenAIClientCodec(SessionConfig()), server()
    recorded: list[str] = []
    told: list[str] = []
    for frame in frames(recordings, name, "received"):
        recorded.append(frame["type"])
        for event in client.receive(json.dumps(frame)):
            told += [answer["type"] for answer in judged(codec.encode(event))]
    ours = [name for name in told if name != "rate_limits.updated"]
    assert ours == [name for name in recorded if not name.startswith("session.")]
