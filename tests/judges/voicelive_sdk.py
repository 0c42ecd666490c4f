"""Scenarios for ``azure-ai-voicelive``, the official client of Azure Voice Live.

The SDK builds its models from whatever comes; here every event must be of a class that the SDK has for its type, and
every field that its class declares as a model must have become one.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import pytest
from azure.ai.voicelive import models as wire
from azure.ai.voicelive.aio import ConnectionClosed, VoiceLiveConnection, connect
from azure.core.credentials import AzureKeyCredential

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
_Event = TypeVar("_Event", bound=wire.ServerEvent)
SERVER_TYPES = {entry.value for entry in wire.ServerEventType}


class Judge:
    """The SDK's connection, with every received event checked."""

    def __init__(self, connection: VoiceLiveConnection, subject: Subject) -> None:
        self.sdk = connection
        self.subject = subject
        self.seen: list[wire.ServerEvent] = []
        self._ids: set[str] = set()

    async def event(self) -> wire.ServerEvent:
        """The next event, of a class that the SDK has for it."""
        event = await self.sdk.recv()
        assert event.type in SERVER_TYPES, f"the SDK does not know {event.type!r}"
        assert type(event) is not wire.ServerEvent, event
        assert event.event_id
        assert event.event_id not in self._ids, f"event_id {event.event_id!r} came twice"
        self._ids.add(event.event_id)
        self.seen.append(event)
        return event

    async def until(
        self,
        wanted: type[_Event],
        where: Callable[[_Event], bool] = lambda _: True,
        *,
        may_err: bool = False,
    ) -> _Event:
        """The next event of this class for which ``where`` holds."""
        with anyio.fail_after(_TIMEOUT_S):
            while True:
                event = await self.event()
                if isinstance(event, wanted) and where(event):
                    return event
                assert may_err or not isinstance(event, wire.ServerEventError), event.error

    def all(self, wanted: type[_Event]) -> list[_Event]:
        """Every event of this class that was received."""
        return [event for event in self.seen if isinstance(event, wanted)]

    def audio(self, response_id: str) -> bytes:
        """The audio of a response, PCM16 at 24 kHz; the SDK decodes the base64."""
        deltas = self.all(wire.ServerEventResponseAudioDelta)
        return b"".join(event.delta for event in deltas if event.response_id == response_id)

    async def configure(self, **session: Any) -> wire.ResponseSession:
        """Updates the session and returns the effective one."""
        await self.sdk.session.update(session=wire.RequestSession(**session))
        return (await self.until(wire.ServerEventSessionUpdated)).session

    async def say(self, text: str) -> None:
        """Adds a text item of the user."""
        item = wire.UserMessageItem(content=[wire.InputTextContentPart(text=text)])
        await self.sdk.conversation.item.create(item=item)
        await self.until(wire.ServerEventConversationItemCreated)

    async def ask(self, text: str) -> wire.Response:
        """Adds a text item and reads the response that is asked for."""
        await self.say(text)
        await self.sdk.response.create()
        return await self.response()

    async def speak(self) -> None:
        """Streams a spoken turn."""
        async for chunk in paced(self.subject.speech(), self.subject.pace):
            await self.sdk.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())

    async def response(self) -> wire.Response:
        """Reads to the end of the next response."""
        return (await self.until(wire.ServerEventResponseDone)).response


@asynccontextmanager
async def judging(url: str, model: str) -> AsyncGenerator[Judge, None]:
    """A session of the unmodified SDK; ``url`` is the server's root, such as ``ws://127.0.0.1:8080``."""
    endpoint = url.replace("ws://", "http://", 1)
    async with connect(credential=AzureKeyCredential("judge"), endpoint=endpoint, model=model) as connection:
        judge = Judge(connection, SUBJECTS[model])
        assert isinstance(await judge.event(), wire.ServerEventSessionCreated)
        yield judge


def words_of(response: wire.Response) -> str:
    """All text and transcripts of a response's messages."""
    parts = [part for item in response.output or [] for part in getattr(item, "content", None) or []]
    return " ".join(getattr(part, "text", None) or getattr(part, "transcript", None) or "" for part in parts)


def _vad() -> wire.AzureSemanticVad:
    return wire.AzureSemanticVad(threshold=0.5, silence_duration_ms=500, prefix_padding_ms=300)


async def text_turn(url: str, model: str) -> None:
    """Text in; text out, then the same with speech out."""
    async with judging(url, model) as judge:
        session = await judge.configure(modalities=[wire.Modality.TEXT], instructions="Be brief.")
        assert session.modalities == ["text"]
        assert session.instructions == "Be brief."
        response = await judge.ask(judge.subject.text_prompt)
        assert response.status == "completed"
        assert contains(judge.subject.text_answer, words_of(response)), words_of(response)
        deltas = judge.all(wire.ServerEventResponseTextDelta)
        assert "".join(event.delta for event in deltas) == words_of(response)
        assert response.usage is not None
        assert response.usage.total_tokens > 0
        await judge.configure(modalities=[wire.Modality.TEXT, wire.Modality.AUDIO])
        spoken = await judge.ask(judge.subject.text_prompt)
        assert contains(judge.subject.text_answer, words_of(spoken))
        assert len(judge.audio(spoken.id or "")) >= SAMPLE_RATE_HZ // 10 * 2


async def spoken_turn(url: str, model: str) -> None:
    """Speech in, with the service's own turn detection and audio options; transcript and speech out."""
    async with judging(url, model) as judge:
        session = await judge.configure(
            modalities=[wire.Modality.TEXT, wire.Modality.AUDIO],
            voice=wire.AzureStandardVoice(name="en-US-AvaNeural"),
            turn_detection=_vad(),
            input_audio_noise_reduction=wire.AudioNoiseReduction(type="azure_deep_noise_suppression"),
            input_audio_echo_cancellation=wire.AudioEchoCancellation(),
            input_audio_transcription=wire.AudioInputTranscriptionOptions(
                model="azure-speech", language="en"
            ),
        )
        assert isinstance(session.turn_detection, wire.AzureSemanticVad)
        assert session.input_audio_noise_reduction is not None
        assert session.input_audio_noise_reduction.type == "azure_deep_noise_suppression"
        assert session.input_audio_echo_cancellation is not None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(judge.speak)
            started = await judge.until(wire.ServerEventInputAudioBufferSpeechStarted)
            stopped = await judge.until(wire.ServerEventInputAudioBufferSpeechStopped)
            response = await judge.response()
            heard_of = wire.ServerEventConversationItemInputAudioTranscriptionCompleted
            heard = (judge.all(heard_of) or [await judge.until(heard_of)])[0]
            assert started.item_id == stopped.item_id == heard.item_id
            assert started.audio_start_ms < stopped.audio_end_ms
            assert judge.all(wire.ServerEventConversationItemInputAudioTranscriptionDelta)
            assert contains(judge.subject.transcript, heard.transcript), heard.transcript
            assert contains(judge.subject.spoken_answer, words_of(response)), words_of(response)
            assert judge.audio(response.id or "")


async def manual_turn(url: str, model: str) -> None:
    """Turns ended by hand: nothing is answered before it is asked for."""
    async with judging(url, model) as judge:
        await judge.sdk.send(
            {
                "type": "session.update",
                "session": {
                    "turn_detection": {"type": "none"},
                    "input_audio_transcription": {"model": "whisper-1"},
                },
            }
        )
        session = (await judge.until(wire.ServerEventSessionUpdated)).session
        assert session.turn_detection is None
        await judge.speak()
        await judge.sdk.input_audio_buffer.commit()
        committed = await judge.until(wire.ServerEventInputAudioBufferCommitted)
        assert not judge.all(wire.ServerEventInputAudioBufferSpeechStarted)
        assert not judge.all(wire.ServerEventResponseCreated)
        assert committed.item_id
        await judge.sdk.response.create()
        response = await judge.response()
        assert contains(judge.subject.spoken_answer, words_of(response)), words_of(response)


async def tool_call(url: str, model: str) -> None:
    """A function call, its result, and the answer that uses it."""
    async with judging(url, model) as judge:
        tool = wire.FunctionTool(
            name="get_weather",
            description=str(WEATHER_TOOL["description"]),
            parameters=WEATHER_TOOL["parameters"],
        )
        await judge.configure(modalities=[wire.Modality.TEXT], tools=[tool], tool_choice="auto")
        response = await judge.ask(judge.subject.tool_prompt)
        (call,) = response.output or []
        assert isinstance(call, wire.ResponseFunctionCallItem)
        assert call.name == "get_weather"
        assert is_paris(call.arguments)
        done = judge.all(wire.ServerEventResponseFunctionCallArgumentsDone)[-1]
        assert (done.call_id, done.name, done.arguments) == (call.call_id, call.name, call.arguments)
        result = wire.FunctionCallOutputItem(call_id=call.call_id, output=WEATHER_RESULT)
        await judge.sdk.conversation.item.create(item=result)
        await judge.until(wire.ServerEventConversationItemCreated)
        await judge.sdk.response.create()
        answer = await judge.response()
        assert contains(judge.subject.tool_answer, words_of(answer)), words_of(answer)


async def cancelled_response(url: str, model: str) -> None:
    """A response that the client cancels; the next turn works."""
    async with judging(url, model) as judge:
        await judge.say(judge.subject.long_prompt)
        await judge.sdk.response.create()
        await judge.until(wire.ServerEventResponseAudioDelta)
        await judge.sdk.response.cancel()
        response = await judge.response()
        assert response.status == "cancelled"
        assert (await judge.ask(judge.subject.text_prompt)).status == "completed"


async def interruption(url: str, model: str) -> None:
    """The user speaks while the model speaks: the reply ends, is cut to what was heard, and is answered."""
    async with judging(url, model) as judge:
        await judge.configure(turn_detection=_vad())
        await judge.say(judge.subject.long_prompt)
        await judge.sdk.response.create()
        first = await judge.until(wire.ServerEventResponseAudioDelta)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(judge.speak)
            response = await judge.response()
            assert (response.id, response.status) == (first.response_id, "cancelled")
            assert isinstance(response.status_details, wire.ResponseCancelledDetails)
            assert response.status_details.reason == "turn_detected"
            heard_ms = len(judge.audio(first.response_id)) * 1000 // (SAMPLE_RATE_HZ * 2) // 2
            await judge.sdk.conversation.item.truncate(
                item_id=first.item_id, content_index=0, audio_end_ms=heard_ms
            )
            answer = await judge.response()
            (cut,) = judge.all(wire.ServerEventConversationItemTruncated) or [
                await judge.until(wire.ServerEventConversationItemTruncated)
            ]
            assert (cut.item_id, cut.audio_end_ms) == (first.item_id, heard_ms)
            assert contains(judge.subject.spoken_answer, words_of(answer)), words_of(answer)


async def error(url: str, model: str) -> None:
    """Orders that cannot be carried out are answered with an error that names them; the session goes on."""
    async with judging(url, model) as judge:
        await judge.sdk.conversation.item.delete(item_id="item_nowhere", event_id="no-item")
        refused = (await judge.until(wire.ServerEventError, may_err=True)).error
        assert refused.event_id == "no-item"
        assert "item_nowhere" in refused.message
        avatar = wire.AvatarConfig(character="lisa", customized=False)
        await judge.sdk.session.update(session=wire.RequestSession(avatar=avatar))
        refused = (await judge.until(wire.ServerEventError, may_err=True)).error
        assert (refused.code, refused.param) == ("unsupported", "session.avatar")
        visemes = wire.Animation(outputs=[wire.AnimationOutputType.VISEME_ID])
        await judge.configure(animation=visemes)
        warning = (await judge.until(wire.ServerEventWarning)).warning
        assert warning.param == "session.animation"
        assert (await judge.ask(judge.subject.text_prompt)).status == "completed"


async def drop(url: str, model: str) -> None:
    """The connection is cut in a response: the SDK hears of it at once."""
    async with judging(url, model) as judge:
        await judge.say("drop")
        await judge.sdk.response.create()
        with anyio.fail_after(_TIMEOUT_S), pytest.raises(ConnectionClosed):
            while True:
                await judge.event()
        ended = [event.response.status for event in judge.all(wire.ServerEventResponseDone)]
        assert "completed" not in ended


SCENARIOS: dict[str, Callable[[str, str], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (
        text_turn,
        spoken_turn,
        manual_turn,
        tool_call,
        cancelled_response,
        interruption,
        error,
        drop,
    )
}
