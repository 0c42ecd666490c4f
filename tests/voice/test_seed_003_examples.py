"""Seed 003's own code examples, with only their import root changed, against a gateway with ``echo``.

Each block is the document's text. What it leaves open (``audio_bytes``, ``play_audio``, ...) is given as globals, and
``await`` or ``async with`` outside of a function runs as it would in an asyncio console.
"""

from __future__ import annotations

import ast
import inspect
import queue
import re
from collections.abc import AsyncGenerator
from types import CodeType
from typing import Any

import anyio
import pytest
import uvicorn
from websockets.asyncio.client import connect

from tests.conftest import SHARED
from voicewire.audio.pcm import silence, tone
from voicewire.gateway.server import bind
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

SPEECH = tone(440, 12_000, 24_000)
IMPORT = "from voicewire.compat.ai_infra import RealtimeVoice\n"
WAIT = """
    import asyncio
    done = asyncio.Event()
    voice.on_response_done(lambda _: done.set())
    await done.wait()
    await session.wait_until_settled()
"""


def blocks() -> list[str]:
    """The Python blocks of the document, the import root changed."""
    found = sorted((SHARED / "seeds").glob("003_*.txt"))
    if not found:
        pytest.skip("the seed documents are not beside this checkout (../shared/seeds)")
    text = found[0].read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return [block.replace("from ai_infra", "from voicewire.compat.ai_infra") for block in code]


def block_with(*marks: str) -> str:
    (found,) = [block for block in blocks() if all(mark in block for mark in marks)]
    return found


async def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    compiled: CodeType = compile(code, "<seed 003>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, names)
    if inspect.isawaitable(result):
        await result
    return names


@pytest.fixture
async def gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[str, None]:
    async with serve("echo") as served:
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{served.http_url}/v1")
        monkeypatch.delenv("REALTIME_VOICE_PROVIDER", raising=False)
        yield served.ws_url


async def test_the_simplest_example(gateway: str) -> None:
    played: list[bytes] = []
    code = block_with("get audio back")
    names = await run(code, {"audio_bytes": SPEECH, "play_audio": played.append})
    assert played == [SPEECH]
    assert names["response"].status == "completed"


async def test_event_handlers(gateway: str, capsys: pytest.CaptureFixture[str]) -> None:
    played: list[bytes] = []
    code = block_with("async def handle_audio", "microphone_data")
    code += WAIT  # the document's session ends before it is answered
    await run(code, {"microphone_data": SPEECH + silence(24_000), "play_audio": played.append})
    assert b"".join(played).startswith(SPEECH[:9600])
    said = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r"> You sent \d+ ms of audio", line) for line in said)
    assert any(line.startswith("... ") for line in said)


async def test_providers_and_configuration(gateway: str) -> None:
    names = await run(block_with("# Auto-detects from env vars"), {})
    assert names["voice"].provider_name == "openai"
    names = await run(
        "from voicewire.compat.ai_infra import RealtimeVoice\n" + block_with("# Google Gemini Live\n"), {}
    )
    assert names["voice"].provider_name == "gemini"
    names = await run(block_with("config = RealtimeConfig("), {})
    assert names["voice"].config.instructions == "You are a helpful assistant."
    names = await run(block_with("# Server handles voice activity"), {})
    assert names["VADMode"].CLIENT.value == "client"
    await run(block_with("# Available voices: alloy"), {})


async def test_every_handler(gateway: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"get_weather": lambda city: f"sunny in {city}", "audio_queue": queue.Queue()}
    await run(IMPORT + "voice = RealtimeVoice()\n", names)
    for mark in (
        '"""Called when transcript text',
        "audio_queue.put(audio)",
        "Called when model wants",
        "handle_connect",
    ):
        await run(block_with(mark), names)
    await run(
        "async with voice.connect() as session:\n"
        '    await session.send_text(\'call get_weather {"city": "Rome"}\', wait=True)\n',
        names,
    )
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Connected!"
    assert said[-1] == "Disconnected"
    assert "Final: get_weather returned: sunny in Rome" in said


async def test_the_session_examples(gateway: str) -> None:
    class Recording:
        left = 3

        def __bool__(self) -> bool:
            self.left -= 1
            return self.left >= 0

    names: dict[str, Any] = {"recording": Recording(), "get_microphone_chunk": lambda: SPEECH}
    await run(IMPORT + "voice = RealtimeVoice()\n", names)
    for mark in ("get_microphone_chunk", "Hello, how are you?", "session.interrupt()"):
        await run(block_with(mark), names)
    assert names["recording"].left < 0
    assert not names["session"].is_active


async def test_tool_integration(gateway: str) -> None:
    names = await run(block_with("tools=[get_weather, search]"), {})
    await run(
        "async with voice.connect() as session:\n"
        '    first = await session.send_text(\'call search {"query": "x"}\', wait=True)\n',
        names,
    )
    assert names["first"].transcript == "search returned: Results for: x"


async def test_discovery(gateway: str) -> None:
    names = await run(block_with("list_configured_providers"), {})
    assert names["providers"][:2] == ["openai", "google_genai"]
    assert "openai" in names["configured"]
    assert names["models"][0] == "gpt-4o-realtime-preview"
    assert names["voices"][:3] == ["alloy", "ash", "ballad"]


async def test_fastapi_integration(gateway: str) -> None:
    names = await run(block_with("from fastapi"), {"__name__": "seed_003"})
    ready = anyio.Event()
    heard = bytearray()
    finals: list[str] = []
    with bind("127.0.0.1", 0, needs_keys=False) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(names["app"], log_level="critical", lifespan="off"))

        async def served() -> None:
            ready.set()
            await server.serve([listener])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(served)
            await ready.wait()
            async with connect(f"ws://127.0.0.1:{port}/voice") as socket:
                for at in range(0, 48_000, 4800):
                    await socket.send((SPEECH + silence(24_000))[at : at + 4800])
                while len(finals) < 2:
                    message = await socket.recv()
                    if isinstance(message, bytes):
                        heard += message
                    elif '"final":true' in message.replace(" ", ""):
                        finals.append(message)
            server.should_exit = True
    assert heard
    assert "ms of audio" in finals[-1]


async def test_error_handling(
    gateway: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = block_with("except RealtimeConnectionError")
    names = await run(code, {"audio": SPEECH})
    assert not names["session"].is_active
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    await run(code, {"audio": SPEECH})
    assert capsys.readouterr().out.startswith("Connection failed: ")


async def test_audio_utilities() -> None:
    one_second = silence(44_100)
    names = await run(
        block_with("resample_pcm16(audio_bytes"),
        {"audio_bytes": one_second, "pcm16_bytes": SPEECH, "float_array": [0.0, 1.0]},
    )
    assert len(names["resampled"]) == 48_000
    assert b"".join(names["chunks"]) == one_second
    assert len(names["float_audio"]) == 12_000
    assert names["pcm16_audio"] == b"\0\0\xff\x7f"
