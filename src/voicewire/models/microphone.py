"""The user's audio that a provider has not acknowledged yet, so that no word is lost with a connection."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voicewire.events.commands import AppendAudio, CommitAudio

_NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class _Piece:
    number: int
    start_ns: int
    end_ns: int
    command: AppendAudio | CommitAudio


class MicrophoneLog:
    """Appended audio and commits on one timeline: that of all audio ever appended.

    Bounded: beyond ``max_s`` the oldest audio goes, and is counted; what is acknowledged goes without being counted.

    Args:
        max_s: Seconds of audio to keep.
    """

    def __init__(self, max_s: float) -> None:
        self._max_ns = int(max_s * _NS_PER_S)
        self._pieces: deque[_Piece] = deque()
        self._number = 0
        self._end_ns = 0
        self._forgotten_ns = 0
        """Up to here audio was given up although it may not have been acknowledged."""
        self._acknowledged_ns = 0

    @property
    def end_ns(self) -> int:
        """Length of all audio ever appended."""
        return self._end_ns

    @property
    def start_ns(self) -> int:
        """Where the audio that is kept begins."""
        return self._pieces[0].start_ns if self._pieces else self._end_ns

    @property
    def acknowledged_ns(self) -> int:
        """Up to here nothing has to be said again."""
        return self._acknowledged_ns

    @property
    def lost_ns(self) -> int:
        """How much was given up that was not acknowledged."""
        return max(0, self._forgotten_ns - self._acknowledged_ns)

    def append(self, command: AppendAudio) -> None:
        """More audio."""
        samples = command.size_bytes // (2 if command.encoding == "pcm16" else 1)
        start_ns = self._end_ns
        self._end_ns += samples * _NS_PER_S // command.sample_rate_hz
        self._add(start_ns, command)
        while self._pieces and self._end_ns - self._pieces[0].start_ns > self._max_ns:
            self._forgotten_ns = self._pieces.popleft().end_ns

    def commit(self, command: CommitAudio) -> None:
        """A turn was ended by hand, here."""
        self._add(self._end_ns, command)

    def clear(self) -> None:
        """The audio since the last commit was taken back."""
        while self._pieces and isinstance(self._pieces[-1].command, AppendAudio):
            self._pieces.pop()
        if not self._pieces:
            self._acknowledged_ns = self._end_ns

    def acknowledge(self, until_ns: int) -> None:
        """Everything before this was understood, and the commits in it."""
        until_ns = min(until_ns, self._end_ns)
        self._acknowledged_ns = max(self._acknowledged_ns, until_ns)
        while self._pieces and self._pieces[0].end_ns <= until_ns:
            self._pieces.popleft()

    def commits(self) -> list[int]:
        """Where the commits that are kept stand."""
        return [piece.end_ns for piece in self._pieces if isinstance(piece.command, CommitAudio)]

    def since(self, number: int) -> list[tuple[int, AppendAudio | CommitAudio]]:
        """What is kept from a number on, each with its own number; the numbers only grow."""
        return [(piece.number, piece.command) for piece in self._pieces if piece.number >= number]

    def _add(self, start_ns: int, command: AppendAudio | CommitAudio) -> None:
        self._pieces.append(_Piece(self._number, start_ns, self._end_ns, command))
        self._number += 1
