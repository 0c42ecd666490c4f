"""The devices room against a stand-in for PortAudio that the test drives sample by sample."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import anyio
import numpy as np
import pytest

from voicewire.audio.devices import Microphone, Speaker
from voicewire.audio.devices.echo_path import EchoPath
from voicewire.audio.devices.portaudio import list_devices
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.pcm import pcm16_to_int16, silence, tone
from voicewire.audio.playout import Cut, Played
from voicewire.errors import AudioDeviceError, AudioError

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

RATE = 16000


class FakePortAudioError(Exception):
    """Stands for sounddevice.PortAudioError."""


@dataclass
class FakeStream:
    samplerate: int
    blocksize: int
    callback: Callable[..., None]
    finished_callback: Callable[[], None]
    device: object
    channels: int
    dtype: str
    latency: str | float
    is_started: bool = False
    is_closed: bool = False

    def start(self) -> None:
        self.is_started = True

    def close(self) -> None:
        self.is_closed = True
        self.finished_callback()

    def record(self, data: bytes, *, overflow: bool = False) -> None:
        status = SimpleNamespace(input_overflow=overflow, output_underflow=False)
        self.callback(memoryview(data), len(data) // 2, None, status)

    def play(self, samples: int, *, latency_s: float = 0.0, underflow: bool = False) -> bytes:
        out = bytearray(2 * samples)
        status = SimpleNamespace(input_overflow=False, output_underflow=underflow)
        times = SimpleNamespace(currentTime=5.0, outputBufferDacTime=5.0 + latency_s)
        self.callback(out, samples, times, status)
        return bytes(out)


@dataclass
class FakeLibrary:
    """What the room uses of sounddevice, with one microphone and one speaker."""

    rates: tuple[int, ...] = (8000, 16000, 24000, 48000)
    own_hz: float = 48000.0
    has_devices: bool = True
    streams: list[FakeStream] = field(default_factory=list)
    PortAudioError: type[Exception] = FakePortAudioError
    default: Any = field(default_factory=lambda: SimpleNamespace(device=[0, 1]))

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def query_devices(self, device: object = None, kind: str | None = None) -> Any:
        if kind is not None and not self.has_devices:
            raise FakePortAudioError("Error querying device -1")
        if device == "nothing":
            raise ValueError("No input device matching 'nothing'")
        mic = {"name": "Mic", "hostapi": 0, "max_input_channels": 2, "max_output_channels": 0}
        loud = {"name": "Loud", "hostapi": 0, "max_input_channels": 0, "max_output_channels": 2}
        both = [{**entry, "default_samplerate": self.own_hz} for entry in (mic, loud)]
        return both if kind is None else both[kind == "output"]

    def RawInputStream(self, **options: Any) -> FakeStream:
        if options["samplerate"] not in self.rates:
            raise FakePortAudioError("Invalid sample rate")
        self.streams.append(FakeStream(**options))
        return self.streams[-1]

    RawOutputStream = RawInputStream

    @property
    def stream(self) -> FakeStream:
        return self.streams[-1]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    fake = FakeLibrary()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)  # stands for the module
    return fake


def test_list_devices(library: FakeLibrary) -> None:
    microphone, speaker = list_devices()
    assert (microphone.index, microphone.name, microphone.host_api) == (0, "Mic", "ALSA")
    assert (microphone.input_channels, microphone.output_channels) == (2, 0)
    assert (microphone.is_default_input, microphone.is_default_output) == (True, False)
    assert (speaker.is_default_input, speaker.is_default_output) == (False, True)
    assert speaker.default_sample_rate_hz == 48000


async def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioDeviceError, match=r"pip install 'voicewire\[devices\]'.*--input FILE"):
        await Microphone(RATE, 320).__aenter__()
    with pytest.raises(AudioDeviceError, match="--output FILE"):
        await Speaker(RATE).__aenter__()


def test_missing_portaudio_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, *_rest: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(AudioDeviceError, match="apt-get install libportaudio2.*brew .*--input FILE"):
        list_devices()


async def test_no_microphone(library: FakeLibrary) -> None:
    library.has_devices = False
    with pytest.raises(AudioDeviceError, match="no default microphone .*--input FILE"):
        await Microphone(RATE, 320).__aenter__()


async def test_no_such_device(library: FakeLibrary) -> None:
    with pytest.raises(AudioDeviceError, match="no 'nothing' speaker .*--output FILE"):
        await Speaker(RATE, "nothing").__aenter__()


async def test_device_that_refuses_every_rate(library: FakeLibrary) -> None:
    library.rates = ()
    with pytest.raises(AudioDeviceError, match=r"'Mic' does not open at 16000 Hz or 48000 Hz \(Inv"):
        await Microphone(RATE, 320).__aenter__()


async def test_microphone_gives_frames_with_positions(library: FakeLibrary) -> None:
    async with Microphone(RATE, 320, "Mic") as microphone:
        assert library.stream.is_started
        assert (library.stream.samplerate, library.stream.blocksize, library.stream.device) == (
            RATE,
            320,
            "Mic",
        )
        data = tone(440.0, 960, RATE)
        library.stream.record(data)
        frames = [await anext(microphone) for _ in range(3)]
        assert frames == [
            AudioFrame(AudioFormat(RATE), data[640 * k : 640 * k + 640], 320 * k) for k in range(3)
        ]
    assert library.stream.is_closed


async def test_microphone_wakes_its_reader_from_the_audio_thread(library: FakeLibrary) -> None:
    got: list[AudioFrame] = []

    async def read(microphone: Microphone) -> None:
        got.extend([frame async for frame in microphone])

    async with anyio.create_task_group() as tasks:
        microphone = Microphone(RATE, 320)
        async with microphone:
            tasks.start_soon(read, microphone)
            await anyio.wait_all_tasks_blocked()
            await anyio.to_thread.run_sync(library.stream.record, silence(640))
            await anyio.wait_all_tasks_blocked()
            assert not microphone._frames
    assert [frame.start_sample for frame in got] == [0, 320]


async def test_microphone_drops_the_oldest_and_counts(library: FakeLibrary) -> None:
    async with Microphone(RATE, 10, max_queued_frames=3) as microphone:
        library.stream.record(silence(50), overflow=True)
        assert (microphone.dropped_samples, microphone.overflows) == (20, 1)
        assert (await anext(microphone)).start_sample == 20


async def test_frames_that_wait_outlive_the_close(library: FakeLibrary) -> None:
    microphone = Microphone(RATE, 10)
    async with microphone:
        library.stream.record(silence(25))
    assert [frame.start_sample async for frame in microphone] == [0, 10]
    await microphone.aclose()


async def test_microphone_that_stops_by_itself_is_an_error(library: FakeLibrary) -> None:
    async with Microphone(RATE, 10) as microphone:
        library.stream.record(silence(10))
        library.stream.finished_callback()
        assert (await anext(microphone)).samples == 10
        with pytest.raises(AudioDeviceError, match="stopped by itself"):
            await anext(microphone)


async def test_cancelled_reader_loses_nothing(library: FakeLibrary) -> None:
    async with Microphone(RATE, 10) as microphone:
        with anyio.move_on_after(0) as scope:
            await anext(microphone)
        assert scope.cancelled_caught
        library.stream.record(silence(10))
        assert (await anext(microphone)).start_sample == 0


async def test_microphone_must_be_open() -> None:
    with pytest.raises(AudioDeviceError, match="not open"):
        await anext(Microphone(RATE, 320))
    await Microphone(RATE, 320).aclose()


async def test_microphone_at_the_devices_own_rate(library: FakeLibrary) -> None:
    library.rates = (48000,)
    async with Microphone(RATE, 320) as microphone:
        assert (library.stream.samplerate, library.stream.blocksize) == (48000, 960)
        for at in range(0, 9600, 960):
            library.stream.record(tone(440.0, 960, 48000, start_sample=at))
        frames = [await anext(microphone) for _ in range(9)]
    values = pcm16_to_int16(b"".join(frame.data for frame in frames)).astype(np.int32)
    expected = pcm16_to_int16(tone(440.0, len(values), RATE)).astype(np.int32)
    assert np.abs(values - expected)[100:].max() < 20


async def test_speaker_plays_in_order_and_reports_what_was_heard(library: FakeLibrary) -> None:
    async with Speaker(RATE) as speaker:
        assert (library.stream.samplerate, library.stream.blocksize) == (RATE, 160)
        data = tone(440.0, 400, RATE)
        assert speaker.enqueue("a", data)
        assert speaker.queued_samples == 400
        played = b"".join(library.stream.play(160) for _ in range(3))
        assert played == data + silence(80)
        assert (speaker.heard_sample, speaker.heard()) == (
            320,
            [Played("a", 0, 0, 320, 0)],
        )
        library.stream.play(160)
        assert speaker.heard() == [Played("a", 0, 320, 80, 320)]
        assert speaker.heard() == []
    assert library.stream.is_closed


async def test_latency_is_not_heard_yet(library: FakeLibrary) -> None:
    async with Speaker(RATE) as speaker:
        speaker.enqueue("a", silence(1600))
        for _ in range(4):
            library.stream.play(160, latency_s=0.02)
        assert speaker.heard_sample == 160
        assert speaker.heard() == [Played("a", 0, 0, 160, 0)]
        library.stream.play(160, latency_s=0.015)
        assert speaker.heard() == [Played("a", 0, 160, 240, 160)]
        library.stream.play(160, latency_s=0.5, underflow=True)
        assert (speaker.heard_sample, speaker.underflows) == (400, 1)


async def test_flush_fades_then_falls_silent(library: FakeLibrary) -> None:
    async with Speaker(RATE) as speaker:
        speaker.enqueue("a", b"\x10\x27" * 1600)
        library.stream.play(160)
        flushed = speaker.flush()
        assert flushed.cuts == (Cut("a", 0, 240, 1360),)
        after = pcm16_to_int16(library.stream.play(160))
        assert after[0] > 9900
        assert speaker.heard_sample == 160
        assert not after[80:].any()
        library.stream.play(160)
        assert speaker.heard() == [Played("a", 0, 0, 240, 0)]


async def test_flush_of_a_generation_refuses_stale_audio(library: FakeLibrary) -> None:
    async with Speaker(RATE) as speaker:
        speaker.enqueue("a", silence(100), generation=1)
        assert speaker.flush(fade_samples=0, generation=2).cuts == (Cut("a", 0, 0, 100),)
        assert not speaker.enqueue("a", silence(100), 0, 1)


async def test_drained_waits_until_the_end_was_heard(library: FakeLibrary) -> None:
    done: list[bool] = []

    async def wait(speaker: Speaker) -> None:
        await speaker.drained()
        done.append(True)

    async with Speaker(RATE) as speaker, anyio.create_task_group() as tasks:
        speaker.enqueue("a", silence(160))
        tasks.start_soon(wait, speaker)
        for expected in ([], [], [True]):
            await anyio.wait_all_tasks_blocked()
            library.stream.play(160, latency_s=0.01)
            await anyio.wait_all_tasks_blocked()
            assert done == expected


async def test_drained_of_a_speaker_that_stopped(library: FakeLibrary) -> None:
    async with Speaker(RATE) as speaker:
        await speaker.drained()
        speaker.enqueue("a", silence(160))
        library.stream.finished_callback()
        with pytest.raises(AudioDeviceError, match="stopped before the end"):
            await speaker.drained()
    await speaker.aclose()


async def test_speaker_must_be_open() -> None:
    with pytest.raises(AudioDeviceError, match="not open"):
        await Speaker(RATE).drained()


async def test_speaker_at_the_devices_own_rate(library: FakeLibrary) -> None:
    library.rates = (48000,)
    async with Speaker(RATE, block_samples=160) as speaker:
        assert (library.stream.samplerate, library.stream.blocksize) == (48000, 480)
        speaker.enqueue("a", tone(440.0, 4800, RATE))
        out = b"".join(library.stream.play(480) for _ in range(20))
        values = pcm16_to_int16(out).astype(np.int32)
        expected = pcm16_to_int16(tone(440.0, len(values), 48000)).astype(np.int32)
        assert np.abs(values - expected)[200:].max() < 20
        assert 160 * 17 <= speaker.heard_sample <= 160 * 19


def test_callbacks_before_and_after_the_loop_do_no_harm() -> None:
    microphone, speaker = Microphone(RATE, 10), Speaker(RATE)
    no_status = SimpleNamespace(input_overflow=False, output_underflow=False)
    microphone._callback_at(RATE)(silence(10), 10, None, no_status)
    microphone._on_finished()
    speaker._on_finished()
    out = bytearray(20)
    speaker._callback(out, 10, SimpleNamespace(currentTime=0.0, outputBufferDacTime=0.0), no_status)
    assert bytes(out) == silence(10)
    assert len(microphone._frames) == 1


def test_two_threads_may_take_the_last_frame() -> None:
    microphone = Microphone(RATE, 10)
    microphone._drop_oldest()
    assert microphone.dropped_samples == 0


class NotingPath(EchoPath):
    """Keeps what the devices tell it and marks what it has cleaned."""

    def __init__(self) -> None:
        super().__init__(RATE)
        self.heard_of: list[tuple[bytes, int]] = []

    def played(self, pcm16: bytes, device_hz: int) -> None:
        self.heard_of.append((pcm16, device_hz))

    def clean(self, pcm16: bytes) -> bytes:
        return b"\x01\x00" * (len(pcm16) // 2)


async def test_microphone_gives_what_the_echo_path_leaves(library: FakeLibrary) -> None:
    async with Microphone(RATE, 320, echo=NotingPath()) as microphone:
        library.stream.record(tone(440.0, 640, RATE))
        assert [await anext(microphone) for _ in range(2)] == [
            AudioFrame(AudioFormat(RATE), b"\x01\x00" * 320, 320 * k) for k in range(2)
        ]


async def test_speaker_tells_the_echo_path_all_that_it_plays(library: FakeLibrary) -> None:
    library.rates = (48000,)
    path = NotingPath()
    async with Speaker(RATE, block_samples=160, echo=path) as speaker:
        speaker.enqueue("a", tone(440.0, 320, RATE))
        given = [library.stream.play(480) for _ in range(4)]
    assert path.heard_of == [(block, 48000) for block in given]
    assert any(given[0]) and not any(given[3])


def test_echo_is_cancelled_in_whole_blocks() -> None:
    with pytest.raises(AudioError, match="multiple of 160"):
        Microphone(RATE, 250, echo=EchoPath(RATE))


async def test_frames_that_wait_can_be_dropped(library: FakeLibrary) -> None:
    async with Microphone(RATE, 10) as microphone:
        library.stream.record(silence(30))
        microphone.drop_waiting()
        library.stream.record(silence(10))
        assert (await anext(microphone)).start_sample == 30
        assert microphone.dropped_samples == 0


async def test_speaker_asks_for_more_than_the_least_buffer(library: FakeLibrary) -> None:
    async with Speaker(RATE), Microphone(RATE, 320):
        assert [stream.latency for stream in library.streams] == [0.08, "low"]
