"""``voicewire serve`` as a process of its own, under attack: its log, and a bystander who must not notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection, connect

KEY = "sk-the-key-of-the-house"
OTHER_KEY = "sk-the-key-of-the-neighbour"
SIGNING_KEY = "a-signing-key-of-thirty-two-bytes"
SECRETS = (KEY, OTHER_KEY, SIGNING_KEY)
WAIT_S = 20.0
"""No wait is longer; a bound, not an expectation."""
_LISTENING = "listening on "


@dataclass
class Victim:
    """A running gateway."""

    url: str
    log_file: Path
    process: subprocess.Popen[str]
    read: int = field(default=0)

    @property
    def ws_url(self) -> str:
        """The address for WebSockets."""
        return self.url.replace("http", "ws", 1)

    def lines(self) -> list[dict[str, Any]]:
        """The whole log; every line is an object, and none holds a key."""
        text = self.log_file.read_text(encoding="utf-8")
        assert not [secret for secret in SECRETS if secret in text]
        return [json.loads(line) for line in text.splitlines()]

    async def news(self, *, at_least: int = 1) -> list[dict[str, Any]]:
        """The lines since the last call; waits for so many."""
        with anyio.fail_after(WAIT_S):
            # The file is another process's: nothing here could set an event.
            while len(found := self.lines()[self.read :]) < at_least:  # noqa: ASYNC110
                await anyio.sleep(0.005)
        self.read += len(found)
        return found


@contextmanager
def victim(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Generator[Victim, None, None]:
    """Runs ``voicewire serve --model echo ARGUMENTS`` with keys; it must end in order.

    Args:
        folder: Gets the log.
        arguments: Of the command line.
        environment: Added to this process's own.
    """
    log_file = folder / "gateway.log"
    command = [
        sys.executable,
        "-m",
        "voicewire.cli",
        "serve",
        "--port",
        "0",
        "--log-format",
        "json",
        *arguments,
    ]
    keys = {"VOICEWIRE_API_KEYS": f"{KEY},{OTHER_KEY}", "VOICEWIRE_SECRET_KEY": SIGNING_KEY}
    with log_file.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, "--model", "echo"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **keys, **(environment or {})},
        )
        try:
            assert process.stdout is not None
            line = next((one for one in process.stdout if one.startswith(_LISTENING)), "")
            assert line, log_file.read_text(encoding="utf-8")
            yield Victim(line.removeprefix(_LISTENING).strip(), log_file, process)
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    told = output + log_file.read_text(encoding="utf-8")
    assert "Traceback" not in told and not [secret for secret in SECRETS if secret in told], told


class Bystander:
    """Somebody who talks while others attack."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def turn(self) -> float:
        """One whole turn; how long it took, in seconds."""
        began_s = time.perf_counter()
        content = [{"type": "input_text", "text": "hi"}]
        item = {"type": "message", "role": "user", "content": content}
        await self._socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await self._socket.send('{"type": "response.create"}')
        with anyio.fail_after(WAIT_S):
            while (event := json.loads(await self._socket.recv()))["type"] != "response.done":
                assert event["type"] != "error", event
        assert event["response"]["status"] == "completed"
        return time.perf_counter() - began_s


@asynccontextmanager
async def bystander(house: Victim, key: str = OTHER_KEY) -> AsyncGenerator[Bystander, None]:
    """A session that is served before, during and after whatever happens inside."""
    url = f"{house.ws_url}/v1/realtime?model=echo"
    async with connect(url, additional_headers=bearer(key), max_size=None) as socket:
        talking = Bystander(socket)
        await talking.turn()
        yield talking
        await talking.turn()
    (ended,) = await house.news()
    assert ended["cause"] == "client_left"


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}
