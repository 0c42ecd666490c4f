"""``voicewire.testing.serve``: a gateway for other people's tests."""

from __future__ import annotations

import asyncio
import threading

import anyio
import httpx
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from voicewire.errors import UnknownModelError
from voicewire.testing import serve

from .fakes import FakeModel

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]


def held() -> tuple[int, int, int]:
    """Tasks, threads and sockets of this process."""
    sockets = psutil.Process().net_connections(kind="tcp")
    return len(asyncio.all_tasks()), threading.active_count(), len(sockets)


async def test_it_serves_the_named_model_on_a_port_of_its_own() -> None:
    async with (
        serve(model="echo") as one,
        serve(FakeModel(name="other")) as two,
        httpx.AsyncClient() as client,
    ):
        assert one.http_url != two.http_url
        assert one.ws_url == one.http_url.replace("http", "ws")
        for gateway, name in ((one, "echo"), (two, "other")):
            listed = (await client.get(f"{gateway.http_url}/v1/models")).json()["data"]
            assert [entry["id"] for entry in listed] == [name]


async def test_it_leaves_nothing_behind_even_with_a_client_connected() -> None:
    before = held()
    async with serve("echo") as gateway:
        socket = await connect(f"{gateway.ws_url}/v1/realtime")
        await socket.recv()
        assert held() != before
    with pytest.raises(ConnectionClosed) as closed:
        await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    await socket.wait_closed()
    assert held() == before


async def test_an_error_of_the_body_comes_out_as_it_is() -> None:
    before = held()
    with pytest.raises(ZeroDivisionError):
        async with serve("echo"):
            _ = 1 / 0
    assert held() == before


async def test_a_cancelled_body_still_closes_the_server() -> None:
    before = held()
    with anyio.CancelScope() as scope:
        async with serve("echo"):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert held() == before


async def test_an_unknown_model_is_refused_before_anything_starts() -> None:
    before = held()
    with pytest.raises(UnknownModelError):
        async with serve("no-such-model"):
            pass
    assert held() == before
