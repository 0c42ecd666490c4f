"""Scenarios for the beta API of the ``openai`` Python SDK, by OpenAI's address and by that of the Azure preview.

Every frame is validated strictly with the SDK's own class for its type.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast, get_args

import anyio
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai.resources.beta.realtime.realtime import AsyncRealtimeConnection
from openai.types.beta import realtime as wire
from openai.types.beta.realtime import RealtimeServerEvent
from pydantic import BaseModel
from websockets.exceptions import ConnectionClosedError

from .subjects import (
    SAMPLE_RATE_HZ,
    SUBJECTS,
    WEATHER_RESULT,
    WEATHER_TOOL,
    Subject,
    contains,
    is_paris,
    paced,
)

_TIMEOUT_S = 60.0
_Event = TypeVar("_Event", bound=BaseModel)
EVENT_CLASSES: dict[str, type[BaseModel]] = {
    get_args(member.model_fields["type"].annotation)[0]: member
    for member in get_args(get_args(RealtimeServerEvent)[0])
}
"""The SDK's class of every server event, by its ``type``."""
KNOWN_MODEL = "gpt-4o-realtime-preview"
"""The SDK's class of the session knows the models of its time only; a gateway serves its first for such a name."""


class Judge:
    """The SDK's connection, with every received event validated."""

    def __init__(self, connection: AsyncRealtimeConnection, subject: Subject) -> None:
        self.sdk = connection
        self.subject = subject
        self.seen: list[BaseModel] = []

    async def event(self) -> BaseModel:
        """The next event, valid by the SDK's own class."""
        data = await self.sdk.recv_bytes()
        raw: dict[str, Any] = json.loads(data)
        assert raw["event_id"]
        if raw["type"].startswith("session."):
            raw["session"].pop("expires_at", None)  # sent by the service, unknown to the SDK
        event = EVENT_CLASSES[raw["type"]].model_validate(raw)
        self.seen.append(event)
        return event

    async def until(self, wanted: type[_Event], *, may_err: bool = False) -> _Event:
        """The next event of this class."""
        with anyio.fail_after(_TIMEOUT_S):
            while True:
                event = await self.event()
                if isinstance(event, wanted):
                    return event
                assert may_err or not isinstance(event, wire.ErrorEvent), event

    def all(self, wanted: type[_Event]) -> list[_Event]:
        """Every event of this class that was received."""
        return [event for event in self.seen if isinstance(event, wanted)]

    async def configure(self, session: dict[str, Any]) -> wire.Session:
        """Updates the session and returns the effective one."""
        await self.sdk.session.update(session=cast("Any", session))
        return (await self.until(wire.SessionUpdatedEvent)).session

    async def say(self, text: str) -> None:
        """Adds a text item of the user."""
        content: Any = [{"type": "input_text", "text": text}]
        await self.sdk.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        created = await self.until(wire.ConversationItemCreatedEvent)
        assert created.item.role == "user"

    async def ask(self, text: str) -> wire.RealtimeResponse:
        """Adds a text item and reads the response that is asked for."""
        await self.say(text)
        await self.sdk.response.create()
        return await self.response()

    async def speak(self) -> None:
        """Streams a spoken turn."""
        async for chunk in paced(self.subject.speech(), self.subject.pace):
            await self.sdk.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())

    async def response(self) -> wire.RealtimeResponse:
        """Reads to the end of the next response."""
        return (await self.until(wire.ResponseDoneEvent)).response


@asynccontextmanager
async def judging(url: str, model: str, way: str) -> AsyncGenerator[Judge, None]:
    """A session of the unmodified SDK; ``url`` is the server's root."""
    client: AsyncOpenAI
    if way == "azure":
        client = AsyncAzureOpenAI(
            azure_endpoint="https://example.openai.azure.com",
            api_version="2025-04-01-preview",
            api_key="judge",
            websocket_base_url=f"{url}/openai",
        )
    else:
        client = AsyncOpenAI(api_key="judge", websocket_base_url=f"{url}/v1", max_retries=0)
    async with client, client.beta.realtime.connect(model=KNOWN_MODEL) as connection:
        judge = Judge(connection, SUBJECTS[model])
        assert isinstance(await judge.event(), wire.SessionCreatedEvent)
        yield judge


def words_of(response: wire.RealtimeResponse) -> str:
    """All text and transcripts of a response's messages."""
    parts = [part for item in response.output or [] for part in item.content or []]
    return " ".join(part.text or part.transcript or "" for part in parts)


async def text_turn(url: str, model: str, way: str) -> None:
    """Text in; text out, then the same with speech out."""
    async with judging(url, model, way) as judge:
        session = await judge.configure({"modalities": ["text"], "temperature": 0.7})
        assert session.modalities == ["text"]
        assert session.temperature == 0.7
        response = await judge.ask(judge.subject.text_prompt)
        assert contains(judge.subject.text_answer, words_of(response)), words_of(response)
        deltas = judge.all(wire.ResponseTextDeltaEvent)
        assert "".join(event.delta for event in deltas) == words_of(response)
        await judge.configure({"modalities": ["text", "audio"]})
        spoken = await judge.ask(judge.subject.text_prompt)
        assert contains(judge.subject.text_answer, words_of(spoken))
        audio = b"".join(base64.b64decode(event.delta) for event in judge.all(wire.ResponseAudioDeltaEvent))
        assert len(audio) >= SAMPLE_RATE_HZ // 10 * 2


async def spoken_turn(url: str, model: str, way: str) -> None:
    """Speech in, found by the server's VAD; partial and final transcript, and speech out."""
    async with judging(url, model, way) as judge:
        await judge.configure(
            {
                "input_audio_transcription": {"model": "whisper-1"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
            }
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(judge.speak)
            started = await judge.until(wire.InputAudioBufferSpeechStartedEvent)
            stopped = await judge.until(wire.InputAudioBufferSpeechStoppedEvent)
            response = await judge.response()
            final = wire.ConversationItemInputAudioTranscriptionCompletedEvent
            heard = (judge.all(final) or [await judge.until(final)])[0]
            assert started.item_id == stopped.item_id == heard.item_id
            assert judge.all(wire.ConversationItemInputAudioTranscriptionDeltaEvent)
            assert contains(judge.subject.transcript, heard.transcript), heard.transcript
            assert contains(judge.subject.spoken_answer, words_of(response)), words_of(response)


async def manual_turn(url: str, model: str, way: str) -> None:
    """Turns ended by hand: nothing is answered before it is asked for."""
    async with judging(url, model, way) as judge:
        session = await judge.configure({"turn_detection": None})
        assert session.turn_detection is None
        await judge.speak()
        await judge.sdk.input_audio_buffer.commit()
        await judge.until(wire.InputAudioBufferCommittedEvent)
        assert not judge.all(wire.ResponseCreatedEvent)
        await judge.sdk.response.create()
        response = await judge.response()
        assert contains(judge.subject.spoken_answer, words_of(response)), words_of(response)


async def tool_call(url: str, model: str, way: str) -> None:
    """A function call, its result, and the answer that uses it."""
    async with judging(url, model, way) as judge:
        await judge.configure({"tools": [{"type": "function", **WEATHER_TOOL}], "modalities": ["text"]})
        (call,) = (await judge.ask(judge.subject.tool_prompt)).output or []
        assert (call.type, call.name) == ("function_call", "get_weather")
        assert is_paris(call.arguments or "")
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": WEATHER_RESULT}
        await judge.sdk.conversation.item.create(item=result)
        await judge.until(wire.ConversationItemCreatedEvent)
        await judge.sdk.response.create()
        answer = await judge.response()
        assert contains(judge.subject.tool_answer, words_of(answer)), words_of(answer)


async def interruption(url: str, model: str, way: str) -> None:
    """The user speaks while the model speaks: the reply ends, and what was said is answered."""
    async with judging(url, model, way) as judge:
        await judge.configure({"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}})
        await judge.say(judge.subject.long_prompt)
        await judge.sdk.response.create()
        await judge.until(wire.ResponseAudioDeltaEvent)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(judge.speak)
            cut = await judge.response()
            answer = await judge.response()
            assert cut.status == "cancelled"
            assert cut.status_details is not None
            assert cut.status_details.reason == "turn_detected"
            assert contains(judge.subject.spoken_answer, words_of(answer)), words_of(answer)


async def error(url: str, model: str, way: str) -> None:
    """Orders that cannot be carried out are answered with an error in the dialect's own words."""
    async with judging(url, model, way) as judge:
        bad: Any = {"turn_detection": {"type": "server_vad", "threshold": 7}}
        await judge.sdk.session.update(session=bad, event_id="bad")
        refused = (await judge.until(wire.ErrorEvent, may_err=True)).error
        assert (refused.event_id, refused.param) == ("bad", "session.turn_detection.threshold")
        assert (await judge.ask(judge.subject.text_prompt)).status == "completed"


async def drop(url: str, model: str, way: str) -> None:
    """The connection is cut in a response: the SDK hears of it at once."""
    async with judging(url, model, way) as judge:
        await judge.say("drop")
        await judge.sdk.response.create()
        with anyio.fail_after(_TIMEOUT_S), pytest.raises(ConnectionClosedError):
            while True:
                await judge.event()


SCENARIOS: dict[str, Callable[[str, str, str], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (text_turn, spoken_turn, manual_turn, tool_call, interruption, error, drop)
}
