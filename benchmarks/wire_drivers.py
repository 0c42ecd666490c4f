"""The same work done by a hand-written loop, by the narrow door and by another SDK; one process each."""

from __future__ import annotations

import asyncio
import base64
import functools
import gc
import json
import os
import resource
import statistics
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio
import msgspec
import picows
import pybase64
from picows import WSFrame, WSListener, WSMsgType, WSTransport

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from voicewire.models.model import RealtimeConnection

BURST = {20: 6000, 100: 2000}
SENDS = {20: 5000, 100: 2500}
_SENDS_A_BATCH = 25
_BATCH_PAUSE_S = 0.002


class Heard(NamedTuple):
    """What came of one response; the same for every driver, or it did not do the same work."""

    audio_bytes: int
    """Decoded bytes of its audio."""
    words: int
    """Transcript deltas."""


class Peer(Protocol):
    """One connected session of a driver."""

    async def respond(self) -> None: ...
    async def drain(self) -> Heard:
        """Takes events until the response ends."""
        ...

    async def append(self, pcm: bytes) -> None: ...
    async def commit(self) -> None:
        """Commits and waits until the provider answered."""
        ...


# ---------------------------------------------------------------- the floor: picows + msgspec + pybase64


class AudioDelta(msgspec.Struct, tag_field="type", tag="response.output_audio.delta"):
    response_id: str
    item_id: str
    delta: str


class WordDelta(msgspec.Struct, tag_field="type", tag="response.output_audio_transcript.delta"):
    response_id: str
    item_id: str
    delta: str


class Done(msgspec.Struct, tag_field="type", tag="response.done"):
    response: msgspec.Raw


class Created(msgspec.Struct, tag_field="type", tag="response.created"):
    response: msgspec.Raw


class SessionCreated(msgspec.Struct, tag_field="type", tag="session.created"):
    session: msgspec.Raw


class SessionUpdated(msgspec.Struct, tag_field="type", tag="session.updated"):
    session: msgspec.Raw


class Committed(msgspec.Struct, tag_field="type", tag="input_audio_buffer.committed"):
    item_id: str


Event = AudioDelta | WordDelta | Done | Created | SessionCreated | SessionUpdated | Committed
decode = msgspec.json.Decoder(Event).decode
_HEAD, _TAIL = b'{"type":"input_audio_buffer.append","audio":"', b'"}'
_UPDATE = b'{"type":"session.update","session":{"type":"realtime"}}'


class FloorPeer(WSListener):
    """Everything in the callback."""

    def __init__(self) -> None:
        self.total = 0
        self.words = 0
        self.transport: WSTransport | None = None
        self.news = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(WSMsgType.TEXT, _UPDATE)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            return
        event = decode(frame.get_payload_as_memoryview())
        if type(event) is AudioDelta:
            self.total += len(pybase64.b64decode(event.delta))
        elif type(event) is WordDelta:
            self.words += 1
        elif type(event) in (Done, Committed, SessionUpdated):
            self.news.set()

    async def ready(self) -> None:
        await self.news.wait()
        self.news.clear()

    async def respond(self) -> None:
        assert self.transport is not None
        self.total = self.words = 0
        self.transport.send(WSMsgType.TEXT, b'{"type":"response.create"}')

    async def drain(self) -> Heard:
        await self.ready()
        return Heard(self.total, self.words)

    async def append(self, pcm: bytes) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, b"".join((_HEAD, pybase64.b64encode(pcm), _TAIL)))

    async def commit(self) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, b'{"type":"input_audio_buffer.commit"}')
        await self.ready()

    async def __aenter__(self) -> FloorPeer:
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.transport is not None
        self.transport.disconnect()
        await self.transport.wait_disconnected()


class IterPeer(FloorPeer):
    """The same, handed over to an ``async for`` by a deque and a future."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: deque[Event] = deque()
        self.waiter: asyncio.Future[None] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            return
        event = decode(frame.get_payload_as_memoryview())
        if type(event) in (Committed, SessionUpdated):
            self.news.set()
            return
        self.queue.append(event)
        waiter, self.waiter = self.waiter, None
        if waiter is not None:
            waiter.set_result(None)

    def __aiter__(self) -> IterPeer:
        return self

    async def __anext__(self) -> Event:
        while not self.queue:
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter
        return self.queue.popleft()

    async def drain(self) -> Heard:
        async for event in self:
            if type(event) is AudioDelta:
                self.total += len(pybase64.b64decode(event.delta))
            elif type(event) is WordDelta:
                self.words += 1
            elif type(event) is Done:
                break
        return Heard(self.total, self.words)


async def open_floor(stack: AsyncExitStack, url: str, mode: str, kind: type[FloorPeer] = FloorPeer) -> Peer:
    _, peer = await picows.ws_connect(kind, f"{url}/v1/realtime?model={mode}")
    assert isinstance(peer, FloorPeer)
    await stack.enter_async_context(peer)
    await peer.ready()
    return peer


async def open_iter(stack: AsyncExitStack, url: str, mode: str) -> Peer:
    return await open_floor(stack, url, mode, IterPeer)


# ---------------------------------------------------------------- the narrow door, and the core behind it


async def open_door(stack: AsyncExitStack, url: str, mode: str) -> RealtimeConnection:
    from voicewire.events.session import SessionConfig
    from voicewire.models import create_model

    model = create_model(f"openai:{mode}", api_key="bench", base_url=f"{url}/v1")
    opened = model.open(config=SessionConfig(turn_detection=None, transcription=None))
    return await stack.enter_async_context(opened)


async def open_voicewire(stack: AsyncExitStack, url: str, mode: str) -> Peer:
    from voicewire.events import AppendAudio, CommitAudio, CreateResponse, ModelEvents

    connection = await open_door(stack, url, mode)
    audio, word, done = (
        ModelEvents.ModelResponseAudioDeltaEvent,
        ModelEvents.ModelResponseAudioTranscriptDeltaEvent,
        ModelEvents.ModelResponseDoneEvent,
    )

    class DoorPeer:
        async def respond(self) -> None:
            await connection.send(CreateResponse())

        async def drain(self) -> Heard:
            total = words = 0
            async for event in connection:
                if type(event) is audio:
                    total += len(event.pcm)
                elif type(event) is word:
                    words += 1
                elif type(event) is done:
                    break
            return Heard(total, words)

        async def append(self, pcm: bytes) -> None:
            await connection.send(AppendAudio(pcm, 24000))

        async def commit(self) -> None:
            await connection.send(CommitAudio(respond=False))
            async for event in connection:
                if type(event) is ModelEvents.ModelInputCommittedEvent:
                    return

    return DoorPeer()


async def open_core(stack: AsyncExitStack, url: str, mode: str) -> Peer:
    """Every event through the conversation core, and what it lets through taken as an application would."""
    from voicewire.conversation.session import ConversationSession, PlayAudio, SendCommand
    from voicewire.events import AppendAudio, CommitAudio, CreateResponse, ModelEvents
    from voicewire.events.commands import Command

    connection = await open_door(stack, url, mode)
    session = ConversationSession(connection.config)
    word, done = ModelEvents.ModelResponseAudioTranscriptDeltaEvent, ModelEvents.ModelResponseDoneEvent

    async def order(command: Command) -> None:
        for output in session.command(command):
            if type(output) is SendCommand:
                await connection.send(output.command)

    class CorePeer:
        async def respond(self) -> None:
            await order(CreateResponse())

        async def drain(self) -> Heard:
            total = words = 0
            async for event in connection:
                for output in session.receive(event):
                    if type(output) is PlayAudio:
                        total += len(output.event.pcm)
                    elif type(output) is word:
                        words += 1
                    elif type(output) is done:
                        return Heard(total, words)
            return Heard(total, words)

        async def append(self, pcm: bytes) -> None:
            await order(AppendAudio(pcm, 24000))

        async def commit(self) -> None:
            await order(CommitAudio(respond=False))
            async for event in connection:
                session.receive(event)
                if type(event) is ModelEvents.ModelInputCommittedEvent:
                    return

    return CorePeer()


# ---------------------------------------------------------------- the openai SDK


@functools.cache
def sdk_client(url: str) -> AsyncOpenAI:
    """One client for all sessions, as its documentation advises: each holds TLS settings of its own."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(api_key="bench", base_url=url.replace("ws", "http") + "/v1")


async def open_openai(stack: AsyncExitStack, url: str, mode: str) -> Peer:
    connection = await stack.enter_async_context(sdk_client(url).realtime.connect(model=mode))
    await connection.session.update(session={"type": "realtime"})

    class SdkPeer:
        async def respond(self) -> None:
            await connection.response.create()

        async def drain(self) -> Heard:
            total = words = 0
            async for event in connection:
                if event.type == "response.output_audio.delta":
                    total += len(base64.b64decode(event.delta))
                elif event.type == "response.output_audio_transcript.delta":
                    words += 1
                elif event.type == "response.done":
                    break
            return Heard(total, words)

        async def append(self, pcm: bytes) -> None:
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

        async def commit(self) -> None:
            await connection.input_audio_buffer.commit()
            async for event in connection:
                if event.type == "input_audio_buffer.committed":
                    return

    return SdkPeer()


Open = Callable[[AsyncExitStack, str, str], Awaitable[Peer]]
DRIVERS: dict[str, Open] = {
    "floor:msgspec": open_floor,
    "floor:iter": open_iter,
    "voicewire": open_voicewire,
    "voicewire + core": open_core,
    "openai SDK": open_openai,
}


# ---------------------------------------------------------------- what is measured


async def receive(open_peer: Open, url: str, duration_ms: int) -> tuple[float, float]:
    """CPU and wall microseconds per audio delta (with a quarter of a transcript delta)."""
    count = BURST[duration_ms]
    async with AsyncExitStack() as stack:
        peer = await open_peer(stack, url, f"burst-{duration_ms}-{count}")
        best: list[tuple[float, float]] = []
        for _ in range(3):
            cpu, wall = time.process_time(), time.perf_counter()
            await peer.respond()
            got = await peer.drain()
            best.append((time.process_time() - cpu, time.perf_counter() - wall))
            assert got == Heard(count * duration_ms * 48, count // 4), f"{got} came"
        cpu, wall = sorted(best)[1]
    return cpu / count * 1e6, wall / count * 1e6


async def transmit(open_peer: Open, url: str, duration_ms: int) -> float:
    """CPU microseconds per appended chunk, kernel included.

    In batches with a pause after each, so that the provider has room for all of a batch: sending into a full
    socket is only a copy into a buffer, which the driver that notices its peer does not even do.
    """
    pcm = os.urandom(48 * duration_ms)
    cpu = 0.0
    async with AsyncExitStack() as stack:
        peer = await open_peer(stack, url, "sink-20-0")
        for _ in range(SENDS[duration_ms] // _SENDS_A_BATCH):
            began = time.process_time()
            for _ in range(_SENDS_A_BATCH):
                await peer.append(pcm)
            cpu += time.process_time() - began
            await asyncio.sleep(_BATCH_PAUSE_S)
        await peer.commit()
    return cpu / SENDS[duration_ms] * 1e6


async def duplex(open_peer: Open, url: str, sessions: int, seconds: float) -> dict[str, float]:
    """Sessions that send and receive 20 ms chunks in real time: CPU, lateness of the loop, memory."""
    pcm = os.urandom(960)
    count = int(seconds * 50)
    async with AsyncExitStack() as stack:  # what the first session loads is no cost of a session
        await open_peer(stack, url, "sink-20-0")
    gc.collect()
    before_kb = rss_kb()
    async with AsyncExitStack() as stack:
        peers = [await open_peer(stack, url, f"pace-20-{count}") for _ in range(sessions)]
        opened_kb = rss_kb()
        late_ms: list[float] = []
        loop = asyncio.get_running_loop()
        cpu, queued = time.process_time(), queued_s()
        began = loop.time()
        heard: list[Heard] = []

        async def drain(peer: Peer) -> None:
            heard.append(await peer.drain())

        async with anyio.create_task_group() as tasks:
            for peer in peers:
                await peer.respond()
                tasks.start_soon(drain, peer)
            due = loop.time()
            for tick in range(count * 5):
                for peer in peers[tick % 5 :: 5]:
                    await peer.append(pcm)
                due += 0.004
                await asyncio.sleep(max(0.0, due - loop.time()))
                late_ms.append((loop.time() - due) * 1e3)
        used, wall = time.process_time() - cpu, loop.time() - began
        waited = queued_s() - queued
        assert heard == [Heard(count * 960, (count + 3) // 4)] * sessions
        after_kb = rss_kb()
    return {
        "sessions": sessions,
        "cpu_ms_per_session_s": used / sessions / seconds * 1e3,
        "cpu_share": used / wall,
        "waited_share": waited / wall,
        "late_p99_ms": statistics.quantiles(late_ms, n=100)[98],
        "overrun": wall / seconds,
        "open_kb": (opened_kb - before_kb) / sessions,
        "run_kb": (after_kb - before_kb) / sessions,
    }


def rss_kb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1024


def queued_s() -> float:
    """Seconds this process was ready to run while others had its core: why a loop is late that has time."""
    with open("/proc/self/schedstat", encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e9


async def connect_time(open_peer: Open, url: str) -> float:
    """Milliseconds from nothing to a configured session, median of 20."""
    taken = []
    for _ in range(21):
        async with AsyncExitStack() as stack:
            began = time.perf_counter()
            await open_peer(stack, url, "sink-20-0")
            taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:]) * 1e3


async def main(name: str, url: str, what: str, amount: str) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    open_peer = DRIVERS[name]
    result: dict[str, float] = {}
    if what == "unit":
        for duration_ms in (20, 100):
            cpu, wall = await receive(open_peer, url, duration_ms)
            result[f"recv_{duration_ms}_us"] = cpu
            result[f"recv_{duration_ms}_wall_us"] = wall
            result[f"send_{duration_ms}_us"] = await transmit(open_peer, url, duration_ms)
        result["connect_ms"] = await connect_time(open_peer, url)
    else:
        sessions, seconds = amount.split("x")
        result = await duplex(open_peer, url, int(sessions), float(seconds))
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
