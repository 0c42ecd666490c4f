"""Clients and provider of the density benchmark, in one process on one clock: 20 ms frames both ways, in real time.

Each frame carries the moment at which it was sent in the first bytes of its audio, so that whoever gets it knows
how long it was under way. Every frame is serialised beforehand but for these bytes.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import time
from dataclasses import dataclass, field

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from benchmarks.loopback_provider import CREATED, UPDATED, Script

KEY = "sk-density-0123456789abcdef"
"""Clients show it; only a relay that insists on keys looks at it."""
FRAME_MS = 20
GROUPS = 5
"""The sessions send in turns: a fifth of them every 4 ms."""
_STAMP_CHARS = 12
_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_REST = base64.b64encode(os.urandom(24 * 2 * FRAME_MS - 9)) + b'"}'
_SCRIPT = Script(FRAME_MS, 0)
_AT = _SCRIPT.audio.index(b'"delta":"') + len(b'"delta":"')
_DELTA_HEAD, _DELTA_REST = _SCRIPT.audio[:_AT], _SCRIPT.audio[_AT + _STAMP_CHARS :]
_TEXT = WSMsgType.TEXT


def stamp() -> bytes:
    """The moment now, as the base64 of nine bytes of audio."""
    return base64.b64encode(time.perf_counter_ns().to_bytes(9, "big"))


@dataclass
class Tally:
    """How long frames were under way, in nanoseconds."""

    up_ns: list[int] = field(default_factory=list)
    down_ns: list[int] = field(default_factory=list)
    is_open: bool = False

    def note(self, into: list[int], payload: memoryview, key: bytes) -> None:
        """Notes the age of an audio frame."""
        now_ns = time.perf_counter_ns()
        head = bytes(payload[:400])
        at = head.find(key)
        if self.is_open and at >= 0:
            at = head.index(b'"', at + len(key)) + 1  # a relay that parses may write a space before the value
            into.append(now_ns - int.from_bytes(base64.b64decode(head[at : at + _STAMP_CHARS]), "big"))


class ProviderSession(WSListener):
    """The provider's end."""

    def __init__(self, tally: Tally, talking: list[WSTransport]) -> None:
        self.tally = tally
        self.talking = talking

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(_TEXT, CREATED)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not _TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                transport.send_close()
                transport.disconnect()
            return
        payload = frame.get_payload_as_memoryview()
        if len(payload) > 1000:
            self.tally.note(self.tally.up_ns, payload, b'"audio":')
        elif b"session.update" in (head := bytes(payload[:80])):
            transport.send(_TEXT, UPDATED)
        elif b"response.create" in head:
            transport.send(_TEXT, _SCRIPT.begin)
            self.talking.append(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if transport in self.talking:
            self.talking.remove(transport)


class LoadClient(WSListener):
    """The client's end."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.transport: WSTransport | None = None
        self.began = asyncio.Event()
        self.is_lost = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(_TEXT, b'{"type":"response.create"}')

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not _TEXT:
            return
        payload = frame.get_payload_as_memoryview()
        if len(payload) > 1000:
            self.tally.note(self.tally.down_ns, payload, b'"delta":')
            self.began.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_lost = True
        self.began.set()


@dataclass
class Result:
    """What one run showed."""

    sessions: int
    up_ns: list[int]
    down_ns: list[int]
    lost: int
    expected_frames: int
    driver_late_ms: float
    """p99 of how late the driver's own timer ran."""

    def percentile_ms(self, share: float) -> float:
        """Of both directions together."""
        both = sorted(self.up_ns + self.down_ns)
        return both[min(len(both) - 1, int(len(both) * share))] / 1e6 if both else float("inf")

    @property
    def delivered(self) -> float:
        """Share of the frames that arrived."""
        return (len(self.up_ns) + len(self.down_ns)) / max(1, self.expected_frames)


class Load:
    """A provider that listens, and clients that come and go.

    Use ``start`` once, then ``add`` and ``measure`` as often as you like.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.talking: list[WSTransport] = []
        self.clients: list[LoadClient] = []
        self.url = ""

    async def start(self) -> None:
        """Begins to listen."""

        def accept(request: WSUpgradeRequest) -> WSListener:
            return ProviderSession(self.tally, self.talking)

        server = await picows.ws_create_server(accept, "127.0.0.1", 0, disconnect_on_exception=False)
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def add(self, url: str, count: int, path: str = "/v1/realtime?model=bench") -> None:
        """So many clients more, through the relay at ``url``; the provider's audio is on its way to each."""
        before = len(self.clients)
        for number in range(count):
            _, client = await picows.ws_connect(
                lambda: LoadClient(self.tally), url + path, extra_headers={"Authorization": f"Bearer {KEY}"}
            )
            assert isinstance(client, LoadClient)
            self.clients.append(client)
            if number % 20 == 19:
                await self.run(0.1)
        deadline = time.monotonic() + 30
        while not all(client.began.is_set() for client in self.clients[before:]):
            await self.run(0.2)
            assert time.monotonic() < deadline, "a client heard nothing"

    async def run(self, duration_s: float) -> tuple[int, list[float]]:
        """Sends in real time; gives the number of frames and how late each tick was, in milliseconds."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        end = due + duration_s
        late: list[float] = []
        frames = number = 0
        while due < end:
            part = number % GROUPS
            for client in self.clients[part::GROUPS]:
                if client.transport is not None and not client.is_lost:
                    client.transport.send(_TEXT, _HEAD + stamp() + _REST)
                    frames += 1
            for provider in self.talking[part::GROUPS]:
                provider.send(_TEXT, _DELTA_HEAD + stamp() + _DELTA_REST)
                frames += 1
            number += 1
            due += FRAME_MS / 1000 / GROUPS
            late.append(max(0.0, loop.time() - due) * 1000)
            await asyncio.sleep(max(0.0, due - loop.time()))
        return frames, late

    async def measure(self, duration_s: float) -> Result:
        """Runs, and keeps the times of what arrives."""
        await self.run(1.0)
        self.tally.up_ns, self.tally.down_ns = [], []
        gc.collect()
        gc.disable()
        self.tally.is_open = True
        frames, late = await self.run(duration_s)
        await asyncio.sleep(0.3)
        self.tally.is_open = False
        gc.enable()
        lost = sum(client.is_lost for client in self.clients)
        late_ms = sorted(late)[int(len(late) * 0.99)]
        return Result(len(self.clients), self.tally.up_ns, self.tally.down_ns, lost, frames, late_ms)

    async def leave(self) -> None:
        """All clients go."""
        for client in self.clients:
            if client.transport is not None:
                client.transport.disconnect()
        self.clients.clear()
        await asyncio.sleep(0.5)
        self.talking.clear()
