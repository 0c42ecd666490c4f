"""The user's spoken turns that are not settled: neither are their words known, nor are they answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SpokenTurn:
    """One turn, on the timeline of all audio ever appended."""

    start_ns: int
    end_ns: int | None = None
    is_committed: bool = False
    is_transcribed: bool = False
    is_speaking: bool = False
    answered_by: str = ""
    """The response that began after it was committed."""
    is_answered: bool = False
    """Whether something of that response came: saying it again would bring about a second answer."""

    @property
    def reach_ns(self) -> int:
        """As far as it is known to go."""
        return self.start_ns if self.end_ns is None else self.end_ns


class SpokenTurns:
    """Turns by the ids of their items, in the order of their beginnings."""

    def __init__(self) -> None:
        self.by_id: dict[str, SpokenTurn] = {}

    @property
    def speaking(self) -> list[str]:
        """Items of those that began and did not end."""
        return [item_id for item_id, turn in self.by_id.items() if turn.is_speaking]

    @property
    def committed(self) -> list[str]:
        """Items of those that are over."""
        return [item_id for item_id, turn in self.by_id.items() if turn.is_committed]

    @property
    def unanswered(self) -> dict[str, SpokenTurn]:
        """Those that have to be said again when the connection is lost."""
        return {item_id: turn for item_id, turn in self.by_id.items() if not turn.is_answered}

    def is_to_be_answered(self, item_id: str) -> bool:
        """Whether a turn would bring about an answer when it was said again."""
        return item_id in self.by_id and not self.by_id[item_id].is_answered

    def take_back(self) -> None:
        """What was not committed is gone."""
        self.by_id = {item_id: turn for item_id, turn in self.by_id.items() if turn.is_committed}

    def known(self, item_id: str) -> int | None:
        """The words of a turn are known, as far as they ever will be; so it is settled, and what came before it.

        Returns:
            Up to where; None when there is no such turn.
        """
        turn = self.by_id.pop(item_id, None)
        if turn is None:
            return None
        end_ns = turn.reach_ns
        self.by_id = {
            other_id: other
            for other_id, other in self.by_id.items()
            if other.end_ns is None or other.end_ns > end_ns
        }
        return end_ns

    def response_began(self, response_id: str) -> None:
        """A response answers all that was committed and that no other answers."""
        for turn in self.by_id.values():
            if turn.is_committed and not turn.answered_by:
                turn.answered_by = response_id

    def response_came(self, response_id: str) -> int:
        """Something of a response came.

        Returns:
            Up to where nothing has to be said again for that; 0 when it answers none of these turns.
        """
        answered = [turn for turn in self.by_id.values() if turn.answered_by == response_id]
        for turn in answered:
            turn.is_answered = True
        return max((turn.reach_ns for turn in answered), default=0)

    def response_failed_to_come(self, response_id: str) -> None:
        """A response was cancelled before anything of it came: the next one answers its turns, too."""
        for turn in self.by_id.values():
            if turn.answered_by == response_id and not turn.is_answered:
                turn.answered_by = ""
