"""Scenarios for the ``openai`` Python SDK, against any server of the OpenAI wire.

The SDK builds its objects without validating; here every frame is also validated strictly with the
SDK's own class for its type, unknown fields included, and its order is checked.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast, get_args

import anyio
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types import realtime as wire
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_function_tool_param import RealtimeFunctionToolParam
from openai.types.realtime.realtime_server_event import ConversationItemRetrieved
from openai.types.realtime.realtime_session_create_request_param import RealtimeSessionCreateRequestParam
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
from .wire_rules import WireRules

_TIMEOUT_S = 60.0
_Event = TypeVar("_Event", bound=BaseModel)

EVENT_CLASSES: dict[str, type[BaseModel]] = {
    get_args(member.model_fields["type"].annotation)[0]: member
    for member in get_args(get_args(RealtimeServerEvent)[0])
}
"""The SDK's class of every server event, by its ``type``."""

FIELDS_BESIDES_THE_SDK = frozenset({"session.id", "session.object", "session.expires_at"})
"""Fields that the service sends and the SDK's classes do not name (recordings show them)."""


class Judge:
    """The SDK's connection, with every received event validated."""

    def __init__(self, connection: AsyncRealtimeConnection, subject: Subject) -> None:
        self.sdk = connection
        self.subject = subject
        self.seen: list[BaseModel] = []
        self.rules = WireRules()

    async def event(self) -> BaseModel:
        """The next event, valid by the SDK's own class."""
        data = await self.sdk.recv_bytes()
        raw: dict[str, Any] = json.loads(data)
        event_class = EVENT_CLASSES[raw["type"]]
        event = event_class.model_validate_json(data, strict=True)
        unknown = set(unknown_fields(event)) - FIELDS_BESIDES_THE_SDK
        assert not unknown, f"{raw['type']} has fields that the SDK does not know: {sorted(unknown)}"
        assert type(self.sdk.parse_event(data)) is event_class
        self.rules.observe(raw)
        self.seen.append(event)
        return event

    async def until(
        self,
        wanted: type[_Event],
        where: Callable[[_Event], bool] = lambda _: True,
        *,
        since: int | None = None,
        may_err: bool = False,
    ) -> _Event:
        """The next event of this class for which ``where`` holds, or with ``since`` one that came already."""
        for known in self.all(wanted, since) if since is not None else []:
            if where(known):
                return known
        with anyio.fail_after(_TIMEOUT_S):
            while True:
                event = await self.event()
                if isinstance(event, wanted) and where(event):
                    return event
                assert may_err or not isinstance(event, wire.RealtimeErrorEvent), event

    def all(self, wanted: type[_Event], since: int = 0) -> list[_Event]:
        """Every event of this class that was received."""
        return [event for event in self.seen[since:] if isinstance(event, wanted)]

    def audio(self, response_id: str) -> bytes:
        """The audio of a response, PCM16 at 24 kHz."""
        deltas = (
            event for event in self.all(wire.ResponseAudioDeltaEvent) if event.response_id == response_id
        )
        return b"".join(base64.b64decode(event.delta, validate=True) for event in deltas)

    async def configure(self, session: dict[str, Any]) -> wire.RealtimeSessionCreateRequest:
        """Updates the session and returns the effective one."""
        await self.sdk.session.update(
            session=cast("RealtimeSessionCreateRequestParam", {"type": "realtime", **session})
        )
        updated = (await self.until(wire.SessionUpdatedEvent)).session
        assert isinstance(updated, wire.RealtimeSessionCreateRequest)
        return updated

    async def say(self, text: str) -> str:
        """Adds a text item of the user; returns its id."""
        item_id = f"item_judge_{len(self.seen)}"
        await self.sdk.conversation.item.create(
            item={
                "type": "message",
                "id": item_id,
                "role": "user",
                "content": [{"type": "input_text", "text": text}],
            }
        )
        await self.until(wire.ConversationItemAdded, lambda event: event.item.id == item_id)
        await self.until(wire.ConversationItemDone, lambda event: event.item.id == item_id)
        return item_id

    async def speak(self, pcm: bytes | None = None) -> None:
        """Streams a spoken turn."""
        async for chunk in paced(self.subject.speech() if pcm is None else pcm, self.subject.pace):
            await self.sdk.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())

    async def response(self) -> wire.RealtimeResponse:
        """Reads to the end of the next response."""
        return (await self.until(wire.ResponseDoneEvent)).response


def unknown_fields(value: object, path: str = "") -> list[str]:
    """Dotted names of all fields that the SDK's classes do not declare, at any depth."""
    if isinstance(value, list):
        return [name for entry in value for name in unknown_fields(entry, path)]
    if not isinstance(value, BaseModel):
        return []
    prefix = f"{path}." if path else ""
    found = [f"{prefix}{name}" for name in value.model_extra or {}]
    for name in type(value).model_fields:
        found += unknown_fields(getattr(value, name), f"{prefix}{name}")
    return found


@asynccontextmanager
async def judging(url: str, model: str) -> AsyncGenerator[Judge, None]:
    """A session of the unmodified SDK; ``url`` is the server's root, such as ``ws://127.0.0.1:8080``."""
    client = AsyncOpenAI(api_key="judge", websocket_base_url=f"{url}/v1", base_url=f"{url}/v1", max_retries=0)
    async with client, client.realtime.connect(model=model) as connection:
        judge = Judge(connection, SUBJECTS[model])
        created = await judge.event()
        assert isinstance(created, wire.SessionCreatedEvent)
        yield judge
        judge.rules.finished()


def words_of(response: wire.RealtimeResponse) -> str:
    """All text and transcripts of a response's messages."""
    parts: list[str] = []
    for item in response.output or []:
        if isinstance(item, wire.RealtimeConversationItemAssistantMessage):
            parts += [part.text or part.transcript or "" for part in item.content]
    return " ".join(parts)


async def text_turn(url: str, model: str) -> None:
    """Text in; text out, then the same with speech out."""
    async with judging(url, model) as judge:
        session = await judge.configure({"output_modalities": ["text"], "instructions": "Be brief."})
        assert session.output_modalities == ["text"]
        assert session.instructions == "Be brief."
        await judge.say(judge.subject.text_prompt)
        await judge.sdk.response.create()
        response = await judge.response()
        assert response.status == "completed"
        assert contains(judge.subject.text_answer, words_of(response)), words_of(response)
        assert not judge.all(wire.ResponseAudioDeltaEvent)
        assert "".join(event.delta for event in judge.all(wire.ResponseTextDeltaEvent)) == words_of(response)

        await judge.configure({"output_modalities": ["audio"]})
        await judge.say(judge.subject.text_prompt)
        await judge.sdk.response.create()
        spoken = await judge.response()
        assert contains(judge.subject.text_answer, words_of(spoken))
        assert response.usage is not None
        assert (response.usage.total_tokens or 0) > 0
        assert spoken.id
        assert len(judge.audio(spoken.id)) % 2 == 0
        assert len(judge.audio(spoken.id)) >= SAMPLE_RATE_HZ // 10 * 2


async def spoken_turn(url: str, model: str) -> None:
    """Speech in, found by the server's VAD; transcript and speech out."""
    async with judging(url, model) as judge:
        await judge.configure(
            {
                "output_modalities": ["audio"],
                "audio": {
                    "input": {
                        "transcription": {"model": "gpt-4o-mini-transcribe"},
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
                    }
                },
            }
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(judge.speak)
            started = await judge.until(wire.InputAudioBufferSpeechStartedEvent)
            stopped = await judge.until(wire.InputAudioBufferSpeechStoppedEvent)
            committed = await judge.until(wire.InputAudioBufferCommittedEvent)
            response = await judge.response()
            assert started.item_id == stopped.item_id == committed.item_id
            assert 0 <= started.audio_start_ms < stopped.audio_end_ms
            assert contains(judge.subject.spoken_answer, words_of(response)), words_of(response)
            heard = await judge.until(wire.ConversationItemInputAudioTranscriptionCompletedEvent, since=0)
            partials = judge.all(wire.ConversationItemInputAudioTranscriptionDeltaEvent)
            assert contains(judge.subject.transcript, heard.transcript), heard.transcript
            assert partials
            assert {event.item_id for event in partials} == {heard.item_id} == {started.item_id}
            assert response.id
            assert judge.audio(response.id)
            if model == "echo":
                assert judge.audio(response.id).strip(b"\0") in judge.subject.speech()


async def manual_turn(url: str, model: str) -> None:
    """Turns ended by hand: nothing is answered before it is asked for."""
    async with judging(url, model) as judge:
        session = await judge.configure(
            {"audio": {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}}
        )
        assert session.audio is not None
        assert session.audio.input is not None
        assert session.audio.input.turn_detection is None
        await judge.speak()
        await judge.sdk.input_audio_buffer.commit()
        committed = await judge.until(wire.InputAudioBufferCommittedEvent)
        await judge.until(wire.ConversationItemDone, lambda event: event.item.id == committed.item_id)
        await judge.sdk.conversation.item.retrieve(item_id=committed.item_id)
        await judge.until(ConversationItemRetrieved)
        assert not judge.all(wire.InputAudioBufferSpeechStartedEvent)
        assert not judge.all(wire.ResponseCreatedEvent)
        await judge.sdk.response.create()
        response = await judge.response()
        assert response.status == "completed"
        assert contains(judge.subject.spoken_answer, words_of(response)), words_of(response)


async def tool_call(url: str, model: str) -> None:
    """A function call, its result, and the answer that uses it."""
    async with judging(url, model) as judge:
        tool: RealtimeFunctionToolParam = {
            "type": "function",
            "name": "get_weather",
            "description": str(WEATHER_TOOL["description"]),
            "parameters": WEATHER_TOOL["parameters"],
        }
        await judge.configure({"tools": [tool], "tool_choice": "auto", "output_modalities": ["text"]})
        await judge.say(judge.subject.tool_prompt)
        await judge.sdk.response.create()
        response = await judge.response()
        calls = [
            item
            for item in response.output or []
            if isinstance(item, wire.RealtimeConversationItemFunctionCall)
        ]
        assert [call.name for call in calls] == ["get_weather"]
        assert is_paris(calls[0].arguments)
        done = judge.all(wire.ResponseFunctionCallArgumentsDoneEvent)[-1]
        assert (done.call_id, done.name, done.arguments) == (
            calls[0].call_id,
            "get_weather",
            calls[0].arguments,
        )
        assert calls[0].call_id
        await judge.sdk.conversation.item.create(
            item={"type": "function_call_output", "call_id": calls[0].call_id, "output": WEATHER_RESULT}
        )
        await judge.until(wire.ConversationItemDone)
        await judge.sdk.response.create()
        answer = await judge.response()
        assert contains(judge.subject.tool_answer, words_of(answer)), words_of(answer)


async def cancelled_response(url: str, model: str) -> None:
    """A response that the client cancels; cancelling again is an error and harms nothing."""
    async with judging(url, model) as judge:
        await judge.say(judge.subject.long_prompt)
        await judge.sdk.response.create()
        await judge.until(wire.ResponseAudioDeltaEvent)
        await judge.sdk.response.cancel()
        response = await judge.response()
        assert response.status == "cancelled"
        assert response.status_details is not None
        assert response.status_details.reason == "client_cancelled"
        await judge.sdk.response.cancel(event_id="again")
        refused = await judge.until(wire.RealtimeErrorEvent, may_err=True)
        assert (refused.error.code, refused.error.event_id) == ("response_cancel_not_active", "again")
        await judge.say(judge.subject.text_prompt)
        await judge.sdk.response.create()
        assert (await judge.response()).status == "completed"


async def interrupted_turn(url: str, model: str) -> None:
    """The user speaks while the model speaks: the reply ends, is cut to what was heard, and is answered."""
    async with judging(url, model) as judge:
        await judge.configure(
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}}}
        )
        await judge.say(judge.subject.long_prompt)
        await judge.sdk.response.create()
        first = await judge.until(wire.ResponseAudioDeltaEvent)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(judge.speak)
            await judge.until(wire.InputAudioBufferSpeechStartedEvent)
            response = await judge.response()
            assert response.id == first.response_id
            assert response.status == "cancelled"
            assert response.status_details is not None
            assert response.status_details.reason == "turn_detected"
            generated_ms = len(judge.audio(first.response_id)) * 1000 // (SAMPLE_RATE_HZ * 2)
            await judge.sdk.conversation.item.truncate(
                item_id=first.item_id, content_index=0, audio_end_ms=generated_ms // 2
            )
            since = len(judge.seen)
            truncated = await judge.until(wire.ConversationItemTruncatedEvent)
            answer = (await judge.until(wire.ResponseDoneEvent, since=since)).response
            assert (truncated.item_id, truncated.audio_end_ms) == (first.item_id, generated_ms // 2)
            assert answer.status == "completed"
            assert contains(judge.subject.spoken_answer, words_of(answer)), words_of(answer)


async def refusals(url: str, model: str) -> None:
    """Orders that cannot be carried out are answered with an error that names them; the session goes on."""
    async with judging(url, model) as judge:
        await judge.sdk.input_audio_buffer.commit(event_id="nothing-to-commit")
        error = (await judge.until(wire.RealtimeErrorEvent, may_err=True)).error
        assert (error.code, error.event_id) == ("input_audio_buffer_commit_empty", "nothing-to-commit")
        assert "buffer" in error.message
        await judge.sdk.conversation.item.delete(item_id="item_nowhere", event_id="no-item")
        error = (await judge.until(wire.RealtimeErrorEvent, may_err=True)).error
        assert error.event_id == "no-item"
        assert "item_nowhere" in error.message
        await judge.say(judge.subject.long_prompt)
        await judge.sdk.response.create()
        await judge.until(wire.ResponseCreatedEvent)
        await judge.sdk.response.create(event_id="second")
        error = (await judge.until(wire.RealtimeErrorEvent, may_err=True)).error
        assert (error.code, error.event_id) == ("conversation_already_has_active_response", "second")
        await judge.sdk.response.cancel()
        assert (await judge.response()).status == "cancelled"


async def out_of_band_response(url: str, model: str) -> None:
    """A response outside the conversation, known by its metadata, leaves no item behind."""
    async with judging(url, model) as judge:
        await judge.say("this stays")
        since = len(judge.seen)
        await judge.sdk.response.create(
            response={
                "conversation": "none",
                "metadata": {"purpose": "judge"},
                "output_modalities": ["text"],
                "input": [
                    {
                        "type": "message",
                        "role": "user",
                        "content": [{"type": "input_text", "text": judge.subject.text_prompt}],
                    }
                ],
            }
        )
        response = await judge.response()
        assert response.conversation_id is None
        assert response.metadata == {"purpose": "judge"}
        assert contains(judge.subject.text_answer, words_of(response)), words_of(response)
        assert not judge.all(wire.ConversationItemAdded, since)


async def drop(url: str, model: str) -> None:
    """The connection is cut in a response: the SDK hears of it at once, and no response is called complete."""
    async with judging(url, model) as judge:
        await judge.say("drop")
        await judge.sdk.response.create()
        with anyio.fail_after(_TIMEOUT_S), pytest.raises(ConnectionClosedError):
            while True:
                await judge.event()
        assert "completed" not in [event.response.status for event in judge.all(wire.ResponseDoneEvent)]


SCENARIOS: dict[str, Callable[[str, str], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (
        text_turn,
        spoken_turn,
        manual_turn,
        tool_call,
        cancelled_response,
        interrupted_turn,
        refusals,
        out_of_band_response,
    )
}
ECHO_SCENARIOS = {**SCENARIOS, drop.__name__: drop}
"""With those that only the echo model has a word for."""
