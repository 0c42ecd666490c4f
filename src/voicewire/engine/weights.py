"""Weight files: which ones, where they lie, whether they are whole.

Weights are data, not dependencies. Each set is pinned to one wheel in the Python package index by the
wheel's sha256 and to its files by theirs; nothing in such a wheel is ever imported. ``voicewire setup``
fetches them (``fetch``), the stages find them (``locate``), ``voicewire setup --check`` reads every byte
again (``check``).

``locate`` looks in this order and takes the first that is there:

1. the path given as an argument,
2. the environment: ``VOICEWIRE_<NAME>_PATH``, such as ``VOICEWIRE_SMOLLM2_PATH=/models/other.gguf``,
3. the cache: ``$VOICEWIRE_HOME``, else ``voicewire`` in the user's cache folder,
4. the data package itself, when it happens to be installed,
5. else ``ModelLoadError``, which prints the command that repairs it.

Reading 100 MB to hash them at every start is too slow, so a set that was verified leaves a stamp (size
and modification time of each file). A start compares the stamp; only when it does not fit are the files
hashed again. Files that the user names (1 and 2) are the user's own and are not hashed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

from voicewire.engine.catalogue import (
    CATALOGUE,
    SILERO_VAD,
    SMART_TURN,
    SMOLLM2,
    WHISPER,
    DataWheel,
    WeightFile,
    WeightSet,
)
from voicewire.environment import default_home, variable
from voicewire.errors import ConfigError, ModelLoadError

__all__ = [
    "CATALOGUE",
    "SILERO_VAD",
    "SMART_TURN",
    "SMOLLM2",
    "WHISPER",
    "CheckResult",
    "DataWheel",
    "FetchProgress",
    "FetchStage",
    "FileState",
    "PlanItem",
    "SetupPlan",
    "WeightFile",
    "WeightSet",
    "WeightStore",
    "check",
    "default_home",
    "fetch",
    "locate",
    "plan",
    "sha256_of",
]

SETUP_COMMAND: Final = "voicewire setup"

_STAMP_NAME: Final = ".verified.json"
_HASH_BLOCK_BYTES: Final = 1 << 20


class FileState(Enum):
    """How a weight file was found."""

    WHOLE = "whole"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One file, as ``check`` found it."""

    set_name: str
    path: Path
    state: FileState
    detail: str = ""
    """What is wrong; empty when whole."""


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One set, as a setup would find it."""

    weights: WeightSet
    folder: Path
    state: FileState


@dataclass(frozen=True, slots=True)
class SetupPlan:
    """What a setup would do, sizes first."""

    home: Path
    items: tuple[PlanItem, ...]

    @property
    def missing(self) -> tuple[PlanItem, ...]:
        """The sets to fetch, the damaged ones among them."""
        return tuple(item for item in self.items if item.state is not FileState.WHOLE)

    @property
    def wheels(self) -> tuple[DataWheel, ...]:
        """The wheels to download, each once."""
        return tuple(dict.fromkeys(item.weights.wheel for item in self.missing))

    @property
    def download_bytes(self) -> int:
        """Bytes to download."""
        return sum(wheel.size_bytes for wheel in self.wheels)

    @property
    def disk_bytes(self) -> int:
        """Disk space that the unpacked files will take."""
        return sum(item.weights.size_bytes for item in self.missing)


class FetchStage(Enum):
    """What a fetch is busy with."""

    WAITING = "waiting"
    """Another setup is at work on the same cache."""
    DOWNLOADING = "downloading"
    UNPACKING = "unpacking"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchProgress:
    """How far a fetch has come; ``done_bytes`` never falls."""

    stage: FetchStage
    label: str
    """The wheel or file at hand."""
    done_bytes: int
    """Bytes downloaded and unpacked so far, of all sets together."""
    total_bytes: int


ProgressCallback = Callable[[FetchProgress], None]


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class WeightStore:
    """The weight files of one cache folder.

    Args:
        home: The cache folder; None for ``default_home``.
        catalogue: The sets it knows.
        environ: Environment to read; None for the process's own, read at each call.

    Concurrency: safe from several threads and processes; ``fetch`` takes a lock on the folder.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        catalogue: Sequence[WeightSet] = CATALOGUE,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._environ = environ
        self._home = home
        self._catalogue = {weights.name: weights for weights in catalogue}

    @property
    def home(self) -> Path:
        """The cache folder."""
        return self._home or default_home(self._environ)

    def named(self, name: str) -> WeightSet:
        """The set called ``name``.

        Raises:
            ConfigError: There is none.
        """
        try:
            return self._catalogue[name]
        except KeyError:
            known = ", ".join(self._catalogue)
            raise ConfigError(f"no weights are called {name!r}; known are: {known}") from None

    def folder(self, weights: WeightSet) -> Path:
        """Where the files of a set lie in the cache."""
        return self.home / "weights" / f"{weights.name}-{weights.wheel.version}"

    def locate(self, name: str, path: str | os.PathLike[str] | None = None) -> Path:
        """Where the weights called ``name`` are: the file, or the folder for a set that is one.

        Raises:
            ConfigError: No weights have that name.
            ModelLoadError: They are nowhere, or damaged.
        """
        weights = self.named(name)
        if path is not None:
            return _own_path(weights, Path(path), "the given path")
        if value := variable(weights.environment_name, self._environ):
            return _own_path(weights, Path(value).expanduser(), weights.environment_name)
        folder = self.folder(weights)
        results = self._quick_check(weights)
        if all(result.state is FileState.WHOLE for result in results):
            return folder if weights.is_folder else folder / weights.files[0].name
        damaged = [result for result in results if result.state is FileState.DAMAGED]
        if not damaged and (installed := _installed_path(weights)) is not None:
            return installed
        what = damaged[0].detail if damaged else f"not found in {str(folder)!r}"
        raise ModelLoadError(
            f"the weights {name!r} ({weights.purpose}) are {'damaged' if damaged else 'missing'}: {what}. "
            f"Run `{SETUP_COMMAND}` to fetch them, or name your own with {weights.environment_name}"
        )

    def plan(self, names: Iterable[str] | None = None) -> SetupPlan:
        """What is there, what is missing and what it costs to fetch. Reads stamps, not whole files.

        Raises:
            ConfigError: A name is unknown.
        """
        items: list[PlanItem] = []
        for weights in self.select(names):
            states = {result.state for result in self._quick_check(weights)}
            if FileState.DAMAGED in states:
                state = FileState.DAMAGED
            else:
                state = FileState.MISSING if FileState.MISSING in states else FileState.WHOLE
            items.append(PlanItem(weights, self.folder(weights), state))
        return SetupPlan(self.home, tuple(items))

    def check(self, names: Iterable[str] | None = None) -> list[CheckResult]:
        """Read every byte of the cached files and compare the hashes; renews the stamps of whole sets.

        Raises:
            ConfigError: A name is unknown.
        """
        results: list[CheckResult] = []
        for weights in self.select(names):
            found = [_check_file(weights, self.folder(weights) / file.name, file) for file in weights.files]
            if all(result.state is FileState.WHOLE for result in found):
                self.write_stamp(weights)
            results += found
        return results

    def fetch(
        self,
        names: Iterable[str] | None = None,
        *,
        progress: ProgressCallback | None = None,
        pip_arguments: Sequence[str] = (),
    ) -> SetupPlan:
        """Download and unpack what is missing or damaged; blocks for as long as the network needs.

        Args:
            names: The sets to fetch; None for all.
            progress: Called in this thread with every step; an exception from it ends the fetch.
            pip_arguments: More arguments for ``pip download``, such as an index of one's own.

        Returns:
            The plan that was carried out; empty ``missing`` when nothing was to do.

        Raises:
            ConfigError: No pip, no network, no disk space, no right to write, or an unknown name.
            ModelLoadError: What arrived is not what was pinned.

        Cancellation: an interrupt ends the download at once; wheels that were complete are kept.
        """
        from voicewire.engine.fetching import carry_out

        return carry_out(self, tuple(names) if names is not None else None, progress, tuple(pip_arguments))

    def select(self, names: Iterable[str] | None) -> list[WeightSet]:
        """The sets called ``names``, all of them for None, in the catalogue's order."""
        if names is None:
            return list(self._catalogue.values())
        wanted = {self.named(name).name for name in names}
        return [weights for weights in self._catalogue.values() if weights.name in wanted]

    def write_stamp(self, weights: WeightSet) -> None:
        """Note that every file of the set was just hashed and found whole; needs no right to write."""
        folder = self.folder(weights)
        try:
            stamp = {file.name: _stamp_of(folder / file.name, file.sha256) for file in weights.files}
            part = folder / f"{_STAMP_NAME}.{os.getpid()}.part"
            part.write_bytes(msgspec.json.encode(stamp))
            os.replace(part, folder / _STAMP_NAME)
        except OSError:
            # A read-only cache (an image shared by containers) stays usable: it is hashed at each start.
            return

    def _quick_check(self, weights: WeightSet) -> list[CheckResult]:
        folder = self.folder(weights)
        stamp = _read_stamp(folder / _STAMP_NAME)
        results: list[CheckResult] = []
        renew = False
        for file in weights.files:
            path = folder / file.name
            if stamp.get(file.name) == _stamp_of_or_none(path, file.sha256) is not None:
                results.append(CheckResult(weights.name, path, FileState.WHOLE))
                continue
            renew = True
            results.append(_check_file(weights, path, file))
        if renew and all(result.state is FileState.WHOLE for result in results):
            self.write_stamp(weights)
        return results


def locate(name: str, path: str | os.PathLike[str] | None = None) -> Path:
    """``WeightStore().locate``: where weights are on this machine."""
    return WeightStore().locate(name, path)


def plan(names: Iterable[str] | None = None) -> SetupPlan:
    """``WeightStore().plan``: what a setup would do."""
    return WeightStore().plan(names)


def check(names: Iterable[str] | None = None) -> list[CheckResult]:
    """``WeightStore().check``: hash every file."""
    return WeightStore().check(names)


def fetch(names: Iterable[str] | None = None, *, progress: ProgressCallback | None = None) -> SetupPlan:
    """``WeightStore().fetch``: download what is missing."""
    return WeightStore().fetch(names, progress=progress)


_Stamp = tuple[str, int, int]


def _stamp_of(path: Path, sha256: str) -> _Stamp:
    status = path.stat()
    return sha256, status.st_size, status.st_mtime_ns


def _stamp_of_or_none(path: Path, sha256: str) -> _Stamp | None:
    try:
        return _stamp_of(path, sha256)
    except OSError:
        return None


def _read_stamp(path: Path) -> dict[str, _Stamp]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Stamp])
    except (OSError, msgspec.MsgspecError):
        return {}


def _check_file(weights: WeightSet, path: Path, file: WeightFile) -> CheckResult:
    """Compare one file with its pin: the size first, then the hash."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes != file.size_bytes:
            detail = f"{str(path)!r} has {size_bytes} bytes instead of {file.size_bytes}"
            return CheckResult(weights.name, path, FileState.DAMAGED, detail)
        if sha256_of(path) != file.sha256:
            return CheckResult(weights.name, path, FileState.DAMAGED, f"{str(path)!r} has the wrong sha256")
    except FileNotFoundError:
        return CheckResult(weights.name, path, FileState.MISSING, f"{str(path)!r} is not there")
    except OSError as error:
        return CheckResult(weights.name, path, FileState.DAMAGED, f"{str(path)!r} cannot be read: {error}")
    return CheckResult(weights.name, path, FileState.WHOLE)


def _own_path(weights: WeightSet, path: Path, source: str) -> Path:
    """A path that the user named: it must exist and be of the right kind; its bytes are the user's affair."""
    where = f"{source} for {weights.name!r} is {str(path)!r}"
    if weights.is_folder:
        if path.is_dir():
            return path
        raise ModelLoadError(f"{where}, which is not a folder; correct it or remove it")
    if not path.is_file():
        raise ModelLoadError(f"{where}, which is not a file; correct it or remove it")
    if path.stat().st_size == 0:
        raise ModelLoadError(f"{where}, which is empty; copy the file again")
    return path


def _installed_path(weights: WeightSet) -> Path | None:
    """The set inside its data package, when that is installed and every pinned byte is right."""
    try:
        distribution = importlib.metadata.distribution(weights.wheel.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(str(distribution.locate_file(file.member))) for file in weights.files]
    found = (_check_file(weights, path, file) for path, file in zip(paths, weights.files, strict=True))
    if any(result.state is not FileState.WHOLE for result in found):
        return None
    return paths[0].parent if weights.is_folder else paths[0]
