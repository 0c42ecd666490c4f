from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from voicewire.audio import files
from voicewire.audio.files import WavWriter, read_audio, stream_audio, write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.g711 import Law, decode, encode
from voicewire.audio.level import rms_dbfs
from voicewire.audio.pcm import interleave, pcm16_to_float32, pcm16_to_int16, silence, tone
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit

RATE = 16000
Reader: TypeAlias = Callable[[Path], object]
TONE = tone(440.0, RATE, RATE, -6.0)


def pitch_hz(frame: AudioFrame) -> float:
    values = pcm16_to_float32(frame.data)
    spectrum = np.abs(np.fft.rfft(values * np.hanning(len(values))))
    return float(spectrum.argmax()) * frame.format.sample_rate_hz / len(values)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.WAV"])
def test_lossless_files_come_back_exactly(tmp_path: Path, name: str) -> None:
    frame = AudioFrame(AudioFormat(RATE), TONE)
    write_audio(tmp_path / name, frame)
    assert read_audio(tmp_path / name) == frame


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.oga"])
def test_lossy_files_sound_the_same(tmp_path: Path, name: str) -> None:
    write_audio(tmp_path / name, AudioFrame(AudioFormat(RATE), TONE))
    back = read_audio(tmp_path / name)
    assert back.format == AudioFormat(RATE)
    assert back.samples == pytest.approx(RATE, rel=0.1)
    assert pitch_hz(back) == pytest.approx(440.0, abs=2.0)
    for block in (back.data[at : at + 3200] for at in range(0, 28800, 3200)):
        assert rms_dbfs(block) == pytest.approx(rms_dbfs(TONE), abs=0.5)


def test_raw_files_are_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    write_audio(path, AudioFrame(AudioFormat(RATE), TONE))
    assert path.read_bytes() == TONE
    assert read_audio(path, raw_format=AudioFormat(RATE)).data == TONE


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_raw_companded_files(tmp_path: Path, law: Law) -> None:
    path = tmp_path / "call.raw"
    path.write_bytes(encode(TONE, law))
    assert read_audio(path, raw_format=AudioFormat(8000, 1, law)).data == decode(encode(TONE, law), law)


def test_raw_float_file(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(np.array([0.5, -0.5, 2.0], "<f4").tobytes())
    values = pcm16_to_int16(read_audio(path, raw_format=AudioFormat(RATE, 1, "float32")).data)
    assert values.tolist() == [16384, -16384, 32767]


def test_raw_file_needs_its_format(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"abcd")
    with pytest.raises(AudioError, match="raw_format=AudioFormat"):
        read_audio(path)
    path.write_bytes(b"abc")
    with pytest.raises(AudioError, match="3 bytes"):
        read_audio(path, raw_format=AudioFormat(RATE))


def test_stereo_is_kept_or_averaged(tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    left, right = tone(440.0, 800, RATE), silence(800)
    write_audio(path, AudioFrame(AudioFormat(RATE, 2), interleave(left, right)))
    both = read_audio(path, mono=False)
    assert (both.format, both.data) == (AudioFormat(RATE, 2), interleave(left, right))
    mixed = read_audio(path)
    assert mixed.format.channels == 1
    assert rms_dbfs(mixed.data) == pytest.approx(rms_dbfs(left) - 6.02, abs=0.05)


def test_stereo_keeps_its_channels_at_another_rate(tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    write_audio(path, AudioFrame(AudioFormat(RATE, 2), interleave(TONE, silence(RATE))))
    both = read_audio(path, mono=False, sample_rate_hz=24000)
    assert (both.format, both.samples) == (AudioFormat(24000, 2), 24000)
    assert not pcm16_to_int16(both.data)[1::2].any()


@pytest.mark.parametrize("target_hz", [8000, 16000, 22050, 24000, 48000, 37801])
def test_reading_at_another_rate(tmp_path: Path, target_hz: int) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, AudioFrame(AudioFormat(RATE), TONE))
    frame = read_audio(path, sample_rate_hz=target_hz)
    assert (frame.format, frame.samples) == (AudioFormat(target_hz), target_hz)
    assert pitch_hz(frame) == pytest.approx(440.0, abs=1.0)


@pytest.mark.parametrize("target_hz", [None, 16000, 24000, 8000, 44100, 37801])
@pytest.mark.parametrize("samples", [1, 1000, 40001])
def test_streamed_frames_are_exact_and_in_order(tmp_path: Path, target_hz: int | None, samples: int) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, AudioFrame(AudioFormat(RATE), tone(440.0, samples, RATE)))
    rate_hz = target_hz or RATE
    frames = list(stream_audio(path, 320, target_hz))
    assert all(frame.format == AudioFormat(rate_hz) for frame in frames)
    assert [frame.start_sample for frame in frames] == [320 * index for index in range(len(frames))]
    assert all(frame.samples == 320 for frame in frames[:-1])
    assert frames[-1].end_sample == ceil(samples * rate_hz / RATE)


def test_streaming_gives_what_reading_gives(tmp_path: Path) -> None:
    path = tmp_path / "two.flac"
    write_audio(path, AudioFrame(AudioFormat(RATE, 2), interleave(TONE * 3, silence(3 * RATE))))
    for target_hz in (None, 24000):
        streamed = b"".join(frame.data for frame in stream_audio(path, 777, target_hz))
        whole = read_audio(path, sample_rate_hz=target_hz).data
        assert len(streamed) == len(whole)
        assert np.abs(pcm16_to_float32(streamed) - pcm16_to_float32(whole)).max() < 1e-3


def test_streaming_raw(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    path.write_bytes(TONE)
    assert b"".join(frame.data for frame in stream_audio(path, 320, raw_format=AudioFormat(RATE))) == TONE


def test_streaming_takes_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with WavWriter(path, RATE) as writer:
        for _ in range(120):
            writer.write(TONE)
    tracemalloc.start()
    total = sum(frame.samples for frame in stream_audio(path, 320, 24000))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 120 * 24000
    assert peak_bytes < 1_500_000


@pytest.mark.parametrize("read", [read_audio, lambda path: stream_audio(path, 320)], ids=["read", "stream"])
class TestBadFiles:
    def test_missing(self, tmp_path: Path, read: Reader) -> None:
        with pytest.raises(AudioError, match=r"no file .*gone\.wav.*check the path"):
            read(tmp_path / "gone.wav")

    def test_folder(self, tmp_path: Path, read: Reader) -> None:
        with pytest.raises(AudioError, match="is a folder"):
            read(tmp_path)

    @pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.pcm"])
    def test_empty(self, tmp_path: Path, read: Reader, name: str) -> None:
        (tmp_path / name).touch()
        with pytest.raises(AudioError, match="is empty"):
            read(tmp_path / name)

    @pytest.mark.parametrize("content", [b"a text\n" * 50, b"RIFF", b"RIFF\0\0\0\0WAVE", b"\x7fELF" * 9])
    def test_not_audio(self, tmp_path: Path, read: Reader, content: bytes) -> None:
        (tmp_path / "a.wav").write_bytes(content)
        with pytest.raises(AudioError, match=r"a\.wav' (is not audio that can be read|holds no audio)"):
            read(tmp_path / "a.wav")

    def test_header_only(self, tmp_path: Path, read: Reader) -> None:
        with WavWriter(tmp_path / "a.wav", RATE):
            pass
        with pytest.raises(AudioError, match="holds no audio"):
            read(tmp_path / "a.wav")

    def test_wav_cut_short(self, tmp_path: Path, read: Reader) -> None:
        write_audio(tmp_path / "a.wav", AudioFrame(AudioFormat(RATE), TONE))
        data = (tmp_path / "a.wav").read_bytes()
        (tmp_path / "a.wav").write_bytes(data[:-1001])
        with pytest.raises(AudioError, match="cut short: .* claims 32000 bytes of audio, it holds 30999"):
            read(tmp_path / "a.wav")

    def test_impossible_rate(self, tmp_path: Path, read: Reader) -> None:
        write_audio(tmp_path / "a.wav", AudioFrame(AudioFormat(RATE), TONE))
        data = bytearray((tmp_path / "a.wav").read_bytes())
        data[24:28] = (999_999).to_bytes(4, "little")
        (tmp_path / "a.wav").write_bytes(data)
        with pytest.raises(AudioError, match=r"a\.wav' makes impossible claims: sample_rate_hz"):
            read(tmp_path / "a.wav")

    def test_unreadable(self, tmp_path: Path, read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a.wav").write_bytes(b"RIFF")

        def refuse(*_args: object, **_kwargs: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(AudioError, match="Permission denied; check that you may read it"):
            read(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg"])
def test_compressed_files_cut_short(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write_audio(path, AudioFrame(AudioFormat(RATE), TONE * 3))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match="cut short"):
        read_audio(path)
    with pytest.raises(AudioError, match="cut short"):
        list(stream_audio(path, 320))


@pytest.mark.parametrize("claimed", [0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000])
def test_wav_from_a_pipe_has_no_length_and_is_read_to_its_end(tmp_path: Path, claimed: int) -> None:
    path = tmp_path / "piped.wav"
    write_audio(path, AudioFrame(AudioFormat(RATE), TONE))
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = claimed.to_bytes(4, "little")
    path.write_bytes(data)
    assert read_audio(path).data == TONE


def test_wav_with_other_chunks_before_the_data(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, AudioFrame(AudioFormat(RATE), TONE))
    data = path.read_bytes()
    riff = data[:36] + b"LIST\x03\0\0\0abc\0" + data[36:]
    path.write_bytes(riff[:4] + (len(riff) - 8).to_bytes(4, "little") + riff[8:])
    assert read_audio(path).data == TONE


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.flac", AudioFrame(AudioFormat(RATE), TONE))
    (tmp_path / "a.flac").rename(tmp_path / "a.wav")
    assert read_audio(tmp_path / "a.wav").data == TONE


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["a.wav", "a.ogg", "a.flac"]), st.integers(0, 60))
def test_damaged_files_give_audio_or_an_audio_error(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, name: str, at: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"junk-{name}"
    write_audio(path, AudioFrame(AudioFormat(RATE), TONE[:2000]))
    data = bytearray(path.read_bytes())
    data[at : at + len(junk)] = junk
    path.write_bytes(data)
    try:
        assert read_audio(path).samples > 0
    except AudioError as error:
        assert path.name in str(error)


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_companded_audio_can_be_written(tmp_path: Path, law: Law) -> None:
    write_audio(tmp_path / "a.wav", AudioFrame(AudioFormat(RATE, 1, law), encode(TONE, law)))
    assert read_audio(tmp_path / "a.wav").data == decode(encode(TONE, law), law)


def test_float_audio_can_be_written(tmp_path: Path) -> None:
    data = pcm16_to_float32(TONE).astype("<f4").tobytes()
    write_audio(tmp_path / "a.wav", AudioFrame(AudioFormat(RATE, 1, "float32"), data))
    assert read_audio(tmp_path / "a.wav").data == TONE


def test_format_overrules_the_suffix(tmp_path: Path) -> None:
    write_audio(tmp_path / "reply.bin", AudioFrame(AudioFormat(RATE), TONE), format="flac")
    assert (tmp_path / "reply.bin").read_bytes()[:4] == b"fLaC"


def test_unknown_suffix_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"\.wav, .*\.mp3"):
        write_audio(tmp_path / "a.xyz", AudioFrame(AudioFormat(RATE), TONE))


def test_rate_that_the_encoder_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot encode 12345 Hz .* as mp3"):
        write_audio(tmp_path / "a.mp3", AudioFrame(AudioFormat(12345), TONE))
    assert list(tmp_path.iterdir()) == []


def test_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.mp3", AudioFrame(AudioFormat(RATE), TONE))
    before = (tmp_path / "a.mp3").read_bytes()
    with pytest.raises(AudioError):
        write_audio(tmp_path / "a.mp3", AudioFrame(AudioFormat(12345), TONE))
    assert (tmp_path / "a.mp3").read_bytes() == before


def test_writing_where_one_cannot(tmp_path: Path) -> None:
    frame = AudioFrame(AudioFormat(RATE), TONE)
    with pytest.raises(AudioError, match="cannot write .*No such file"):
        write_audio(tmp_path / "gone" / "a.wav", frame)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(AudioError, match="is a folder"):
        write_audio(tmp_path / "folder.wav", frame)


def test_missing_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(AudioError, match="pip install soundfile"):
        write_audio(tmp_path / "a.wav", AudioFrame(AudioFormat(RATE), TONE))


def test_wav_writer_is_valid_after_every_write(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with WavWriter(path, RATE, 2) as writer:
        assert soundfile.info(path).frames == 0
        for count in range(1, 4):
            writer.write(interleave(TONE[:640], silence(320)))
            info = soundfile.info(path)
            assert (info.frames, info.samplerate, info.channels) == (320 * count, RATE, 2)
            assert writer.samples == 320 * count
    assert read_audio(path, mono=False).data == interleave(TONE[:640], silence(320)) * 3


def test_wav_of_a_killed_program_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    code = (
        "import os, signal, sys\n"
        "from voicewire.audio.files import WavWriter\n"
        "writer = WavWriter(sys.argv[1], 8000, 1).open()\n"
        "for _ in range(5): writer.write(b'\\1\\0' * 160)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert read_audio(path) == AudioFrame(AudioFormat(8000), b"\1\0" * 800)


def test_wav_writer_agrees_with_libsndfile(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "ours.wav", RATE) as writer:
        writer.write(TONE)
    write_audio(tmp_path / "theirs.wav", AudioFrame(AudioFormat(RATE), TONE))
    assert (tmp_path / "ours.wav").read_bytes() == (tmp_path / "theirs.wav").read_bytes()


def test_wav_writer_refuses_misuse(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav", RATE, 2)
    with pytest.raises(AudioError, match="is not open"):
        writer.write(b"abcd")
    with writer:
        with pytest.raises(AudioError, match="is being written"):
            writer.open()
        with pytest.raises(AudioError, match="6 bytes"):
            writer.write(b"abcdef")
    writer.close()
    with pytest.raises(AudioError, match="is not open"):
        writer.write(b"abcd")


def test_wav_writer_reopened_starts_over(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav", RATE)
    for _ in range(2):
        with writer:
            writer.write(TONE)
    assert read_audio(tmp_path / "a.wav").data == TONE


def test_wav_writer_stops_at_four_gib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_WAV_BYTES", 100)
    with WavWriter(tmp_path / "a.wav", RATE) as writer:
        writer.write(bytes(100))
        with pytest.raises(AudioError, match="4 GiB"):
            writer.write(bytes(2))
    assert read_audio(tmp_path / "a.wav").samples == 50


def test_wav_writer_where_one_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot create .*No such file"):
        WavWriter(tmp_path / "gone" / "a.wav", RATE).open()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a device without room")
def test_wav_writer_on_a_full_disk() -> None:
    with pytest.raises(AudioError, match="cannot write the header .*No space left"):
        WavWriter("/dev/full", RATE).open()


def test_wav_writer_on_a_disk_that_fills_up(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav", RATE).open()
    writer.write(TONE)
    assert writer._file is not None
    writer._file.close()
    with (tmp_path / "a.wav").open("r+b") as reopened:

        class Full:
            def seek(self, at: int) -> int:
                return reopened.seek(at)

            def write(self, data: bytes) -> int:
                raise OSError(28, "No space left on device")

        writer._file = Full()  # type: ignore[assignment]  # a disk without room
        with pytest.raises(AudioError, match="valid up to 16000 samples"):
            writer.write(TONE)
    assert read_audio(tmp_path / "a.wav").data == TONE
