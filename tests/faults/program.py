"""The program as its user has it: a process of its own, watched from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.faults.leaks import SECRET
from voicewire.audio.files import write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.pcm import tone

WAIT_S = 30.0
"""No wait in this suite is longer; a bound, not an expectation."""
_LOOK_S = 0.002


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    output: str
    errors: str

    def error_line(self) -> str:
        """The one line that it wrote to standard error."""
        lines = self.errors.strip().splitlines()
        assert len(lines) == 1, self.errors
        return lines[0]


def _hears_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """A running ``voicewire``; made by `started`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait_until(self, what: Callable[[], bool], why: str) -> None:
        """Waits until something is so, while the program runs."""
        deadline = time.monotonic() + WAIT_S
        never = threading.Event()
        while not what():
            if self._process.poll() is not None:
                raise AssertionError(f"the program ended before {why}: {self.end()}")
            assert time.monotonic() < deadline, f"the program never reached: {why}"
            never.wait(_LOOK_S)

    def wait_for_line(self, beginning: str) -> str:
        """Reads its output up to a line that begins so (for programs that print little)."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(beginning):
                return line
        raise AssertionError(f"the program ended without {beginning!r}: {self.end()}")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self._process.send_signal(number)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def end(self) -> Ended:
        """Waits for its end. It may have shown no traceback, and never the key."""
        output, errors = self._process.communicate(timeout=WAIT_S)
        ended = Ended(self._process.returncode, output, errors)
        assert "Traceback" not in output + errors, errors
        assert SECRET not in output + errors
        return ended


@contextmanager
def started(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    file_limit_bytes: int | None = None,
) -> Generator[Program, None, None]:
    """Runs ``voicewire ARGUMENTS``; it is killed if it still runs at the end.

    Args:
        arguments: Of the command line.
        environment: Added to this process's own.
        folder: Working folder.
        file_limit_bytes: No file may grow beyond this: how a full disk feels to the writer.
    """
    command = [sys.executable, "-m", "voicewire.cli", *map(str, arguments)]
    if file_limit_bytes is not None:
        limited = (
            "import resource, runpy, sys; "
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({file_limit_bytes}, {file_limit_bytes})); "
            "sys.argv[0] = 'voicewire'; runpy.run_module('voicewire.cli', run_name='__main__')"
        )
        command = [sys.executable, "-c", limited, *map(str, arguments)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
        # A test run in the background of a shell ignores SIGINT, and its children would inherit that.
        preexec_fn=_hears_interrupts,
    )
    try:
        yield Program(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ran(*arguments: str | Path, **options: Any) -> Ended:
    """Runs ``voicewire ARGUMENTS`` to its end."""
    with started(*arguments, **options) as program:
        return program.end()


def speech_file(folder: Path, seconds: float = 1.0) -> Path:
    """A WAV that the ``echo`` model takes for speech."""
    path = folder / "speech.wav"
    write_audio(path, AudioFrame(AudioFormat(16_000), tone(300, int(16_000 * seconds), 16_000)))
    return path


def events_in(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of ``events.jsonl``."""
    path = folder / "events.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def has_event(folder: Path, kind: str) -> bool:
    """Whether an event or mark of this type was written."""
    return any(event["type"] == kind for event in events_in(folder))


@dataclass(frozen=True, slots=True)
class Recording:
    """What a conversation left behind, found whole."""

    duration_ms: float
    events: list[dict[str, Any]]

    def types(self) -> list[str]:
        """The types of the events, in order."""
        return [event["type"] for event in self.events]


def whole_recording(folder: Path) -> Recording:
    """Checks every file of ``--output`` and that there is no other."""
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["conversation.wav", "events.jsonl", "timeline.html", "timeline.png"]
    path = folder / "conversation.wav"
    data = path.read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8, "the RIFF length is not the file's"
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 24_000)
        assert file.getnframes() * 4 == len(data) - 44, "the data length is not what follows it"
        duration_ms = file.getnframes() / 24
    lines = (folder / "events.jsonl").read_bytes()
    assert not lines or lines.endswith(b"\n"), "the last line of events.jsonl is cut"
    events = [json.loads(line) for line in lines.splitlines()]
    assert all("type" in event and "t_ms" in event for event in events)
    page = (folder / "timeline.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>\n")
    ElementTree.fromstring(page[page.index("<svg") : page.rindex("</svg>") + len("</svg>")])
    picture = (folder / "timeline.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n") and picture.endswith(b"IEND\xaeB`\x82")
    return Recording(duration_ms, events)
