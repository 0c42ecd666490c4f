"""``voicewire serve`` in a process of its own, to be killed."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.abc
from websockets.asyncio.client import connect

from .browser import ROOT

SERVE = "from voicewire.cli.entry import run; run()"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def server(port: int, model: str = "echo") -> AsyncGenerator[anyio.abc.Process]:
    """``voicewire serve`` in a process of its own; killed at the end, if it is not yet."""
    command = [sys.executable, "-c", SERVE, "serve", "--model", model, "--port", str(port)]
    process = await anyio.open_process(command, cwd=ROOT, stderr=subprocess.STDOUT)
    try:
        assert process.stdout is not None
        said = b""
        with anyio.fail_after(60):
            while b"listening" not in said:
                said += await process.stdout.receive()
            # The first session waits until the model is loaded; what follows it does not.
            async with connect(f"ws://127.0.0.1:{port}/v1/realtime?model={model}") as first:
                await first.recv()
        yield process
    finally:
        with anyio.CancelScope(shield=True), suppress(ProcessLookupError):
            process.kill()
            await process.aclose()
