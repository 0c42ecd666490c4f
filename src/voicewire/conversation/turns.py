"""The user's turn as a detector sees it: speech starts and stops in alternation."""

from __future__ import annotations

from dataclasses import dataclass

from voicewire.events.session import SessionConfig


@dataclass(slots=True)
class Turn:
    """One turn of the user, open until it is committed or thrown away."""

    item_id: str
    """The item it will become."""
    start_sample: int
    config: SessionConfig
    """The configuration it began under, which it keeps."""
    end_sample: int | None = None
    """One past its last sample, None while speech is open."""


class TurnTracker:
    """Which turn is open, and whether the user is speaking in it.

    Positions never go back: a start lies at or after the last stop, a stop at or after its start.
    """

    def __init__(self) -> None:
        self.turn: Turn | None = None
        self.is_speaking = False
        self._floor_sample = 0

    def start(self, item_id: str, at_sample: int, config: SessionConfig) -> Turn | None:
        """Speech began. Goes on with the turn that is still open, else opens one.

        Returns:
            The turn; None when speech is open already, so that nothing changed.
        """
        if self.is_speaking:
            return None
        at_sample = max(at_sample, self._floor_sample)
        self._floor_sample = at_sample
        if self.turn is None:
            self.turn = Turn(item_id, at_sample, config)
        self.turn.end_sample = None
        self.is_speaking = True
        return self.turn

    @property
    def floor_sample(self) -> int:
        """Where speech last started or stopped; nothing lies before it any more."""
        return self._floor_sample

    def stop(self, at_sample: int) -> Turn | None:
        """Speech ended.

        Returns:
            The turn; None when no speech was open.
        """
        if not self.is_speaking or self.turn is None:
            return None
        self.is_speaking = False
        end_sample = max(at_sample, self._floor_sample)
        self.turn.end_sample = end_sample
        self._floor_sample = end_sample
        return self.turn

    def forget_before(self, sample: int) -> None:
        """Audio before this position is gone: the open turn begins there at the earliest, as does all that follows."""
        self._floor_sample = max(self._floor_sample, sample)
        if self.turn is not None:
            self.turn.start_sample = max(self.turn.start_sample, sample)
            if self.turn.end_sample is not None:
                self.turn.end_sample = max(self.turn.end_sample, sample)

    def take(self, until_sample: int) -> Turn | None:
        """The open turn leaves the tracker, committed or thrown away; speech must have stopped.

        Args:
            until_sample: No later turn begins before this position.
        """
        turn, self.turn = self.turn, None
        self._floor_sample = max(self._floor_sample, until_sample)
        return turn

    def verify(self) -> None:
        """Asserts that the open turn and the detector's state agree (invariant 5)."""
        assert not self.is_speaking or (self.turn is not None and self.turn.end_sample is None)
        assert self.turn is None or self.is_speaking or self.turn.end_sample is not None
