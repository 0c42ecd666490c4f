"""Recordings of the gateway's sessions: one folder each, whole or not there, kept for as long as was said.

``DIR/USER_ID/SESSION_ID/`` holds conversation.wav, events.jsonl, timeline.html and timeline.png; `keeping` says what
else is there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from voicewire.audio.files import WAV_HEADER
from voicewire.errors import AudioError, ConfigError
from voicewire.gateway.keeping import SessionKeeper, SessionShelf, cut_last_line, discard
from voicewire.gateway.observe import GatewayObserver, SessionFacts, SessionWatch
from voicewire.gateway.recorded import RecordedSession
from voicewire.recording.recorder import EVENTS_NAME, WAV_NAME, SessionRecorder

_LOG = logging.getLogger("voicewire.gateway")
MAX_RECORDINGS: Final = 64
"""Sessions that are recorded at a time, a thread each; further ones go on unrecorded, and a log line says so."""
_CLOSERS: Final = 2
"""Threads that draw pictures and delete; the event loop does neither."""


class Recordings(SessionKeeper, GatewayObserver):
    """Records every session whose client did not refuse it.

    Resources: the lock and the threads, acquired by ``open``, released by ``close``.

    Args:
        folder: Where recordings go; made if it is missing.
        days: Recordings that are older are deleted; None keeps them.
        max_gb: Above this, the oldest are deleted; None for no bound. In units of 10^9 bytes.
    """

    def __init__(self, folder: Path, *, days: float | None = None, max_gb: float | None = None) -> None:
        GatewayObserver.__init__(self)
        shelf = SessionShelf(folder, option="--record", days=days, max_gb=max_gb)
        SessionKeeper.__init__(self, shelf, closers=_CLOSERS)
        self._running: dict[str, RecordedSession] = {}

    @property
    def running_names(self) -> Iterable[str]:
        """What runs, by the names of `SessionShelf.new_part`."""
        return list(self._running)

    # ------------------------------------------------------------------ sessions

    def session_opened(self, facts: SessionFacts, /) -> SessionWatch:
        """Begins to record, unless the client refused it."""
        blind = super().session_opened(facts)
        if facts.wants_recording is False or self._closers is None:
            return blind
        part = self._shelf.new_part(facts.user_id, facts.session_id, self._running)
        if len(self._running) >= MAX_RECORDINGS:
            _LOG.warning("session not recorded", extra={"session_id": facts.session_id, "cause": "too many"})
            return blind
        recorder = SessionRecorder(part, title=f"{facts.session_id} with {facts.model}")
        try:
            recorder.open()
        except (ConfigError, AudioError) as error:
            _LOG.warning("session not recorded", extra={"session_id": facts.session_id, "cause": str(error)})
            return blind
        session = RecordedSession(recorder, self._ended)
        self._running[part.name] = session
        return session

    def _ended(self, session: RecordedSession) -> None:
        if self._closers is None:
            self._close_one(session)
        else:
            self._closers.submit(self._close_one, session).add_done_callback(_report)

    def _close_one(self, session: RecordedSession) -> None:
        """In a thread of its own: what is left is written, the pictures are drawn, the folder gets its name."""
        part = session.recorder.folder
        try:
            session.recorder.close()
        except ConfigError as error:
            _LOG.warning("recording incomplete", extra={"cause": str(error)})
        finally:
            with self._shelf.naming:
                self._running.pop(part.name, None)
                self._finish(part)
        self.prune()

    def _finish(self, part: Path) -> None:
        """Gives a folder its final name; what a kill left half-written in it is cut off."""
        wav = part / WAV_NAME
        if wav.is_file():
            for half in part.glob("*.part"):
                half.unlink(missing_ok=True)
            cut_last_line(part / EVENTS_NAME)
            _cut_to_header(wav)
            if self._shelf.place(part):
                return
        discard(part)


def _cut_to_header(wav: Path) -> None:
    """The header is written after the audio it counts: what it does not count was on its way."""
    with wav.open("r+b") as file:
        header = file.read(WAV_HEADER.size)
        if len(header) == WAV_HEADER.size:
            file.truncate(min(wav.stat().st_size, WAV_HEADER.size + WAV_HEADER.unpack(header)[-1]))


def _report(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        _LOG.error("recording could not be finished", exc_info=error)
