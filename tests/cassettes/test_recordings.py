"""Every recorded provider session beside the project, present and future, plays through our client as its provider.

The judges know three scenarios of each service in detail; this module knows none, so that it holds for any recording:
our client is driven by what the recorded client sent, and its events are compared with the recorded frames.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tests.conftest import SHARED
from voicewire.events import model as events
from voicewire.events.base import AudioPayload, EventBase
from voicewire.events.commands import (
    AppendAudio,
    CancelResponse,
    ClearAudio,
    Command,
    CommitAudio,
    CreateResponse,
    SendText,
    SendToolResult,
)
from voicewire.events.session import SessionConfig
from voicewire.models.model import RealtimeConnection
from voicewire.testing.cassette_files import load_cassette
from voicewire.testing.cassette_model import CassetteRealtimeModel, model_of
from voicewire.testing.cassette_report import report_of
from voicewire.transport.cassette import Cassette, Received, Sent
from voicewire.transport.frame_kinds import facts_of
from voicewire.transport.frames import CloseInfo, Frame, FrameReceiver, FrameTransport
from voicewire.transport.options import Connect

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

FOLDER = SHARED / "recordings"
FILES = sorted(FOLDER.glob("*/*.yaml")) if FOLDER.is_dir() else []
_TIMEOUT_S = 20.0
every_recording = pytest.mark.parametrize(
    "path",
    FILES
    or [pytest.param(None, marks=pytest.mark.skip(reason="no ../shared/recordings beside this checkout"))],
    ids=lambda path: f"{path.parent.name}/{path.stem}" if isinstance(path, Path) else "none",
)


@dataclass(slots=True)
class Gauge:
    """Counts the frames that reached our client, so that it is driven no sooner than the recorded one was."""

    count: int = 0
    news: anyio.Event = field(default_factory=anyio.Event)

    def wrap(self, connect: Connect) -> Connect:
        async def connect_counted(receiver: FrameReceiver) -> FrameTransport:
            return await connect(_Counted(self, receiver))

        return connect_counted

    async def reached(self, count: int) -> None:
        while self.count < count:
            self.news = anyio.Event()
            await self.news.wait()


class _Counted:
    def __init__(self, gauge: Gauge, receiver: FrameReceiver) -> None:
        self._gauge = gauge
        self._receiver = receiver

    def on_open(self, transport: FrameTransport) -> None:
        self._receiver.on_open(transport)

    def on_message(self, message: memoryview | Frame) -> None:
        self._receiver.on_message(message)
        self._gauge.count += 1
        self._gauge.news.set()

    def on_closed(self, info: CloseInfo) -> None:
        self._receiver.on_closed(info)


def commands_of(frame: Frame) -> list[Command]:
    """What our application says to make our client send such a frame; nothing for what it sends by itself."""
    facts = facts_of(frame)
    value: Mapping[str, Any] = facts.value or {}
    inner: Mapping[str, Any] = next((part for part in value.values() if isinstance(part, dict)), {})
    match facts.kind:
        case "session.update" | "setup":
            return []
        case "conversation.item.create:message":
            return [SendText(value["item"]["content"][0]["text"], respond=False)]
        case "conversation.item.create:function_call_output":
            return [SendToolResult(value["item"]["call_id"], value["item"]["output"], respond=False)]
        case "response.create":
            return [CreateResponse()]
        case "response.cancel":
            return [CancelResponse()]
        case "input_audio_buffer.append":
            return [AppendAudio(AudioPayload(base64=value["audio"]), sample_rate_hz=24000)]
        case "input_audio_buffer.commit":
            return [CommitAudio(respond=False)]
        case "input_audio_buffer.clear":
            return [ClearAudio()]
        case "realtimeInput.audio":
            data = inner["audio"]["data"].replace("-", "+").replace("_", "/")
            return [AppendAudio(AudioPayload(base64=data), sample_rate_hz=16000)]
        case "realtimeInput.activityEnd" | "realtimeInput.audioStreamEnd":
            return [CommitAudio()]
        case "clientContent":
            return [SendText(inner["turns"][-1]["parts"][0]["text"])]
        case "toolResponse":
            answers = inner.get("functionResponses") or inner["function_responses"]
            return [SendToolResult(answer["id"], str(answer["response"].get("output"))) for answer in answers]
        case kind:
            raise AssertionError(f"this test does not know how our client sends {kind!r}; teach it")


@asynccontextmanager
async def driven(path: Path, cassette: Cassette) -> AsyncGenerator[list[EventBase], None]:
    """A session with the recorded provider in which everything was sent and received; yields its events."""
    gauge, found = Gauge(), list[EventBase]()
    first = next(entry for entry in cassette.entries if isinstance(entry, Sent))
    session: Mapping[str, Any] = facts_of(first.frame).value or {}
    modalities = session.get("session", {}).get("modalities") or session.get("session", {}).get(
        "output_modalities"
    )
    config = SessionConfig(modality=modalities[0]) if modalities else None
    model = CassetteRealtimeModel(path, wrap=gauge.wrap)
    tools = [tool for tool in session.get("session", {}).get("tools", ()) if tool.get("type") == "function"]

    async def listen(connection: RealtimeConnection) -> None:
        async for event in connection:
            found.append(event)

    with anyio.fail_after(_TIMEOUT_S):
        async with model.open(instructions="x", tools=tools, config=config) as connection:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen, connection)
                received = 0
                for entry in cassette.entries:
                    if isinstance(entry, Received):
                        received += 1
                    elif isinstance(entry, Sent) and (commands := commands_of(entry.frame)):
                        await gauge.reached(received)
                        for command in commands:
                            await connection.send(command)
                await gauge.reached(received)
                await connection.aclose()
    yield found


def frames_of(cassette: Cassette) -> list[Mapping[str, Any]]:
    """What the recorded provider said."""
    return [facts_of(entry.frame).value or {} for entry in cassette.entries if isinstance(entry, Received)]


def audio_in(frame: Mapping[str, Any]) -> Iterator[bytes]:
    """The audio of a provider's frame."""
    if str(frame.get("type", "")) in ("response.output_audio.delta", "response.audio.delta"):
        yield decoded(frame["delta"])
    content = frame.get("serverContent") or frame.get("server_content") or {}
    turn = content.get("modelTurn") or content.get("model_turn") or {}
    for part in turn.get("parts") or ():
        if (blob := part.get("inlineData") or part.get("inline_data")) is not None:
            yield decoded(blob["data"])


def decoded(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "==")


def usages(frames: list[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """Input and output tokens of every response whose end says them."""
    found: list[tuple[int, int]] = []
    for frame in frames:
        if frame.get("type") == "response.done":
            usage = frame["response"].get("usage") or frame.get("usage") or {}
            found.append((usage.get("input_tokens", 0), usage.get("output_tokens", 0)))
        elif usage := frame.get("usageMetadata") or frame.get("usage_metadata"):
            found.append((usage["promptTokenCount"], usage.get("responseTokenCount", 0)))
    return found


def of(found: list[EventBase], kind: type[Any]) -> list[Any]:
    return [event for event in found if isinstance(event, kind)]


@every_recording
async def test_it_plays_through_our_client(path: Path) -> None:
    cassette = load_cassette(path)
    frames = frames_of(cassette)
    async with driven(path, cassette) as found:
        pass
    assert not of(found, events.ModelErrorEvent)
    assert not [event.name for event in of(found, events.ModelProviderEvent) if not event.is_known]
    created = [event.response_id for event in of(found, events.ModelResponseCreatedEvent)]
    done = of(found, events.ModelResponseDoneEvent)
    assert created
    assert created == [event.response_id for event in done]
    statuses = [frame["response"]["status"] for frame in frames if frame.get("type") == "response.done"]
    assert [event.status for event in done] == (statuses or ["completed"] * len(done))
    # A wire may report the usage of several responses once; none is lost and none is made up.
    told = [(event.input_tokens, event.output_tokens) for event in done]
    assert [usage for usage in told if usage != (0, 0)] == [
        usage for usage in usages(frames) if usage != (0, 0)
    ]
    said = b"".join(event.pcm for event in of(found, events.ModelResponseAudioDeltaEvent))
    assert said == b"".join(part for frame in frames for part in audio_in(frame))


@every_recording
async def test_its_events_are_in_order_and_complete(path: Path) -> None:
    async with driven(path, load_cassette(path)) as found:
        pass
    added = [event.item.id for event in of(found, events.ModelItemAddedEvent)]
    finished = [event.item.id for event in of(found, events.ModelItemDoneEvent)]
    assert sorted(added) == sorted(finished)
    assert len(set(added)) == len(added)
    open_response = None
    for event in found:
        if isinstance(event, events.ModelResponseCreatedEvent):
            assert open_response is None
            open_response = event.response_id
        elif isinstance(event, events.ModelResponseDoneEvent):
            assert open_response == event.response_id
            open_response = None
        elif isinstance(event, events.ModelResponseAudioDeltaEvent):
            assert open_response == event.response_id
    started, stopped = of(found, events.ModelInputStartedEvent), of(found, events.ModelInputDoneEvent)
    assert len(started) == len(stopped)
    for final in of(found, events.ModelInputTranscriptionDoneEvent):
        parts = [
            e.delta for e in of(found, events.ModelInputTranscriptionDeltaEvent) if e.item_id == final.item_id
        ]
        assert "".join(parts).strip() in ("", final.transcript.strip())
    for final in of(found, events.ModelResponseAudioTranscriptDoneEvent):
        parts = [
            e.delta
            for e in of(found, events.ModelResponseAudioTranscriptDeltaEvent)
            if e.item_id == final.item_id
        ]
        assert "".join(parts) == final.transcript
    assert isinstance(found[-1], events.ModelSessionEndedEvent)
    assert found[-1].is_expected


@every_recording
def test_it_can_be_told_as_a_timeline(path: Path) -> None:
    cassette = load_cassette(path)
    assert cassette.header.provider in path.parent.name.replace("azure_voice_live", "voicelive").replace(
        "google", "gemini"
    ).replace("test_azure_ws", "openai")
    report = report_of(cassette, model_of(cassette.header, path.name).codec)
    assert not report.faults
    assert not report.unknown
    assert report.answers
    assert all(answer.status == "completed" and answer.cause for answer in report.answers)
    assert any(line.who == "agent" and line.text for line in report.lines)
    sent = sum(isinstance(entry, Sent) for entry in cassette.entries)
    assert (report.sent_frames, report.received_frames) == (sent, len(cassette.entries) - sent)


@every_recording
async def test_unknown_events_in_it_are_passed_on_and_change_nothing(path: Path) -> None:
    """What a provider adds next year, after each of its frames of today."""
    cassette = load_cassette(path)
    new = Received(
        at_ms=0.0, data=msgspec.Raw(b'{"type":"response.hologram.delta","hologram":{"depth":[1,2]}}')
    )
    if cassette.header.provider == "gemini":
        new = Received(at_ms=0.0, data=msgspec.Raw(b'{"hologramUpdate":{"depth":[1,2]}}'))
    more = [
        part
        for entry in cassette.entries
        for part in ([entry, new] if isinstance(entry, Received) else [entry])
    ]
    new_codec = model_of(cassette.header, path.name).codec
    before = report_of(cassette, new_codec)
    after = report_of(Cassette(cassette.header, tuple(more)), new_codec)
    assert not after.faults
    assert sum(after.unknown.values()) == len(frames_of(cassette))
    assert [line.text for line in after.lines] == [line.text for line in before.lines]
    assert [answer.status for answer in after.answers] == [answer.status for answer in before.answers]


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The ways to everything inside of a JSON value; of a list, to its first member."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield (*path, key)
            yield from leaves(member, (*path, key))
    elif isinstance(value, list) and value:
        yield from leaves(value[0], (*path, 0))


@every_recording
def test_no_count_and_no_status_is_needed_to_read_the_rest(path: Path) -> None:
    """A provider that leaves out, or says null for, what it counts or why it ended, costs nobody the session."""
    cassette = load_cassette(path)
    tried = 0
    for index, entry in enumerate(cassette.entries):
        told = facts_of(entry.frame).value if isinstance(entry, Received) else None
        for way in leaves(told):
            if way[-1] == "type" or not any(str(step).startswith(("usage", "status")) for step in way):
                continue
            changed: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
            inside: Any = changed
            for step in way[:-1]:
                inside = inside[step]
            if cassette.header.provider == "gemini":
                del inside[way[-1]]  # its JSON has no null
            else:
                inside[way[-1]] = None
            other = Received(at_ms=0.0, data=msgspec.Raw(msgspec.json.encode(changed)))
            entries = (*cassette.entries[:index], other, *cassette.entries[index + 1 :])
            report = report_of(Cassette(cassette.header, entries), model_of(cassette.header, path.name).codec)
            assert not report.faults, way
            assert all(answer.status for answer in report.answers), way
            tried += 1
    assert tried
