"""Seed 002's own examples, as printed but for the import root and the model, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import connect

from voicewire.audio.pcm import tone
from voicewire.gateway.server import bind
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

BACK_END = """
import asyncio
import os
from fastapi import FastAPI, WebSocket
from voicewire.agent import RealtimeAgent
from voicewire.models import OpenAIRealtimeModel
from voicewire.events import ClientEvents, ServerEvents

app = FastAPI()

@app.websocket("/ws/{user_id}/{session_id}")
async def websocket_endpoint(
    websocket: WebSocket,
    user_id: str,
    session_id: str,
):
    await websocket.accept()

    # Create queue for agent messages
    frontend_queue = asyncio.Queue()

    # Create agent
    agent = RealtimeAgent(
        name="Assistant",
        sys_prompt="You are a helpful assistant.",
        model=OpenAIRealtimeModel(
            model_name="gpt-4o-realtime-preview",
            api_key=os.getenv("OPENAI_API_KEY"),
        ),
    )

    # Start agent
    await agent.start(frontend_queue)

    # Forward messages from agent to frontend
    async def send_to_frontend():
        while True:
            msg = await frontend_queue.get()
            await websocket.send_json(msg.model_dump())

    asyncio.create_task(send_to_frontend())

    # Receive messages from frontend and forward to agent
    while True:
        data = await websocket.receive_json()
        client_event = ClientEvents.from_json(data)
        await agent.handle_input(client_event)
"""

AGENT = '''
import asyncio
import os
from voicewire.agent import RealtimeAgent
from voicewire.models import OpenAIRealtimeModel

async def example_realtime_agent() -> None:
    """Example of creating and using a realtime agent."""
    agent = RealtimeAgent(
        name="Friday",
        sys_prompt="You are a helpful assistant named Friday.",
        model=OpenAIRealtimeModel(
            model_name="gpt-4o-realtime-preview",
            api_key=os.getenv("OPENAI_API_KEY"),
        ),
    )

    # Create a queue to receive messages from the agent
    outgoing_queue = asyncio.Queue()

    # The agent is now ready to handle inputs

    # Handle outgoing messages in a separate task
    async def handle_agent_messages():
        while True:
            event = await outgoing_queue.get()
            # Process the event (e.g., send to frontend via WebSocket)
            print(f"Agent event: {event.type}")

    # Start the message handling task
    asyncio.create_task(handle_agent_messages())

    # Start the agent (establishes connection)
    await agent.start(outgoing_queue)

    # Stop the agent when done
    await agent.stop()
'''


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A gateway with ``echo`` in the place of OpenAI; tasks that an example leaves behind end with the test."""
    before = asyncio.all_tasks()
    async with serve("echo") as gateway:
        monkeypatch.setenv("OPENAI_API_KEY", "no-secret")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{gateway.http_url}/v1")
        yield
        left = [task for task in asyncio.all_tasks() - before if "example" in repr(task)]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def run_example(code: str, name: str) -> Any:
    space: dict[str, Any] = {}
    exec(compile(code, "<example of seed 002>", "exec"), space)
    return space[name]


@asynccontextmanager
async def served(app: FastAPI) -> AsyncGenerator[str, None]:
    with bind("127.0.0.1", 0) as listener:
        config = uvicorn.Config(
            app, log_config=None, lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # not in a test
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True


async def test_the_agent_example(provider: None) -> None:
    example: Callable[[], Any] = run_example(AGENT, "example_realtime_agent")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        await example()
        await asyncio.sleep(0)
    lines = printed.getvalue().splitlines()
    assert len(lines) == 2
    assert "agent_ready" in lines[0].lower()
    assert "agent_ended" in lines[1].lower()


async def test_the_back_end_with_a_front_end(provider: None) -> None:
    app = run_example(BACK_END, "app")
    # What the tutorial's page sends, with the audio format that the event table of the tutorial asks for.
    create = {
        "type": "client_session_create",
        "config": {"instructions": "You are a helpful assistant.", "user_name": "User1"},
    }
    audio = {
        "type": "client_audio_append",
        "session_id": "session1",
        "audio": base64.b64encode(tone(300, 8000, 16000) + bytes(32000)).decode(),
        "format": {"type": "audio/pcm", "rate": 16000},
    }
    seen: list[str] = []
    async with served(app) as url, connect(f"{url}/ws/user1/session1") as socket:
        with anyio.fail_after(20):
            await socket.send(json.dumps(create))
            await socket.send(json.dumps(audio))
            while "agent_response_done" not in seen:
                seen.append(json.loads(await socket.recv())["type"])
            await socket.send(json.dumps({"type": "client_session_end", "session_id": "session1"}))
            while "server_session_ended" not in seen:
                seen.append(json.loads(await socket.recv())["type"])
    assert seen[0] == "agent_ready"
    assert {"server_session_created", "agent_input_started", "agent_response_audio_delta"} <= set(seen)
    assert "agent_error" not in seen
    assert seen[-2:] == ["agent_ended", "server_session_ended"]
