"""A server that a test plays itself, for the clients of seeds 001 and 004."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from voicewire.testing.transport import MemoryPeer
from voicewire.transport.frames import Frame, FrameReceiver, FrameTransport

Json = dict[str, Any]

SESSION: Json = {"type": "realtime", "id": "sess_1", "object": "realtime.session"}


class Peer:
    """Today's wire, message by message. It confirms every ``session.update`` by itself.

    Args:
        session: What it says its session is.
        greets: Whether it begins the session.
        confirms: Whether it confirms.
    """

    def __init__(self, session: Json | None = None, *, greets: bool = True, confirms: bool = True) -> None:
        self._session = {**SESSION, **(session or {})}
        self._confirms = confirms
        self._metadata: Json | None = None
        self._given: dict[str, Json | None] = {}
        self._answers: dict[str, Callable[[Json], None]] = {}
        greeting = json.dumps({"type": "session.created", "event_id": "e", "session": self._session})
        self.memory = MemoryPeer(self._take, greeting=(greeting,) if greets else ())
        self.got: list[Json] = []

    def join(self, monkeypatch: pytest.MonkeyPatch) -> Peer:
        """From now on the clients connect to it."""

        async def connect(_: str, receiver: FrameReceiver, __: object = None) -> FrameTransport:
            return await self.memory.connect(receiver)

        monkeypatch.setattr("voicewire.clients.link.connect_websocket", connect)
        return self

    def say(self, kind: str, **fields: Any) -> None:
        """Sends one message."""
        self.memory.say(json.dumps({"type": kind, "event_id": "e", **fields}))

    def on(self, kind: str, answer: Callable[[Json], None]) -> None:
        """Answers messages of a type."""
        self._answers[kind] = answer

    def types(self) -> list[str]:
        """The types of what came, in order."""
        return [message["type"] for message in self.got]

    def speak(self, response_id: str, item_id: str, *deltas: str, is_in_conversation: bool = True) -> None:
        """A whole response that says something."""
        item = {"id": item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        place: Json = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
        part = {"type": "output_audio", "transcript": ""}
        self.begin(response_id)
        self.say("response.output_item.added", response_id=response_id, output_index=0, item=item)
        if is_in_conversation:
            self.say("conversation.item.added", previous_item_id=None, item=item)
        self.say("response.content_part.added", **place, part=part)
        for delta in deltas:
            self.say("response.output_audio.delta", **place, delta=delta)
        self.say("response.content_part.done", **place, part=part)
        self.say("response.output_item.done", response_id=response_id, output_index=0, item=item)
        self.done(response_id)

    def refuse_voice(self, message: Json) -> None:
        """What the provider answers to a voice that it does not have."""
        voice = message["session"]["audio"]["output"]["voice"]
        self.say(
            "error",
            error={
                "type": "invalid_request_error",
                "code": "invalid_value",
                "message": f"Invalid value: {voice!r}.",
                "param": "session.audio.output.voice",
                "event_id": message.get("event_id"),
            },
        )

    def begin(self, response_id: str) -> None:
        """A response begins: the one that was asked for, if any was."""
        response: Json = {"id": response_id, "object": "realtime.response", "status": "in_progress"}
        self._given[response_id], self._metadata = self._metadata, None
        given = self._given[response_id]
        self.say("response.created", response={**response, "output": [], "metadata": given})

    def done(self, response_id: str, status: str = "completed") -> None:
        """A response ends."""
        metadata = self._given.get(response_id)
        self.say(
            "response.done",
            response={"id": response_id, "status": status, "output": [], "metadata": metadata},
        )

    def _take(self, _: MemoryPeer, frame: Frame) -> None:
        message: Json = json.loads(frame)
        self.got.append(message)
        kind = str(message["type"])
        if kind == "response.create":
            self._metadata = message.get("response", {}).get("metadata")
        if kind in self._answers:
            self._answers[kind](message)
        elif kind == "session.update" and self._confirms:
            self.say("session.updated", session=self._session)
