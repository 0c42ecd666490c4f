"""A folder of what a gateway keeps of its sessions: whole or not there, deleted by age, by size and by name.

::

    DIR/USER_ID/SESSION_ID      one session: a folder, or a file whose name has an ending besides
    DIR/+partial/               sessions that run; finished at the next start when the process was killed
    DIR/+lock                   held by the one process that writes here

An id never holds a ``+``, so no client can name the gateway's own entries. A session of an id that is there already
is kept beside it, as ``SESSION_ID+2``. All of this blocks on the disk.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from typing_extensions import Self

from voicewire.errors import ConfigError

_ID: Final = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,64}")
_PARTIAL: Final = "+partial"
_LOCK: Final = "+lock"
_S_PER_DAY: Final = 86_400
_BYTES_PER_GB: Final = 1_000_000_000


class SessionShelf:
    """The folder.

    Resources: the lock, acquired by ``take``, released by ``let_go``.

    Args:
        folder: Made if it is missing.
        option: The command line's, for errors.
        ending: Of a session's file; empty when a session is a folder.
        days: Sessions that are older are deleted; None keeps them.
        max_gb: Above this, the oldest are deleted; None for no bound. In units of 10^9 bytes.

    Concurrency: ``place``, ``delete`` and ``prune`` from any threads.
    """

    def __init__(
        self, folder: Path, *, option: str, ending: str = "", days: float | None, max_gb: float | None
    ) -> None:
        self.partial = folder / _PARTIAL
        """Where sessions are that run."""
        self._folder = folder
        self._option = option
        self._ending = ending
        self._days = days
        self._max_bytes = None if max_gb is None else int(max_gb * _BYTES_PER_GB)
        self._lock: IO[bytes] | None = None
        self.naming = threading.RLock()
        """Held while names change."""

    def take(self) -> list[Path]:
        """Takes the folder for this process.

        Returns:
            What a killed process left in ``partial``.

        Raises:
            ConfigError: The folder cannot be written, or another process has it.
        """
        try:
            self.partial.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _locked(self._folder / _LOCK)
            return sorted(self.partial.iterdir())
        except OSError as error:
            raise self.unusable(error) from error

    def unusable(self, error: OSError) -> ConfigError:
        """What the program says when the folder cannot be used; gives it back."""
        self.let_go()
        return ConfigError(
            f"cannot record into {str(self._folder)!r}: {error.strerror or error}; choose another "
            f"{self._option} folder"
        )

    def let_go(self) -> None:
        """Gives the folder back; idempotent."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def new_part(self, user_id: str, session_id: str, taken: Container[str]) -> Path:
        """Where a session is to be while it runs; nothing is made.

        Args:
            user_id: Whose.
            session_id: Which.
            taken: Names that are not there yet but will be.
        """
        return _free(self.partial, f"{user_id}+{session_id}", self._ending, taken)

    def bare(self, name: str) -> str:
        """A name of ``new_part`` without its ending."""
        return name.removesuffix(self._ending)

    def place(self, part: Path) -> bool:
        """Moves a session out of ``partial``, to its name; False when that is not a session's."""
        user_id, plus, session_id = part.name.removesuffix(self._ending).partition("+")
        session_id = session_id.partition("+")[0]
        if not plus or not is_id(user_id) or not is_id(session_id):
            return False
        with self.naming:
            home = self._folder / user_id
            home.mkdir(exist_ok=True, mode=0o700)
            part.rename(_free(home, session_id, self._ending))
        return True

    def delete(self, user_id: str, session_id: str) -> bool:
        """Deletes all that is kept of a session; False when there is nothing.

        Ids of any other form than the gateway's own have nothing, whatever they point at.
        """
        if not is_id(user_id) or not is_id(session_id):
            return False
        with self.naming:
            kept = [path for path in self._kept() if path.parent.name == user_id]
            found = [
                path for path in kept if path.name.removesuffix(self._ending).partition("+")[0] == session_id
            ]
            for path in found:
                self._remove(path)
        return bool(found)

    def prune(self) -> None:
        """Deletes what is too old, then the oldest while there is too much."""
        if self._days is None and self._max_bytes is None:
            return
        with self.naming:
            self._prune(time.time())

    def _prune(self, now_s: float) -> None:
        aged = sorted((path.stat().st_mtime, path) for path in self._kept())
        left: list[tuple[Path, int]] = []
        for at_s, path in aged:
            if self._days is not None and now_s - at_s > self._days * _S_PER_DAY:
                self._remove(path)
            else:
                left.append((path, _size_bytes(path)))
        if self._max_bytes is None:
            return
        total_bytes = sum(size_bytes for _, size_bytes in left)
        for path, size_bytes in left:
            if total_bytes <= self._max_bytes:
                return
            self._remove(path)
            total_bytes -= size_bytes

    def _kept(self) -> Iterator[Path]:
        """The finished sessions. Links are not followed: nothing outside the folder is ours to delete."""
        for home in sorted(self._folder.iterdir()):
            if is_id(home.name) and home.is_dir() and not home.is_symlink():
                yield from (path for path in sorted(home.iterdir()) if self._is_session(path))

    def _is_session(self, path: Path) -> bool:
        if path.is_symlink():
            return False
        return path.name.endswith(self._ending) and path.is_file() if self._ending else path.is_dir()

    def _remove(self, path: Path) -> None:
        """First the name, then the files: a kill in between leaves nothing that looks like a session."""
        doomed = self.partial / f"+{time.time_ns()}"
        with contextlib.suppress(FileNotFoundError):
            path.rename(doomed)
        discard(doomed)
        with contextlib.suppress(OSError):
            path.parent.rmdir()


class SessionKeeper(ABC):
    """What keeps something of sessions on a `SessionShelf`, and lets threads of its own finish it.

    Resources: the shelf and the threads, acquired by ``open``, released by ``close``.

    Args:
        shelf: Where it is kept.
        closers: How many threads write, name and delete; the event loop does neither.
    """

    def __init__(self, shelf: SessionShelf, *, closers: int) -> None:
        self._shelf = shelf
        self._closer_count = closers
        self._closers: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Takes the folder, finishes what a killed process left, and deletes what is too old or too much.

        Raises:
            ConfigError: The folder cannot be written, or another process records there.
        """
        left = self._shelf.take()
        try:
            for part in left:
                self._finish(part)
            self.prune()
        except OSError as error:
            raise self._shelf.unusable(error) from error
        self._closers = ThreadPoolExecutor(self._closer_count, f"voicewire-{type(self).__name__.lower()}")

    def close(self) -> None:
        """Waits until all that has ended is whole; idempotent."""
        if self._closers is not None:
            self._closers.shutdown()
            self._closers = None
        self._shelf.let_go()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    @abstractmethod
    def running_names(self) -> Iterable[str]:
        """What runs, by the names of `SessionShelf.new_part`."""

    @abstractmethod
    def _finish(self, part: Path) -> None:
        """Gives what has ended, or what a killed process left, its final name; deletes what is nothing."""

    def is_running(self, user_id: str, session_id: str) -> bool:
        """Whether a session of these ids is being recorded."""
        names = (self._shelf.bare(name) for name in self.running_names)
        return any(name.split("+")[:2] == [user_id, session_id] for name in names)

    def delete(self, user_id: str, session_id: str) -> bool:
        """Deletes all that is kept of a session; False when there is nothing. Blocks on the disk.

        Ids of any other form than the gateway's own have nothing, whatever they point at.
        """
        return self._shelf.delete(user_id, session_id)

    def prune(self) -> None:
        """Deletes what is too old, then the oldest while there is too much. Blocks on the disk."""
        self._shelf.prune()


def is_id(name: str) -> bool:
    """Whether this may be the id of a user or a session."""
    return _ID.fullmatch(name) is not None


def discard(path: Path) -> None:
    """Deletes a file or a folder, as far as the disk lets it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def cut_last_line(path: Path) -> None:
    """Cuts a line without its end, which was being written when the process was killed."""
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)


def _size_bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.iterdir() if file.is_file())


def _free(home: Path, name: str, ending: str, taken: Container[str] = ()) -> Path:
    """A name that is not taken: the plain one first."""
    names = (f"{name}{'' if number == 1 else f'+{number}'}{ending}" for number in count(1))
    return next(home / free for free in names if free not in taken and not (home / free).exists())


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
