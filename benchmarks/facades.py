"""What each façade adds to the core's cost of one 20 ms audio delta, side by side in one process.

The core is the narrow door with the conversation behind it: frame in, event out, filtered. A façade is measured with
the same frames through the same memory transport; those that hand out decoded audio are compared with the core and
its decoding. Goal: at most 25 % more.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from voicewire.agent import RealtimeAgent
from voicewire.audio.pcm import tone
from voicewire.clients import AzureKeyCredential, AzureRealtimeAudio, RTClient, RTMessageItem, link
from voicewire.clients.rt_items import RTAudioContent
from voicewire.conversation.session import ConversationSession
from voicewire.events.base import EventBase
from voicewire.events.model import ModelResponseDoneEvent
from voicewire.events.server import AgentResponseAudioDeltaEvent, AgentResponseDoneEvent
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.models.model import RealtimeConnection, RealtimeModel
from voicewire.models.profiles import openai_profile
from voicewire.models.remote import open_remote
from voicewire.protocols.openai.client import OpenAIClientCodec
from voicewire.testing.transport import MemoryPeer
from voicewire.transport.frames import Frame, FrameReceiver, FrameTransport
from voicewire.voice import RealtimeVoice

DELTAS = 3000
ROUNDS = 5
RUNS = 3
GOAL = 1.25
_SESSION = {"type": "realtime", "id": "sess_1", "object": "realtime.session"}


def burst(number: int) -> list[str]:
    """The frames of one response."""
    response = {"id": f"resp_{number}", "object": "realtime.response", "status": "in_progress", "output": []}
    item = {
        "id": f"item_{number}",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    place = {"response_id": response["id"], "item_id": item["id"], "output_index": 0, "content_index": 0}
    part = {"type": "output_audio", "transcript": ""}
    delta = base64.b64encode(tone(440, 480, 24_000)).decode()
    done = {**item, "status": "completed", "content": [part]}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {
            "type": "response.output_item.added",
            "response_id": response["id"],
            "output_index": 0,
            "item": item,
        },
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": "response.output_audio.delta", **place, "delta": delta} for _ in range(DELTAS)),
        {"type": "response.output_audio.done", **place},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "response_id": response["id"], "output_index": 0, "item": done},
        {"type": "response.done", "response": {**response, "status": "completed", "output": [done]}},
    ]
    return [json.dumps({**event, "event_id": "event_1"}, separators=(",", ":")) for event in events]


def answer(peer: MemoryPeer, frame: Frame) -> None:
    """Confirms every change of the session."""
    if json.loads(frame)["type"] == "session.update":
        peer.say(json.dumps({"type": "session.updated", "event_id": "e", "session": _SESSION}))


def new_peer() -> MemoryPeer:
    """A provider in memory."""
    greeting = json.dumps({"type": "session.created", "event_id": "e", "session": _SESSION})
    return MemoryPeer(answer, greeting=(greeting,))


class FrameModel(RealtimeModel):
    """A model whose provider is a `MemoryPeer`."""

    def __init__(self, peer: MemoryPeer) -> None:
        self.name = "frames"
        self.capabilities = openai_profile("gpt-realtime").capabilities
        self._peer = peer

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens the conversation."""
        return self._open(config or SessionConfig())

    @asynccontextmanager
    async def _open(self, config: SessionConfig) -> AsyncGenerator[RealtimeConnection, None]:
        codec = OpenAIClientCodec(config)
        async with open_remote(
            codec, self._peer.connect, config=config, capabilities=self.capabilities, name=self.name
        ) as connection:
            yield connection


async def timed(peer: MemoryPeer, drain: Callable[[], Awaitable[int]]) -> float:
    """Microseconds for one delta, of the best round: what else runs on the machine only ever adds."""
    found: list[float] = []
    for number in range(ROUNDS + 1):
        frames = burst(number)
        gc.collect()
        gc.disable()
        began = time.process_time_ns()
        peer.say(*frames)
        heard = await drain()
        spent_ns = time.process_time_ns() - began
        gc.enable()
        if heard != DELTAS:
            raise SystemExit(f"{heard} of {DELTAS} deltas were heard")
        if number:
            found.append(spent_ns / DELTAS / 1000)
    return min(found)


async def core(*, decodes: bool) -> float:
    """The narrow door and the conversation."""
    peer = new_peer()
    async with FrameModel(peer).open() as connection:
        session = ConversationSession(connection.config, has_playout=False)
        events = connection.__aiter__()

        async def drain() -> int:
            heard = 0
            async for event in events:
                for output in session.receive(event, now_ms=0):
                    delta = getattr(output, "event", None)
                    if delta is not None:
                        heard += 1
                        if decodes:
                            assert delta.pcm
                if isinstance(event, ModelResponseDoneEvent):
                    return heard
            return heard

        return await timed(peer, drain)


async def agent() -> float:
    """``RealtimeAgent``: events in a queue, their audio as it came."""
    peer = new_peer()
    queue: asyncio.Queue[EventBase] = asyncio.Queue()
    async with RealtimeAgent("a", "", FrameModel(peer)) as running:
        await running.start(queue)

        async def drain() -> int:
            heard = 0
            while True:
                event = await queue.get()
                heard += type(event) is AgentResponseAudioDeltaEvent
                if isinstance(event, AgentResponseDoneEvent):
                    return heard

        return await timed(peer, drain)


async def voice() -> float:
    """``RealtimeVoice``: decoded audio to a callback."""
    peer = new_peer()
    talker = RealtimeVoice(FrameModel(peer))
    heard, done = 0, asyncio.Event()

    @talker.on_audio
    def count(audio: bytes) -> None:
        nonlocal heard
        heard += bool(audio)

    talker.on_response_done(lambda _: done.set())
    async with talker.connect():

        async def drain() -> int:
            nonlocal heard
            await done.wait()
            done.clear()
            found, heard = heard, 0
            return found

        return await timed(peer, drain)


def join_in_memory(peer: MemoryPeer) -> None:
    """The clients connect to a peer in memory."""

    async def connect(_: str, receiver: FrameReceiver, __: object = None) -> FrameTransport:
        return await peer.connect(receiver)

    setattr(link, "connect_websocket", connect)  # noqa: B010  (in this process only)


async def rt_client() -> float:
    """``RTClient``: decoded audio from the stream of a content part."""
    peer = new_peer()
    join_in_memory(peer)
    async with RTClient(model="m", key_credential=AzureKeyCredential("k")) as client:
        events = client.events()

        async def drain() -> int:
            heard = 0
            response = await anext(events)
            async for item in response:  # type: ignore[union-attr]  # only responses come here
                assert isinstance(item, RTMessageItem)
                async for part in item:
                    assert isinstance(part, RTAudioContent)
                    async for _ in part.audio_chunks():
                        heard += 1
            return heard

        return await timed(peer, drain)


async def azure() -> float:
    """``AzureRealtimeAudio``: base64 to a listener."""
    peer = new_peer()
    join_in_memory(peer)
    client = AzureRealtimeAudio(model="m", api_key="k")
    heard, done = 0, asyncio.Event()

    def count(_: object) -> None:
        nonlocal heard
        heard += 1

    client.on("response.audio.delta", count)
    client.on("response.done", lambda _: done.set())
    async with client:

        async def drain() -> int:
            nonlocal heard
            await done.wait()
            done.clear()
            found, heard = heard, 0
            return found

        return await timed(peer, drain)


async def main() -> None:
    """Prints a row for each: the median of `RUNS`, each beside a run of the core."""
    logging.disable(logging.CRITICAL)
    for name, measure, decodes in (
        ("RealtimeAgent", agent, False),
        ("RealtimeVoice", voice, True),
        ("RTClient", rt_client, True),
        ("AzureRealtimeAudio", azure, False),
    ):
        floors: list[float] = []
        costs: list[float] = []
        for _ in range(RUNS):
            floors.append(await core(decodes=decodes))
            costs.append(await measure())
        ratio = statistics.median(cost / floor for cost, floor in zip(costs, floors, strict=True))
        what = "core, audio decoded" if decodes else "core"
        print(
            f"{name:20} {statistics.median(costs):5.2f} us a delta, {what:20} {statistics.median(floors):5.2f} us, "
            f"{ratio:4.2f} x (goal {GOAL}) {'ok' if ratio <= GOAL else 'over the goal'}"
        )


if __name__ == "__main__":
    asyncio.run(main())
