"""Clients that vanish at every point of a conversation, and clients that never read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import anyio
import pytest

from tests.faults.clients import (
    BOUND_S,
    MANUAL,
    RawClient,
    SlowModel,
    append,
    client_of,
    masked,
    raw_client,
    text_item,
)
from tests.faults.leaks import ASYNC
from voicewire.gateway.settings import GatewaySettings
from voicewire.testing import ServedGateway, serve

pytestmark = [pytest.mark.loopback, *ASYNC]

TONE = b"\x00\x20\x00\xe0" * 2400
"""200 ms at 24 kHz."""


async def _says_nothing(client: RawClient) -> None:
    pass


async def _in_the_request(client: RawClient) -> None:
    await client.say(b"GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr")


async def _at_the_handshake(client: RawClient) -> None:
    await client.shake_hands()


async def _at_the_greeting(client: RawClient) -> None:
    await client.shake_hands()
    await client.read_until(b"session.created")


async def _in_a_frame(client: RawClient) -> None:
    await _at_the_greeting(client)
    await client.say(masked(1, b'{"type":"input_audio_buffer.append","audio":"' + b"A" * 5000)[:700])


async def _in_the_speech(client: RawClient) -> None:
    await _at_the_greeting(client)
    await client.send(append(TONE))
    await client.read_until(b"input_audio_buffer.speech_started")


async def _after_the_turn(client: RawClient) -> None:
    await _at_the_greeting(client)
    await client.send(MANUAL, append(TONE), {"type": "input_audio_buffer.commit"})
    await client.read_until(b"input_audio_buffer.committed")


async def _in_the_reply(client: RawClient) -> None:
    await _at_the_greeting(client)
    await client.send(text_item("speak 60 seconds"), {"type": "response.create"})
    await client.read_until(b"response.output_audio.delta")


async def _in_a_tool_call(client: RawClient) -> None:
    await _at_the_greeting(client)
    await client.send(text_item('call look {"a": 1}'), {"type": "response.create"})
    await client.read_until(b"response.function_call_arguments.done")


POINTS: list[Callable[[RawClient], Awaitable[None]]] = [
    _says_nothing,
    _in_the_request,
    _at_the_handshake,
    _at_the_greeting,
    _in_a_frame,
    _in_the_speech,
    _after_the_turn,
    _in_the_reply,
    _in_a_tool_call,
]


async def _nobody_is_left(gateway: ServedGateway) -> None:
    with anyio.fail_after(BOUND_S):
        await gateway.admission.wait_until_empty()
    assert gateway.admission.session_count == 0


@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "end"])
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__.strip("_"))
async def test_a_client_that_vanishes(point: Callable[[RawClient], Awaitable[None]], is_reset: bool) -> None:
    async with serve("echo") as gateway, raw_client(gateway) as client:
        await point(client)
        client.vanish(is_reset=is_reset)
        await _nobody_is_left(gateway)
        async with client_of(gateway) as other:
            await other.is_served()


@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "end"])
@pytest.mark.parametrize("stops_in_send", [False, True], ids=["while it opens", "while it takes a command"])
async def test_a_client_that_vanishes_while_the_model_is_slow(stops_in_send: bool, is_reset: bool) -> None:
    model = SlowModel(stops_in_send=stops_in_send)
    async with serve(model) as gateway, raw_client(gateway) as client:
        await client.shake_hands()
        await client.send(text_item("one"), text_item("two"))
        with anyio.fail_after(BOUND_S):
            await model.is_reached.wait()
        client.vanish(is_reset=is_reset)
        await _nobody_is_left(gateway)
        assert model.is_over.is_set()


async def test_a_client_that_closes_while_the_model_opens_is_let_go() -> None:
    model = SlowModel()
    async with serve(model) as gateway, raw_client(gateway) as client:
        await client.shake_hands()
        with anyio.fail_after(BOUND_S):
            await model.is_reached.wait()
        await client.say(masked(8, b"\x03\xe8"))
        answer = await client.read_to_the_end()
        assert b"\x88\x02\x03\xe8" in answer
        await _nobody_is_left(gateway)


async def test_a_server_that_stops_does_not_wait_for_a_model_that_opens() -> None:
    model = SlowModel()
    async with AsyncExitStack() as stack:
        with anyio.fail_after(BOUND_S):
            async with serve(model) as gateway:
                client = await stack.enter_async_context(raw_client(gateway))
                await client.shake_hands()
                await model.is_reached.wait()
        assert b"\x03\xe9" in await client.read_to_the_end(), "the close code is 1001, going away"
    assert model.is_over.is_set()


async def test_a_client_that_never_reads_is_cut_and_hurts_nobody() -> None:
    settings = GatewaySettings(send_budget_bytes=256 * 1024, drain_s=0.0, close_grace_s=0.2)
    async with (
        serve("echo", settings=settings) as gateway,
        client_of(gateway) as other,
        raw_client(gateway, receive_buffer_bytes=4096) as stuck,
    ):
        await stuck.shake_hands()
        await stuck.read_until(b"session.created")
        # 400 s of speech, which this model makes at once: far more than any socket buffer holds.
        await stuck.send(text_item("x" * 20_000), {"type": "response.create"})
        with anyio.fail_after(BOUND_S):
            while gateway.admission.session_count > 1:
                await other.is_served()
        rest = await stuck.read_to_the_end()
        assert b"response.done" not in rest
        await other.is_served()
