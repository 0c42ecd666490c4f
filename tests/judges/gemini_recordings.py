"""Plays a recorded Gemini Live session to our client over a real WebSocket, and judges what our client sends."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
import yaml
from google.genai import types
from pydantic import BaseModel
from websockets.asyncio.server import ServerConnection, serve

from voicewire.protocols.gemini.keys import normalised

from .recordings import SHARED

_TIMEOUT_S = 20.0
_MESSAGES: dict[str, type[BaseModel]] = {
    "setup": types.LiveClientSetup,
    "clientContent": types.LiveClientContent,
    "realtimeInput": types.LiveClientRealtimeInput,
    "toolResponse": types.LiveClientToolResponse,
}
"""The SDK's class of every client message."""


@dataclass(slots=True)
class Recording:
    """One recorded session, in one key spelling, and how far it was played."""

    interactions: list[tuple[str, dict[str, Any]]]
    sends_binary: bool
    sent_by_us: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    faults: list[str] = field(default_factory=list[str])
    is_played: bool = False

    def recorded(self, direction: str, key: str) -> list[dict[str, Any]]:
        """The recorded messages that hold a key."""
        return [data for way, data in self.interactions if way == direction and key in data]

    def contents(self) -> list[dict[str, Any]]:
        """What the recorded server said."""
        return [data["serverContent"] for data in self.recorded("received", "serverContent")]


def load(name: str, *, sends_binary: bool = False) -> Recording:
    """A recording of the project's shared folder; skips the test where that is absent."""
    path = SHARED / "test_google_ws" / f"{name}.yaml"
    if not path.exists():
        pytest.skip(f"no recorded sessions beside the project (looked for {name} in ../shared/recordings)")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    interactions = [(entry["direction"], normalised(entry["data"])) for entry in document["interactions"]]
    return Recording(interactions, sends_binary)


@asynccontextmanager
async def playing(recording: Recording) -> AsyncGenerator[str, None]:
    """A provider that answers as recorded; yields its address, such as ``ws://127.0.0.1:49152``."""

    async def play(socket: ServerConnection) -> None:
        try:
            with anyio.fail_after(_TIMEOUT_S):
                for direction, data in recording.interactions:
                    if direction == "received":
                        text = json.dumps(data)
                        await socket.send(text.encode() if recording.sends_binary else text)
                    else:
                        _judge(recording, json.loads(await socket.recv()), data)
            recording.is_played = True
            await socket.wait_closed()
        except (AssertionError, TimeoutError, ValueError) as error:
            # Raised here, it would only be logged by the server; the test raises it when the play is over.
            recording.faults.append(f"{type(error).__name__}: {error}")
            await socket.close(1011, "the client left the script")

    async with serve(play, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"ws://{host}:{port}"
    assert not recording.faults, recording.faults
    assert recording.is_played, "our client closed before the recording was over"


def _judge(recording: Recording, sent: dict[str, Any], recorded: dict[str, Any]) -> None:
    recording.sent_by_us.append(sent)
    assert list(sent) == list(recorded), f"sent {list(sent)}, the recorded client {list(recorded)}"
    ((key, body),) = sent.items()
    _MESSAGES[key].model_validate(body)
    assert set(recorded[key]) <= set(body), f"{key} lacks {set(recorded[key]) - set(body)}"
