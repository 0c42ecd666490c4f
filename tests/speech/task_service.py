"""A ModelStudio of our own: recognises audio that spells its words in sample values, and fails on demand."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed

from voicewire.protocols.dashscope_task.server import TaskServerCodec
from voicewire.protocols.dashscope_task.wire import (
    FinishTask,
    MoreAudio,
    MoreText,
    RunTask,
    Sentence,
    SpokenAudio,
    TaskFailed,
    TaskFinished,
    TaskStarted,
)

RATE_HZ = 16_000
WORD_SAMPLES = RATE_HZ // 10
WORDS_IN_SENTENCE = 5


def spelled(first: int, count: int) -> bytes:
    """Audio of 100 ms for each word; the word is the value of its samples."""
    return b"".join(struct.pack("<h", word) * WORD_SAMPLES for word in range(first, first + count))


@dataclass
class Service:
    """What the service does, and what it saw."""

    refuse_with: list[int] = field(default_factory=list)
    """HTTP statuses of the next handshakes."""
    cut_after_bytes: list[int] = field(default_factory=list)
    """For each connection in turn: audio after which it is cut; nothing for the ones after."""
    is_mute: bool = False
    mute_at_end: bool = False
    garbage: str = ""
    fail_with: tuple[str, str] | None = None
    cut_text_once: bool = False
    url: str = ""
    connections: int = 0
    tasks: list[RunTask] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)


@asynccontextmanager
async def task_service(service: Service) -> AsyncGenerator[Service, None]:
    """Runs the service on a free port."""

    def answer(connection: ServerConnection, request: Any) -> Any:
        service.headers = dict(request.headers.raw_items())
        if service.refuse_with:
            return connection.respond(HTTPStatus(service.refuse_with.pop(0)), "no\n")
        return None

    async def talk(connection: ServerConnection) -> None:
        service.connections += 1
        cut = service.cut_after_bytes.pop(0) if service.cut_after_bytes else None
        try:
            await _Talk(service, connection, cut).run()
        except ConnectionClosed:
            return

    async with serve_websockets(talk, "127.0.0.1", 0, process_request=answer) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        service.url = f"ws://127.0.0.1:{port}/api-ws/v1/inference"
        yield service


class _Talk:
    def __init__(self, service: Service, connection: ServerConnection, cut: int | None) -> None:
        self._service = service
        self._connection = connection
        self._cut = cut
        self._codec = TaskServerCodec()
        self._audio = bytearray()
        self._told_words = 0
        self._sentences = 0

    async def run(self) -> None:
        async for frame in self._connection:
            for request in self._codec.receive(frame):
                await self._obey(request)
            for reply in self._codec.data_to_send():
                await self._connection.send(reply)

    async def _obey(self, request: object) -> None:
        service = self._service
        match request:
            case RunTask():
                service.tasks.append(request)
                self._audio.clear()
                self._told_words = self._sentences = 0
                if service.is_mute:
                    return
                if service.garbage:
                    await self._connection.send(service.garbage)
                    return
                if service.fail_with is not None:
                    await self._send(TaskFailed(*service.fail_with))
                    return
                await self._send(TaskStarted())
            case MoreAudio(data):
                self._audio += data
                await self._recognise()
                if self._cut is not None and len(self._audio) >= self._cut:
                    self._connection.transport.abort()
            case MoreText(text):
                if service.cut_text_once:
                    service.cut_text_once = False
                    self._connection.transport.abort()
                    return
                service.texts.append(text)
                await self._send(SpokenAudio(bytes(320 * len(text))))
            case FinishTask():
                if service.mute_at_end:
                    return
                await self._recognise(is_end=True)
                await self._send(TaskFinished())
            case _:
                return

    async def _recognise(self, *, is_end: bool = False) -> None:
        task = self._codec.task
        if task is None or task.kind not in ("asr", "translation"):
            return
        heard = len(self._audio) // 2 // WORD_SAMPLES
        while heard - self._told_words >= WORDS_IN_SENTENCE or (is_end and heard > self._told_words):
            last = min(heard, self._told_words + WORDS_IN_SENTENCE)
            await self._say(self._told_words, last, is_end=True)
            self._told_words = last
        if heard > self._told_words and not is_end:
            await self._say(self._told_words, heard, is_end=False)

    async def _say(self, first: int, last: int, *, is_end: bool) -> None:
        values = [
            struct.unpack_from("<h", self._audio, 2 * WORD_SAMPLES * index + WORD_SAMPLES)[0]
            for index in range(first, last)
        ]
        self._sentences += is_end
        await self._send(
            Sentence(
                text=" ".join(map(str, values)),
                begin_ms=first * 100,
                end_ms=last * 100,
                is_end=is_end,
                index=self._sentences,
            )
        )

    async def _send(self, event: Any) -> None:
        for frame in self._codec.encode(event):
            await self._connection.send(frame)
