"""Whoever hears the agent, where a front end plays its speech and reports what it has played."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from voicewire.agent.wording import Voice
from voicewire.conversation.session import ConversationSession
from voicewire.conversation.session_outputs import SessionOutput
from voicewire.events.base import Event
from voicewire.events.client import ClientPlayoutReportEvent

REPORT_WAIT_MS: Final = 1000
"""How long a flush waits for its report. Then the last position that was reported counts."""


class Listener:
    """Follows stretches of speech from their first sample until the ledger knows what was heard of them.

    Args:
        voice: Words what the ledger holds as the agent's events.
        reports: Whether the front end reports what it has played. When it does not, nothing is followed.
    """

    def __init__(self, voice: Voice, *, reports: bool = True) -> None:
        self._voice = voice
        self.reports = reports
        self._open: dict[tuple[str, int], int] = {}
        """Stretches on their way to the ear, and the samples last told of."""

    def follow(self, item_id: str, content_index: int) -> None:
        """Speech of this content part goes out."""
        if self.reports:
            self._open.setdefault((item_id, content_index), 0)

    def played(
        self, core: ConversationSession, report: ClientPlayoutReportEvent, now_ms: int
    ) -> list[SessionOutput]:
        """Hands a report to the ledger.

        Returns:
            What the core orders because of it: a change of state, and truncations when a flush is confirmed.
        """
        outputs: list[SessionOutput] = []
        for position in report.positions:
            stretch = core.stretch(position.item_id, position.content_index)
            if stretch is not None:
                samples = position.samples * stretch.rate_hz // position.rate
                outputs += core.played(position.item_id, position.content_index, samples, now_ms=now_ms)
        if report.generation is not None and report.generation <= core.generation:
            outputs += core.flushed(report.generation, now_ms=now_ms)
        return outputs

    def news(self, core: ConversationSession | None) -> Iterator[Event]:
        """What the ledger has learned since the last time, one event for a stretch."""
        if core is None:
            return
        for key, told in list(self._open.items()):
            stretch = core.stretch(*key)
            if stretch is None:
                del self._open[key]
                continue
            is_final = stretch.is_whole or stretch.cut is not None
            if not is_final and stretch.heard == told:
                continue
            if is_final:
                del self._open[key]
            else:
                self._open[key] = stretch.heard
            yield self._voice.heard(stretch, core.heard_text(*key))
