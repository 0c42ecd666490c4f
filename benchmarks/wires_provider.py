"""One provider on loopback for every wire: picows, frames serialised beforehand.

The path tells the wire. ``burst-MS-N`` in the model's name: each request is answered with N audio deltas of MS
milliseconds, as fast as they are taken. What is sent to ``/sink`` is thrown away; ``done`` there is answered.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import sys

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

_BATCH = 64
_RESPONSES = 4
_BURST = re.compile(rb"burst-(\d+)-(\d+)")


class Wire:
    """The frames of one wire."""

    kind = WSMsgType.TEXT
    greeting = b""
    configures: bytes
    confirmation: bytes
    asks: bytes

    def begin(self, number: int) -> bytes:
        """What comes before the audio."""
        return b""

    def audio(self, number: int, delta: str) -> bytes:
        """One delta."""
        raise LookupError(number)

    def end(self, number: int) -> bytes:
        """What comes after it."""
        raise LookupError(number)


class OpenAIWire(Wire):
    """GA."""

    session = (
        b'"session":{"type":"realtime","id":"sess_bench","model":"bench","output_modalities":["audio"]}}'
    )
    greeting = b'{"type":"session.created","event_id":"e1",' + session
    confirmation = b'{"type":"session.updated","event_id":"e2",' + session
    configures = b"session.update"
    asks = b"response.create"
    audio_type = "response.output_audio.delta"

    def begin(self, number: int) -> bytes:
        """``response.created``."""
        return f'{{"type":"response.created","event_id":"e3","response":{{"id":"resp_{number}","output":[]}}}}'.encode()

    def audio(self, number: int, delta: str) -> bytes:
        """One delta."""
        ids = f'"response_id":"resp_{number}","item_id":"item_{number}","output_index":0,"content_index":0'
        return f'{{"type":"{self.audio_type}","event_id":"event_000004",{ids},"delta":"{delta}"}}'.encode()

    def end(self, number: int) -> bytes:
        """``response.done``."""
        response = f'{{"id":"resp_{number}","status":"completed","output":[]}}'
        return f'{{"type":"response.done","event_id":"e5","response":{response}}}'.encode()


class DashScopeWire(OpenAIWire):
    """Qwen-Omni."""

    audio_type = "response.audio.delta"


class GeminiWire(Wire):
    """Gemini Live; its messages are JSON in binary frames."""

    kind = WSMsgType.BINARY
    configures = b'"setup"'
    confirmation = b'{"setupComplete":{"sessionId":"sess_bench"}}'
    asks = b"clientContent"

    def audio(self, number: int, delta: str) -> bytes:
        """One message with audio."""
        part = f'{{"inlineData":{{"mimeType":"audio/pcm;rate=24000","data":"{delta}"}}}}'
        return f'{{"serverContent":{{"modelTurn":{{"parts":[{part}]}}}}}}'.encode()

    def end(self, number: int) -> bytes:
        """The end of the turn."""
        return b'{"serverContent":{"generationComplete":true,"turnComplete":true}}'


WIRES = {b"/v1/realtime": OpenAIWire(), b"/api-ws/": DashScopeWire(), b"/ws/google": GeminiWire()}


class Session(WSListener):
    """One client."""

    def __init__(self, path: bytes) -> None:
        self.wire = next((wire for prefix, wire in WIRES.items() if path.startswith(prefix)), None)
        self.shape = _BURST.search(path)
        self.number = 0
        self.left = 0
        self.frame = b""
        self.is_paused = False
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if self.wire is not None and self.wire.greeting:
            transport.send(self.wire.kind, self.wire.greeting)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        wire = self.wire
        head = bytes(frame.get_payload_as_memoryview()[:400])
        if wire is None:
            if head == b"done":
                transport.send(WSMsgType.TEXT, b"done")
        elif wire.configures in head:
            self.shape = self.shape or _BURST.search(head)
            transport.send(wire.kind, wire.confirmation)
        elif wire.asks in head:
            self.ask(wire, transport)

    def ask(self, wire: Wire, transport: WSTransport) -> None:
        assert self.shape is not None
        duration_ms, self.left = int(self.shape[1]), int(self.shape[2])
        self.number += 1
        # Noise, so that nothing about the audio is easy.
        self.frame = wire.audio(self.number, base64.b64encode(os.urandom(48 * duration_ms)).decode())
        if first := wire.begin(self.number):
            transport.send(wire.kind, first)
        self.burst()

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        if self.left:
            self.burst()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.left = 0
        self.transport = None

    def burst(self) -> None:
        wire = self.wire
        for _ in range(_BATCH):
            if self.is_paused or self.transport is None or wire is None or not self.left:
                return
            self.left -= 1
            self.transport.send(wire.kind, self.frame)
            if not self.left:
                self.transport.send(wire.kind, wire.end(self.number))
                return
        asyncio.get_running_loop().call_soon(self.burst)


async def main() -> None:
    """Serves until it is killed."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {0})

    def accept(request: WSUpgradeRequest) -> WSListener:
        return Session(request.path)

    server = await picows.ws_create_server(accept, "127.0.0.1", 0, max_frame_size=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
