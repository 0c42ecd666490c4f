"""Files that are not the sound they claim to be, for ``talk`` and ``transcribe`` and in Python."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.leaks import no_leaked_descriptors
from tests.faults.lines import refused
from tests.faults.program import ran
from voicewire.audio.files import read_audio, stream_audio, write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.pcm import tone
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit


def wav(
    data: bytes = bytes(3200),
    *,
    rate_hz: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    claimed_bytes: int | None = None,
) -> bytes:
    """A WAV file that claims what it is told to."""
    claimed = len(data) if claimed_bytes is None else claimed_bytes
    align = channels * bits // 8 or 1
    byte_rate = rate_hz * align & 0xFFFFFFFF
    head = struct.pack("<HHIIHH", tag, channels, rate_hz, byte_rate, align, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", claimed) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


NOT_AUDIO: dict[str, tuple[bytes, str]] = {
    "text": (b"these are words\n" * 99, "WAV, MP3, FLAC or OGG"),
    "a web page": (b"<html><body>404 Not Found</body></html>", "WAV, MP3, FLAC or OGG"),
    "nothing": (b"", "empty (0 bytes)"),
    "three bytes": (b"RIF", "WAV, MP3, FLAC or OGG"),
    "half a header": (wav()[:30], "cut short"),
    "a header alone": (wav()[:44], "cut short"),
    "a header for nothing": (wav(b""), "holds no audio"),
    "half a sample": (wav(b"\0"), "holds no audio"),
    "half of its data": (wav(bytes(1600), claimed_bytes=3200), "cut short"),
    "a gigabyte claimed": (wav(claimed_bytes=10**9), "cut short"),
    "0 Hz": (wav(rate_hz=0), ""),
    "1 Hz": (wav(rate_hz=1), "1 Hz"),
    "999 Hz": (wav(rate_hz=999), "999 Hz"),
    "4 MHz": (wav(rate_hz=4_000_000), "4000000"),
    "4 GHz": (wav(rate_hz=0xFFFFFFFF), ""),
    "0 channels": (wav(channels=0), ""),
    "1000 channels": (wav(channels=1000), "1000"),
    "0 bits": (wav(bits=0), ""),
    "a codec nobody has": (wav(tag=0x7777), "WAV, MP3, FLAC or OGG"),
}


@pytest.mark.parametrize("fault", NOT_AUDIO)
def test_a_wav_that_is_none(fault: str, tmp_path: Path) -> None:
    content, words = NOT_AUDIO[fault]
    path = tmp_path / "speech.wav"
    path.write_bytes(content)
    readers: list[Callable[[], object]] = [
        lambda: read_audio(path),
        lambda: list(stream_audio(path, 320, 16_000)),
    ]
    for read in readers:
        with no_leaked_descriptors(), pytest.raises(AudioError) as error:
            read()
        assert str(path) in str(error.value) and words in str(error.value)
    for command in (("talk", "-m", "echo", "-i", path), ("transcribe", path)):
        line = refused(*command, code=1)
        assert "speech.wav" in line and words in line


def test_an_mp3_that_is_called_wav_is_read_as_what_it_is(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.mp3", AudioFrame(AudioFormat(24_000), tone(300, 24_000, 24_000)))
    named_wav = (tmp_path / "a.mp3").rename(tmp_path / "a.wav")
    assert read_audio(named_wav).format.sample_rate_hz == 24_000


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


NO_FILES: dict[str, Callable[[Path], None]] = {
    "folder": _folder,
    "idle pipe": _pipe,
    "endless device": _device,
    "link to itself": _loop,
    "link to nowhere": _dangling,
    "nothing there": lambda path: None,
}


@pytest.mark.parametrize("fault", NO_FILES)
def test_a_path_that_is_no_file(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    NO_FILES[fault](path)
    for command in (("talk", "-m", "echo", "-i", path), ("transcribe", path)):
        assert "speech.wav" in refused(*command, code=1)


@pytest.mark.parametrize("name", ["x" * 300 + ".wav", "a\nb.wav", "[red]x[/red].wav"])
def test_strange_names(name: str, tmp_path: Path) -> None:
    for command in (("talk", "-m", "echo", "-i", tmp_path / name), ("transcribe", tmp_path / name)):
        assert ".wav" in refused(*command, code=1)


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(wav())
    really_open = Path.open

    def refuse(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return really_open(self, *arguments, **options)  # type: ignore[call-overload]  # handed through

    monkeypatch.setattr(Path, "open", refuse)  # root, as which tests may run, is refused nothing
    for command in (("talk", "-m", "echo", "-i", path), ("transcribe", path)):
        assert "Permission denied" in refused(*command, code=1)


@pytest.mark.parametrize("size", [1, 33])
def test_a_raw_file_with_half_a_sample(size: int, tmp_path: Path) -> None:
    path = tmp_path / "speech.pcm"
    path.write_bytes(bytes(size))
    with pytest.raises(AudioError, match=f"{size} bytes"):
        read_audio(path, raw_format=AudioFormat(16_000))
    assert "speech.pcm" in refused("transcribe", path, code=1)


def test_a_pipe_from_the_shell_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    reader, writer = os.pipe()

    def feed() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(wav())

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        copy = tmp_path / "pipe"
        copy.symlink_to(f"/proc/{os.getpid()}/fd/{reader}")
        ended = ran("transcribe", copy)
    finally:
        feeder.join()
        os.close(reader)
    assert ended.code == 1
    assert "save the audio to a file" in ended.error_line()


def test_a_wav_that_is_none_leaves_no_output_folder_half_made(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(b"words")
    refused("talk", "-m", "echo", "-i", path, "-o", tmp_path / "out", code=1)
    assert not (tmp_path / "out").exists()
