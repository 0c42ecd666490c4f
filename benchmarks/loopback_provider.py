"""A provider on loopback that costs as little as possible: picows, frames serialised beforehand.

What it does is named by the ``model`` of the address: ``burst-MS-N`` answers ``response.create`` with N audio
deltas of MS milliseconds (and a transcript delta after each fourth) as fast as they are taken; ``pace-MS-N``
sends them in real time. Appended audio is thrown away; a commit is answered when everything before it came.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from urllib.parse import parse_qs, urlsplit

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

SESSION = (
    '"session":{"type":"realtime","object":"realtime.session","id":"sess_bench","model":"bench",'
    '"output_modalities":["audio"],"instructions":"","tools":[],"tool_choice":"auto",'
    '"audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"transcription":null,"turn_detection":null},'
    '"output":{"format":{"type":"audio/pcm","rate":24000},"voice":"alloy","speed":1.0}}}'
)
CREATED = '{"type":"session.created","event_id":"event_000001",' + SESSION + "}"
UPDATED = '{"type":"session.updated","event_id":"event_000002",' + SESSION + "}"
RESPONSES = 4
"""How many responses one session may ask for: a response's id comes once only."""
COMMITTED = '{"type":"input_audio_buffer.committed","event_id":"e6","item_id":"i1","previous_item_id":null}'

_TICK_S = 0.004
_BATCH = 64


class Script:
    """The frames of one response."""

    def __init__(self, duration_ms: int, number: int) -> None:
        response_id = f"resp_{number:016}"
        response = f'"response":{{"object":"realtime.response","id":"{response_id}","output":[]'
        ids = (
            f'"response_id":"{response_id}","item_id":"item_{number:016}","output_index":0,"content_index":0'
        )
        # Noise, so that nothing about the audio is easy.
        delta = base64.b64encode(os.urandom(24 * 2 * duration_ms)).decode()
        self.begin = _event("response.created", response + ',"status":"in_progress"}')
        self.audio = _event("response.output_audio.delta", f'{ids},"delta":"{delta}"')
        self.word = _event("response.output_audio_transcript.delta", f'{ids},"delta":" word"')
        usage = '"usage":{"total_tokens":2,"input_tokens":1,"output_tokens":1}'
        self.end = _event("response.done", f'{response},"status":"completed",{usage}}}')


def _event(name: str, fields: str) -> bytes:
    return f'{{"type":"{name}","event_id":"event_000004",{fields}}}'.encode()


SCRIPTS = {
    duration_ms: [Script(duration_ms, number) for number in range(RESPONSES)] for duration_ms in (20, 100)
}


class Session(WSListener):
    """One client."""

    def __init__(self, pacer: Pacer, mode: str) -> None:
        self.pacer = pacer
        kind, duration_ms, count = (mode.split("-") + ["20", "0"])[:3]
        self.is_paced = kind == "pace"
        self.scripts = iter(SCRIPTS[int(duration_ms)])
        self.script = SCRIPTS[int(duration_ms)][0]
        self.count = int(count)
        self.left = 0
        self.is_paused = False
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(WSMsgType.TEXT, CREATED)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        head = bytes(frame.get_payload_as_memoryview()[:120])
        if b"input_audio_buffer.append" in head:
            return
        if b"session.update" in head:
            transport.send(WSMsgType.TEXT, UPDATED)
        elif b"response.create" in head:
            self.script = next(self.scripts)
            transport.send(WSMsgType.TEXT, self.script.begin)
            self.left = self.count
            if self.is_paced:
                self.pacer.add(self)
            else:
                self.burst()
        elif b"input_audio_buffer.commit" in head:
            transport.send(WSMsgType.TEXT, COMMITTED)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.left = 0
        self.transport = None

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        if self.left and not self.is_paced:
            self.burst()

    def burst(self) -> None:
        for _ in range(_BATCH):
            if self.is_paused:
                return
            if not self.step():
                return
        asyncio.get_running_loop().call_soon(self.burst)

    def step(self) -> bool:
        """Sends one delta; False when it was the last."""
        transport = self.transport
        if transport is None or not self.left:
            return False
        self.left -= 1
        transport.send(WSMsgType.TEXT, self.script.audio)
        if self.left % 4 == 0:
            transport.send(WSMsgType.TEXT, self.script.word)
        if not self.left:
            transport.send(WSMsgType.TEXT, self.script.end)
        return self.left > 0


class Pacer:
    """Sends the deltas of all paced sessions when they are due, a fifth of them every 4 ms."""

    def __init__(self) -> None:
        self.groups: list[list[Session]] = [[] for _ in range(5)]
        self.added = 0

    def add(self, session: Session) -> None:
        self.groups[self.added % 5].append(session)
        self.added += 1

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        number = 0
        while True:
            group = self.groups[number % 5]
            group[:] = [session for session in group if session.step()]
            number += 1
            due += _TICK_S
            await asyncio.sleep(max(0.0, due - loop.time()))


async def main() -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {0})
    pacer = Pacer()

    def accept(request: WSUpgradeRequest) -> WSListener:
        mode = parse_qs(urlsplit(request.path.decode()).query)["model"][0]
        return Session(pacer, mode)

    server = await picows.ws_create_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await pacer.run()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
