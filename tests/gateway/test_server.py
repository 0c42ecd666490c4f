"""Running the gateway: addresses, signals, drain."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from anyio.abc import Process
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from voicewire.errors import ConfigError
from voicewire.gateway import GatewaySettings, serve
from voicewire.gateway.server import bind

from .fakes import FakeModel

pytestmark = pytest.mark.loopback

SCRIPT = """
from voicewire.gateway import GatewaySettings, serve
from voicewire.models import create_model
serve(create_model("echo"), port=0, settings=GatewaySettings(drain_s={drain_s}),
      on_ready=lambda url: print("listening on", url, flush=True))
print("drained", flush=True)
"""


@asynccontextmanager
async def running(drain_s: float = 10.0) -> AsyncGenerator[tuple[Process, str], None]:
    """A gateway in a process of its own, and its address without the scheme."""
    code = SCRIPT.format(drain_s=drain_s)
    async with await anyio.open_process([sys.executable, "-c", code], stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        with anyio.fail_after(30):
            first = ""
            while not first.endswith("\n"):
                first += (await process.stdout.receive()).decode()
        assert first.startswith("listening on http://127.0.0.1:"), first
        try:
            yield process, first.split("//")[1].strip()
        finally:
            if process.returncode is None:
                process.kill()


async def output_of(process: Process) -> str:
    assert process.stdout is not None
    with anyio.fail_after(20):
        return b"".join([chunk async for chunk in process.stdout]).decode()


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_server_with_exit_code_0(number: signal.Signals) -> None:
    async with running() as (process, address):
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://{address}/healthz")).json() == {"status": "ok"}
        process.send_signal(number)
        assert (await output_of(process)).splitlines() == ["drained"]
        assert await process.wait() == 0


@pytest.mark.anyio
async def test_sigterm_lets_a_reply_end() -> None:
    content = [{"type": "input_text", "text": "speak 2 seconds"}]
    item = {"type": "message", "role": "user", "content": content}
    kinds: list[str] = []
    async with (
        running() as (process, address),
        connect(f"ws://{address}/v1/realtime?model=echo", ping_interval=None) as socket,
    ):
        await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await socket.send(json.dumps({"type": "response.create"}))
        with anyio.fail_after(20), pytest.raises(ConnectionClosed) as closed:
            while True:
                event = json.loads(await socket.recv())
                kinds.append(event["type"])
                if kinds.count("response.output_audio.delta") == 1 and event["type"].endswith("audio.delta"):
                    process.send_signal(signal.SIGTERM)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "the server is shutting down")
        assert kinds.count("response.done") == 1
        assert (await output_of(process)).splitlines() == ["drained"]
        assert await process.wait() == 0


@pytest.mark.anyio
async def test_a_drain_without_patience_closes_at_once() -> None:
    async with (
        running(drain_s=0.0) as (process, address),
        connect(f"ws://{address}/v1/realtime?model=echo") as socket,
    ):
        assert json.loads(await socket.recv())["type"] == "session.created"
        process.send_signal(signal.SIGTERM)
        with anyio.fail_after(10), pytest.raises(ConnectionClosed) as closed:
            while True:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert (await output_of(process)).splitlines() == ["drained"]
        assert await process.wait() == 0


def test_a_port_in_use_is_a_config_error() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} .* is in use"):
            serve(FakeModel(), port=port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_hosts_need_keys(host: str) -> None:
    with pytest.raises(ConfigError, match="no API keys are set"):
        serve(FakeModel(), host=host, port=0)


def test_a_host_that_is_no_address_of_this_machine_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="cannot listen on '192.0.2.1'"):
        bind("192.0.2.1", 0, needs_keys=False)
    with pytest.raises(ConfigError, match="not an address"):
        bind("no such host", 0, needs_keys=False)


def test_with_keys_any_address_is_allowed() -> None:
    with bind("0.0.0.0", 0, needs_keys=False) as listener:
        assert listener.getsockname()[1] > 0
    assert GatewaySettings().api_keys == ()
