"""Thousands of short sessions through one gateway process: nothing may be left, and memory may not grow.

The mix: ``/v1/realtime`` by text and by audio, ``/ws`` and ``/voice``; then clients that vanish at a random moment.
The gateway is a process of its own; what is left in it is counted by itself (tasks) and from outside.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SERVER = "benchmarks.soak_gateway"
CONCURRENT = 32
SAMPLES = 10
SETTLE_S = 10.0
_PCM = bytes(range(256)) * 20


@dataclass(frozen=True)
class Left:
    """What a gateway process holds."""

    tasks: int
    threads: int
    descriptors: int
    rss_mb: float


class Gateway:
    """A gateway with the model ``echo`` in a process of its own. Use it as a context manager."""

    def __enter__(self) -> Gateway:
        self._process = subprocess.Popen(
            [sys.executable, "-m", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self._seen = psutil.Process(self._process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def left(self) -> Left:
        """What it holds now."""
        with urllib.request.urlopen(f"{self.url}/tasks", timeout=10) as answer:
            tasks = int(json.load(answer))
        seen = self._seen
        return Left(tasks, seen.num_threads(), seen.num_fds(), seen.memory_info().rss / 1e6)

    async def settled(self, base: Left) -> Left:
        """What it holds once it holds no more than at the start, at the latest after `SETTLE_S`."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            now = await asyncio.to_thread(self.left)
            is_back = (now.tasks, now.descriptors) <= (base.tasks, base.descriptors)
            if (is_back and now.threads <= base.threads) or time.monotonic() > deadline:
                return now
            await asyncio.sleep(0.2)


async def _until(socket: ClientConnection, is_it: Callable[[dict[str, Any]], bool]) -> None:
    async for message in socket:
        if isinstance(message, str) and is_it(json.loads(message)):
            return
    raise AssertionError("the gateway closed before it had answered")


async def realtime_text(socket: ClientConnection) -> None:
    """``/v1/realtime``, a typed turn."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await socket.send(json.dumps({"type": "response.create"}))
    await _until(socket, lambda event: event["type"] == "response.done")


async def realtime_audio(socket: ClientConnection) -> None:
    """``/v1/realtime``, a spoken turn that is ended by hand."""
    audio = base64.b64encode(_PCM).decode()
    session = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    await socket.send(json.dumps({"type": "session.update", "session": session}))
    await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
    await socket.send(json.dumps({"type": "response.create"}))
    await _until(socket, lambda event: event["type"] == "response.done")


async def agent(socket: ClientConnection) -> None:
    """``/ws``, a typed turn."""
    await socket.send(json.dumps({"type": "client_session_create", "config": {}}))
    await socket.send(json.dumps({"type": "client_text_append", "session_id": "s", "text": "hi"}))
    await _until(socket, lambda event: event["type"] == "agent_response_done")


async def voice(socket: ClientConnection) -> None:
    """``/voice``, a typed turn and a little audio."""
    await socket.send(_PCM)
    await socket.send(json.dumps({"text": "hi"}))
    await _until(socket, lambda event: event.get("role") == "assistant" and bool(event.get("final")))


TALKS: tuple[tuple[str, Callable[[ClientConnection], Awaitable[None]]], ...] = (
    ("/v1/realtime?model=echo", realtime_text),
    ("/v1/realtime?model=echo", realtime_audio),
    ("/ws/soak/{number}", agent),
    ("/voice", voice),
)


async def one(url: str, number: int, patience_s: float | None) -> None:
    """One session; with a patience, the client is gone without a word when it is over."""
    path, talk = TALKS[number % len(TALKS)]
    address = url.replace("http://", "ws://") + path.format(number=number)
    if patience_s is None:
        async with connect(address, compression=None, ping_interval=None) as socket:
            await asyncio.wait_for(talk(socket), 60)
        return
    socket = await connect(address, compression=None, ping_interval=None)
    try:
        await asyncio.wait_for(talk(socket), patience_s)
    except (asyncio.TimeoutError, ConnectionClosed):
        pass
    finally:
        socket.transport.abort()


async def crowd(url: str, first: int, count: int, *, vanishes: bool) -> None:
    """So many sessions, `CONCURRENT` at a time."""
    chance = random.Random(first)
    numbers = iter(range(first, first + count))

    async def visitor() -> None:
        for number in numbers:
            await one(url, number, chance.uniform(0.0, 0.3) if vanishes else None)

    await asyncio.gather(*(visitor() for _ in range(CONCURRENT)))


async def soak(gateway: Gateway, sessions: int, vanishing: int) -> list[str]:
    """Runs all; gives what is wrong."""
    await crowd(gateway.url, 0, 4 * CONCURRENT, vanishes=False)
    base = await gateway.settled(Left(1, 1, 1, 0))
    print(f"{'after warm-up':24} {base}", flush=True)
    series: list[float] = []
    faults: list[str] = []
    for name, count, vanishes in (("sessions", sessions, False), ("vanishing clients", vanishing, True)):
        steps = SAMPLES if count >= 1000 else 1
        for step in range(steps):
            await crowd(gateway.url, step * (count // steps), count // steps, vanishes=vanishes)
            left = await gateway.settled(base)
            series.append(left.rss_mb)
            print(f"{(step + 1) * (count // steps):6} {name:17} {left}", flush=True)
            faults.extend(
                f"{what} after {name}: {getattr(left, what)}, before {getattr(base, what)}"
                for what in ("tasks", "threads", "descriptors")
                if getattr(left, what) > getattr(base, what)
            )
    half = len(series) // 2
    if half > 1:
        growth = (sum(series[half:]) / len(series[half:])) / (sum(series[:half]) / half) - 1
        print(f"RSS: second half over first half {growth:+.1%}")
        if growth > 0.05:
            faults.append(f"RSS grew by {growth:.1%}")
    return faults


def main() -> int:
    """Prints what is left at each step; 1 when anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--vanishing", type=int, default=1_000)
    arguments = parser.parse_args()
    began = time.monotonic()
    with Gateway() as gateway:
        faults = asyncio.run(soak(gateway, arguments.sessions, arguments.vanishing))
    print(f"{time.monotonic() - began:.0f} s; {'; '.join(faults) or 'nothing is left behind'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
