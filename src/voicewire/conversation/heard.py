"""The heard ledger: agent speech moves generated -> sent -> played -> heard, in samples, with its words.

Captions, history, truncation, recording and reports read this one ledger.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

CHARS_PER_SECOND = 15
"""Speed of plain speech. Only used to place words whose audio is not there yet."""

_WORD = re.compile(
    r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]|[^\s\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]+"
)
"""A word: what stands between spaces; in scripts without spaces, one character."""

_LOOK_AHEAD = 4
"""How many words of a transcript a spoken word may skip (numbers and abbreviations are spoken otherwise)."""


class WordSpan(Protocol):
    """A word and where it lies in its stretch of audio."""

    @property
    def word(self) -> str:
        """The word as it was spoken."""
        ...

    @property
    def start_sample(self) -> int:
        """Its first sample."""
        ...

    @property
    def end_sample(self) -> int:
        """One past its last sample."""
        ...


class Word(NamedTuple):
    """The plain ``WordSpan``."""

    word: str
    start_sample: int
    end_sample: int


class Stretch:
    """The speech of one content part.

    ``generated >= sent >= played >= heard``; all only grow, but that the listener's word on what was heard (``cut``)
    replaces an estimate. ``is_ended``: no more audio comes. ``is_complete``: what came says all the words.
    """

    __slots__ = (
        "content_index", "cut", "first_ms", "generated", "generation", "heard", "is_complete", "is_ended",
        "is_estimated", "item_id", "marks", "played", "rate_hz", "sent", "text_parts", "words",
    )  # fmt: skip

    def __init__(
        self, item_id: str, content_index: int, *, generation: int, rate_hz: int, first_ms: int
    ) -> None:
        self.item_id = item_id
        self.content_index = content_index
        self.generation = generation
        self.rate_hz = rate_hz
        self.first_ms = first_ms
        self.generated = 0
        self.sent = 0
        self.played = 0
        self.heard = 0
        self.cut: int | None = None
        self.is_estimated = False
        self.is_ended = False
        self.is_complete = False
        self.text_parts: list[str] = []
        self.marks: list[tuple[int, int]] = []
        self.words: list[WordSpan] = []

    @property
    def text(self) -> str:
        """All its words."""
        return "".join(self.text_parts)

    def end(self, *, is_complete: bool) -> None:
        """No more audio comes."""
        self.is_ended = True
        self.is_complete = self.is_complete or is_complete

    @property
    def is_whole(self) -> bool:
        """Whether it has ended and was heard to the end."""
        return self.is_ended and self.cut is None and self.heard >= self.generated

    def ms_of(self, samples: int) -> int:
        """Whole milliseconds of so many of its samples, rounded down."""
        return samples * 1000 // self.rate_hz

    def samples_of_ms(self, ms: int) -> int:
        """Samples of so many milliseconds, rounded down."""
        return ms * self.rate_hz // 1000

    def add_text(self, delta: str, start_sample: int | None = None) -> None:
        """More words, with the position of the first when it is known."""
        if start_sample is not None:
            self.marks.append((sum(map(len, self.text_parts)), start_sample))
        self.text_parts.append(delta)

    def text_at(self, samples: int) -> str:
        """The words that lie wholly before a position; a longer prefix for a later position.

        Words take their positions from ``words`` and ``marks``; those between are spread in proportion to their
        letters, those whose audio is not there yet at the speed of plain speech.
        """
        text = self.text
        if samples >= self.generated and self.is_complete:
            return text
        if samples <= 0:
            return ""
        anchors = self._anchors(text)
        kept, segment = 0, 0
        for match in _WORD.finditer(text):
            end = match.end()
            while anchors[segment + 1][0] < end:
                segment += 1
            (left, left_at), (right, right_at) = anchors[segment], anchors[segment + 1]
            if left_at * (right - left) + (right_at - left_at) * (end - left) > samples * (right - left):
                break
            kept = end
        return text[:kept]

    def _anchors(self, text: str) -> list[tuple[int, int]]:
        """Known (letters, samples) pairs, strictly growing in letters, growing in samples, from 0 to the whole text."""
        known = sorted([*self.marks, *_matched(text, self.words)])
        anchors = [(0, 0)]
        for letters, at in known:
            if letters < len(text) and letters > anchors[-1][0] and at >= anchors[-1][1]:
                anchors.append((letters, min(at, self.generated) if self.is_complete else at))
        last_letters, last_at = anchors[-1]
        if self.is_complete:
            end = max(self.generated, last_at)
        else:
            missing = len(text) - last_letters
            end = max(self.generated, last_at + missing * self.rate_hz // CHARS_PER_SECOND)
        anchors.append((max(len(text), last_letters + 1), end))
        return anchors


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word)).casefold()


def _matched(text: str, words: Sequence[WordSpan]) -> list[tuple[int, int]]:
    """Where the ends of spoken words lie in a transcript, as far as they can be recognised in it."""
    if not words:
        return []
    written = [(_bare(match.group()), match.start(), match.end()) for match in _WORD.finditer(text)]
    found: list[tuple[int, int]] = []
    cursor = 0
    for spoken in words:
        bare = _bare(spoken.word)
        for place in range(cursor, min(cursor + _LOOK_AHEAD, len(written))):
            if written[place][0] == bare:
                found += [(written[place][1], spoken.start_sample), (written[place][2], spoken.end_sample)]
                cursor = place + 1
                break
    return found


class HeardLedger:
    """All stretches of a conversation, and which of them are on their way to the listener.

    Args:
        has_playout: True when ``played`` is reported; False when the listener is assumed to hear everything in
            real time from when it was generated, one stretch after the other.
    """

    def __init__(self, *, has_playout: bool) -> None:
        self.has_playout = has_playout
        self._stretches: dict[tuple[str, int], Stretch] = {}
        self._current: list[Stretch] = []

    def get(self, item_id: str, content_index: int) -> Stretch | None:
        """The stretch of a content part, None when it has no speech."""
        return self._stretches.get((item_id, content_index))

    @property
    def current(self) -> Sequence[Stretch]:
        """Stretches that may not have been heard to the end yet, in playing order."""
        return self._current

    def begin(
        self, item_id: str, content_index: int, *, generation: int, rate_hz: int, now_ms: int
    ) -> Stretch:
        """Opens the stretch of a content part."""
        stretch = Stretch(item_id, content_index, generation=generation, rate_hz=rate_hz, first_ms=now_ms)
        self._stretches[item_id, content_index] = stretch
        self.settle(now_ms)
        self._current.append(stretch)
        return stretch

    def played(self, stretch: Stretch, samples: int) -> None:
        """So many of its samples were played in all; clamped to those generated, never fewer than before."""
        samples = min(samples, stretch.generated)
        if samples > stretch.played:
            stretch.played = samples
            stretch.sent = max(stretch.sent, samples)
            if stretch.cut is None:
                stretch.heard = samples

    def cut(self, stretch: Stretch, samples: int, *, is_estimated: bool) -> int:
        """Fixes what was heard of a stretch, clamped to what was generated; an estimate never replaces a fact.

        Returns:
            The samples heard.
        """
        if stretch.cut is None or stretch.is_estimated or not is_estimated:
            kept = max(0, min(samples, stretch.generated))
            stretch.cut = kept
            stretch.is_estimated = is_estimated
            stretch.sent = max(stretch.sent, kept)
            stretch.played = max(stretch.played, kept)
            stretch.heard = kept
        return stretch.cut

    def interrupt(self, now_ms: int, *, before_generation: int | None = None) -> list[Stretch]:
        """The listener is interrupted now: cuts every stretch that was not heard to the end.

        Args:
            now_ms: The moment.
            before_generation: Only stretches of generations before this one; None for all.

        Returns:
            The stretches that lost something, in playing order.
        """
        if not self.has_playout:
            self._estimate(now_ms)
        hit = [s for s in self._current if before_generation is None or s.generation < before_generation]
        self._current = [stretch for stretch in self._current if stretch not in hit]
        lost = [stretch for stretch in hit if not stretch.is_whole]
        for stretch in lost:
            self.cut(stretch, stretch.heard, is_estimated=not self.has_playout)
        return lost

    def heard_text(self, stretch: Stretch) -> str:
        """The words that were heard, or still will be when nothing interrupts and no playout is reported."""
        if stretch.cut is not None:
            return stretch.text_at(stretch.cut)
        if not self.has_playout:
            return stretch.text_at(stretch.generated)
        return stretch.text_at(stretch.heard)

    def forget(self, item_id: str) -> None:
        """The item is gone, and its stretches with it."""
        for key in [key for key in self._stretches if key[0] == item_id]:
            gone = self._stretches.pop(key)
            if gone in self._current:
                self._current.remove(gone)

    def _estimate(self, now_ms: int) -> None:
        free_ms = 0
        for stretch in self._current:
            start_ms = max(stretch.first_ms, free_ms)
            free_ms = start_ms + stretch.ms_of(stretch.generated)
            self.played(stretch, stretch.samples_of_ms(max(0, now_ms - start_ms)))

    def settle(self, now_ms: int) -> None:
        """Forgets the stretches that need no more watching."""
        if not self.has_playout:
            self._estimate(now_ms)
        self._current = [stretch for stretch in self._current if not stretch.is_whole and stretch.cut is None]

    def verify(self, stretches: Iterable[Stretch] | None = None) -> None:
        """Asserts generated >= sent >= played >= heard and cuts within what was generated (invariant 8)."""
        for stretch in self._stretches.values() if stretches is None else stretches:
            assert stretch.generated >= stretch.sent >= stretch.played >= stretch.heard >= 0
            assert stretch.cut is None or 0 <= stretch.cut <= stretch.generated
