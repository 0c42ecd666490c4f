"""The user's turns as a client of the Gemini Live wire can know them.

The wire reports transcripts and interruptions, rarely the detector itself. So the beginning of a turn is derived from
the first sign of it, its end from the answer (or ``finished``), and positions from the audio that was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from voicewire.events.items import ContentPart, Item
from voicewire.events.model import (
    ModelInputCommittedEvent,
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelProviderEvent,
)
from voicewire.protocols.gemini.client_requests import text_turn
from voicewire.protocols.gemini.client_state import ClientState
from voicewire.protocols.gemini.codes import INPUT_RATE_HZ

_PADDING_MS = 300
"""By so much at least speech lies before its first sign."""

Cause = Literal["speech", "ask", "continuation"]


@dataclass(slots=True)
class Turn:
    """One turn of the user."""

    item_id: str
    start_ms: int
    is_started: bool = False
    is_stopped: bool = False
    has_guess: bool = False
    """Whether words were reported that are not certain."""
    words: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        """All words so far."""
        return "".join(self.words)


class UserTurns:
    """Follows the user's turns; every method reports into the shared state."""

    def __init__(self, state: ClientState) -> None:
        self._state = state
        self._open: Turn | None = None
        self._last: Turn | None = None
        """Committed, its transcript not final."""
        self._appended_bytes = 0
        self._boundary_ms = 0

    @property
    def position_ms(self) -> int:
        """Audio sent so far."""
        return self._appended_bytes * 1000 // (INPUT_RATE_HZ * 2)

    @property
    def has_audio(self) -> bool:
        """Whether audio was sent that belongs to no turn yet."""
        return self.position_ms > self._boundary_ms

    @property
    def is_open(self) -> bool:
        """Whether a turn is open."""
        return self._open is not None

    def appended(self, n_bytes: int) -> None:
        """So many bytes of audio were sent."""
        self._appended_bytes += n_bytes

    def begin(self) -> None:
        """A turn is open by hand."""
        if self._open is None:
            self._open = Turn(self._state.ids("item"), self._boundary_ms)

    def started(self, at_ms: int | None = None) -> None:
        """Speech began, as far as anybody can tell."""
        self.begin()
        turn = self._open
        if turn is None or turn.is_started:
            return
        turn.is_started = True
        turn.start_ms = max(self._boundary_ms, self.position_ms - _PADDING_MS if at_ms is None else at_ms)
        self._state.events.append(ModelInputStartedEvent(item_id=turn.item_id, audio_start_ms=turn.start_ms))

    def stopped(self, at_ms: int | None = None) -> None:
        """Speech ended."""
        turn = self._open
        if turn is None or not turn.is_started or turn.is_stopped:
            return
        turn.is_stopped = True
        end_ms = max(turn.start_ms, self.position_ms if at_ms is None else at_ms)
        self._state.events.append(ModelInputDoneEvent(item_id=turn.item_id, audio_end_ms=end_ms))

    def committed(self) -> None:
        """The open turn becomes an item."""
        turn, state = self._open, self._state
        if turn is None:
            return
        self.stopped()
        self.final()
        self._open, self._last = None, turn
        self._boundary_ms = self.position_ms
        state.events.append(
            ModelInputCommittedEvent(item_id=turn.item_id, previous_item_id=state.last_item_id)
        )
        part = ContentPart(kind="audio", is_transcribed=False)
        state.add_whole_item(Item(id=turn.item_id, role="user", content=(part,)))

    def discarded(self) -> None:
        """The open turn is thrown away."""
        self.stopped()
        self._open = None
        self._boundary_ms = self.position_ms

    def answered(self, cause: Cause) -> None:
        """A response begins.

        Args:
            cause: What it answers: speech (nothing else was asked for), a request, or the model goes on.
        """
        turn, is_manual = self._open, self._state.config.turn_detection is None
        if is_manual or cause == "ask":
            return
        if turn is None:
            if cause == "continuation" or not self.has_audio:
                return
            self.started(self._boundary_ms)
        elif not turn.is_started:
            self.started(turn.start_ms)
        self.committed()

    # ------------------------------------------------------------------ words

    def transcribed(self, text: str, *, is_finished: bool, is_answering: bool) -> None:
        """More words of the user."""
        turn = self._heard(is_answering=is_answering) if text or is_finished else None
        if turn is None:
            self._stray(text)
            return
        delta = text if turn.words else text.lstrip()
        if delta:
            turn.words.append(delta)
            self._partial(turn, turn.text if turn.has_guess else delta, is_revision=turn.has_guess)
            turn.has_guess = False
        if is_finished:
            if turn is self._open and self._state.config.turn_detection is not None:
                self.committed()
            if turn is self._last:
                self.final()

    def guessed(self, text: str, *, is_answering: bool) -> None:
        """A guess at the words since the last certain ones; the next guess replaces it."""
        turn = self._heard(is_answering=is_answering) if text else None
        if turn is None:
            self._stray(text)
            return
        turn.has_guess = True
        self._partial(turn, (turn.text + text).lstrip(), is_revision=True)

    def _partial(self, turn: Turn, delta: str, *, is_revision: bool) -> None:
        self._state.events.append(
            ModelInputTranscriptionDeltaEvent(item_id=turn.item_id, delta=delta, is_revision=is_revision)
        )

    def _heard(self, *, is_answering: bool) -> Turn | None:
        """The turn that words belong to; a new one when there is none."""
        if self._open is None and self._last is None:
            if self._state.config.turn_detection is None:
                return None
            # Words that come while the model answers may be late ones: they interrupt nothing by themselves.
            self.begin() if is_answering else self.started()
        elif self._open is not None and not is_answering and self._state.config.turn_detection is not None:
            self.started()
        return self._open or self._last

    def _stray(self, text: str) -> None:
        if text:
            raw = {"serverContent": {"inputTranscription": {"text": text}}}
            self._state.events.append(ModelProviderEvent(name="serverContent.inputTranscription", raw=raw))

    def final(self) -> None:
        """No more words come of the turn that was committed last."""
        turn, self._last = self._last, None
        if turn is None:
            return
        text = turn.text.strip()
        if text:
            self._state.remember(text_turn("user", text))
            self._state.events.append(ModelInputTranscriptionDoneEvent(transcript=text, item_id=turn.item_id))
