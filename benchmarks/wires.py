"""What an audio delta costs on every wire: received through the narrow door, and relayed from one wire to another.

Beside each stands the same work done by hand: picows + msgspec + pybase64 in a callback, or, for a relay, the frame
of the other wire made of the base64 as it came. Every measurement is a process of its own on core 1, the provider is
on core 0; rounds are interleaved and the ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import picows
import pybase64
from picows import WSFrame, WSListener, WSMsgType, WSTransport

if TYPE_CHECKING:
    from voicewire.models.model import RealtimeConnection
    from voicewire.protocols.codec import ServerCodec

WIRES = ("openai", "gemini", "dashscope")
COUNT = {20: 6000, 100: 2000}
RECEIVE_GOAL, RELAY_GOAL = 2.0, 4.0
_REQUESTS = {
    "openai": (b'{"type":"session.update","session":{"type":"realtime"}}', b'{"type":"response.create"}'),
    "dashscope": (b'{"type":"session.update","session":{}}', b'{"type":"response.create"}'),
    "gemini": (b'{"setup":{"model":"models/%s"}}', b'{"clientContent":{"turnComplete":true}}'),
}
_GEMINI_PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

# ---------------------------------------------------------------- by hand


class GaDelta(msgspec.Struct, tag_field="type", tag="response.output_audio.delta"):
    response_id: str
    item_id: str
    delta: str


class FlatDelta(msgspec.Struct, tag_field="type", tag="response.audio.delta"):
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


class Blob(msgspec.Struct):
    data: str
    mimeType: str


class Part(msgspec.Struct):
    inlineData: Blob | None = None


class Turn(msgspec.Struct):
    parts: list[Part] = []


class Content(msgspec.Struct):
    modelTurn: Turn | None = None
    turnComplete: bool = False


class GeminiMessage(msgspec.Struct):
    serverContent: Content | None = None


_FLAT = msgspec.json.Decoder(GaDelta | FlatDelta | Done | Created | SessionCreated | SessionUpdated).decode
_GEMINI = msgspec.json.Decoder(GeminiMessage).decode
_FRAMES: dict[str, Callable[[int, str], str]] = {
    "openai": lambda number, delta: (
        f'{{"type":"response.output_audio.delta","event_id":"event_{number:06d}","response_id":"resp_1",'
        f'"item_id":"item_1","output_index":0,"content_index":0,"delta":"{delta}"}}'
    ),
    "dashscope": lambda number, delta: (
        f'{{"type":"response.audio.delta","event_id":"event_{number:06d}","response_id":"resp_1",'
        f'"item_id":"item_1","output_index":0,"content_index":0,"delta":"{delta}"}}'
    ),
    "gemini": lambda _, delta: (
        '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"'
        f'{delta}"}}}}]}}}}}}'
    ),
}


class ByHand(WSListener):
    """Everything in the callback: decodes the audio, or hands it on in another wire's frame."""

    def __init__(self, wire: str, sink: WSTransport | None, out: str) -> None:
        self.is_gemini = wire == "gemini"
        self.sink = sink
        self.frame = _FRAMES.get(out)
        self.total = 0
        self.count = 0
        self.transport: WSTransport | None = None
        self.news = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.is_gemini:
            message = _GEMINI(frame.get_payload_as_memoryview())
            content = message.serverContent
            if content is None or content.turnComplete:
                self.news.set()
            elif content.modelTurn is not None and content.modelTurn.parts[0].inlineData is not None:
                self.take(content.modelTurn.parts[0].inlineData.data)
            return
        event = _FLAT(frame.get_payload_as_memoryview())
        if type(event) is GaDelta or type(event) is FlatDelta:
            self.take(event.delta)
        elif type(event) is Done or type(event) is SessionUpdated:
            self.news.set()

    def take(self, delta: str) -> None:
        if self.sink is None or self.frame is None:
            self.total += len(pybase64.b64decode(delta))
            return
        self.count += 1
        self.total += len(delta) * 3 // 4
        self.sink.send(WSMsgType.TEXT, self.frame(self.count, delta).encode())

    async def told(self) -> None:
        await self.news.wait()
        self.news.clear()


class Sink(WSListener):
    """The client's end of a relay."""

    def __init__(self) -> None:
        self.done = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.done.set()


async def open_by_hand(
    stack: AsyncExitStack, url: str, wire: str, mode: str, out: str, sink: WSTransport | None
) -> Any:
    path = {"openai": f"/v1/realtime?model={mode}", "gemini": _GEMINI_PATH}.get(
        wire, f"/api-ws/v1/realtime?model={mode}"
    )
    _, peer = await picows.ws_connect(lambda: ByHand(wire, sink, out), url + path)
    assert isinstance(peer, ByHand)
    transport = peer.transport
    assert transport is not None
    stack.callback(transport.disconnect)
    configure, ask = _REQUESTS[wire]
    transport.send(WSMsgType.TEXT, configure.replace(b"%s", mode.encode()))
    await peer.told()

    async def burst() -> int:
        peer.total = 0
        transport.send(WSMsgType.TEXT, ask)
        await peer.told()
        return peer.total

    return burst


# ---------------------------------------------------------------- the narrow door, and a relay behind it


async def open_door(stack: AsyncExitStack, url: str, wire: str, mode: str) -> RealtimeConnection:
    from voicewire.events.session import SessionConfig
    from voicewire.models import create_model

    base_url = f"{url}/v1" if wire == "openai" else url
    model = create_model(f"{wire}:{mode}", api_key="bench", base_url=base_url)
    config = SessionConfig(turn_detection=None, transcription=None)
    return await stack.enter_async_context(model.open(config=config))


def server_codec(wire: str) -> ServerCodec:
    """The server side of a wire, ready to tell of responses."""
    from voicewire.events.model import ModelSessionCreatedEvent
    from voicewire.events.session import SessionConfig

    def ids(prefix: str) -> str:
        return f"{prefix}_bench"

    codec: ServerCodec
    if wire == "openai":
        from voicewire.protocols.openai.server import OpenAIServerCodec

        codec = OpenAIServerCodec(SessionConfig(), ids=ids, now_s=0, model="bench")
    elif wire == "dashscope":
        from voicewire.protocols.dashscope.server import DashScopeServerCodec

        codec = DashScopeServerCodec(ids=ids, model="bench")
    else:
        from voicewire.protocols.gemini.server import GeminiServerCodec
        from voicewire.protocols.gemini.server_requests import read_first

        codec = GeminiServerCodec(read_first('{"setup":{"model":"bench"}}'))
    codec.encode(ModelSessionCreatedEvent(session_id="bench", config=SessionConfig()))
    codec.data_to_send()
    return codec


async def open_voicewire(
    stack: AsyncExitStack, url: str, wire: str, mode: str, out: str, sink: WSTransport | None
) -> Any:
    from voicewire.events import ModelEvents, SendText

    connection = await open_door(stack, url, wire, mode)
    audio, done = ModelEvents.ModelResponseAudioDeltaEvent, ModelEvents.ModelResponseDoneEvent
    codec = server_codec(out) if out else None

    async def burst() -> int:
        total = 0
        await connection.send(SendText("go"))
        async for event in connection:
            if codec is not None and sink is not None:
                for frame in codec.encode(event):
                    sink.send(WSMsgType.TEXT, frame.encode() if isinstance(frame, str) else frame)
                if type(event) is audio:
                    total += event.size_bytes
            elif type(event) is audio:
                total += len(event.pcm)
            if type(event) is done:
                break
        return total

    return burst


Open = Callable[[AsyncExitStack, str, str, str, str, "WSTransport | None"], Awaitable[Any]]
SIDES: dict[str, Open] = {"by hand": open_by_hand, "voicewire": open_voicewire}


async def measure(side: str, url: str, wire: str, out: str) -> dict[str, float]:
    """CPU microseconds for each audio delta, kernel included."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    result: dict[str, float] = {}
    for duration_ms, count in COUNT.items():
        async with AsyncExitStack() as stack:
            sink: WSTransport | None = None
            end = Sink()
            if out:
                sink, listener = await picows.ws_connect(Sink, f"{url}/sink")
                assert isinstance(listener, Sink)
                end = listener
                stack.callback(sink.disconnect)
            burst = await SIDES[side](stack, url, wire, f"burst-{duration_ms}-{count}", out, sink)
            costs: list[float] = []
            for _ in range(3):
                cpu = time.process_time()
                total = await burst()
                if sink is not None:
                    end.done.clear()
                    sink.send(WSMsgType.TEXT, b"done")
                    await end.done.wait()
                costs.append(time.process_time() - cpu)
                assert total == count * duration_ms * 48, f"{total} bytes came of {side} on {wire}"
        result[f"{duration_ms}"] = statistics.median(costs) / count * 1e6
    return result


# ---------------------------------------------------------------- all of them


@contextmanager
def provider() -> Generator[str, None, None]:
    """The provider's process; gives its address."""
    command = [sys.executable, "-m", "benchmarks.wires_provider"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"ws://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def run(side: str, url: str, wire: str, out: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.wires", "--measure", side, url, wire, out]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if answer.returncode != 0:
        raise RuntimeError(f"{side} {wire} {out} failed:\n{answer.stderr[-2000:]}")
    row: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return row


def show(title: str, url: str, wire: str, out: str, rounds: int, goal: float) -> bool:
    """One line; tells whether the goal is met."""
    rows = [{side: run(side, url, wire, out) for side in SIDES} for _ in range(rounds)]
    cells, is_met = "", True
    for length in map(str, COUNT):
        ratio = statistics.median(row["voicewire"][length] / row["by hand"][length] for row in rows)
        ours, theirs = (
            statistics.median(row[side][length] for row in rows) for side in ("voicewire", "by hand")
        )
        is_met = is_met and ratio <= goal
        verdict = "ok" if ratio <= goal else "MISSED"
        cells += f"{ours:9.2f} us / {theirs:5.2f} us = {ratio:4.2f}x <={goal:g} {verdict:6}"
    print(f"{title:28}{cells}", flush=True)
    return is_met


def main() -> int:
    """Prints every wire and every pair of wires."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=4, metavar=("SIDE", "URL", "WIRE", "OUT"))
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(asyncio.run(measure(*arguments.measure))))
        return 0
    print("CPU per audio delta: voicewire / by hand, for deltas of 20 ms and of 100 ms")
    is_met = True
    with provider() as url:
        for wire in WIRES:
            is_met &= show(f"receive {wire}", url, wire, "", arguments.rounds, RECEIVE_GOAL)
        for wire in WIRES:
            for out in WIRES:
                if out != wire:
                    is_met &= show(f"relay {wire} -> {out}", url, wire, out, arguments.rounds, RELAY_GOAL)
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
