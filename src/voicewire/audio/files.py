"""Audio files in and out: WAV, MP3, FLAC and OGG through libsndfile, headerless PCM without it.

All of this blocks on the disk; async callers run it in a worker thread, or block by block with
``stream_audio``.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeAlias, cast

from typing_extensions import Self

from voicewire.audio.chunk import Chunker
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.errors import AudioError

if TYPE_CHECKING:
    from voicewire.audio.pcm import Float32Array

FileFormat: TypeAlias = Literal["wav", "mp3", "ogg", "flac", "raw"]
PathLike: TypeAlias = "str | os.PathLike[str]"

FORMAT_BY_SUFFIX: Final[dict[str, FileFormat]] = {
    ".wav": "wav",
    ".wave": "wav",
    ".mp3": "mp3",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".flac": "flac",
    ".pcm": "raw",
    ".raw": "raw",
}
BLOCK_SAMPLES: Final = 8192
"""Samples read from or written to a file at once."""
LENGTH_TOLERANCE: Final[dict[str, float]] = {"MP3": 0.05}
"""How far a file may fall short of the length it claims; an MP3 without a length header only estimates it."""
MIN_FILE_RATE_HZ: Final = 1000
"""Lowest rate that a header may claim; below it, a small file would claim days of audio and fill the memory."""
WAV_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
MAX_WAV_BYTES: Final = 0xFFFF_FFFF - WAV_HEADER.size
UNKNOWN_LENGTH_BYTES: Final = 0x7FFF_0000
"""Data lengths from here on mean "until the end" in a WAV that was written to a pipe."""


def read_audio(
    path: PathLike,
    *,
    sample_rate_hz: int | None = None,
    mono: bool = True,
    raw_format: AudioFormat | None = None,
) -> AudioFrame:
    """Read a whole file as 16-bit audio.

    Args:
        path: A WAV, MP3, FLAC or OGG file (recognised by content), or headerless audio named ``.pcm`` or
            ``.raw``.
        sample_rate_hz: Convert to this rate; by default, keep the file's.
        mono: Average the channels to one.
        raw_format: What a headerless file holds. Required for one, ignored for others.

    Returns:
        The audio as ``pcm16``, from position 0, never empty.

    Raises:
        AudioError: The file is missing, not audio, damaged, cut short or empty.
    """
    import numpy as np

    from voicewire.audio.pcm import float32_to_pcm16
    from voicewire.audio.resample import resample_whole_float32

    rate_hz, blocks = _open_blocks(Path(path), raw_format)
    target = AudioFormat(rate_hz if sample_rate_hz is None else sample_rate_hz)
    pieces = [_mono(block) if mono else block for block in blocks]
    values = resample_whole_float32(np.concatenate(pieces), rate_hz, target.sample_rate_hz)
    return AudioFrame(AudioFormat(target.sample_rate_hz, values.shape[1]), float32_to_pcm16(values))


def stream_audio(
    path: PathLike,
    block_samples: int,
    sample_rate_hz: int | None = None,
    *,
    raw_format: AudioFormat | None = None,
) -> Iterator[AudioFrame]:
    """Read a file of any length as mono 16-bit frames, in constant memory.

    The file is opened, and its header checked, before this returns; damage further in is raised by the
    iterator.

    Args:
        path: As for ``read_audio``.
        block_samples: Samples of each frame, at the rate that comes out; the last frame may be shorter.
        sample_rate_hz: Convert to this rate; by default, keep the file's.
        raw_format: As for ``read_audio``.

    Returns:
        The frames, positions from 0, ``ceil(n * sample_rate_hz / file rate)`` samples in total.

    Raises:
        AudioError: The file is missing, not audio, damaged, cut short or empty.
    """
    rate_hz, blocks = _open_blocks(Path(path), raw_format)
    target = AudioFormat(rate_hz if sample_rate_hz is None else sample_rate_hz)
    return _framed(blocks, rate_hz, Chunker(block_samples, target))


def _framed(blocks: Iterator[Float32Array], from_hz: int, chunker: Chunker) -> Iterator[AudioFrame]:
    """Convert blocks of floats to frames of the chunker's format."""
    from voicewire.audio.pcm import float32_to_pcm16

    for values in _converted(blocks, from_hz, chunker.format.sample_rate_hz):
        yield from chunker.push(float32_to_pcm16(values))
    last = chunker.flush()
    if last is not None:
        yield last


def _converted(blocks: Iterator[Float32Array], from_hz: int, to_hz: int) -> Iterator[Float32Array]:
    """Down-mix the blocks and convert their rate, keeping the total exact."""
    if from_hz == to_hz:
        for block in blocks:
            yield _mono(block)
        return
    import numpy as np
    import soxr

    converter: Any = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="VHQ")
    n_in = n_out = 0
    for block in blocks:
        n_in += len(block)
        values = converter.resample_chunk(_mono(block))
        n_out += len(values)
        yield values
    owed = -(-n_in * to_hz // from_hz) - n_out
    tail: Float32Array = converter.resample_chunk(np.zeros((0, 1), np.float32), last=True)[:owed]
    yield tail
    yield np.zeros((owed - len(tail), 1), np.float32)


def _mono(block: Float32Array) -> Float32Array:
    """Average (n, channels) to (n, 1)."""
    return block if block.shape[1] == 1 else block.mean(axis=1, keepdims=True)


def _open_blocks(path: Path, raw_format: AudioFormat | None) -> tuple[int, Iterator[Float32Array]]:
    """Open a file and return its rate and its blocks, each float32, (n, channels)."""
    try:
        if path.is_dir():
            raise AudioError(f"{str(path)!r} is a folder: name an audio file in it")
        if not path.exists():
            raise AudioError(
                f"there is no file {str(path)!r}: check the path (the working folder is {str(Path.cwd())!r})"
            )
        if not path.is_file():
            # Reading a pipe twice, as a header and then as sound, loses data; opening an idle one never returns.
            raise AudioError(f"{str(path)!r} is a pipe or a device: save the audio to a file and name that")
        size_bytes = path.stat().st_size
        if not size_bytes:
            raise AudioError(f"{str(path)!r} is empty (0 bytes): record or download it again")
        if FORMAT_BY_SUFFIX.get(path.suffix.lower()) == "raw":
            return _open_raw(path, raw_format)
        _check_wav_length(path, size_bytes)
    except OSError as error:
        raise AudioError(
            f"cannot read {str(path)!r}: {error.strerror}; check that you may read it"
        ) from error
    return _open_sound(path)


def _open_raw(path: Path, raw_format: AudioFormat | None) -> tuple[int, Iterator[Float32Array]]:
    if raw_format is None:
        raise AudioError(
            f"{str(path)!r} has no header that tells its sample rate: pass raw_format=AudioFormat(16000), "
            f"or what it was recorded with"
        )
    raw_format.samples_of(path.stat().st_size)
    return raw_format.sample_rate_hz, _raw_blocks(path.open("rb"), raw_format)


def _raw_blocks(file: BinaryIO, raw_format: AudioFormat) -> Iterator[Float32Array]:
    with file:
        while data := file.read(raw_format.bytes_of(BLOCK_SAMPLES)):
            yield _floats_of(AudioFrame(raw_format, data))


def _open_sound(path: Path) -> tuple[int, Iterator[Float32Array]]:
    """Open a file that libsndfile recognises."""
    soundfile = _load_soundfile()
    try:
        file = soundfile.SoundFile(str(path))
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{str(path)!r} is not audio that can be read ({error.error_string}) or is cut short: use a "
            f"WAV, MP3, "
            f"FLAC or OGG file; for bare PCM, name it .pcm and pass raw_format"
        ) from error
    try:
        rate_hz = AudioFormat(int(file.samplerate), int(file.channels)).sample_rate_hz
    except AudioError as error:
        file.close()
        raise AudioError(f"{str(path)!r} makes impossible claims: {error}") from error
    if rate_hz < MIN_FILE_RATE_HZ:
        file.close()
        raise AudioError(
            f"{str(path)!r} makes impossible claims: its header says {rate_hz} Hz, and no speech is recorded "
            f"below {MIN_FILE_RATE_HZ} Hz; correct the header or record it again"
        )
    if not file.frames:
        file.close()
        raise AudioError(f"{str(path)!r} holds no audio, only a header: record or download it again")
    return rate_hz, _sound_blocks(file, path)


def _sound_blocks(file: Any, path: Path) -> Iterator[Float32Array]:
    """Read block by block, so that a false length in the header cannot make us reserve memory for it."""
    soundfile = _load_soundfile()
    # soundfile seeks to where it already is after each read of a seekable file; in an MP3 that loses the
    # decoder's bit reservoir and mutes the next packets.
    file.seekable = lambda: False
    claimed = int(file.frames)
    n_read = 0
    with file:
        while True:
            try:
                block = cast("Float32Array", file.read(BLOCK_SAMPLES, dtype="float32", always_2d=True))
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"{str(path)!r} is damaged or cut short after {n_read} samples ({error.error_string}): "
                    f"copy or download it again"
                ) from error
            if not len(block):
                break
            n_read += len(block)
            yield block
    if n_read < claimed * (1.0 - LENGTH_TOLERANCE.get(file.format, 0.0)):
        raise AudioError(
            f"{str(path)!r} is cut short: its header claims {claimed} samples, it holds {n_read}; "
            f"copy or download it again"
        )


def _check_wav_length(path: Path, size_bytes: int) -> None:
    """Refuse a WAV whose data chunk is longer than the file; libsndfile would silently read what is there."""
    with path.open("rb") as file:
        riff = file.read(12)
        if riff[:4] != b"RIFF" or riff[8:12] != b"WAVE":
            return
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] != b"data":
                file.seek(length + length % 2, os.SEEK_CUR)
                continue
            here = size_bytes - file.tell()
            if here < length < UNKNOWN_LENGTH_BYTES:
                raise AudioError(
                    f"{str(path)!r} is cut short: its header claims {length} bytes of audio, it holds "
                    f"{here}; "
                    f"copy or download it again"
                )
            return


def write_audio(path: PathLike, frame: AudioFrame, format: FileFormat | None = None) -> None:
    """Write a frame as a file; an existing file is replaced only when the new one is complete.

    WAV and FLAC hold 16 bits, OGG is Vorbis, MP3 has libsndfile's default quality, raw is the frame's bytes
    as they are.

    Args:
        path: Where to write.
        frame: The audio, in any encoding; its position is not stored.
        format: The kind of file; by default, what the suffix of ``path`` says.

    Raises:
        AudioError: The kind is unknown, the encoder refuses the rate, or the disk does.
    """
    target = Path(path)
    kind = FORMAT_BY_SUFFIX.get(target.suffix.lower()) if format is None else format
    if kind is None or kind not in FORMAT_BY_SUFFIX.values():
        raise AudioError(
            f"cannot tell what kind of audio file {str(target)!r} shall be: use one of the suffixes "
            f"{', '.join(FORMAT_BY_SUFFIX)}, or pass format="
        )
    if target.is_dir():
        raise AudioError(f"{str(target)!r} is a folder: name a file in it")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if kind == "raw":
            part.write_bytes(frame.data)
        else:
            _write_sound(part, frame, kind)
        part.replace(target)
    except OSError as error:
        raise AudioError(
            f"cannot write {str(target)!r}: {error.strerror}; check that the folder exists and has room"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _write_sound(path: Path, frame: AudioFrame, kind: FileFormat) -> None:
    soundfile = _load_soundfile()
    subtype = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}[kind]
    values = _floats_of(frame)
    rate_hz, channels = frame.format.sample_rate_hz, frame.format.channels
    try:
        with (
            path.open("wb") as raw,
            soundfile.SoundFile(raw, "w", rate_hz, channels, subtype, format=kind.upper()) as file,
        ):
            for at in range(0, len(values), BLOCK_SAMPLES):
                file.write(values[at : at + BLOCK_SAMPLES])
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"cannot encode {rate_hz} Hz with {channels} channel(s) as {kind} ({error.error_string}): "
            f"resample to a "
            f"usual rate such as 16000 or 24000 first, or write .wav"
        ) from error


def _floats_of(frame: AudioFrame) -> Float32Array:
    """Decode any encoding to float32 of shape (n, channels)."""
    import numpy as np

    from voicewire.audio.g711 import decode
    from voicewire.audio.pcm import pcm16_to_float32

    encoding = frame.format.encoding
    if encoding == "float32":
        values = np.frombuffer(frame.data, dtype="<f4").astype(np.float32)
    elif encoding == "pcm16":
        values = pcm16_to_float32(frame.data)
    else:
        values = pcm16_to_float32(decode(frame.data, encoding))
    return np.reshape(values, (-1, frame.format.channels))


def _load_soundfile() -> Any:
    """Import soundfile; it is untyped."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise AudioError(
            f"the library for audio files does not load ({error}): run `pip install soundfile` "
            f"(on Debian or Ubuntu without a wheel, also `apt-get install libsndfile1`)"
        ) from error
    return soundfile


class WavWriter:
    """Write a 16-bit WAV file piece by piece; the file on disk is valid after every ``write``.

    The header is brought up to date after the data of each write has been handed to the system, so a program
    that dies leaves a file that plays up to its last complete write.

    Concurrency: one caller at a time.

    Args:
        path: Where to write; an existing file is replaced when the writer is opened.
        sample_rate_hz: Rate of the audio.
        channels: Interleaved channels; 2 with ``pcm.interleave`` for one party on each side.

    Raises:
        AudioError: The rate or the channel count is out of range.
    """

    def __init__(self, path: PathLike, sample_rate_hz: int, channels: int = 1) -> None:
        self.path = Path(path)
        self.format = AudioFormat(sample_rate_hz, channels)
        self._file: BinaryIO | None = None
        self._data_bytes = 0

    @property
    def samples(self) -> int:
        """Samples of each channel written so far; the position of the next one."""
        return self.format.samples_of(self._data_bytes)

    def open(self) -> Self:
        """Create the file with a header for 0 samples.

        Raises:
            AudioError: The file cannot be created, or the writer is open.
        """
        if self._file is not None:
            raise AudioError(f"{str(self.path)!r} is being written: close() it first")
        try:
            self._file = self.path.open("wb")
        except OSError as error:
            raise AudioError(
                f"cannot create {str(self.path)!r}: {error.strerror}; check that its folder exists and "
                f"may be written"
            ) from error
        self._data_bytes = 0
        try:
            self._write_header(self._file)
        except AudioError:
            self.close()
            raise
        return self

    def write(self, pcm16: bytes) -> None:
        """Append 16-bit audio and bring the header up to date.

        Args:
            pcm16: A whole number of samples of all channels.

        Raises:
            AudioError: The writer is not open, the bytes end inside a sample, the file would pass 4 GiB, or
                the disk refuses. Nothing of the piece counts then.
        """
        file = self._opened()
        self.format.samples_of(len(pcm16))
        if self._data_bytes + len(pcm16) > MAX_WAV_BYTES:
            raise AudioError(
                f"{str(self.path)!r} would pass 4 GiB, which a WAV header cannot say: start a new file"
            )
        try:
            file.seek(WAV_HEADER.size + self._data_bytes)
            file.write(pcm16)
            file.flush()
        except OSError as error:
            raise AudioError(
                f"cannot write {str(self.path)!r}: {error.strerror}; the file is valid up to "
                f"{self.samples} samples"
            ) from error
        self._data_bytes += len(pcm16)
        self._write_header(file)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        file, self._file = self._file, None
        if file is not None:
            # Every write has been flushed or reported; what is still buffered is a piece that does not count.
            with contextlib.suppress(OSError):
                file.close()

    def __enter__(self) -> Self:
        """Open the file."""
        return self.open()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise AudioError(
                f"{str(self.path)!r} is not open: use the writer as `with WavWriter(...) as writer`"
            )
        return self._file

    def _write_header(self, file: BinaryIO) -> None:
        frame_bytes = self.format.bytes_per_frame
        rate_hz = self.format.sample_rate_hz
        header = WAV_HEADER.pack(
            b"RIFF",
            WAV_HEADER.size - 8 + self._data_bytes,
            b"WAVE",
            b"fmt ",
            16,
            1,
            self.format.channels,
            rate_hz,
            rate_hz * frame_bytes,
            frame_bytes,
            16,
            b"data",
            self._data_bytes,
        )
        try:
            file.seek(0)
            file.write(header)
            file.flush()
        except OSError as error:
            raise AudioError(f"cannot write the header of {str(self.path)!r}: {error.strerror}") from error
