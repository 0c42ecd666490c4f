"""Every client of seeds 001 and 004: cancelled at any await, left, and used in the wrong order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.clients.cancelling import Left, cancelled_at_every_await
from tests.clients.peer import Peer
from tests.clients.test_azure_realtime_audio import azure
from tests.clients.test_rt_clients import SPEECH, options, said
from voicewire.clients import AzureKeyCredential, AzureRealtimeAudio, RTClient, RTLowLevelClient
from voicewire.clients import models as c
from voicewire.clients import server_models as m
from voicewire.errors import AudioError, ConnectTimeout, LocalProtocolError, SessionClosed
from voicewire.testing.serve import ServedGateway

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

OWN = ("voicewire rt client", "voicewire azure realtime audio")
Client = RTLowLevelClient | RTClient | AzureRealtimeAudio


async def talk_low_level(gateway: ServedGateway) -> None:
    async with RTLowLevelClient(**options(gateway, "openai")) as client:
        await client.send(c.ItemCreateMessage(item=said("Hi")))
        await client.send(c.ResponseCreateMessage())
        async for message in client:
            if isinstance(message, m.ResponseDoneMessage):
                return


async def talk(gateway: ServedGateway) -> None:
    async with RTClient(**options(gateway, "azure")) as client:
        await client.configure(turn_detection=c.NoTurnDetection())
        await client.send_item(said("Hi"))
        response = await client.generate_response()
        async for item in response:
            async for _ in item:
                pass


async def talk_by_events(gateway: ServedGateway) -> None:
    client = azure(gateway)
    async with client:
        await client.create_conversation_item(
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
        )
        await client.create_response()


@pytest.mark.parametrize("by_task", [False, True])
@pytest.mark.parametrize("work", [talk_low_level, talk, talk_by_events])
async def test_cancelling_at_any_await_leaves_nothing(
    gateway: ServedGateway, work: Callable[[ServedGateway], Awaitable[None]], by_task: bool
) -> None:
    await work(gateway)
    await gateway.admission.wait_until_empty()
    before = Left(*OWN)

    async def nothing_is_left() -> None:
        await gateway.admission.wait_until_empty()
        await before.check()

    awaits = await cancelled_at_every_await(lambda: work(gateway), nothing_is_left, by_task=by_task)
    assert awaits > 3, awaits


async def test_an_error_of_the_application_leaves_nothing(gateway: ServedGateway) -> None:
    await talk(gateway)
    await gateway.admission.wait_until_empty()
    before = Left(*OWN)
    clients: tuple[Client, ...] = (
        RTLowLevelClient(**options(gateway, "azure")),
        RTClient(**options(gateway, "azure")),
        azure(gateway),
    )
    for client in clients:
        with pytest.raises(KeyError, match="mine"):
            async with client:
                raise KeyError("mine")
        await gateway.admission.wait_until_empty()
        await before.check()


async def test_a_server_that_begins_no_session_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.clients.conversation_link._SETUP_S", 0.01)
    for is_silent in (True, False):
        peer = Peer(greets=not is_silent, confirms=False).join(monkeypatch)
        client: RTClient | AzureRealtimeAudio = AzureRealtimeAudio(model="m", api_key="k")
        if is_silent:
            client = RTClient(model="m", key_credential=AzureKeyCredential("k"), timeout_s=0.01)
        before = Left(*OWN)
        with pytest.raises(ConnectTimeout, match="within 0.01 s"):
            await client.connect()
        await before.check()
        assert peer.memory.closed is not None
        await client.close()


async def test_a_cancelled_request_leaves_the_client_usable(gateway: ServedGateway) -> None:
    async with RTClient(**options(gateway, "openai")) as client:
        await client.configure(turn_detection=c.NoTurnDetection())

        async def ask() -> None:
            await client.send_item(said("Hi"))
            await (await client.generate_response()).wait()

        async def is_usable() -> None:
            await client.clear_audio()

        assert await cancelled_at_every_await(ask, is_usable) > 1


async def test_odd_numbers_of_bytes(gateway: ServedGateway) -> None:
    async with RTClient(**options(gateway, "azure")) as client:
        with pytest.raises(AudioError, match="whole number of 16-bit samples"):
            await client.send_audio(SPEECH[:-1])
        await client.configure(input_audio_format="g711_ulaw")
        await client.send_audio(b"\xff")
    talker = azure(gateway, session_config={"input_audio_format": "g711_ulaw"})
    async with talker:
        await talker.append_audio(b"\xff")


async def test_the_order_of_calls(gateway: ServedGateway) -> None:
    low = RTLowLevelClient(**options(gateway, "azure"))
    high = RTClient(**options(gateway, "azure"))
    by_events = azure(gateway)
    with pytest.raises(LocalProtocolError, match=r"await connect\(\)"):
        await low.send({"type": "input_audio_buffer.clear"})
    with pytest.raises(LocalProtocolError, match=r"await connect\(\)"):
        await high.send_audio(SPEECH)
    with pytest.raises(LocalProtocolError, match=r"await connect\(\)"):
        by_events.append_audio(SPEECH)
    for client in (low, high, by_events):
        async with client:
            with pytest.raises(LocalProtocolError, match="already"):
                await client.connect()
        await client.close()
    with pytest.raises(SessionClosed, match="connect a new client"):
        await low.send({"type": "input_audio_buffer.clear"})
    with pytest.raises(LocalProtocolError, match=r"await connect\(\)"):
        await high.send_audio(SPEECH)
    with pytest.raises(SessionClosed, match="connect a new client"):
        by_events.append_audio(SPEECH)
