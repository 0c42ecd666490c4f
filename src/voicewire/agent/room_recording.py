"""The recording of a room: one WAV for each participant, all on one timeline."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import anyio
import anyio.to_thread

from voicewire.audio.files import WavWriter
from voicewire.errors import AudioError, ConfigError, VoicewireError
from voicewire.streams import BoundedStream

_MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""What may wait for the disk: 22 minutes of speech."""
_PAD_BYTES: Final = 1024 * 1024


class _Piece(NamedTuple):
    name: str
    start_sample: int
    pcm16: bytes


class RoomRecording:
    """Writes who was heard when; the room never waits for the disk.

    What waits is bounded by 64 MiB, the oldest is dropped then and is silence in its track. A disk that refuses ends
    the recording, not the room.

    Args:
        folder: Gets ``<name>.wav`` for each participant; made when it is not there, older files are replaced.
        rate_hz: Rate of the tracks.

    Concurrency: one event loop; the files are written in a worker thread, one piece at a time.
    """

    def __init__(self, folder: Path, rate_hz: int) -> None:
        self._folder = folder
        self._rate_hz = rate_hz
        self._tracks: dict[str, WavWriter] = {}
        self._pieces: BoundedStream[_Piece] = BoundedStream(
            "recording of a room",
            policy="drop_oldest",
            max_weight=_MAX_WAITING_BYTES,
            weigh=lambda piece: len(piece.pcm16),
            on_drop=lambda piece: self._dropped(len(piece.pcm16) // 2),
        )
        self.failure: VoicewireError | None = None
        """Why it is not complete."""

    def add(self, name: str) -> None:
        """Somebody comes, and has a track from now on."""
        self.sounded(name, 0, b"")

    def sounded(self, name: str, start_sample: int, pcm16: bytes) -> None:
        """Somebody was heard; in the order of each one's time."""
        if not self._pieces.is_closed:
            self._pieces.put_nowait(_Piece(name, start_sample, pcm16))

    def close(self) -> None:
        """Nothing more comes; ``write`` returns when everything is on the disk."""
        self._pieces.close()

    async def write(self) -> None:
        """Writes what comes, until ``close``; then makes all tracks equally long.

        Cancellation: what was not written is lost; the files are valid.
        """
        try:
            async for piece in self._pieces:
                await anyio.to_thread.run_sync(self._guarded, piece)
            await anyio.to_thread.run_sync(self._guarded, None)
        finally:
            for track in self._tracks.values():
                track.close()

    def _guarded(self, piece: _Piece | None) -> None:
        if self.failure is not None and piece is not None:
            return
        try:
            if piece is None:
                self._even_out()
            else:
                self._write(piece)
        except (AudioError, OSError) as error:
            self.failure = ConfigError(f"the recording in {str(self._folder)!r} is not complete: {error}")

    def _write(self, piece: _Piece) -> None:
        track = self._tracks.get(piece.name)
        if track is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            track = self._tracks[piece.name] = WavWriter(self._path_of(piece.name), self._rate_hz)
            track.open()
        if piece.pcm16:
            _pad(track, piece.start_sample)
            known = track.samples - piece.start_sample
            track.write(piece.pcm16[2 * known :])

    def _even_out(self) -> None:
        length = max((track.samples for track in self._tracks.values()), default=0)
        for track in self._tracks.values():
            _pad(track, length)

    def _path_of(self, name: str) -> Path:
        safe = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) or "_"
        taken = {track.path.name.casefold() for track in self._tracks.values()}
        free = next(
            trial
            for number in range(1, len(taken) + 2)
            if (trial := f"{safe}.wav" if number == 1 else f"{safe}-{number}.wav").casefold() not in taken
        )
        return self._folder / free

    def _dropped(self, samples: int) -> None:
        self.failure = self.failure or ConfigError(
            f"the disk under {str(self._folder)!r} is too slow: {samples} samples are missing in a track"
        )


def _pad(track: WavWriter, until_sample: int) -> None:
    missing_bytes = 2 * max(0, until_sample - track.samples)
    while missing_bytes:
        size = min(missing_bytes, _PAD_BYTES)
        track.write(bytes(size))
        missing_bytes -= size
