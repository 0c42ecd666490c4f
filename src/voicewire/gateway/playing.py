"""What a client is presumed to hear: the gateway sends audio ahead, and a recording must show when it sounded. Pure.

The audio of a reply is taken to sound at once, without gaps, in the order in which it was sent, until an
interruption cuts it. That is what official clients do; a client that tells how much of an item it played
(``TruncateItem``) corrects it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voicewire.recording.marks import AudioPlayed, PlayoutCut


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of audio that has sounded."""

    start_ms: float
    pcm16: bytes
    sample_rate_hz: int


@dataclass(slots=True)
class _Piece:
    item_id: str
    content_index: int
    item_start_ms: float
    start_ms: float
    pcm16: bytes
    sample_rate_hz: int

    @property
    def end_ms(self) -> float:
        return self.start_ms + len(self.pcm16) * 500 / self.sample_rate_hz


class PresumedPlayout:
    """The queue of a client's speaker, in session time.

    Concurrency: one caller at a time.
    """

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self._end_ms = 0.0
        self._item_ends_ms: dict[tuple[str, int], float] = {}
        self._stretch: AudioPlayed | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to sound."""
        return not self._pieces

    def add(self, now_ms: float, item_id: str, content_index: int, pcm16: bytes, sample_rate_hz: int) -> None:
        """Audio was sent: it sounds now, or after what was sent before."""
        key = (item_id, content_index)
        item_start_ms = self._item_ends_ms.get(key, 0.0)
        start_ms = max(now_ms, self._end_ms)
        piece = _Piece(item_id, content_index, item_start_ms, start_ms, pcm16, sample_rate_hz)
        self._pieces.append(piece)
        self._end_ms = piece.end_ms
        if len(self._item_ends_ms) > 64:
            self._item_ends_ms.clear()
        self._item_ends_ms[key] = item_start_ms + piece.end_ms - start_ms

    def advance(self, now_ms: float) -> tuple[list[Sound], list[AudioPlayed]]:
        """The pieces that have sounded whole by now, and the stretches that are over."""
        sounds: list[Sound] = []
        over: list[AudioPlayed] = []
        while self._pieces and self._pieces[0].end_ms <= now_ms:
            self._sounded(self._pieces.popleft(), sounds, over)
        if not self._pieces and self._stretch is not None:
            over.append(self._stretch)
            self._stretch = None
        return sounds, over

    def cut(self, now_ms: float) -> tuple[list[Sound], list[AudioPlayed], PlayoutCut | None]:
        """The rest never sounds; gives what did, and the cut when there was anything to cut."""
        sounds, over = self.advance(now_ms)
        if not self._pieces:
            return sounds, over, None
        first = self._pieces[0]
        dropped_ms = self._end_ms - max(now_ms, first.start_ms)
        heard_ms = first.item_start_ms + max(0.0, now_ms - first.start_ms)
        samples = max(0, int((now_ms - first.start_ms) * first.sample_rate_hz / 1000))
        if samples:
            first.pcm16 = first.pcm16[: 2 * samples]
            self._sounded(first, sounds, over)
        if self._stretch is not None:
            over.append(self._stretch)
            self._stretch = None
        self._pieces.clear()
        self._end_ms = now_ms
        cut = PlayoutCut(
            item_id=first.item_id,
            content_index=first.content_index,
            cut_ms=now_ms,
            heard_ms=heard_ms,
            dropped_ms=dropped_ms,
        )
        return sounds, over, cut

    def _sounded(self, piece: _Piece, sounds: list[Sound], over: list[AudioPlayed]) -> None:
        sounds.append(Sound(piece.start_ms, piece.pcm16, piece.sample_rate_hz))
        stretch = self._stretch
        start_ms, item_start_ms = piece.start_ms, piece.item_start_ms
        if stretch is not None:
            is_same = (stretch.item_id, stretch.content_index) == (piece.item_id, piece.content_index)
            if is_same and piece.start_ms - stretch.end_ms < 1.0:
                start_ms, item_start_ms = stretch.start_ms, stretch.item_start_ms
            else:
                over.append(stretch)
        self._stretch = AudioPlayed(
            item_id=piece.item_id,
            content_index=piece.content_index,
            item_start_ms=item_start_ms,
            start_ms=start_ms,
            end_ms=piece.end_ms,
        )
