"""Connections are taken before the models are loaded; a client of a restarted server does not wait for them."""

from __future__ import annotations

import json
import logging
import signal
from concurrent.futures import Future
from typing import Any

import anyio
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from voicewire.engine import weights
from voicewire.errors import ModelLoadError
from voicewire.gateway import create_app
from voicewire.gateway.server import GatewayServer, bind
from voicewire.models import create_model
from voicewire.testing.running import running

from .test_signals import program

pytestmark = pytest.mark.anyio


@pytest.mark.loopback
@pytest.mark.parametrize("failure", [None, ModelLoadError("its file is missing")])
async def test_readiness_waits_for_the_models(
    failure: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    loading: Future[None] = Future()
    listening = anyio.Event()
    with bind("127.0.0.1", 0) as listener:
        server = GatewayServer(
            create_app(create_model("echo")),
            listener,
            on_ready=lambda _: listening.set(),
            handles_signals=False,
            warm_up=lambda: [loading],
        )
        async with running(server, listener, listening), httpx.AsyncClient(base_url=server.url) as client:

            async def readiness() -> tuple[int, str]:
                answer = await client.get("/readyz")
                return answer.status_code, answer.json()["status"]

            assert await readiness() == (503, "warming")
            async with connect(server.url.replace("http", "ws") + "/v1/realtime") as socket:
                assert json.loads(await socket.recv())["type"] == "session.created"
            if failure is None:
                loading.set_result(None)
                await anyio.wait_all_tasks_blocked()
                assert await readiness() == (200, "ready")
            else:
                loading.set_exception(failure)
                await anyio.wait_all_tasks_blocked()
                assert await readiness() == (503, "warming")
    told = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert [vars(one)["reason"] for one in told] == ([] if failure is None else ["its file is missing"])


async def say(socket: ClientConnection, **event: Any) -> None:
    await socket.send(json.dumps({"session_id": "session1", **event}))


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    with anyio.fail_after(60):
        while True:
            event: dict[str, Any] = json.loads(await socket.recv())
            if event["type"] == kind:
                return event


@pytest.mark.engine
async def test_the_embedded_engine_is_killed_and_its_client_goes_on() -> None:
    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    async with program("--model", "local") as (process, address):
        async with connect(f"ws://{address}/ws/user1/session1") as socket:
            await say(socket, type="client_session_create", config={"resume": True})
            token = (await until(socket, "server_resume_token"))["token"]
            process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
    history = [{"role": "user", "text": "My name is Ada."}, {"role": "assistant", "text": "Hello Ada."}]
    port = address.partition(":")[2]
    async with program("--model", "local", "--port", port) as (process, address):
        async with connect(f"ws://{address}/ws/user1/session1") as socket:
            await say(socket, type="client_session_create", config={"resume_token": token})
            assert (await until(socket, "agent_error"))["code"] == "resume_refused"
            await say(socket, type="client_session_create", config={"resume": True, "history": history})
            await until(socket, "server_session_created")
            # What it asks while the models are still being loaded is not lost.
            await say(socket, type="client_text_append", text="What is two plus two?")
            done = await until(socket, "agent_response_audio_transcript_done")
            assert "4" in done["transcript"]
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
