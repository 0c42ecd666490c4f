"""A Gemini Live service on loopback, by hand and from the protocol's description: none of our code is in it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from websockets.asyncio.server import ServerConnection

from tests.transport.servers import serving

AUDIO = {"mimeType": "audio/pcm;rate=24000", "data": "AAAA" * 160}


class Visit:
    """One connection to the service."""

    def __init__(self, service: GeminiService, socket: ServerConnection, number: int) -> None:
        self._service = service
        self._socket = socket
        self.number = number
        self.setup: dict[str, Any] = {}
        self.texts: list[str] = []
        """What the user wrote, in order; told history and new words alike."""
        self.handle = ""
        """The last handle that was given away here."""
        self.is_over = False

    async def say(self, **message: object) -> None:
        """Sends one message."""
        await self._socket.send(json.dumps(message))

    async def give_handle(self) -> None:
        """The state of the conversation has a name from here on."""
        self.handle = f"handle-{self.number}-{len(self.texts)}"
        await self.say(sessionResumptionUpdate={"newHandle": self.handle, "resumable": True})

    async def go_away(self, left_s: int) -> None:
        """Says that this connection ends soon."""
        await self.say(goAway={"timeLeft": f"{left_s}s"})

    async def words(self, text: str) -> None:
        """A piece of an answer."""
        await self.say(serverContent={"outputTranscription": {"text": text}})
        await self.say(serverContent={"modelTurn": {"parts": [{"inlineData": AUDIO}]}})

    async def end_turn(self) -> None:
        """The end of an answer."""
        await self.say(serverContent={"generationComplete": True})
        await self.say(serverContent={"turnComplete": True}, usageMetadata={"totalTokenCount": 2})

    async def close(self, code: int, reason: str) -> None:
        """The service ends the connection."""
        await self._socket.close(code, reason)

    async def run(self) -> None:
        """Serves it to its end."""
        self.setup = json.loads(await self._socket.recv())["setup"]
        self._service.changed()
        handle = self.setup.get("sessionResumption", {}).get("handle", "")
        if handle in self._service.forgotten_handles:
            await self.close(1008, "BidiGenerateContent session not found")
            return
        await self.say(setupComplete={})
        async for frame in self._socket:
            message = json.loads(frame)
            content = message.get("clientContent")
            if content is not None:
                self.texts += [part["text"] for turn in content.get("turns", []) for part in turn["parts"]]
                self._service.changed()
                if content.get("turnComplete"):
                    await self._service.answer(self)


class GeminiService:
    """The service: says back what it was told, and gives a handle after each answer."""

    def __init__(self) -> None:
        self.url = ""
        self.visits: list[Visit] = []
        self.forgotten_handles: set[str] = set()
        self.answers_in_full = True
        """Whether an answer is said to its end; else only its first word."""
        self._news = anyio.Event()

    def changed(self) -> None:
        """Something came."""
        self._news.set()
        self._news = anyio.Event()

    async def until_visits(self, count: int) -> Visit:
        """Waits for a connection that has said its setup; gives it."""
        with anyio.fail_after(20):
            while len(self.visits) < count or not self.visits[count - 1].setup:
                await self._news.wait()
        return self.visits[count - 1]

    async def until_over(self, visit: Visit) -> None:
        """Waits for the end of a connection."""
        with anyio.fail_after(20):
            while not visit.is_over:
                await self._news.wait()

    async def answer(self, visit: Visit) -> None:
        """Says back the newest words."""
        await visit.words("You said: ")
        if self.answers_in_full:
            await visit.words(visit.texts[-1])
            await visit.end_turn()
            await visit.give_handle()

    async def serve_one(self, socket: ServerConnection) -> None:
        """One connection."""
        visit = Visit(self, socket, len(self.visits) + 1)
        self.visits.append(visit)
        try:
            await visit.run()
            await socket.wait_closed()
        finally:
            visit.is_over = True
            self.changed()


@asynccontextmanager
async def gemini_service() -> AsyncGenerator[GeminiService, None]:
    """The service while the context is open."""
    service = GeminiService()
    async with serving(service.serve_one) as url:
        service.url = url
        yield service
