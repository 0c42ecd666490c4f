"""Recorded sessions of Azure Voice Live and xAI judge our client."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from voicewire.events.base import EventBase
from voicewire.events.commands import CreateResponse, SendText, SendToolResult
from voicewire.events.model import (
    ModelItemAddedEvent,
    ModelItemDoneEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseToolUseDoneEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel

from .recordings import Recording, load, playing

pytestmark = [pytest.mark.judge, pytest.mark.anyio]

_TIMEOUT_S = 20.0
SERVICES = ("test_azure_voice_live_ws", "test_xai_ws")


def a_model(folder: str, address: str) -> RealtimeModel:
    """Our model of the service that was recorded."""
    name = "xai:grok-voice-latest" if folder == "test_xai_ws" else "voicelive:gpt-realtime"
    return create_model(name, api_key="judge", base_url=address)


def keeps_to(recording: Recording) -> Any:
    """Judges the shape of what we send by what the recorded client sent."""
    known = set(recording.recorded("session.update")[0]["session"])

    def check(sent: dict[str, Any]) -> None:
        if "session" not in sent:
            return
        missing = known - set(sent["session"])
        assert not missing, f"the session lacks {missing}"
        more = set(sent["session"]) - known - {"voice", "tools", "tool_choice", "max_response_output_tokens"}
        assert not more, f"the session has {more}, which the recorded client never sent"

    return check


def only(events: list[EventBase], kind: type[Any]) -> list[Any]:
    """The events of one class."""
    return [event for event in events if isinstance(event, kind)]


def check_end(done: ModelResponseDoneEvent, recorded: dict[str, Any]) -> None:
    """The terminal event says what the provider said."""
    usage = recorded["response"]["usage"] or recorded["usage"]
    assert (done.response_id, done.status) == (recorded["response"]["id"], "completed")
    assert (done.input_tokens, done.output_tokens) == (usage["input_tokens"], usage["output_tokens"])
    assert [item.id for item in done.output] == [item["id"] for item in recorded["response"]["output"]]


def check_items(events: list[EventBase]) -> None:
    """Every item that was added is done, once."""
    added = [event.item.id for event in only(events, ModelItemAddedEvent)]
    done = [event.item.id for event in only(events, ModelItemDoneEvent)]
    assert sorted(added) == sorted(done)
    assert len(set(added)) == len(added)


@pytest.mark.parametrize("folder", SERVICES)
async def test_text_in_audio_out(folder: str) -> None:
    recording = load(folder, "test_text_in_audio_out_turn")
    events: list[EventBase] = []
    async with playing(recording, keeps_to(recording)) as address:
        async with a_model(folder, address).open(instructions="Answer in two or three words.") as connection:
            await connection.send(SendText("Say a short greeting.", respond=False))
            await connection.send(CreateResponse())
            with anyio.fail_after(_TIMEOUT_S):
                async for event in connection:
                    events.append(event)
                    if isinstance(event, ModelResponseDoneEvent):
                        break
    renamed = "response.audio" if recording.recorded("response.audio.delta") else "response.output_audio"
    audio = [event.delta for event in only(events, ModelResponseAudioDeltaEvent)]
    assert audio == [frame["delta"] for frame in recording.recorded(f"{renamed}.delta")]
    words = "".join(event.delta for event in only(events, ModelResponseAudioTranscriptDeltaEvent))
    assert words == recording.recorded(f"{renamed}_transcript.done")[0]["transcript"]
    (done,) = only(events, ModelResponseDoneEvent)
    check_end(done, recording.recorded("response.done")[0])
    check_items(events)
    assert not [event.name for event in only(events, ModelProviderEvent) if not event.is_known]


@pytest.mark.parametrize("folder", SERVICES)
async def test_tool_call_round(folder: str) -> None:
    recording = load(folder, "test_tool_call_round")
    tools = recording.recorded("session.update")[0]["session"]["tools"]
    modality = recording.recorded("session.update")[0]["session"].get("modalities", ["audio"])[0]
    result = next(
        data["item"]["output"] for _, data in recording.interactions if "output" in data.get("item", {})
    )
    events: list[EventBase] = []
    async with playing(recording, keeps_to(recording)) as address:
        config = SessionConfig(modality=modality)
        async with a_model(folder, address).open(tools=tools, config=config, instructions="x") as connection:
            await connection.send(SendText("What is the weather in London?"))
            with anyio.fail_after(_TIMEOUT_S):
                async for event in connection:
                    events.append(event)
                    if isinstance(event, ModelResponseToolUseDoneEvent):
                        await connection.send(SendToolResult(event.tool_use["id"], result))
                    if len(only(events, ModelResponseDoneEvent)) == 2:
                        break
    (call,) = [event.tool_use for event in only(events, ModelResponseToolUseDoneEvent)]
    assert (call["name"], call["input"]) == ("get_weather", {"city": "London"})
    spoken = (ModelResponseTextDeltaEvent, ModelResponseAudioTranscriptDeltaEvent)
    assert "London" in "".join(event.delta for event in events if isinstance(event, spoken))
    for done, recorded in zip(
        only(events, ModelResponseDoneEvent), recording.recorded("response.done"), strict=True
    ):
        check_end(done, recorded)
    check_items(events)
