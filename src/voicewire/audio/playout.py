"""What the listener heard, in samples: one accounting for the speaker, the file and the browser page.

``PlayoutClock`` counts; ``PlayoutBuffer`` counts and holds the bytes. Both are pure: whoever owns the speaker
calls ``advance`` or ``read`` each time the device takes samples.

At every moment ``enqueued_samples == played_samples + queued_samples + dropped_samples``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from voicewire.errors import AudioError

LEDGER_ITEMS: Final = 256
"""Item parts whose positions are remembered after they have left the queue; the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Played:
    """A stretch of one item that went out without a gap."""

    item_id: str
    content_index: int
    start_sample: int
    """Index of the first sample within the item part."""
    samples: int
    at_timeline_sample: int
    """When it started: samples since the clock started, silence included."""

    @property
    def end_sample(self) -> int:
        """Index one past the last sample within the item part."""
        return self.start_sample + self.samples


@dataclass(frozen=True, slots=True)
class Cut:
    """An item part that lost its queued audio to a flush."""

    item_id: str
    content_index: int
    played_samples: int
    """Samples of the part that went out, ever; where a truncation cuts."""
    dropped_samples: int
    """Samples that this flush dropped."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush of a buffer did."""

    cuts: tuple[Cut, ...]
    played: tuple[Played, ...] = ()
    """The stretch that went out as the fade."""
    tail: bytes = b""
    """The faded samples; the device must play them next. Empty without a fade."""


@dataclass(slots=True)
class _Part:
    """Totals of one item part."""

    enqueued_samples: int = 0
    played_samples: int = 0
    queued_samples: int = 0


@dataclass(slots=True)
class _Segment:
    """One enqueued piece, or what is left of it."""

    key: tuple[str, int]
    start_sample: int
    samples: int
    generation: int


class PlayoutClock:
    """A pure model of a speaker that plays a queue in order, and silence when the queue is empty.

    The queue itself is not bounded here: the sender may deliver a response faster than it is heard, and the
    caller bounds it by ``queued_samples``. Ids are remembered for ``LEDGER_ITEMS`` parts after they have left
    the queue.

    Concurrency: one caller at a time.
    """

    def __init__(self) -> None:
        self.enqueued_samples = 0
        """Samples taken by ``enqueue``."""
        self.played_samples = 0
        self.queued_samples = 0
        self.dropped_samples = 0
        """Samples dropped by ``flush``."""
        self.refused_samples = 0
        """Samples of stale generations that ``enqueue`` did not take; in none of the other counts."""
        self.timeline_sample = 0
        """Samples that the device has taken since the start, silence included."""
        self.oldest_generation = 0
        """``enqueue`` refuses generations below this one."""
        self._queue: deque[_Segment] = deque()
        self._parts: dict[tuple[str, int], _Part] = {}
        self._is_sounding = False

    @property
    def is_sounding(self) -> bool:
        """Was the last sample that the device took part of an item (not silence)?"""
        return self._is_sounding

    @property
    def silence_samples(self) -> int:
        """Samples of silence that the device has taken because the queue was empty."""
        return self.timeline_sample - self.played_samples

    def played_of(self, item_id: str, content_index: int = 0) -> int:
        """Return how many samples of an item part went out, 0 for an unknown one."""
        part = self._parts.get((item_id, content_index))
        return 0 if part is None else part.played_samples

    def queued_of(self, item_id: str, content_index: int = 0) -> int:
        """Return how many samples of an item part are waiting, 0 for an unknown one."""
        part = self._parts.get((item_id, content_index))
        return 0 if part is None else part.queued_samples

    def enqueue(self, item_id: str, samples: int, content_index: int = 0, generation: int = 0) -> bool:
        """Append a piece of an item to the queue.

        Args:
            item_id: The item it belongs to.
            samples: Its length, 0 or more.
            content_index: The content part of the item.
            generation: The response generation it was made for.

        Returns:
            False when the generation is stale, and the piece was not taken.

        Raises:
            AudioError: ``samples`` is negative.
        """
        if samples < 0:
            raise AudioError(f"cannot enqueue {samples} samples of item {item_id!r}: pass 0 or more")
        if generation < self.oldest_generation:
            self.refused_samples += samples
            return False
        if samples == 0:
            return True
        key = (item_id, content_index)
        part = self._part(key)
        self._queue.append(_Segment(key, part.enqueued_samples, samples, generation))
        part.enqueued_samples += samples
        part.queued_samples += samples
        self.enqueued_samples += samples
        self.queued_samples += samples
        return True

    def advance(self, samples: int) -> list[Played]:
        """Let the device take ``samples`` samples.

        Returns:
            What of the queue went out, in order; stretches of one item that touch are one entry. What is
            missing to ``samples`` was silence, after the last entry.

        Raises:
            AudioError: ``samples`` is negative.
        """
        if samples < 0:
            raise AudioError(f"the playout position cannot go back by {-samples} samples: pass 0 or more")
        played: list[Played] = []
        left = samples
        while left and self._queue:
            head = self._queue[0]
            take = min(left, head.samples)
            self._note(played, head, take, self.timeline_sample + samples - left)
            left -= take
            head.start_sample += take
            head.samples -= take
            if not head.samples:
                self._queue.popleft()
        self.played_samples += samples - left
        self.queued_samples -= samples - left
        self.timeline_sample += samples
        if samples:
            self._is_sounding = not left
        return played

    def flush(self, *, generation: int | None = None) -> list[Cut]:
        """Drop what is queued.

        Args:
            generation: Drop only pieces of older generations, and refuse them from now on. None drops
                everything and refuses nothing.

        Returns:
            One cut for each item part that lost samples, in queue order.
        """
        dropped: dict[tuple[str, int], int] = {}
        kept: deque[_Segment] = deque()
        for segment in self._queue:
            if generation is not None and segment.generation >= generation:
                kept.append(segment)
            else:
                dropped[segment.key] = dropped.get(segment.key, 0) + segment.samples
                self._parts[segment.key].queued_samples -= segment.samples
        self._queue = kept
        total = sum(dropped.values())
        self.queued_samples -= total
        self.dropped_samples += total
        if generation is not None:
            self.oldest_generation = max(self.oldest_generation, generation)
        return [Cut(*key, self._parts[key].played_samples, lost) for key, lost in dropped.items()]

    def _note(self, played: list[Played], head: _Segment, take: int, at_timeline_sample: int) -> None:
        """Book ``take`` samples of ``head`` as played, joined to the last entry where they touch."""
        part = self._parts[head.key]
        part.played_samples += take
        part.queued_samples -= take
        start_sample = head.start_sample
        if played and (played[-1].item_id, played[-1].content_index) == head.key:
            last = played[-1]
            if last.end_sample == start_sample:
                played.pop()
                start_sample, at_timeline_sample, take = (
                    last.start_sample,
                    last.at_timeline_sample,
                    last.samples + take,
                )
        played.append(Played(*head.key, start_sample, take, at_timeline_sample))

    def _part(self, key: tuple[str, int]) -> _Part:
        """Return the totals of a part, forgetting the oldest idle ones when there are too many."""
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part()
            if len(self._parts) > LEDGER_ITEMS:
                idle = [
                    old for old, totals in self._parts.items() if not totals.queued_samples and old != key
                ]
                for old in idle[: len(self._parts) - LEDGER_ITEMS]:
                    del self._parts[old]
        return part


class PlayoutBuffer:
    """A ``PlayoutClock`` that holds the 16-bit mono bytes too.

    Concurrency: one caller at a time; a device callback in another thread needs a lock around it.
    """

    def __init__(self) -> None:
        self.clock = PlayoutClock()
        self._audio: deque[tuple[int, bytes]] = deque()
        self._head_byte = 0

    def enqueue(self, item_id: str, pcm16: bytes, content_index: int = 0, generation: int = 0) -> bool:
        """Append 16-bit mono audio of an item; see ``PlayoutClock.enqueue``.

        Raises:
            AudioError: The number of bytes is odd.
        """
        if len(pcm16) % 2:
            raise AudioError(
                f"{len(pcm16)} bytes of item {item_id!r} end inside a sample: keep the last byte back and "
                f"join it "
                f"to the next piece"
            )
        is_taken = self.clock.enqueue(item_id, len(pcm16) // 2, content_index, generation)
        if is_taken and pcm16:
            self._audio.append((generation, pcm16))
        return is_taken

    def read(self, samples: int) -> bytes:
        """Take exactly ``samples`` samples for the device, filled up with silence.

        Raises:
            AudioError: ``samples`` is negative.
        """
        return self.pull(samples)[0]

    def pull(self, samples: int) -> tuple[bytes, list[Played]]:
        """Do as ``read``, and also return what went out, as ``PlayoutClock.advance`` does.

        Raises:
            AudioError: ``samples`` is negative.
        """
        played = self.clock.advance(samples)
        audio = self._take(2 * samples)
        return audio + bytes(2 * samples - len(audio)), played

    def flush(self, *, fade_samples: int = 0, generation: int | None = None) -> Flushed:
        """Drop what is queued, with a short fade so that the cut does not click.

        The fade takes up to ``fade_samples`` of what would have been dropped, shapes them with half a cosine,
        and counts them as played. There is none when the device was silent, or when the audio that is
        sounding is kept.

        Args:
            fade_samples: Length of the fade, 0 or more; 5 ms is enough.
            generation: As for ``PlayoutClock.flush``.

        Returns:
            The cuts, and the faded samples, which the device must play before it reads again.
        """
        tail, played = b"", list[Played]()
        if fade_samples > 0 and self.clock.is_sounding:
            room = 0
            for made_for, piece in self._audio:
                if generation is not None and made_for >= generation:
                    break
                room += len(piece) // 2
            audio, played = self.pull(min(fade_samples, max(0, room - self._head_byte // 2)))
            tail = _faded(audio)
        cuts = self.clock.flush(generation=generation)
        kept = [piece for piece in self._audio if generation is not None and piece[0] >= generation]
        if not kept or not self._audio or kept[0] is not self._audio[0]:
            self._head_byte = 0
        self._audio = deque(kept)
        return Flushed(tuple(cuts), tuple(played), tail)

    def _take(self, n_bytes: int) -> bytes:
        """Remove up to ``n_bytes`` from the head of the queue."""
        pieces: list[bytes] = []
        while n_bytes and self._audio:
            head = self._audio[0][1]
            piece = head[self._head_byte : self._head_byte + n_bytes]
            pieces.append(piece)
            n_bytes -= len(piece)
            self._head_byte += len(piece)
            if self._head_byte == len(head):
                self._audio.popleft()
                self._head_byte = 0
        return b"".join(pieces)


def _faded(pcm16: bytes) -> bytes:
    """Shape 16-bit audio with the falling half of a cosine, from just below 1 to just above 0."""
    import numpy as np

    from voicewire.audio.pcm import int16_to_pcm16, pcm16_to_int16, round_to_int16

    values = pcm16_to_int16(pcm16)
    steps = np.arange(1, len(values) + 1) / (len(values) + 1)
    return int16_to_pcm16(round_to_int16(values * (0.5 + 0.5 * np.cos(np.pi * steps))))
