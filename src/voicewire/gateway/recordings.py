"""Recordings of the gateway's sessions: one folder each, whole or not there, kept for as long as was said.

::

    DIR/USER_ID/SESSION_ID/     conversation.wav, events.jsonl, timeline.html, timeline.png
    DIR/+partial/               sessions that run; finished at the next start when the process was killed
    DIR/+lock                   held by the one process that writes here

An id never holds a ``+``, so no client can name the gateway's own entries. A session of an id that is there already
is kept beside it, as ``SESSION_ID+2``.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from typing_extensions import Self

from voicewire.audio.files import WAV_HEADER
from voicewire.errors import AudioError, ConfigError
from voicewire.gateway.observe import GatewayObserver, SessionFacts, SessionWatch
from voicewire.gateway.recorded import RecordedSession
from voicewire.recording.recorder import EVENTS_NAME, WAV_NAME, SessionRecorder

_LOG = logging.getLogger("voicewire.gateway")
MAX_RECORDINGS: Final = 64
"""Sessions that are recorded at a time, a thread each; further ones go on unrecorded, and a log line says so."""
_CLOSERS: Final = 2
"""Threads that draw pictures and delete; the event loop does neither."""
_ID: Final = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,64}")
_PARTIAL: Final = "+partial"
_LOCK: Final = "+lock"
_S_PER_DAY: Final = 86_400
_BYTES_PER_GB: Final = 1_000_000_000


class Recordings(GatewayObserver):
    """Records every session whose client did not refuse it.

    Resources: the lock and the threads, acquired by ``open``, released by ``close``.

    Args:
        folder: Where recordings go; made if it is missing.
        days: Recordings that are older are deleted; None keeps them.
        max_gb: Above this, the oldest are deleted; None for no bound. In units of 10^9 bytes.
    """

    def __init__(self, folder: Path, *, days: float | None = None, max_gb: float | None = None) -> None:
        super().__init__()
        self._folder = folder
        self._days = days
        self._max_bytes = None if max_gb is None else int(max_gb * _BYTES_PER_GB)
        self._running: dict[str, RecordedSession] = {}
        self._lock: IO[bytes] | None = None
        self._closers: ThreadPoolExecutor | None = None
        self._naming = threading.Lock()

    def open(self) -> None:
        """Takes the folder, finishes what a killed process left, and deletes what is too old or too much.

        Raises:
            ConfigError: The folder cannot be written, or another process records there.
        """
        try:
            (self._folder / _PARTIAL).mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self._folder / _LOCK)
            for left in sorted((self._folder / _PARTIAL).iterdir()):
                self._finish(left)
            self.prune()
        except OSError as error:
            self._unlock()
            raise ConfigError(
                f"cannot record into {str(self._folder)!r}: {error.strerror or error}; choose another --record folder"
            ) from error
        self._closers = ThreadPoolExecutor(_CLOSERS, "voicewire-recordings")

    def close(self) -> None:
        """Waits until every recording that ended is whole; idempotent."""
        if self._closers is not None:
            self._closers.shutdown()
            self._closers = None
        self._unlock()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # ------------------------------------------------------------------ sessions

    def session_opened(self, facts: SessionFacts, /) -> SessionWatch:
        """Begins to record, unless the client refused it."""
        blind = super().session_opened(facts)
        if facts.wants_recording is False or self._closers is None:
            return blind
        name = f"{facts.user_id}+{facts.session_id}"
        part = next(_free(self._folder / _PARTIAL, name))
        if len(self._running) >= MAX_RECORDINGS or part.name in self._running:
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
            with self._naming:
                self._running.pop(part.name, None)
                self._finish(part)
        self.prune()

    def _finish(self, part: Path) -> None:
        """Gives a folder its final name; what a kill left half-written in it is cut off."""
        user_id, plus, session_id = part.name.partition("+")
        session_id = session_id.partition("+")[0]
        wav = part / WAV_NAME
        if not plus or not _is_id(user_id) or not _is_id(session_id) or not wav.is_file():
            shutil.rmtree(part, ignore_errors=True)
            return
        for half in part.glob("*.part"):
            half.unlink(missing_ok=True)
        _cut_last_line(part / EVENTS_NAME)
        _cut_to_header(wav)
        home = self._folder / user_id
        home.mkdir(exist_ok=True)
        part.rename(next(_free(home, session_id)))

    # ------------------------------------------------------------------ keeping and deleting

    def is_running(self, user_id: str, session_id: str) -> bool:
        """Whether a session of these ids is being recorded."""
        return any(name.split("+")[:2] == [user_id, session_id] for name in list(self._running))

    def delete(self, user_id: str, session_id: str) -> bool:
        """Deletes all recordings of a session; False when there is none. Blocks on the disk.

        Ids of any other form than the gateway's own have no recordings, whatever they point at.
        """
        if not _is_id(user_id) or not _is_id(session_id):
            return False
        with self._naming:
            kept = [path for path in self._kept() if path.parent.name == user_id]
            found = [path for path in kept if _id_of(path) == session_id]
            for path in found:
                self._remove(path)
        return bool(found)

    def prune(self) -> None:
        """Deletes recordings that are too old, then the oldest while there is too much. Blocks on the disk."""
        if self._days is None and self._max_bytes is None:
            return
        with self._naming:
            self._prune(time.time())

    def _prune(self, now_s: float) -> None:
        aged = sorted((path.stat().st_mtime, path) for path in self._kept())
        left: list[tuple[Path, int]] = []
        for at_s, path in aged:
            if self._days is not None and now_s - at_s > self._days * _S_PER_DAY:
                self._remove(path)
            else:
                left.append((path, sum(file.stat().st_size for file in path.iterdir() if file.is_file())))
        if self._max_bytes is None:
            return
        total_bytes = sum(size_bytes for _, size_bytes in left)
        for path, size_bytes in left:
            if total_bytes <= self._max_bytes:
                return
            self._remove(path)
            total_bytes -= size_bytes

    def _kept(self) -> Iterator[Path]:
        """The finished recordings. Links are not followed: nothing outside the folder is ours to delete."""
        for home in sorted(self._folder.iterdir()):
            if _is_id(home.name) and home.is_dir() and not home.is_symlink():
                yield from (
                    path for path in sorted(home.iterdir()) if path.is_dir() and not path.is_symlink()
                )

    def _remove(self, path: Path) -> None:
        """First the name, then the files: a kill in between leaves nothing that looks like a recording."""
        doomed = self._folder / _PARTIAL / f"+{time.time_ns()}"
        with contextlib.suppress(FileNotFoundError):
            path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _is_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None


def _id_of(path: Path) -> str:
    return path.name.partition("+")[0]


def _free(home: Path, name: str) -> Iterator[Path]:
    """Names that are not taken, the plain one first."""
    number = 1
    while True:
        path = home / (name if number == 1 else f"{name}+{number}")
        if not path.exists():
            yield path
        number += 1


def _cut_last_line(path: Path) -> None:
    """A line without its end was being written when the process was killed."""
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)


def _cut_to_header(wav: Path) -> None:
    """The header is written after the audio it counts: what it does not count was on its way."""
    with wav.open("r+b") as file:
        header = file.read(WAV_HEADER.size)
        if len(header) == WAV_HEADER.size:
            file.truncate(min(wav.stat().st_size, WAV_HEADER.size + WAV_HEADER.unpack(header)[-1]))


def _locked(path: Path) -> IO[bytes]:
    """The lock file, held until it is closed or the process ends, however it ends."""
    file = path.open("ab")
    try:
        import fcntl
    except ImportError:  # Windows: no such lock, and no second gateway is kept out
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise OSError(error.errno, "another gateway records there") from error
    return file


def _report(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        _LOG.error("recording could not be finished", exc_info=error)
