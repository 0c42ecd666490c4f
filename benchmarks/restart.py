"""The gateway's process is killed and started again: how long until its client goes on. Goal: 2 s.

Counted from the start of the new process. The client knocks every 20 ms. *Resumed* is when its session is there,
with what was said before; *answered* is the first audio of an answer to what it asked at that moment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

GOAL_S = 2.0
KNOCK_S = 0.02
HISTORY = [{"role": "user", "text": "My name is Ada."}, {"role": "assistant", "text": "Hello Ada."}]
_LISTENING = "listening on "


async def _say(socket: ClientConnection, **event: Any) -> None:
    await socket.send(json.dumps({"session_id": "session1", **event}))


async def _until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = json.loads(await socket.recv())
        if event["type"] == kind:
            return event


async def _go_on(url: str, token: str) -> tuple[float, float] | None:
    """The moments at which the session was there, and at which it answered; None when nobody listens yet."""
    try:
        async with connect(url, max_size=None) as socket:
            await _say(socket, type="client_session_create", config={"resume_token": token})
            refused = await _until(socket, "agent_error")
            assert refused["code"] == "resume_refused", refused
            await _say(socket, type="client_session_create", config={"resume": True, "history": HISTORY})
            await _until(socket, "server_session_created")
            resumed_s = time.perf_counter()
            await _say(socket, type="client_text_append", text="What is two plus two?")
            await _until(socket, "agent_response_audio_delta")
            return resumed_s, time.perf_counter()
    except OSError:
        return None


async def _come_back(url: str, token: str) -> tuple[float, float]:
    while (found := await _go_on(url, token)) is None:  # noqa: ASYNC110  another process sets no event
        await asyncio.sleep(KNOCK_S)
    return found


def _start(model: str, port: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "voicewire.cli", "serve", "--model", model, "--port", port]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


async def _first_token(url: str) -> str:
    async with connect(url, max_size=None) as socket:
        await _say(socket, type="client_session_create", config={"resume": True})
        token: str = (await _until(socket, "server_resume_token"))["token"]
        return token


def measure(model: str) -> tuple[float, float]:
    """Seconds from the start of the second process until the client's session, and until its answer."""
    process = _start(model, "0")
    try:
        assert process.stdout is not None
        line = next(one for one in process.stdout if one.startswith(_LISTENING))
        url = line.removeprefix(_LISTENING).strip().replace("http", "ws", 1) + "/ws/user1/session1"
        token = asyncio.run(asyncio.wait_for(_first_token(url), 60))
        process.send_signal(signal.SIGKILL)
        process.wait()
        began_s = time.perf_counter()
        process = _start(model, url.rpartition("/ws/user1")[0].rpartition(":")[2])
        resumed_s, answered_s = asyncio.run(asyncio.wait_for(_come_back(url, token), 120))
        return resumed_s - began_s, answered_s - began_s
    finally:
        process.kill()
        process.wait()


def main() -> int:
    """Prints a row a model; the exit code says whether one misses the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--model", action="append", help="default: echo and local")
    arguments = parser.parse_args()
    is_missed = False
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    print(
        f"{'model':10}{'resumed (s)':>24}{'worst':>8}{'answered (s), median':>24}   goal: resumed < {GOAL_S:g}"
    )
    for model in arguments.model or ("echo", "local"):
        found = [measure(model) for _ in range(arguments.times)]
        resumed = sorted(one[0] for one in found)
        shown = " ".join(f"{one:.2f}" for one in resumed)
        answered_s = statistics.median(one[1] for one in found)
        print(f"{model:10}{shown:>24}{resumed[-1]:8.2f}{answered_s:24.2f}", flush=True)
        is_missed = is_missed or resumed[-1] >= GOAL_S
    return 1 if is_missed else 0


if __name__ == "__main__":
    sys.exit(main())
