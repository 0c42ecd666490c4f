"""``python -m voicewire.compat``: the Python of the documents of seeds 001 and 003, not changed at all."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from tests.conftest import SHARED
from voicewire.testing import serve
from voicewire.testing.serve import ServedGateway

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

GIVEN = """
import asyncio
import math
import queue
import struct

speech = b"".join(struct.pack("<h", int(8000 * math.sin(i / 10))) for i in range(12_000))
audio = audio_bytes = pcm16_bytes = speech
microphone_data = speech + bytes(48_000)
float_array = [0.0, 0.5]
audio_queue = queue.Queue()
played = []
play_audio = played.append
get_weather = "sunny in {}".format
get_microphone_chunk = lambda: speech
chunks_left = iter([True, True, False])


class Recording:
    def __bool__(self):
        return next(chunks_left)


recording = Recording()

from ai_infra import RealtimeVoice

voice = RealtimeVoice()
"""
"""What the document takes for granted."""

FLOW = """
import asyncio
import base64
import os
import sys

import rtclient
from azure.core.credentials import AzureKeyCredential
from rtclient import InputAudioBufferAppendMessage, ServerVAD, SessionUpdateMessage, SessionUpdateParams
from rtclient.low_level_client import RTLowLevelClient


async def main():
    url, key, name = (os.environ[f"AZURE_OPENAI_{which}"] for which in ("ENDPOINT", "API_KEY", "DEPLOYMENT"))
    async with RTLowLevelClient(url, key_credential=AzureKeyCredential(key), azure_deployment=name) as client:
        await client.send(SessionUpdateMessage(session=SessionUpdateParams(turn_detection=ServerVAD())))
        audio = bytes([0, 32]) * 12_000 + bytes(48_000)
        await client.send(InputAudioBufferAppendMessage(audio=base64.b64encode(audio).decode()))
        async for message in client:
            print(message.type)
            if isinstance(message, rtclient.ResponseDoneMessage):
                break


asyncio.run(main())
"""
"""The sequence diagram of seed 001, as its users write it."""


@pytest.fixture
async def gateway() -> AsyncGenerator[ServedGateway, None]:
    async with serve("echo") as served:
        yield served


async def run(folder: Path, script: str, **variables: str) -> str:
    (folder / "script.py").write_text(script, encoding="utf-8")
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("OPENAI", "AZURE", "G"))
    }
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), **variables}
    ran = await anyio.run_process(
        [sys.executable, "-m", "voicewire.compat", "script.py"], cwd=folder, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.decode()


async def test_every_block_of_seed_003(tmp_path: Path, gateway: ServedGateway) -> None:
    found = sorted((SHARED / "seeds").glob("003_*.txt"))
    if not found:
        pytest.skip("the seed documents are not beside this checkout (../shared/seeds)")
    code = re.findall(r"```python\n(.*?)```", found[0].read_text(encoding="utf-8"), re.DOTALL)
    # Outside of a function ``await`` is for consoles only; each block is one function, its lines as they are.
    blocks = [f"async def block_{n}():\n" + textwrap.indent(block, "    ") for n, block in enumerate(code)]
    calls = "".join(f"    await block_{n}()\n    print('ran', {n})\n" for n in range(len(blocks)))
    script = "\n".join([GIVEN, *blocks, f"async def main():\n{calls}\nasyncio.run(main())\n"])
    said = await run(tmp_path, script, OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{gateway.http_url}/v1")
    assert len(blocks) == 20
    assert [line for line in said.splitlines() if line.startswith("ran")] == [f"ran {n}" for n in range(20)]


async def test_the_flow_of_seed_001(tmp_path: Path, gateway: ServedGateway) -> None:
    said = await run(
        tmp_path,
        FLOW,
        AZURE_OPENAI_ENDPOINT=gateway.ws_url,
        AZURE_OPENAI_API_KEY="k",
        AZURE_OPENAI_DEPLOYMENT="gpt-4o-realtime-preview",
    )
    shown = iter(said.split())
    for name in (
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "response.created",
        "response.audio.delta",
        "response.done",
    ):
        assert name in shown, said
