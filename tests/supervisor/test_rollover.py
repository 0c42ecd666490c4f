"""Changing over before a limit, and resuming by the provider's own handle."""

from __future__ import annotations

from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from tests.faults.leaks import ASYNC
from tests.supervisor.providers import BOUND_S, PROVIDERS, Seen, Witness, model_of, watched
from voicewire.events import model as m
from voicewire.events.commands import CreateItem, SendText
from voicewire.models.told_items import ToldItems
from voicewire.testing import serve
from voicewire.testing.clock import ManualClock
from voicewire.testing.faults import FaultInjector

pytestmark = [pytest.mark.loopback, *ASYNC]


def is_done(seen: Seen) -> bool:
    return bool(seen.of(m.ModelResponseDoneEvent))


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_before_its_limit_the_next_connection_takes_over_in_a_pause(provider: str) -> None:
    faults, clock = FaultInjector(), ManualClock()
    async with serve("echo") as gateway:
        model = model_of(provider, gateway).set_link(wrap=faults.wrap, clock=clock)
        model.capabilities = replace(model.capabilities, max_session_s=600)
        async with model.open() as connection, watched(connection) as seen:
            await connection.send(SendText("speak 1 seconds"))
            await seen.until(lambda s: bool(s.of(m.ModelResponseAudioDeltaEvent)))
            await clock.advance_ms(541_000)
            await seen.until(is_done)
            await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
            await connection.send(SendText("and now"))
            await seen.until(lambda s: len(s.of(m.ModelResponseDoneEvent)) == 2)
        assert faults.attempts == 2
    (changed,) = seen.of(m.WebsocketConnectEvent)
    assert isinstance(changed, m.WebsocketConnectEvent)
    assert changed.is_planned and changed.items_told == 2
    done = seen.of(m.ModelResponseDoneEvent)[0]
    assert seen.events.index(done) < seen.events.index(changed), "not in the middle of an answer"
    assert not seen.of(m.WebsocketDisconnectEvent), "nothing was lost"
    ends = [event.status for event in seen.events if isinstance(event, m.ModelResponseDoneEvent)]
    assert ends == ["completed", "completed"]


async def test_what_a_handle_covers_is_not_told_again() -> None:
    items = ToldItems(10, takes_calls=False)
    items.heard_user("u1", "before")
    items.cover()
    items.heard_user("u2", "after")
    told = [x.item.id for x in items.told(is_resumed=True) if isinstance(x, CreateItem)]
    assert told == ["u2"]
    assert len(items.told(is_resumed=False)) == 2


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_prepared_connection_that_dies_before_its_turn_comes_is_replaced(provider: str) -> None:
    faults, clock, witness = FaultInjector(found_out_s=0.01), ManualClock(), Witness()
    async with serve(witness) as gateway:
        model = model_of(provider, gateway).set_link(wrap=faults.wrap, clock=clock)
        model.capabilities = replace(model.capabilities, max_session_s=600)
        async with model.open() as connection, watched(connection) as seen:
            await connection.send(SendText("speak 1 seconds"))
            await seen.until(lambda s: bool(s.of(m.ModelResponseAudioDeltaEvent)))
            await clock.advance_ms(541_000)
            with anyio.fail_after(BOUND_S):
                while faults.attempts < 2:
                    await anyio.lowlevel.checkpoint()
            await clock.settle(200)  # so that it is most often ready; the end is the same when it is not
            faults.inject("cut")
            await seen.until(is_done)
            with anyio.fail_after(BOUND_S):
                while faults.attempts < 3:  # the wait before the attempt is on the clock that stands still
                    await clock.advance_ms(10)
            await connection.send(SendText("and now"))
            await seen.until(lambda s: any("and now" in text for text in s.answers))
            await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
            assert witness.texts == ["speak 1 seconds", "and now"]
    ends = [event.status for event in seen.events if isinstance(event, m.ModelResponseDoneEvent)]
    assert ends == ["completed", "completed"]
