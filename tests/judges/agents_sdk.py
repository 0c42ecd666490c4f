"""Scenarios for ``openai-agents`` (Python): the stock realtime runner and model over its own WebSocket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from agents import function_tool, set_tracing_disabled
from agents.realtime import (
    AssistantMessageItem,
    RealtimeAgent,
    RealtimeAudio,
    RealtimeAudioInterrupted,
    RealtimeError,
    RealtimeHistoryAdded,
    RealtimeHistoryUpdated,
    RealtimeModelExceptionEvent,
    RealtimeModelSendInterrupt,
    RealtimeModelSendRawMessage,
    RealtimeModelTurnEndedEvent,
    RealtimeRawModelEvent,
    RealtimeRunner,
    RealtimeSession,
    RealtimeSessionEvent,
    RealtimeSessionModelSettings,
    RealtimeToolEnd,
    UserMessageItem,
)
from agents.realtime.items import AssistantText, InputAudio
from agents.realtime.model_events import RealtimeModelConnectionStatusEvent, RealtimeModelRawServerEvent

from .subjects import SAMPLE_RATE_HZ, SUBJECTS, WEATHER_RESULT, Subject, contains, paced

_TIMEOUT_S = 60.0


@function_tool
def get_weather(city: str) -> str:
    """Tells the weather in a city.

    Args:
        city: Name of the city.
    """
    assert "paris" in city.lower()
    return WEATHER_RESULT


class Listener:
    """The session's events; an error of any kind is a failure."""

    def __init__(self, session: RealtimeSession, subject: Subject) -> None:
        self.session = session
        self.subject = subject
        self.seen: list[RealtimeSessionEvent] = []
        self._events = aiter_of(session)

    async def until(
        self, is_wanted: Callable[[RealtimeSessionEvent], bool], *, may_err: bool = False
    ) -> RealtimeSessionEvent:
        """Reads up to the next event that is wanted."""
        with anyio.fail_after(_TIMEOUT_S):
            while True:
                event = await self._events.__anext__()
                self.seen.append(event)
                assert may_err or not isinstance(event, RealtimeError), event.error
                if isinstance(event, RealtimeRawModelEvent) and not may_err:
                    assert not isinstance(event.data, RealtimeModelExceptionEvent), event.data
                if is_wanted(event):
                    return event

    async def until_turn_ended(self) -> None:
        """Reads up to the end of the next response."""
        await self.until(
            lambda event: (
                isinstance(event, RealtimeRawModelEvent)
                and isinstance(event.data, RealtimeModelTurnEndedEvent)
            )
        )

    def audio(self) -> bytes:
        """All audio of the model so far."""
        return b"".join(event.audio.data for event in self.seen if isinstance(event, RealtimeAudio))

    async def speak(self) -> None:
        """Streams a spoken turn."""
        async for chunk in paced(self.subject.speech(), self.subject.pace):
            await self.session.send_audio(chunk)

    def answers(self) -> list[str]:
        """What the assistant said, by item, from the SDK's own history."""
        return [_words(item) for item in self._history() if isinstance(item, AssistantMessageItem)]

    def questions(self) -> list[str]:
        """What the user said, by item, transcripts included."""
        return [
            part.transcript or ""
            for item in self._history()
            if isinstance(item, UserMessageItem)
            for part in item.content
            if isinstance(part, InputAudio)
        ]

    def raw(self) -> list[dict[str, Any]]:
        """Every server event as it came."""
        return [
            event.data.data
            for event in self.seen
            if isinstance(event, RealtimeRawModelEvent)
            and isinstance(event.data, RealtimeModelRawServerEvent)
        ]

    def raw_types(self) -> set[str]:
        """The types of all server events."""
        return {str(event["type"]) for event in self.raw()}

    def statuses(self) -> list[str]:
        """How the responses ended."""
        return [str(event["response"]["status"]) for event in self.raw() if event["type"] == "response.done"]

    def _history(self) -> list[object]:
        items: dict[str, object] = {}
        for event in self.seen:
            if isinstance(event, RealtimeHistoryUpdated):
                items = {item.item_id: item for item in event.history}
            elif isinstance(event, RealtimeHistoryAdded):
                items[event.item.item_id] = event.item
        return list(items.values())


def aiter_of(session: RealtimeSession) -> AsyncIterator[RealtimeSessionEvent]:
    """The one iterator of a session."""
    return session.__aiter__()


def _words(item: AssistantMessageItem) -> str:
    parts = (part.text if isinstance(part, AssistantText) else part.transcript for part in item.content)
    return " ".join(part for part in parts if part)


@asynccontextmanager
async def judging(
    url: str, model: str, settings: RealtimeSessionModelSettings | None = None
) -> AsyncGenerator[Listener, None]:
    """A running session of the unmodified SDK."""
    set_tracing_disabled(True)
    agent = RealtimeAgent(name="judge", instructions="Be brief.", tools=[get_weather])
    runner = RealtimeRunner(agent)
    session = await runner.run(
        model_config={
            "api_key": "judge",
            "url": f"{url}/v1/realtime?model={model}",
            "initial_model_settings": settings or {},
        }
    )
    async with session:
        yield Listener(session, SUBJECTS[model])


async def text_turn(url: str, model: str) -> None:
    """A written message, answered by voice."""
    async with judging(url, model) as listener:
        await listener.session.send_message(listener.subject.text_prompt)
        await listener.until_turn_ended()
        assert len(listener.audio()) >= SAMPLE_RATE_HZ // 10 * 2
        await listener.session.send_message(listener.subject.text_prompt)
        await listener.until_turn_ended()
        assert len(listener.answers()) == 2
        for answer in listener.answers():
            assert contains(listener.subject.text_answer, answer), answer


async def spoken_turn(url: str, model: str) -> None:
    """Speech in, with the SDK's own default turn detection (semantic VAD)."""
    async with judging(url, model) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.speak)
        await listener.until_turn_ended()
        if not any(listener.questions()):
            await listener.until(lambda _: any(listener.questions()))
        assert contains(listener.subject.transcript, listener.questions()[0]), listener.questions()
        assert contains(listener.subject.spoken_answer, listener.answers()[0]), listener.answers()
        assert listener.audio()


async def manual_turn(url: str, model: str) -> None:
    """Push to talk: no turn detection, a commit, and a response that is asked for."""
    off: RealtimeSessionModelSettings = {"audio": {"input": {"turn_detection": None}}}
    async with judging(url, model, off) as listener:
        await listener.speak()
        await listener.session.send_audio(bytes(SAMPLE_RATE_HZ // 10 * 2), commit=True)
        await listener.session.model.send_event(
            RealtimeModelSendRawMessage(message={"type": "response.create"})
        )
        await listener.until_turn_ended()
        if not any(listener.questions()):
            await listener.until(lambda _: any(listener.questions()))
        assert contains(listener.subject.transcript, listener.questions()[0]), listener.questions()
        assert contains(listener.subject.spoken_answer, listener.answers()[0]), listener.answers()
        assert "input_audio_buffer.speech_started" not in listener.raw_types()


async def cancelled_response(url: str, model: str) -> None:
    """The application interrupts; the reply ends as cancelled and the next turn works."""
    async with judging(url, model) as listener:
        await listener.session.send_message(listener.subject.long_prompt)
        await listener.until(lambda event: isinstance(event, RealtimeAudio))
        # Its plain interrupt() leaves the cancelling to a server that interrupts by itself, as ours does.
        await listener.session.model.send_event(RealtimeModelSendInterrupt(force_response_cancel=True))
        # The SDK calls a turn ended when it cancels; the server's word comes after that.
        await listener.until(lambda _: bool(listener.statuses()))
        await listener.session.send_message(listener.subject.text_prompt)
        await listener.until(lambda _: len(listener.statuses()) == 2 and len(listener.answers()) == 2)
        assert listener.statuses() == ["cancelled", "completed"]
        assert contains(listener.subject.text_answer, listener.answers()[-1]), listener.answers()


async def tool_call(url: str, model: str) -> None:
    """The SDK runs the function and sends its result by itself."""
    async with judging(url, model) as listener:
        await listener.session.send_message(listener.subject.tool_prompt)
        ended = await listener.until(lambda event: isinstance(event, RealtimeToolEnd))
        assert isinstance(ended, RealtimeToolEnd)
        assert (ended.tool.name, ended.output) == ("get_weather", WEATHER_RESULT)
        while not listener.answers():
            await listener.until_turn_ended()
        assert contains(listener.subject.tool_answer, listener.answers()[-1]), listener.answers()


async def interruption(url: str, model: str) -> None:
    """The user speaks over the reply; the SDK cuts its playback and tells the server what was heard."""
    async with judging(url, model) as listener:
        await listener.session.send_message(listener.subject.long_prompt)
        await listener.until(lambda event: isinstance(event, RealtimeAudio))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.speak)
            await listener.until(lambda event: isinstance(event, RealtimeAudioInterrupted))
            await listener.until_turn_ended()
            await listener.until_turn_ended()
        assert contains(listener.subject.spoken_answer, listener.answers()[-1]), listener.answers()


async def error(url: str, model: str) -> None:
    """An order that cannot be carried out is reported to the application; the session goes on."""
    async with judging(url, model) as listener:
        delete = {"item_id": "item_nowhere", "event_id": "no-item"}
        await listener.session.model.send_event(
            RealtimeModelSendRawMessage(message={"type": "conversation.item.delete", "other_data": delete})
        )
        refused = await listener.until(lambda event: isinstance(event, RealtimeError), may_err=True)
        assert isinstance(refused, RealtimeError)
        assert "item_nowhere" in str(refused.error)
        await listener.session.send_message(listener.subject.text_prompt)
        await listener.until_turn_ended()
        assert contains(listener.subject.text_answer, listener.answers()[-1]), listener.answers()


async def drop(url: str, model: str) -> None:
    """The connection is cut in a response: the SDK says that it failed, and nothing hangs."""
    async with judging(url, model) as listener:
        await listener.session.send_message("drop")
        lost = await listener.until(
            lambda event: (
                isinstance(event, RealtimeRawModelEvent)
                and isinstance(event.data, RealtimeModelConnectionStatusEvent | RealtimeModelExceptionEvent)
                and getattr(event.data, "status", "disconnected") == "disconnected"
            ),
            may_err=True,
        )
        assert isinstance(lost, RealtimeRawModelEvent)
        assert "completed" not in listener.statuses()


SCENARIOS: dict[str, Callable[[str, str], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (text_turn, spoken_turn, manual_turn, tool_call, cancelled_response, interruption, error)
}
ECHO_SCENARIOS = {**SCENARIOS, drop.__name__: drop}
"""With those that only the echo model has a word for."""
