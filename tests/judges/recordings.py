"""Plays a recorded provider session to our client over a real WebSocket, and judges what our client sends."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest
import yaml
from openai.types.realtime import RealtimeClientEvent
from pydantic import BaseModel
from websockets.asyncio.server import ServerConnection, serve

SHARED = Path(__file__).parent.parent.parent.parent / "shared" / "recordings"
_TIMEOUT_S = 20.0

CLIENT_EVENT_CLASSES: dict[str, type[BaseModel]] = {
    get_args(member.model_fields["type"].annotation)[0]: member
    for member in get_args(get_args(RealtimeClientEvent)[0])
}
"""The SDK's class of every client event, by its ``type``."""


@dataclass(slots=True)
class Recording:
    """One recorded session and how far it was played."""

    interactions: list[tuple[str, dict[str, Any]]]
    sent_by_us: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    faults: list[str] = field(default_factory=list[str])
    is_played: bool = False

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        """The recorded frames of a ``type``, of both directions."""
        return [data for _, data in self.interactions if data["type"] == kind]


def load(folder: str, name: str) -> Recording:
    """A recording of the project's shared folder; skips the test where that is absent."""
    path = SHARED / folder / f"{name}.yaml"
    if not path.exists():
        pytest.skip(
            f"no recorded sessions beside the project (looked for {folder}/{name} in ../shared/recordings)"
        )
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Recording([(entry["direction"], entry["data"]) for entry in document["interactions"]])


def kind_of(frame: dict[str, Any]) -> str:
    """What a client frame is, as precisely as an order in a recording can be repeated."""
    item = frame.get("item")
    return f"{frame['type']}:{item['type']}" if isinstance(item, dict) else str(frame["type"])


def check_openai(sent: dict[str, Any]) -> None:
    """What we send is an event of the OpenAI SDK's classes."""
    CLIENT_EVENT_CLASSES[sent["type"]].model_validate(sent, strict=True)


@asynccontextmanager
async def playing(
    recording: Recording, check: Callable[[dict[str, Any]], None] = check_openai
) -> AsyncGenerator[str, None]:
    """A provider that answers as recorded; yields its address, such as ``ws://127.0.0.1:49152``.

    Args:
        recording: What to play.
        check: Judges each frame of our client besides its kind.

    Raises:
        AssertionError: Our client sent another kind of frame than the recorded client, or none.
    """

    async def play(socket: ServerConnection) -> None:
        try:
            with anyio.fail_after(_TIMEOUT_S):
                for direction, data in recording.interactions:
                    if direction == "received":
                        await socket.send(json.dumps(data))
                    else:
                        _judge(recording, json.loads(await socket.recv()), data, check)
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


def _judge(
    recording: Recording,
    sent: dict[str, Any],
    recorded: dict[str, Any],
    check: Callable[[dict[str, Any]], None],
) -> None:
    recording.sent_by_us.append(sent)
    assert kind_of(sent) == kind_of(recorded), (
        f"sent {kind_of(sent)}, the recorded client {kind_of(recorded)}"
    )
    check(sent)
