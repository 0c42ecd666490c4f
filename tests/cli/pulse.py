"""A sound server of its own for a test: a speaker without hardware, and a microphone that hears only that speaker."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any

from typing_extensions import Self

PROGRAMS = ("pulseaudio", "pactl", "paplay", "parec")
LIBRARIES = ("libportaudio.so.2", "alsa-lib/libasound_module_pcm_pulse.so")
WAYS = ("lib*", "lib*/*", "local/lib*")
WAIT_S = 40.0
"""No wait for anything is longer; a bound, not an expectation."""
LOOK_S = 0.05
ROOM_HZ = 16_000


def missing() -> str:
    """Why there can be no such server here; empty when there can."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    lacking += [name for name in ("sounddevice",) if importlib.util.find_spec(name) is None]
    lacking += [
        name for name in LIBRARIES if not any(next(Path("/usr").glob(f"{way}/{name}"), None) for way in WAYS)
    ]
    return f"{', '.join(lacking)} not installed; run `make sound`" if lacking else ""


def wait_until(what: Callable[[], Any], why: str) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + WAIT_S
    never = Event()
    while not what():
        assert time.monotonic() < deadline, f"it never came to this: {why}"
        never.wait(LOOK_S)


@dataclass(frozen=True, slots=True)
class Room:
    """A running sound server."""

    environment: dict[str, str]
    """What a program needs to find it."""

    def control(self, *arguments: str) -> str:
        """Runs ``pactl``."""
        return self._run("pactl", *arguments).stdout

    def say(self, path: Path) -> None:
        """Plays a WAV file into the room, to its end."""
        self._run("paplay", "--device=spk", "--latency-msec=60", str(path))

    def soften_programs(self, share: str) -> None:
        """Turns down everything that plays now, as a loudspeaker does that stands away from the microphone."""
        for line in self.control("list", "short", "sink-inputs").splitlines():
            self.control("set-sink-input-volume", line.split()[0], share)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True, timeout=WAIT_S
        )


@contextmanager
def room(folder: Path) -> Generator[Room, None, None]:
    """Starts a server with a speaker ``spk``, whose sound is all that the microphone ``mic`` hears.

    Args:
        folder: For its socket and state; of this test alone.
    """
    socket = folder / "pulse.sock"
    environment = {
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_RUNTIME_PATH": str(folder),
        "PULSE_STATE_PATH": str(folder),
        "PULSE_SERVER": f"unix:{socket}",
    }
    command = [
        "pulseaudio",
        "-n",
        "--daemonize=no",
        "--exit-idle-time=-1",
        "--use-pid-file=no",
        "--log-level=error",
    ]
    for module in (
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        "module-null-sink sink_name=spk rate=48000 channels=1 norewinds=1",
        "module-remap-source source_name=mic master=spk.monitor remix=no",
    ):
        command += ["-L", module]
    server = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        made = Room(environment)
        wait_until(lambda: socket.exists() or server.poll() is not None, "the sound server listens")
        assert server.poll() is None, f"pulseaudio ended with {server.returncode}"
        made.control("set-default-sink", "spk")
        made.control("set-default-source", "mic")
        yield made
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class Listener:
    """Somebody else in the room, who keeps what sounds: 16-bit mono at ``ROOM_HZ``."""

    def __init__(self, place: Room, path: Path) -> None:
        self._place = place
        self._path = path

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        self._process = subprocess.Popen(
            [
                "parec",
                "-d",
                "spk.monitor",
                f"--rate={ROOM_HZ}",
                "--channels=1",
                "--format=s16le",
                "--latency-msec=50",
            ],
            env={**os.environ, **self._place.environment},
            stdout=self._file,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._file.close()

    def heard(self) -> bytes:
        """Everything so far, in whole samples."""
        data = self._path.read_bytes()
        return data[: len(data) - len(data) % 2]
