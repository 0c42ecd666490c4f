"""From synthesised samples to the bytes of a format (PCM, WAV, MP3, OGG), piece by piece; into files also as FLAC."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

from typing_extensions import Self

from voicewire.audio.files import FORMAT_BY_SUFFIX, WAV_HEADER
from voicewire.audio.pcm import pcm16_to_int16
from voicewire.errors import AudioError, ConfigError

SoundFormat = Literal["pcm", "wav", "mp3", "ogg"]
FileKind = Literal["wav", "mp3", "ogg", "flac"]
FORMATS: Final[tuple[SoundFormat, ...]] = ("pcm", "wav", "mp3", "ogg")
OPEN_LENGTH_BYTES: Final = 0xFFFF_FFFF
EXACT_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""Audio that waits for an exact WAV header; more of it goes out behind an open one."""
_MPEG1_KBITS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MPEG2_KBITS: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_OPUS_RATES_HZ: Final = (8000, 12000, 16000, 24000, 48000)
_ALIASES: Final[dict[str, SoundFormat]] = {
    "raw": "pcm",
    "pcm16": "pcm",
    "wave": "wav",
    "opus": "ogg",
    "ogg-opus": "ogg",
    "oga": "ogg",
}


def sound_format(name: str | None) -> SoundFormat:
    """The format of this name.

    Raises:
        ConfigError: There is none.
    """
    wanted = (name or "wav").lower()
    found = _ALIASES.get(wanted, wanted)
    if found not in FORMATS:
        hint = "; synthesize_file() also writes FLAC" if wanted == "flac" else ""
        raise ConfigError(f"format is {name!r}; use one of {', '.join(FORMATS)}{hint}")
    return found


def wav_header(sample_rate_hz: int, data_bytes: int | None) -> bytes:
    """The 44 bytes before mono 16-bit audio.

    Args:
        sample_rate_hz: Its rate.
        data_bytes: Its length; None while that is not known, which players take for "until the end".
    """
    length = OPEN_LENGTH_BYTES if data_bytes is None else data_bytes
    riff = OPEN_LENGTH_BYTES if data_bytes is None else data_bytes + WAV_HEADER.size - 8
    return WAV_HEADER.pack(
        b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, sample_rate_hz, 2 * sample_rate_hz, 2, 16, b"data", length
    )


class _Pipe(io.RawIOBase):
    """A file that gives away what is written at its end; what an encoder corrects further back is too late."""

    def __init__(self) -> None:
        super().__init__()
        self._fresh = bytearray()
        self._size = 0
        self._at = 0

    def take(self) -> bytes:
        fresh = bytes(self._fresh)
        self._fresh.clear()
        return fresh

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0 if whence == 0 else self._at if whence == 1 else self._size)
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        piece = bytes(data)
        new = max(0, self._at + len(piece) - self._size)
        if new:
            self._fresh += piece[len(piece) - new :]
            self._size += new
        self._at += len(piece)
        return len(piece)


class SoundEncoder:
    """Encodes mono 16-bit audio piece by piece. One for each stream.

    Args:
        format: What comes out.
        sample_rate_hz: Rate of the audio.
        exact_wav: Whether a WAV waits for its end, so that its header tells its length.

    Raises:
        ConfigError: No such format, or it does not have this rate.
    """

    def __init__(self, format: str | None, sample_rate_hz: int, *, exact_wav: bool = False) -> None:
        self.format: SoundFormat = sound_format(format)
        self._rate_hz = sample_rate_hz
        self._held: bytearray | None = bytearray() if exact_wav and self.format == "wav" else None
        self._is_begun = False
        self._pipe = _Pipe()
        self._file: Any = None
        if self.format == "mp3" or self.format == "ogg":
            self._file = open_sound(self._pipe, self.format, sample_rate_hz)

    @property
    def is_costly(self) -> bool:
        """Whether encoding takes so long that it belongs into a thread."""
        return self._file is not None

    def push(self, pcm16: bytes) -> bytes:
        """The encoded bytes that are ready; possibly none."""
        if self.format == "pcm":
            return pcm16
        if self.format == "wav":
            return self._wav(pcm16)
        if pcm16:
            self._file.write(pcm16_to_int16(pcm16))
        return self._taken()

    def finish(self) -> bytes:
        """The last bytes."""
        if self._file is not None:
            self._file.close()
            return self._taken()
        if self._held is not None:
            held, self._held = bytes(self._held), None
            return wav_header(self._rate_hz, len(held)) + held if held else b""
        return b""

    def _taken(self) -> bytes:
        """What the encoder made; an MP3 without its first frame, which would tell a length that is not known yet."""
        made = self._pipe.take()
        if self.format != "mp3" or self._is_begun or not made:
            return made
        self._is_begun = True
        return made[_info_frame_bytes(made) :]

    def _wav(self, pcm16: bytes) -> bytes:
        if self._held is not None:
            self._held += pcm16
            if len(self._held) <= EXACT_LIMIT_BYTES:
                return b""
            pcm16, self._held = bytes(self._held), None
        if self._is_begun or not pcm16:
            return pcm16
        self._is_begun = True
        return wav_header(self._rate_hz, None) + pcm16


def _info_frame_bytes(mp3: bytes) -> int:
    """Length of the frame that holds LAME's table of contents; 0 when the first frame is sound (ISO 11172-3, 2.4.1)."""
    is_empty = not any(mp3[4:40])  # it is filled in at the end, where a stream cannot go back to
    if len(mp3) < 40 or not (is_empty or b"Xing" in mp3[:64] or b"Info" in mp3[:64]):
        return 0
    is_mpeg1 = mp3[1] & 0x18 == 0x18
    kbits = (_MPEG1_KBITS if is_mpeg1 else _MPEG2_KBITS)[mp3[2] >> 4]
    divisor = {0x18: 1, 0x10: 2, 0x00: 4}.get(mp3[1] & 0x18, 1)
    rate_hz = (44100, 48000, 32000, 0)[mp3[2] >> 2 & 3] // divisor
    padding = mp3[2] >> 1 & 1
    return (144 if is_mpeg1 else 72) * kbits * 1000 // rate_hz + padding if rate_hz else 0


def open_sound(target: Any, format: FileKind, sample_rate_hz: int) -> Any:
    """An encoder of libsndfile that writes to an open file; untyped.

    Raises:
        ConfigError: The format does not have this rate.
    """
    import soundfile

    is_opus = format == "ogg" and sample_rate_hz in _OPUS_RATES_HZ
    subtype = {
        "wav": "PCM_16",
        "flac": "PCM_16",
        "mp3": "MPEG_LAYER_III",
        "ogg": "OPUS" if is_opus else "VORBIS",
    }[format]
    # A streamed MP3 of variable rate would be taken for one of another length.
    mode: dict[str, Any] = {"bitrate_mode": "CONSTANT", "compression_level": 0.6} if format == "mp3" else {}
    try:
        return soundfile.SoundFile(target, "w", sample_rate_hz, 1, subtype, format=format.upper(), **mode)
    except soundfile.LibsndfileError as error:
        raise ConfigError(
            f"{format} does not have {sample_rate_hz} Hz ({error.error_string}); use 16000, 24000 or 48000"
        ) from error


class SoundFileWriter:
    """Writes mono 16-bit audio to a file of any format; the file appears, with a right header, when it is whole.

    Args:
        path: Where to; its suffix says the format.
        sample_rate_hz: Rate of the audio.

    Raises:
        ConfigError: The suffix is none of ours, or its format does not have this rate.
    """

    def __init__(self, path: str | os.PathLike[str], sample_rate_hz: int) -> None:
        self.path = Path(path)
        kind = FORMAT_BY_SUFFIX.get(self.path.suffix.lower()) or (
            "ogg" if self.path.suffix.lower() == ".opus" else None
        )
        if kind is None:
            raise ConfigError(
                f"cannot tell what kind of file {str(path)!r} shall be: let its name end in "
                f"{', '.join(FORMAT_BY_SUFFIX)}"
            )
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self.samples = 0
        """Samples written so far."""
        try:
            self._raw = self._part.open("wb")
        except OSError as error:
            raise AudioError(f"cannot write {str(path)!r}: {error.strerror}; name another file") from error
        self._file: Any = None if kind == "raw" else open_sound(self._raw, kind, sample_rate_hz)

    def write(self, pcm16: bytes) -> None:
        """Appends audio.

        Raises:
            AudioError: The disk refuses.
        """
        try:
            if self._file is None:
                self._raw.write(pcm16)
            elif pcm16:
                self._file.write(pcm16_to_int16(pcm16))
        except (OSError, RuntimeError) as error:
            raise AudioError(f"cannot write {str(self.path)!r}: {error}; make room and try again") from error
        self.samples += len(pcm16) // 2

    def close(self, *, keep: bool = True) -> None:
        """Completes the file, or throws it away."""
        try:
            if self._file is not None:
                self._file.close()
            self._raw.close()
            if keep:
                self._part.replace(self.path)
        except OSError as error:
            raise AudioError(f"cannot write {str(self.path)!r}: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(keep=exc_type is None)
