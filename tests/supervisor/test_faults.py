"""Every provider x every point of a session x every fault: no hang, no leak, and no word of the user's is lost."""

from __future__ import annotations

import anyio
import pytest

from tests.faults.leaks import ASYNC
from tests.supervisor.providers import PROVIDERS, SILENCE, SPEECH, Seen, model_of, speak, watched
from voicewire.errors import AuthError, ConnectionLost, QuotaExceeded, RemoteProtocolError, SessionClosed
from voicewire.events import model as m
from voicewire.events.commands import SendText, SendToolResult
from voicewire.events.session import ToolSpec
from voicewire.models.model import RealtimeConnection
from voicewire.testing import serve
from voicewire.testing.faults import Fault, FaultInjector, Refusal
from voicewire.transport.policies import ReconnectPolicy

pytestmark = [pytest.mark.loopback, *ASYNC]

STATES = ("idle", "user speaking", "audio streaming", "tool call pending")
TOOLS = [ToolSpec(name="add")]
LOSSES: tuple[Fault, ...] = ("cut", "half_open")
BROKEN: tuple[Fault, ...] = ("garbage", "oversize")
HARMLESS: tuple[Fault, ...] = ("unknown_event", "slow_reader", "silence")


def is_done(seen: Seen) -> bool:
    return bool(seen.of(m.ModelResponseDoneEvent))


async def brought_to(
    state: str, connection: RealtimeConnection, seen: Seen, *, tells_starts: bool = True
) -> None:
    """The session at a named point."""
    if state == "user speaking":
        await speak(connection, SPEECH)
        if tells_starts:
            await seen.until(lambda s: bool(s.of(m.ModelInputStartedEvent)))
    elif state == "audio streaming":
        await connection.send(SendText("speak 2 seconds"))
        await seen.until(lambda s: bool(s.of(m.ModelResponseAudioDeltaEvent)))
    elif state == "tool call pending":
        await connection.send(SendText("call add {}"))
        await seen.until(lambda s: bool(s.of(m.ModelResponseToolUseDoneEvent)) and is_done(s))
    else:
        await connection.send(SendText("hello"))
        await seen.until(is_done)


async def finished(state: str, connection: RealtimeConnection, seen: Seen) -> str:
    """The rest of what the user does; the answer's words."""
    before = len(seen.of(m.ModelResponseDoneEvent))
    words_before = len(seen.of(m.ModelResponseAudioTranscriptDoneEvent))
    if state == "user speaking":
        await speak(connection, SPEECH + SILENCE)
    elif state == "tool call pending":
        (use,) = seen.of(m.ModelResponseToolUseDoneEvent)
        assert isinstance(use, m.ModelResponseToolUseDoneEvent)
        await connection.send(SendToolResult(use.tool_use["id"], "42"))
    else:
        await connection.send(SendText("and now"))
    await seen.until(lambda s: len(s.of(m.ModelResponseAudioTranscriptDoneEvent)) > words_before)
    await seen.until(lambda s: len(s.of(m.ModelResponseDoneEvent)) > before)
    words = seen.of(m.ModelResponseAudioTranscriptDoneEvent)[-1]
    assert isinstance(words, m.ModelResponseAudioTranscriptDoneEvent)
    return words.transcript


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("fault", LOSSES)
async def test_a_lost_connection_is_restored_and_nothing_said_is_missing(
    fault: Fault, state: str, provider: str
) -> None:
    faults = FaultInjector()
    async with serve("echo") as gateway:
        model = model_of(provider, gateway).set_link(wrap=faults.wrap)
        async with (
            model.open(instructions="Be brief.", tools=TOOLS) as connection,
            watched(connection) as seen,
        ):
            tells_starts = PROVIDERS[provider].tells_starts
            await brought_to(state, connection, seen, tells_starts=tells_starts)
            faults.inject(fault)
            await seen.until(lambda s: bool(s.of(m.WebsocketDisconnectEvent)))
            answer = await finished(state, connection, seen)
            assert connection.config.instructions == "Be brief."
            assert [tool.name for tool in connection.config.tools] == ["add"]
        assert faults.attempts == 2
    (lost,) = seen.of(m.WebsocketDisconnectEvent)
    assert isinstance(lost, m.WebsocketDisconnectEvent) and lost.code == 1006 and lost.reason
    (restored,) = seen.of(m.WebsocketConnectEvent)
    assert isinstance(restored, m.WebsocketConnectEvent) and not restored.is_planned
    assert not seen.of(m.ModelAudioDroppedEvent)
    if state == "user speaking":
        (final,) = seen.of(m.ModelInputTranscriptionDoneEvent)
        assert isinstance(final, m.ModelInputTranscriptionDoneEvent)
        heard_ms = int(final.transcript.removeprefix("[audio ").removesuffix(" ms]"))
        assert heard_ms >= 1200, "both halves of what was said"
        turns = 1 + PROVIDERS[provider].tells_starts
        assert len(seen.of(m.ModelInputStartedEvent)) == len(seen.of(m.ModelInputDoneEvent)) == turns
    elif state == "tool call pending":
        assert "42" in answer
    else:
        assert "and now" in answer
    if state == "audio streaming":
        cut = seen.of(m.ModelResponseDoneEvent)[0]
        assert isinstance(cut, m.ModelResponseDoneEvent)
        assert (cut.status, cut.reason) == ("failed", "connection_lost")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", BROKEN)
async def test_a_provider_that_breaks_the_protocol_ends_the_session_once(fault: Fault, provider: str) -> None:
    faults = FaultInjector()
    async with serve("echo") as gateway:
        model = model_of(provider, gateway).set_link(wrap=faults.wrap)
        async with model.open() as connection, watched(connection) as seen:
            await brought_to("audio streaming", connection, seen)
            faults.inject(fault)
            await seen.until_over()
            with pytest.raises(SessionClosed):
                await connection.send(SendText("late"))
    assert type(seen.error) is RemoteProtocolError
    (end,) = seen.of(m.ModelSessionEndedEvent)
    assert end is seen.events[-1]
    assert (
        isinstance(end, m.ModelSessionEndedEvent) and end.code == {"garbage": 1002, "oversize": 1009}[fault]
    )
    assert end.reason


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", HARMLESS)
async def test_what_ends_no_connection_ends_no_session(fault: Fault, provider: str) -> None:
    faults = FaultInjector()
    async with serve("echo") as gateway:
        model = model_of(provider, gateway).set_link(wrap=faults.wrap)
        async with model.open() as connection, watched(connection) as seen:
            await brought_to("idle", connection, seen)
            faults.inject(fault)
            if fault == "unknown_event":
                assert "and now" in await finished("idle", connection, seen)
            elif fault == "slow_reader":
                with anyio.move_on_after(0.02) as scope:
                    await connection.send(SendText("stuck"))
                assert scope.cancelled_caught, "it waits for room"
                faults.connections[-1].resume()
                assert "and now" in await finished("idle", connection, seen)
            await connection.aclose()
            await seen.until_over()
    assert seen.error is None and len(seen.of(m.ModelSessionEndedEvent)) == 1


REFUSALS: dict[Refusal, type[Exception]] = {
    "unreachable": ConnectionLost,
    "auth": AuthError,
    "quota": QuotaExceeded,
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_session_that_cannot_be_restored_ends_with_the_reason(
    refusal: Refusal, provider: str
) -> None:
    faults = FaultInjector()
    async with serve("echo") as gateway:
        model = model_of(provider, gateway).set_link(wrap=faults.wrap)
        async with model.open() as connection, watched(connection) as seen:
            faults.refuse_next(refusal, times=9)
            faults.inject("cut")
            await seen.until_over()
    assert type(seen.error) is REFUSALS[refusal]
    assert len(seen.of(m.ModelSessionEndedEvent)) == 1 and faults.attempts == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_refused_twice_and_dead_on_arrival_it_still_comes_back(provider: str) -> None:
    faults = FaultInjector()
    async with serve("echo") as gateway:
        model = model_of(provider, gateway).set_link(
            wrap=faults.wrap,
            reconnect=ReconnectPolicy(max_attempts=5, first_delay_s=0.001, max_delay_s=0.002),
        )
        async with model.open() as connection, watched(connection) as seen:
            faults.refuse_next("unreachable", times=2)
            faults.fail_next("cut")
            faults.inject("cut")
            await connection.send(SendText("meanwhile"))
            await seen.until(is_done)
            await connection.send(SendText("and now"))
            await seen.until(lambda s: len(s.of(m.ModelResponseDoneEvent)) == 2)
    said = [e.transcript for e in seen.events if isinstance(e, m.ModelResponseAudioTranscriptDoneEvent)]
    assert said == ["You said: meanwhile", "You said: and now"]
    (restored,) = seen.of(m.WebsocketConnectEvent)
    assert isinstance(restored, m.WebsocketConnectEvent) and restored.attempts == 4


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_closing_while_there_is_no_connection_is_a_plain_end(provider: str) -> None:
    faults = FaultInjector()
    async with serve("echo") as gateway:
        model = model_of(provider, gateway).set_link(wrap=faults.wrap)
        async with model.open() as connection, watched(connection) as seen:
            faults.refuse_next("hang")
            faults.inject("cut")
            await seen.until(lambda s: bool(s.of(m.WebsocketDisconnectEvent)))
            await connection.aclose()
            await seen.until_over()
    (end,) = seen.of(m.ModelSessionEndedEvent)
    assert isinstance(end, m.ModelSessionEndedEvent) and end.is_expected and seen.error is None
