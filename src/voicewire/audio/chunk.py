"""Cut a stream of arbitrary pieces into audio frames of one exact size."""

from __future__ import annotations

from typing import Final

from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.errors import AudioError

SILENT_BYTE: Final[dict[str, bytes]] = {"pcm16": b"\0", "float32": b"\0", "pcmu": b"\xff", "pcma": b"\xd5"}
"""The byte whose repetition is silence in each encoding."""


class Chunker:
    """Turn pieces of any length, even odd ones, into frames of ``frame_samples``.

    It holds back less than one frame. Positions count from ``start_sample`` and have no gaps.

    Args:
        frame_samples: Samples of each frame, 1 or more.
        format: What the bytes are.
        start_sample: Position of the first sample on the stream's timeline.

    Raises:
        AudioError: ``frame_samples`` is not positive, or ``start_sample`` is negative.
    """

    __slots__ = ("_frame_bytes", "_next_sample", "_rest", "format", "frame_samples")

    def __init__(self, frame_samples: int, format: AudioFormat, *, start_sample: int = 0) -> None:
        if frame_samples < 1 or start_sample < 0:
            raise AudioError(
                f"cannot cut frames of {frame_samples} samples from position {start_sample}: "
                f"frames hold 1 sample or more, and streams start at 0 or later"
            )
        self.format = format
        self.frame_samples = frame_samples
        self._frame_bytes = format.bytes_of(frame_samples)
        self._next_sample = start_sample
        self._rest = b""

    @property
    def pending_bytes(self) -> int:
        """Bytes held back, less than a frame's."""
        return len(self._rest)

    @property
    def next_sample(self) -> int:
        """Position of the first sample of the next frame."""
        return self._next_sample

    def push(self, data: bytes) -> list[AudioFrame]:
        """Add a piece and return the frames that are now complete, oldest first."""
        joined = self._rest + data if self._rest else data
        whole = len(joined) - len(joined) % self._frame_bytes
        frames: list[AudioFrame] = []
        for at in range(0, whole, self._frame_bytes):
            piece = bytes(joined[at : at + self._frame_bytes])
            frames.append(AudioFrame(self.format, piece, self._next_sample))
            self._next_sample += self.frame_samples
        self._rest = bytes(joined[whole:])
        return frames

    def flush(self, *, pad: bool = False) -> AudioFrame | None:
        """Take what is held back, as the last frame.

        Args:
            pad: Fill the frame up with silence; otherwise it is shorter than the others.

        Returns:
            The last frame, or None when nothing was held back. Its end is where a next frame would start.

        Raises:
            AudioError: The stream ended inside a sample. The rest is dropped, so a second call returns None.
        """
        rest, self._rest = self._rest, b""
        if not rest:
            return None
        partial = len(rest) % self.format.bytes_per_frame
        if partial:
            raise AudioError(
                f"the stream ended inside a sample: {partial} byte(s) of {self.format.bytes_per_frame} after "
                f"position {self._next_sample + len(rest) // self.format.bytes_per_frame}; the sender cut "
                f"it short"
            )
        if pad:
            rest += SILENT_BYTE[self.format.encoding] * (self._frame_bytes - len(rest))
        frame = AudioFrame(self.format, rest, self._next_sample)
        self._next_sample = frame.end_sample
        return frame
