"""Recorded sessions of OpenAI and Azure OpenAI judge our client."""

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
    ModelInputTranscriptionDoneEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseToolUseDoneEvent,
)
from voicewire.models import create_model
from voicewire.models.model import RealtimeConnection, RealtimeModel

from .recordings import Recording, load, playing

pytestmark = [pytest.mark.judge, pytest.mark.anyio]

_TIMEOUT_S = 20.0


def a_model(folder: str, address: str) -> RealtimeModel:
    """Our model of the service that was recorded."""
    if folder == "test_azure_ws":
        return create_model("azure:gpt-realtime", api_key="judge", base_url=address)
    return create_model("openai:gpt-realtime", api_key="judge", base_url=f"{address}/v1")


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


def check_usage(done: ModelResponseDoneEvent, recorded: dict[str, Any]) -> None:
    """The terminal event says what the provider said."""
    usage = recorded["response"]["usage"]
    assert done.response_id == recorded["response"]["id"]
    assert done.status == recorded["response"]["status"] == "completed"
    assert (done.input_tokens, done.output_tokens) == (usage["input_tokens"], usage["output_tokens"])
    assert done.usage.input_text_tokens == usage["input_token_details"]["text_tokens"]
    assert done.usage.output_audio_tokens == usage["output_token_details"]["audio_tokens"]
    assert [item.id for item in done.output] == [item["id"] for item in recorded["response"]["output"]]


def check_reply(events: list[EventBase], recording: Recording) -> None:
    """Words and sound of the reply, piece by piece, are the provider's."""
    audio = [event.delta for event in events if isinstance(event, ModelResponseAudioDeltaEvent)]
    assert audio == [frame["delta"] for frame in recording.recorded("response.output_audio.delta")]
    words = "".join(
        event.delta for event in events if isinstance(event, ModelResponseAudioTranscriptDeltaEvent)
    )
    assert words == recording.recorded("response.output_audio_transcript.done")[0]["transcript"]
    (done,) = [event for event in events if isinstance(event, ModelResponseDoneEvent)]
    check_usage(done, recording.recorded("response.done")[0])
    unknown = [event.name for event in events if isinstance(event, ModelProviderEvent) and not event.is_known]
    assert not unknown


@pytest.mark.parametrize("folder", ["test_openai_ws", "test_azure_ws"])
async def test_text_in_audio_out(folder: str) -> None:
    recording = load(folder, "test_text_in_audio_out_turn")
    async with playing(recording) as address:
        model = a_model(folder, address)
        async with model.open(instructions="Answer in two or three words.") as connection:
            await connection.send(SendText("Say a short greeting."))
            await connection.send(CreateResponse())
            events = await until_done(connection)
    check_reply(events, recording)
    session = recording.sent_by_us[0]["session"]
    assert session["type"] == "realtime"
    assert session["instructions"] == "Answer in two or three words."


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("test_openai_ws", "test_audio_in_server_vad_turn"),
        ("test_azure_ws", "test_audio_in_server_vad_transcribes"),
    ],
)
async def test_spoken_turn(folder: str, name: str) -> None:
    recording = load(folder, name)
    async with playing(recording) as address:
        model = a_model(folder, address)
        async with model.open(instructions="Reply in a few words.") as connection:
            for frame in recording.recorded("input_audio_buffer.append"):
                # The recordings cut every payload to 33 bytes, so it is handed on as it is, never as samples.
                await connection.send(AppendAudio(AudioPayload(base64=frame["audio"]), sample_rate_hz=24000))
            events = await until_done(connection)
    check_reply(events, recording)
    appended = [frame["audio"] for frame in recording.sent_by_us if "audio" in frame]
    assert appended == [frame["audio"] for frame in recording.recorded("input_audio_buffer.append")]
    (transcript,) = [event for event in events if isinstance(event, ModelInputTranscriptionDoneEvent)]
    completed = recording.recorded("conversation.item.input_audio_transcription.completed")[0]
    assert (transcript.transcript, transcript.item_id) == (completed["transcript"], completed["item_id"])
    assert transcript.duration_s == completed["usage"]["seconds"]
    turn = (ModelInputStartedEvent, ModelInputDoneEvent, ModelInputCommittedEvent)
    of_turn = [event for event in events if isinstance(event, turn)]
    assert [type(event) for event in of_turn] == list(turn)
    assert {event.item_id for event in of_turn} == {transcript.item_id}


async def test_tool_call_round() -> None:
    recording = load("test_openai_ws", "test_tool_call_round")
    tools = recording.recorded("session.update")[0]["session"]["tools"]
    result = next(
        data["item"]["output"] for _, data in recording.interactions if "output" in data.get("item", {})
    )
    events: list[EventBase] = []
    async with playing(recording) as address:
        model = a_model("test_openai_ws", address)
        async with model.open(tools=tools) as connection:
            await connection.send(SendText("What is the weather in London?"))
            with anyio.fail_after(_TIMEOUT_S):
                async for event in connection:
                    events.append(event)
                    if isinstance(event, ModelResponseToolUseDoneEvent):
                        await connection.send(SendToolResult(event.tool_use["id"], result))
                    if sum(isinstance(event, ModelResponseDoneEvent) for event in events) == 2:
                        break
    (call,) = [event.tool_use for event in events if isinstance(event, ModelResponseToolUseDoneEvent)]
    assert (call["name"], call["input"]) == ("get_weather", {"city": "London"})
    answer = "".join(event.delta for event in events if isinstance(event, ModelResponseTextDeltaEvent))
    assert answer == "It is foggy and 12 degrees in London."
    dones = [event for event in events if isinstance(event, ModelResponseDoneEvent)]
    for done, recorded in zip(dones, recording.recorded("response.done"), strict=True):
        check_usage(done, recorded)
    outputs = [frame["item"] for frame in recording.sent_by_us if "call_id" in frame.get("item", {})]
    assert [(item["call_id"], item["output"]) for item in outputs] == [(call["id"], result)]
