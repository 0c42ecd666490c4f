"""What stands between clients and the provider in the density benchmark; one process each.

``gateway`` is Voicewire's own, its OpenAI wire in and its ``openai:`` model out. ``websockets`` and ``picows`` pass
frames on without looking at them: the floor of any relay on that library. ``litellm`` is the proxy of that name, a
public gateway; it is not among our dependencies, so ``LITELLM`` names its command in an environment of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from benchmarks.density_load import KEY

MAX_SESSIONS = 5000


def run_gateway(provider_url: str) -> None:
    """The gateway as ``voicewire serve`` runs it."""
    os.environ["OPENAI_BASE_URL"] = provider_url.replace("ws://", "http://") + "/v1"
    os.environ["OPENAI_API_KEY"] = "sk-loopback"
    from voicewire.gateway import GatewaySettings, serve
    from voicewire.models import create_model

    serve(
        create_model("openai:bench"),
        port=0,
        settings=GatewaySettings(max_sessions=MAX_SESSIONS),
        on_ready=lambda url: print(url.replace("http://", "ws://"), flush=True),
    )


def run_websockets(provider_url: str) -> None:
    """uvicorn's WebSocket in, the library ``websockets`` out."""
    import uvicorn
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    async def app(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        query = scope["query_string"].decode()
        async with connect(
            f"{provider_url}{scope['path']}?{query}", compression=None, ping_interval=None
        ) as upstream:
            await send({"type": "websocket.accept"})

            async def down() -> None:
                try:
                    async for message in upstream:
                        await send({"type": "websocket.send", "text": message})
                except (ConnectionClosed, OSError):
                    return

            pump = asyncio.get_running_loop().create_task(down())  # a floor, not our house
            try:
                while (message := await receive())["type"] == "websocket.receive":
                    await upstream.send(message["text"])
            finally:
                pump.cancel()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"ws://127.0.0.1:{port}", flush=True)

    config = uvicorn.Config(
        app, port=0, ws="websockets-sansio", log_config=None, lifespan="off", ws_per_message_deflate=False
    )
    Server(config).run()


class _Up(WSListener):
    """The provider's end of a relayed connection."""

    def __init__(self, client: WSTransport, waiting: list[bytes]) -> None:
        self.client = client
        self.waiting = waiting

    def on_ws_connected(self, transport: WSTransport) -> None:
        for payload in self.waiting:
            transport.send(WSMsgType.TEXT, payload)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self.client.send(WSMsgType.TEXT, frame.get_payload_as_memoryview())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.client.disconnect()


class _Down(WSListener):
    """The client's end of a relayed connection."""

    def __init__(self, url: str, starts: list[Callable[[], Awaitable[None]]]) -> None:
        self.url = url
        self.starts = starts
        self.up: WSTransport | None = None
        self.waiting: list[bytes] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        async def open_up() -> None:
            self.up, _ = await picows.ws_connect(lambda: _Up(transport, self.waiting), self.url)

        self.starts.append(open_up)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            transport.disconnect()
        elif self.up is None:
            self.waiting.append(frame.get_payload_as_bytes())
        else:
            self.up.send(WSMsgType.TEXT, frame.get_payload_as_memoryview())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.up is not None:
            self.up.disconnect()


def run_picows(provider_url: str) -> None:
    """picows on both sides."""
    import uvloop

    async def main() -> None:
        starts: list[Callable[[], Awaitable[None]]] = []

        def accept(request: WSUpgradeRequest) -> WSListener:
            return _Down(provider_url + request.path.decode(), starts)

        server = await picows.ws_create_server(accept, "127.0.0.1", 0)
        print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        while True:
            while starts:
                await starts.pop()()
            await asyncio.sleep(0.01)

    uvloop.run(main())


_LITELLM_SETTINGS = """
model_list:
  - model_name: bench
    litellm_params: {model: openai/bench, api_base: os.environ/BENCH_BASE, api_key: sk-loopback}
"""


def run_litellm(provider_url: str) -> None:
    """The proxy of LiteLLM, in this process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = Path(tempfile.mkdtemp()) / "litellm.yaml"
    config.write_text(_LITELLM_SETTINGS, encoding="utf-8")
    settings = {
        "BENCH_BASE": provider_url.replace("ws://", "http://") + "/v1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": KEY,
    }
    if (
        not os.fork()
    ):  # the child waits and says so; the parent is the process whose CPU and memory are measured
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.2)
        print(f"ws://127.0.0.1:{port}", flush=True)
        os._exit(0)
    quiet = os.open(config.with_suffix(".log"), os.O_CREAT | os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    command = os.environ.get("LITELLM", "litellm")
    arguments = ("--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False")
    os.execvpe(command, [command, *arguments], {**os.environ, **settings})


KINDS: dict[str, Callable[[str], None]] = {
    "gateway": run_gateway,
    "websockets": run_websockets,
    "picows": run_picows,
    "litellm": run_litellm,
}

if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[3])})
    KINDS[sys.argv[1]](sys.argv[2])
