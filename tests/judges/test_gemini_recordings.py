"""Recorded sessions of Gemini Live judge our client."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from voicewire.events.base import AudioPayload, EventBase
from voicewire.events.commands import AppendAudio, CreateResponse, SendText, SendToolResult
from voicewire.events.model import (
    ModelInputCommittedEvent,
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelItemAddedEvent,
    ModelItemDoneEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioDoneEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseAudioTranscriptDoneEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseToolUseDoneEvent,
)
from voicewire.models import create_model
from voicewire.models.model import RealtimeConnection, RealtimeModel

from .gemini_recordings import Recording, load, playing

pytestmark = [
    pytest.mark.judge,
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:google"),
]

_TIMEOUT_S = 20.0


def a_model(address: str) -> RealtimeModel:
    return create_model(
        "gemini:gemini-2.5-flash-native-audio-preview-09-2025", api_key="judge", base_url=address
    )


async def until_done(connection: RealtimeConnection, count: int = 1) -> list[EventBase]:
    """Events up to the end of so many responses."""
    events: list[EventBase] = []
    with anyio.fail_after(_TIMEOUT_S):
        async for event in connection:
            events.append(event)
            count -= isinstance(event, ModelResponseDoneEvent)
            if not count:
                break
    return events


def of(events: list[EventBase], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def check_reply(events: list[EventBase], recording: Recording) -> None:
    """Words, sound and usage of the last reply, piece by piece, are the provider's; its frame is ours."""
    done: ModelResponseDoneEvent = of(events, ModelResponseDoneEvent)[-1]
    parts = [
        part for content in recording.contents() for part in content.get("modelTurn", {}).get("parts", ())
    ]
    audio = of(events, ModelResponseAudioDeltaEvent)
    assert [event.delta for event in audio] == [
        part["inlineData"]["data"] for part in parts if "inlineData" in part
    ]
    assert {event.format.rate for event in audio} == {24000}
    words = "".join(
        content["outputTranscription"]["text"]
        for content in recording.contents()
        if "outputTranscription" in content
    )
    assert "".join(event.delta for event in of(events, ModelResponseAudioTranscriptDeltaEvent)) == words
    (said,) = of(events, ModelResponseAudioTranscriptDoneEvent)
    assert said.transcript == words
    (message,) = [item for item in done.output if item.kind == "message"]
    assert message.text == words
    order = [ModelResponseAudioDoneEvent, ModelResponseAudioTranscriptDoneEvent, ModelItemDoneEvent]
    closing = [type(event) for event in events if getattr(event, "item_id", None) == message.id]
    assert [kind for kind in closing if kind in order] == order[:2]
    (usage,) = [data["usageMetadata"] for data in recording.recorded("received", "usageMetadata")]
    assert (done.status, done.reason) == ("completed", "")
    assert (done.input_tokens, done.output_tokens) == (
        usage["promptTokenCount"],
        usage["responseTokenCount"],
    )
    details = {entry["modality"]: entry["tokenCount"] for entry in usage["responseTokensDetails"]}
    assert done.usage.output_audio_tokens == details["AUDIO"]
    thoughts = [part["text"] for part in parts if part.get("thought")]
    passed = of(events, ModelProviderEvent)
    assert all(event.is_known for event in passed)
    assert [
        event.raw["serverContent"]["modelTurn"]["parts"][0]["text"]
        for event in passed
        if event.name.endswith("thought")
    ] == thoughts
    assert not of(events, ModelResponseTextDeltaEvent), "thinking is not said"


def check_frame(events: list[EventBase]) -> None:
    """Every response has one beginning and one end, every item both, in this order."""
    created = [event.response_id for event in of(events, ModelResponseCreatedEvent)]
    assert created == [event.response_id for event in of(events, ModelResponseDoneEvent)]
    assert len(set(created)) == len(created)
    added = [event.item.id for event in of(events, ModelItemAddedEvent)]
    assert added == [event.item.id for event in of(events, ModelItemDoneEvent)]
    previous = [event.previous_item_id for event in of(events, ModelItemAddedEvent)]
    assert previous == [None, *added[:-1]]


@pytest.mark.parametrize("sends_binary", [False, True])
async def test_text_in_audio_out(sends_binary: bool) -> None:
    recording = load("test_text_in_audio_out_turn", sends_binary=sends_binary)
    async with playing(recording) as address:
        async with a_model(address).open(instructions="Answer in two or three words.") as connection:
            await connection.send(SendText("Say a short greeting."))
            await connection.send(CreateResponse())
            events = await until_done(connection)
    check_reply(events, recording)
    check_frame(events)
    assert not of(events, ModelInputStartedEvent)
    setup = recording.sent_by_us[0]["setup"]
    recorded = recording.recorded("sent", "setup")[0]["setup"]
    assert setup["model"] == recorded["model"]
    assert setup["systemInstruction"] == recorded["systemInstruction"]
    assert recording.sent_by_us[1:] == [data for way, data in recording.interactions if way == "sent"][1:]


async def test_spoken_turn() -> None:
    recording = load("test_audio_in_server_vad_turn")
    async with playing(recording) as address:
        async with a_model(address).open(instructions="Reply in a few words.") as connection:
            for message in recording.recorded("sent", "realtimeInput"):
                data = message["realtimeInput"]["audio"]["data"].replace("-", "+").replace("_", "/")
                await connection.send(AppendAudio(AudioPayload(base64=data), sample_rate_hz=16000))
            events = await until_done(connection)
    check_reply(events, recording)
    check_frame(events)
    words = "".join(
        content["inputTranscription"]["text"]
        for content in recording.contents()
        if "inputTranscription" in content
    )
    (heard,) = of(events, ModelInputTranscriptionDoneEvent)
    assert heard.transcript == words.strip() == "Hello, my name is Marcelo."
    partials = of(events, ModelInputTranscriptionDeltaEvent)
    assert "".join(event.delta for event in partials) == heard.transcript
    turn = (ModelInputStartedEvent, ModelInputDoneEvent, ModelInputCommittedEvent, ModelResponseCreatedEvent)
    assert [type(event) for event in events if isinstance(event, turn)] == list(turn)
    of_turn = [event for event in events if isinstance(event, turn[:3])]
    assert {event.item_id for event in (*of_turn, *partials, heard)} == {heard.item_id}


async def test_tool_call_round() -> None:
    recording = load("test_tool_call_round")
    (asked,) = recording.recorded("sent", "toolResponse")
    (result,) = asked["toolResponse"]["functionResponses"]
    tool = {
        "name": "record_reading",
        "description": "Store the supplied sensor value.",
        "parameters": {
            "type": "object",
            "properties": {
                "zqx_measurement": {"type": "integer"},
                "qbf_note": {"type": ["string", "null"]},
            },
            "required": ["zqx_measurement"],
            "additionalProperties": False,
        },
    }
    events: list[EventBase] = []
    async with playing(recording) as address:
        async with a_model(address).open(instructions="Use record_reading.", tools=[tool]) as connection:
            await connection.send(SendText('Please record a reading of 5 with the note "steady".'))
            events += await until_done(connection)
            (call,) = of(events, ModelResponseToolUseDoneEvent)
            await connection.send(SendToolResult(call.tool_use["id"], result["response"]["output"]))
            events += await until_done(connection)
    assert call.tool_use["name"] == "record_reading"
    assert call.tool_use["input"] == {"zqx_measurement": 5, "qbf_note": "steady"}
    first = of(events, ModelResponseDoneEvent)[0]
    assert [item.kind for item in first.output] == ["function_call"]
    assert first.status == "completed"
    check_reply(events, recording)
    check_frame(events)
    assert recording.sent_by_us[-1] == asked
    setup, recorded = recording.sent_by_us[0]["setup"], recording.recorded("sent", "setup")[0]["setup"]
    assert setup["tools"] == recorded["tools"]
