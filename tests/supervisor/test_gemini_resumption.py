"""Gemini's notice before the end, and its own way to go on with a session, over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.leaks import ASYNC
from tests.supervisor.gemini_service import GeminiService, gemini_service
from tests.supervisor.providers import FAST, SILENCE, Seen, model_at, model_of, speak, tone, watched
from voicewire.events import model as m
from voicewire.events.commands import SendText
from voicewire.models.linked import LinkedModel
from voicewire.models.profiles import link_profile
from voicewire.testing import serve
from voicewire.testing.clock import ManualClock
from voicewire.testing.faults import FaultInjector

pytestmark = [pytest.mark.loopback, *ASYNC]


def model_for(service: GeminiService) -> LinkedModel:
    return model_at("gemini", service.url)


def answered(*words: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.answers == [f"You said: {text}" for text in words]


def handle_of(setup: dict[str, object]) -> object:
    resumption = setup["sessionResumption"]
    assert isinstance(resumption, dict)
    return resumption.get("handle")


async def test_a_notice_brings_the_next_connection_before_the_end_by_the_handle() -> None:
    async with (
        gemini_service() as service,
        model_for(service).open() as connection,
        watched(connection) as seen,
    ):
        first = await service.until_visits(1)
        assert handle_of(first.setup) is None
        await connection.send(SendText("one"))
        await seen.until(answered("one"))
        await first.go_away(10)
        second = await service.until_visits(2)
        await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
        await service.until_over(first)
        await connection.send(SendText("two"))
        await seen.until(answered("one", "two"))
        assert handle_of(second.setup) == first.handle != ""
        assert second.texts == ["two"], "what the handle covers is not told again"
        assert len(service.visits) == 2
    (changed,) = seen.of(m.WebsocketConnectEvent)
    assert isinstance(changed, m.WebsocketConnectEvent)
    assert changed.is_planned and changed.is_resumed and changed.items_told == 0
    assert not seen.of(m.WebsocketDisconnectEvent), "nothing was lost"


async def test_a_notice_in_the_middle_of_an_answer_waits_for_its_end() -> None:
    async with (
        gemini_service() as service,
        model_for(service).open() as connection,
        watched(connection) as seen,
    ):
        first = await service.until_visits(1)
        service.answers_in_full = False
        await connection.send(SendText("one"))
        await seen.until(lambda s: bool(s.of(m.ModelResponseAudioDeltaEvent)))
        await first.go_away(30)
        second = await service.until_visits(2)
        assert not seen.of(m.WebsocketConnectEvent), "the next one is ready, the answer goes on"
        await first.words("one")
        await first.give_handle()
        await first.end_turn()
        await seen.until(answered("one"))
        await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
        service.answers_in_full = True
        await connection.send(SendText("two"))
        await seen.until(answered("one", "two"))
        assert second.texts[-1] == "two"
    (done, _) = (e for e in seen.events if isinstance(e, m.ModelResponseDoneEvent))
    assert done.status == "completed"
    assert not seen.of(m.WebsocketDisconnectEvent)


async def test_an_answer_that_does_not_end_in_time_is_cut_before_the_limit() -> None:
    clock = ManualClock()
    async with gemini_service() as service:
        model = model_for(service).set_link(clock=clock)
        async with model.open() as connection, watched(connection) as seen:
            first = await service.until_visits(1)
            service.answers_in_full = False
            await connection.send(SendText("one"))
            await seen.until(lambda s: bool(s.of(m.ModelResponseAudioDeltaEvent)))
            await first.go_away(30)
            await service.until_visits(2)
            while clock.next_wake_ns is None:
                await clock.settle()
            await clock.advance_ms(24_000)
            assert not seen.of(m.WebsocketConnectEvent)
            await clock.advance_ms(2_000)
            await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
    (done,) = (e for e in seen.events if isinstance(e, m.ModelResponseDoneEvent))
    assert (done.status, done.reason) == ("failed", "connection_lost")
    (changed,) = seen.of(m.WebsocketConnectEvent)
    assert isinstance(changed, m.WebsocketConnectEvent) and not changed.is_planned
    assert len(seen.of(m.WebsocketDisconnectEvent)) == 1


async def test_a_lost_connection_is_resumed_and_told_what_came_after_the_handle() -> None:
    faults = FaultInjector()
    async with gemini_service() as service:
        model = model_for(service).set_link(wrap=faults.wrap)
        async with model.open() as connection, watched(connection) as seen:
            first = await service.until_visits(1)
            await connection.send(SendText("one"))
            await seen.until(answered("one"))
            await seen.until(lambda s: bool(s.of(m.ModelProviderEvent)))
            await connection.send(SendText("by the way", respond=False))
            await connection.send(SendText("two"))
            faults.inject("cut")
            await seen.until(answered("one", "two"))
            second = service.visits[1]
            assert handle_of(second.setup) == first.handle
            assert second.texts == ["by the way", "two"]
    (restored,) = seen.of(m.WebsocketConnectEvent)
    assert isinstance(restored, m.WebsocketConnectEvent)
    assert restored.is_resumed and restored.items_told == 2


async def test_a_handle_that_the_service_has_forgotten_is_replaced_by_the_history() -> None:
    faults = FaultInjector()
    async with gemini_service() as service:
        model = model_for(service).set_link(wrap=faults.wrap)
        async with model.open() as connection, watched(connection) as seen:
            first = await service.until_visits(1)
            await connection.send(SendText("one"))
            await seen.until(answered("one"))
            await seen.until(lambda s: bool(s.of(m.ModelProviderEvent)))
            service.forgotten_handles.add(first.handle)
            faults.inject("cut")
            await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
            await connection.send(SendText("two"))
            await seen.until(answered("one", "two"))
            refused, last = service.visits[1], service.visits[2]
            assert handle_of(refused.setup) == first.handle and handle_of(last.setup) is None
            assert last.texts == ["one", "You said: one", "two"]
    (restored,) = seen.of(m.WebsocketConnectEvent)
    assert isinstance(restored, m.WebsocketConnectEvent)
    assert not restored.is_resumed and restored.attempts == 2


async def test_a_notice_whose_handle_is_forgotten_is_followed_all_the_same() -> None:
    async with (
        gemini_service() as service,
        model_for(service).open() as connection,
        watched(connection) as seen,
    ):
        first = await service.until_visits(1)
        await connection.send(SendText("one"))
        await seen.until(answered("one"))
        await seen.until(lambda s: bool(s.of(m.ModelProviderEvent)))
        service.forgotten_handles.add(first.handle)
        await first.go_away(10)
        last = await service.until_visits(3)
        await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
        await connection.send(SendText("two"))
        await seen.until(answered("one", "two"))
        assert handle_of(last.setup) is None
        assert last.texts == ["one", "You said: one", "two"]


async def test_a_service_that_ends_the_connection_after_its_notice_loses_nothing() -> None:
    async with (
        gemini_service() as service,
        model_for(service).open() as connection,
        watched(connection) as seen,
    ):
        first = await service.until_visits(1)
        service.answers_in_full = False
        await connection.send(SendText("one"))
        await seen.until(lambda s: bool(s.of(m.ModelResponseAudioDeltaEvent)))
        await first.go_away(10)
        await service.until_visits(2)
        await first.close(1011, "Deadline expired before operation could complete.")
        await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
        service.answers_in_full = True
        await connection.send(SendText("two"))
        await seen.until(lambda s: "You said: two" in s.answers)
        assert service.visits[1].texts == ["one", "two"], "nothing of the first answer was audible"
    (done, _) = (e for e in seen.events if isinstance(e, m.ModelResponseDoneEvent))
    assert done.status == "failed"


async def test_a_long_utterance_without_a_sign_of_it_is_not_lost() -> None:
    """This wire may say nothing of an utterance before its end: what was said until then has to be kept as it is."""
    faults = FaultInjector()
    idle_audio_s = link_profile("gemini").reconnect.idle_audio_s
    async with serve("echo") as gateway:
        model = model_of("gemini", gateway).set_link(
            wrap=faults.wrap, reconnect=replace(FAST, idle_audio_s=idle_audio_s)
        )
        async with model.open() as connection, watched(connection) as seen:
            await speak(connection, tone(6000))
            faults.inject("cut")
            await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
            await speak(connection, tone(600) + SILENCE)
            await seen.until(lambda s: bool(s.of(m.ModelInputTranscriptionDoneEvent)))
    (final,) = seen.of(m.ModelInputTranscriptionDoneEvent)
    assert isinstance(final, m.ModelInputTranscriptionDoneEvent)
    assert int(final.transcript.removeprefix("[audio ").removesuffix(" ms]")) >= 6600
