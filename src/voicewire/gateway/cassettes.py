"""Cassettes of the gateway's sessions: what passed over each client's wire, one file a connection.

``DIR/USER_ID/SESSION_ID.jsonl``; `keeping` says what else is there. See docs/adr/0023 for the file, and
``voicewire replay`` for what it is good for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from voicewire.errors import ConfigError
from voicewire.gateway.auth import headers_of, presented_keys
from voicewire.gateway.dialects import dialect_of
from voicewire.gateway.keeping import SessionKeeper, SessionShelf, cut_last_line, discard
from voicewire.gateway.observe import new_session_id
from voicewire.gateway.socket import Scope, Tape
from voicewire.gateway.visit import Visit
from voicewire.protocols.codec import Frame
from voicewire.transport.cassette import EndedBy
from voicewire.transport.cassette_scrub import secrets_of
from voicewire.transport.recorder import CassetteRecorder, CassetteTap

_LOG = logging.getLogger("voicewire.gateway")
MAX_CASSETTES: Final = 64
"""Connections that are recorded at a time, a thread each; further ones go on unrecorded, and a log line says so."""
ENDING: Final = ".jsonl"
_MAX_QUEUED_BYTES: Final = 4 * 1024 * 1024
"""What may wait for the disk, of each connection: half a minute of audio both ways."""
_CLOSERS: Final = 2
_NORMAL: Final = 1000
_ABNORMAL: Final = 1006
_CLIENT_LEFT: Final = ("", "client_left")
_PROVIDERS: Final = {"openai", "voicelive", "gemini", "dashscope"}
"""Doors whose wire is a provider's, which has a codec that plays the cassette; of others the frames are shown."""


class Cassettes(SessionKeeper):
    """Records the wire of every client that did not refuse it.

    Resources: the lock and the threads, acquired by ``open``, released by ``close``.

    Args:
        folder: Where cassettes go; made if it is missing.
        keeps_audio: Whether audio is kept; else only its length is.
        days: Cassettes that are older are deleted; None keeps them.
        max_gb: Above this, the oldest are deleted; None for no bound. In units of 10^9 bytes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keeps_audio: bool = True,
        days: float | None = None,
        max_gb: float | None = None,
    ) -> None:
        shelf = SessionShelf(folder, option="--cassettes", ending=ENDING, days=days, max_gb=max_gb)
        super().__init__(shelf, closers=_CLOSERS)
        self._keeps_audio = keeps_audio
        self._running: set[str] = set()

    @property
    def running_names(self) -> Iterable[str]:
        """What runs, by the names of `SessionShelf.new_part`."""
        return list(self._running)

    def tape(self, scope: Scope, visit: Visit) -> Tape:
        """The cassette of one connection, which begins when its handshake is answered.

        Args:
            scope: The handshake.
            visit: Says who it is, and in the end how it ended.
        """
        return _ConnectionTape(self, scope, visit)

    # ------------------------------------------------------------------ for tapes

    async def begin(self, scope: Scope, visit: Visit) -> tuple[CassetteRecorder, CassetteTap] | None:
        """A recorder for a connection; None when it cannot be recorded, which the log says."""
        cause = "too many" if self._closers is not None else "not open; call Cassettes.open() first"
        if self._closers is not None and len(self._running) < MAX_CASSETTES:
            try:
                return await self._begun(scope, visit)
            except (ConfigError, OSError) as error:
                cause = str(error)
        _LOG.warning("cassette not recorded", extra={"session_id": visit.session_id, "cause": cause})
        return None

    async def _begun(self, scope: Scope, visit: Visit) -> tuple[CassetteRecorder, CassetteTap]:
        session_id = visit.session_id or new_session_id()
        part = self._shelf.new_part(visit.user_id or "anonymous", session_id, self._running)
        provider, dialect, model = _subject(scope, visit)
        recorder = CassetteRecorder(
            part,
            provider=provider,
            dialect=dialect,
            model=model,
            keeps_audio=self._keeps_audio,
            max_queued_bytes=_MAX_QUEUED_BYTES,
        )
        self._running.add(part.name)
        try:
            return recorder, await recorder.tap(_secrets(scope))
        except BaseException:
            self._running.discard(part.name)
            raise

    def ended(self, recorder: CassetteRecorder, *, is_kept: bool) -> None:
        """A connection is over; what is left of it is written by a thread, and nobody waits for that."""
        if not is_kept:
            discard(recorder.path)  # at once: a kill must not leave it
        if self._closers is not None:  # else the next start gives it its name
            self._closers.submit(self._close_one, recorder, is_kept=is_kept).add_done_callback(_report)

    def _close_one(self, recorder: CassetteRecorder, *, is_kept: bool) -> None:
        failure = recorder.join()
        if failure is not None or recorder.lost_frames:
            cause = f"{recorder.lost_frames} frames left out: the disk is too slow"
            _LOG.warning("cassette incomplete", extra={"cause": str(failure or cause)})
        with self._shelf.naming:
            self._running.discard(recorder.path.name)
            if is_kept:
                self._finish(recorder.path)
            else:
                discard(recorder.path)
        self._shelf.prune()

    def _finish(self, part: Path) -> None:
        """Gives a file its final name; a line that was being written when the process was killed is cut."""
        if part.is_file():
            cut_last_line(part)
        if not part.name.endswith(ENDING) or not self._shelf.place(part):
            discard(part)


class _ConnectionTape(Tape):
    """One connection on its way into a cassette."""

    def __init__(self, cassettes: Cassettes, scope: Scope, visit: Visit) -> None:
        self._cassettes = cassettes
        self._scope = scope
        self._visit = visit
        self._recorder: CassetteRecorder | None = None
        self._tap: CassetteTap | None = None
        self._is_refused = False

    async def begin(self) -> None:
        """The handshake is about to be answered."""
        begun = None if self._is_refused else await self._cassettes.begin(self._scope, self._visit)
        if begun is not None:
            self._recorder, self._tap = begun
            self._tap.opened(_url(self._scope))

    def of_client(self, frame: Frame) -> None:
        """The client sent a frame."""
        if self._tap is not None:
            self._tap.sent(frame)

    def of_gateway(self, frame: Frame) -> None:
        """The gateway sent a frame."""
        if self._tap is not None:
            self._tap.received(frame)

    def refuse(self) -> None:
        """The client does not want to be recorded: nothing more is, and what there is goes."""
        self._is_refused = True
        self._end("server", _NORMAL, "")

    def end(self) -> None:
        """The connection is over."""
        visit = self._visit
        by: EndedBy = "server"
        if visit.cause in _CLIENT_LEFT:
            by = "client"
        elif visit.code == _ABNORMAL:
            by = "lost"
        self._end(by, visit.code or _NORMAL, visit.reason)

    def _end(self, by: EndedBy, code: int, reason: str) -> None:
        if self._tap is not None and self._recorder is not None:
            self._tap.ended(by, code, reason)
            self._cassettes.ended(self._recorder, is_kept=not self._is_refused)
            self._tap = self._recorder = None


def _subject(scope: Scope, visit: Visit) -> tuple[str, str, str]:
    """Provider, dialect and full name of the model, as the client sees them."""
    if visit.door not in _PROVIDERS:
        return visit.door, "", visit.model or visit.door
    dialect = ""
    if visit.door == "openai":
        dialect = "ga" if dialect_of(scope) is None else "beta"
    return visit.door, dialect, f"{visit.door}:{visit.asked_model}" if visit.asked_model else visit.door


def _url(scope: Scope) -> str:
    """The address; whoever writes it down takes the secrets out."""
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    host = headers_of(scope).get("host", "gateway")
    return f"{scope.get('scheme', 'ws')}://{host}{scope.get('path', '/')}{'?' + query if query else ''}"


def _secrets(scope: Scope) -> tuple[str, ...]:
    subprotocols: list[str] = scope.get("subprotocols", [])
    return (*presented_keys(scope), *secrets_of(_url(scope), headers_of(scope), subprotocols))


def _report(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        _LOG.error("cassette could not be finished", exc_info=error)
