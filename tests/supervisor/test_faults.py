"""What becomes of a session whose connections cannot be restored, or not at once; see test_matrix for the faults."""

from __future__ import annotations

import pytest

from tests.faults.leaks import ASYNC
from tests.supervisor.providers import PROVIDERS, Seen, model_of, watched
from voicewire.errors import AuthError, ConnectionLost, QuotaExceeded
from voicewire.events import model as m
from voicewire.events.commands import SendText
from voicewire.testing import serve
from voicewire.testing.faults import FaultInjector, Refusal
from voicewire.transport.policies import ReconnectPolicy

pytestmark = [pytest.mark.loopback, *ASYNC]


def is_done(seen: Seen) -> bool:
    return bool(seen.of(m.ModelResponseDoneEvent))


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
