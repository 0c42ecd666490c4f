"""Audio values that know their own format, and positions that are integer numbers of samples.

A *sample* here is a sample frame: one value per channel. ``AudioFormat`` is the only place that turns
bytes into samples and samples into milliseconds; nothing else multiplies by a sample rate.

This module imports no third-party package, so the event and protocol rooms can use it for free.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from typing_extensions import Self

from voicewire.errors import AudioError

Encoding = Literal["pcm16", "float32", "pcmu", "pcma"]
"""``pcm16``: signed 16 bit little-endian. ``float32``: little-endian, [-1, 1]. ``pcmu``/``pcma``: G.711."""

ENCODINGS: Final[tuple[str, ...]] = get_args(Encoding)
BYTES_PER_VALUE: Final[dict[str, int]] = {"pcm16": 2, "float32": 4, "pcmu": 1, "pcma": 1}
MAX_SAMPLE_RATE_HZ: Final = 384_000
MAX_CHANNELS: Final = 32


def _require_int(name: str, value: object, low: int, high: int | None, advice: str) -> None:
    """Raise AudioError unless ``value`` is an int (not a bool) in [low, high]."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= (high or value):
        return
    limit = f"{low} or more" if high is None else f"{low} to {high}"
    raise AudioError(f"{name} must be a whole number, {limit}, not {value!r}: {advice}")


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How bytes become sound: rate, channels and encoding."""

    sample_rate_hz: int
    """Samples a second of each channel, 1 to 384000."""
    channels: int = 1
    """Interleaved channels, 1 to 32."""
    encoding: Encoding = "pcm16"
    """How one value is stored."""

    def __post_init__(self) -> None:
        """Refuse what no device or wire could mean.

        Raises:
            AudioError: A rate, channel count or encoding is out of range.
        """
        advice = "pass the rate that the audio was recorded with, such as 16000 or 24000"
        _require_int("sample_rate_hz", self.sample_rate_hz, 1, MAX_SAMPLE_RATE_HZ, advice)
        _require_int("channels", self.channels, 1, MAX_CHANNELS, "use 1 for mono, 2 for stereo")
        if self.encoding not in ENCODINGS:
            raise AudioError(f"unknown encoding {self.encoding!r}: use one of {', '.join(ENCODINGS)}")

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one sample frame, all channels together."""
        return BYTES_PER_VALUE[self.encoding] * self.channels

    def samples_of(self, n_bytes: int) -> int:
        """Count the samples that ``n_bytes`` hold.

        Args:
            n_bytes: A length in bytes, 0 or more.

        Returns:
            Samples of each channel.

        Raises:
            AudioError: ``n_bytes`` is negative or ends inside a sample.
        """
        samples, rest = divmod(n_bytes, self.bytes_per_frame)
        if rest or n_bytes < 0:
            raise AudioError(
                f"{n_bytes} bytes are not a whole number of {self.encoding} samples with {self.channels} "
                f"channel(s), which take {self.bytes_per_frame} bytes each: keep the odd bytes back and "
                f"join them to the next piece (voicewire.audio.chunk.Chunker does)"
            )
        return samples

    def bytes_of(self, samples: int) -> int:
        """Return the number of bytes that ``samples`` take (0 or more).

        Raises:
            AudioError: ``samples`` is negative.
        """
        if samples < 0:
            raise AudioError(f"{samples} samples have no length in bytes: pass 0 or more")
        return samples * self.bytes_per_frame

    def ms_of(self, samples: int) -> float:
        """Return the duration of ``samples`` in milliseconds, unrounded; for wires and reports only."""
        return samples * 1000 / self.sample_rate_hz

    def samples_of_ms(self, ms: float) -> int:
        """Return the whole number of samples nearest to ``ms`` milliseconds.

        ``samples_of_ms(ms_of(n)) == n`` for every n below 2**40.
        """
        return round(ms * self.sample_rate_hz / 1000)


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A run of audio with its place on its own stream's timeline."""

    format: AudioFormat
    """How to read ``data``."""
    data: bytes = field(repr=False)
    """Interleaved audio, a whole number of samples; may be empty."""
    start_sample: int = 0
    """Index of the first sample, counted from the start of the stream, 0 or more."""

    def __post_init__(self) -> None:
        """Refuse partial samples and negative positions.

        Raises:
            AudioError: The data end inside a sample, are not bytes, or start before the stream.
        """
        if not isinstance(self.data, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise AudioError(
                f"audio data must be bytes, not {type(self.data).__name__}: wrap it in bytes(...), "
                f"or use voicewire.audio.pcm for arrays"
            )
        self.format.samples_of(len(self.data))
        _require_int("start_sample", self.start_sample, 0, None, "count from the first sample of the stream")

    @property
    def samples(self) -> int:
        """Samples of each channel in this frame."""
        return len(self.data) // self.format.bytes_per_frame

    @property
    def end_sample(self) -> int:
        """Index one past the last sample, which is where the next frame starts."""
        return self.start_sample + self.samples

    @property
    def duration_ms(self) -> float:
        """Duration in milliseconds, unrounded; for wires and reports only."""
        return self.format.ms_of(self.samples)

    def next(self, data: bytes) -> Self:
        """Return the frame that follows this one on the same timeline and holds ``data``.

        Raises:
            AudioError: ``data`` end inside a sample.
        """
        return type(self)(self.format, data, self.end_sample)
