"""The recorder: everything that passes, in order, without holding up the session or losing what was written."""

from __future__ import annotations

import threading
from pathlib import Path

import anyio
import pytest

from voicewire.errors import ConfigError, ConnectFailed
from voicewire.testing.clock import ManualClock
from voicewire.testing.transport import MemoryPeer
from voicewire.transport import recorder as recorder_module
from voicewire.transport.cassette import Closed, Entry, Gap, Opened, Received, Sent, parse_cassette
from voicewire.transport.frames import CloseInfo, Frame, FrameReceiver, FrameTransport
from voicewire.transport.recorder import CassetteRecorder

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


class Ear:
    """A receiver that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Frame] = []
        self.closed: CloseInfo | None = None

    def on_open(self, transport: FrameTransport) -> None:
        self.transport = transport

    def on_message(self, message: memoryview | Frame) -> None:
        self.heard.append(str(message, "utf-8") if isinstance(message, memoryview) else message)

    def on_closed(self, info: CloseInfo) -> None:
        self.closed = info


def read(path: Path) -> list[Entry]:
    with path.open("rb") as lines:
        return list(parse_cassette(lines, path.name).entries)


async def test_both_directions_are_recorded_with_their_times(tmp_path: Path) -> None:
    clock, peer, ear = ManualClock(), MemoryPeer(), Ear()
    recorder = CassetteRecorder(
        tmp_path / "new" / "a.jsonl", provider="openai", model="openai:m", clock=clock
    )
    async with recorder:
        transport = await recorder.around(peer.connect, url="ws://h/v1?key=secret123", secrets=["secret123"])(
            ear
        )
        await clock.advance_ms(5)
        transport.write('{"type":"a","key":"secret123"}')
        await clock.advance_ms(7)
        peer.say('{"type":"b"}', b"\x01\x02", "pong")
        await clock.settle()
        await transport.aclose(1000, "bye")
    assert ear.heard == ['{"type":"b"}', b"\x01\x02", "pong"]
    assert peer.received == ['{"type":"a","key":"secret123"}']
    opened, sent, first, second, third, closed = read(recorder.path)
    assert opened == Opened(at_ms=0.0, url="ws://h/v1?key=***")
    assert isinstance(sent, Sent)
    assert (sent.at_ms, sent.frame) == (5.0, '{"type":"a","key":"***"}')
    received = [entry for entry in (first, second, third) if isinstance(entry, Received)]
    assert [(entry.at_ms, entry.frame) for entry in received] == [
        (12.0, '{"type":"b"}'),
        (12.0, b"\x01\x02"),
        (12.0, "pong"),
    ]
    assert closed == Closed(at_ms=12.0, by="client", code=1000, reason="bye")


async def test_an_answer_from_within_comes_after_what_it_answers(tmp_path: Path) -> None:
    class Echoing(Ear):
        def on_message(self, message: memoryview | Frame) -> None:
            super().on_message(message)
            self.transport.write('{"type":"answer"}')

    clock, peer = ManualClock(), MemoryPeer()
    recorder = CassetteRecorder(tmp_path / "a.jsonl")
    async with recorder:
        transport = await recorder.around(peer.connect)(Echoing())
        peer.say('{"type":"question"}')
        await clock.settle()
        await transport.aclose()
    assert [type(entry) for entry in read(recorder.path)] == [Opened, Received, Sent, Closed]


async def test_later_connections_are_added_and_a_refused_one_is_noted(tmp_path: Path) -> None:
    async def refuse(_receiver: FrameReceiver) -> FrameTransport:
        raise ConnectFailed("refused: key sk-abcdef123456 is wrong", http_status=401)

    recorder = CassetteRecorder(tmp_path / "a.jsonl")
    for _ in range(2):
        async with recorder:
            transport = await recorder.around(MemoryPeer().connect)(Ear())
            transport.abort()
    async with recorder:
        with pytest.raises(ConnectFailed):
            await recorder.around(refuse)(Ear())
    entries = read(recorder.path)
    assert [(type(entry), entry.connection) for entry in entries] == [
        (Opened, 1),
        (Closed, 1),
        (Opened, 2),
        (Closed, 2),
        (Closed, 3),
    ]
    assert entries[-1] == Closed(
        at_ms=entries[-1].at_ms, connection=3, by="refused", code=401, reason="refused: key *** is wrong"
    )


async def test_a_new_recorder_begins_a_new_file(tmp_path: Path) -> None:
    for _ in range(2):
        async with CassetteRecorder(tmp_path / "a.jsonl") as recorder:
            (await recorder.around(MemoryPeer().connect)(Ear())).abort()
    assert len(read(tmp_path / "a.jsonl")) == 2


async def test_a_file_that_cannot_be_made_ends_the_opening_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    recorder = CassetteRecorder(tmp_path / "folder.jsonl")
    with pytest.raises(ConfigError, match=r"cannot write the cassette .*folder\.jsonl.*choose another file"):
        async with recorder:
            await recorder.around(MemoryPeer().connect)(Ear())


async def test_what_a_slow_disk_cannot_take_is_counted_and_the_session_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write = threading.Event()
    entry_of = recorder_module._entry_of  # pyright: ignore[reportPrivateUsage]  # stands for the disk

    def slow(job: recorder_module._Job | Entry) -> Entry:  # pyright: ignore[reportPrivateUsage]
        may_write.wait(10)
        return entry_of(job)

    monkeypatch.setattr(recorder_module, "_entry_of", slow)
    peer, ear = MemoryPeer(), Ear()
    recorder = CassetteRecorder(tmp_path / "a.jsonl", max_queued_bytes=3000)
    async with recorder:
        transport = await recorder.around(peer.connect)(ear)
        for _ in range(20):
            transport.write(f'{{"x":"{"y" * 300}"}}')
        may_write.set()
        await transport.aclose()
    assert len(peer.received) == 20
    entries = read(recorder.path)
    (gap,) = [entry for entry in entries if isinstance(entry, Gap)]
    written = sum(isinstance(entry, Sent) for entry in entries)
    assert 0 < gap.frames == recorder.lost_frames == 20 - written < 20
    assert gap.frames_bytes == gap.frames * 308


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_a_disk_that_is_full_from_the_start_ends_the_opening() -> None:
    with pytest.raises(ConfigError, match="cannot write the cassette '/dev/full': No space left"):
        async with CassetteRecorder("/dev/full") as recorder:
            await recorder.around(MemoryPeer().connect)(Ear())


async def test_a_full_disk_ends_the_recording_and_is_reported_after_the_session(tmp_path: Path) -> None:
    peer = MemoryPeer()
    recorder = CassetteRecorder(tmp_path / "a.jsonl")
    with pytest.raises(ConfigError, match="is incomplete: No space left.*make room there"):
        async with recorder:
            transport = await recorder.around(peer.connect)(Ear())
            recorder._writer._fail(OSError(28, "No space left on device"))  # pyright: ignore[reportPrivateUsage]
            transport.write("after")
            await transport.aclose()
    assert peer.received == ["after"]


async def test_what_is_on_the_disk_before_the_end_is_whole(tmp_path: Path) -> None:
    """As a program leaves it that is killed in the middle of a session."""
    path = tmp_path / "a.jsonl"
    recorder = CassetteRecorder(path)
    async with recorder:
        transport = await recorder.around(MemoryPeer().connect)(Ear())
        transport.write('{"type":"a"}')
        with anyio.fail_after(10):
            while path.read_bytes().count(b"\n") < 3:
                await anyio.lowlevel.checkpoint()
        before = read(path)
        transport.abort()
    assert [type(entry) for entry in before] == [Opened, Sent]
    assert not any(thread.name == "voicewire-cassette" for thread in threading.enumerate())


async def test_a_frame_that_is_nested_too_deep_to_be_searched_is_not_kept(tmp_path: Path) -> None:
    recorder = CassetteRecorder(tmp_path / "a.jsonl")
    async with recorder:
        transport = await recorder.around(MemoryPeer().connect)(Ear())
        transport.write("[" * 100_000 + "]" * 100_000)
        transport.write('{"type":"a"}')
        await transport.aclose()
    entries = read(recorder.path)
    assert [type(entry) for entry in entries] == [Opened, Gap, Sent, Closed]
