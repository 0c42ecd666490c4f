"""What is done of a file's transcript, on disk: so that a run that was stopped can go on where it was.

One JSON line for each step, written at once; a line that was cut off by a crash is left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import msgspec

from voicewire.speech.results import Segment


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    settled_ms: int
    segments: list[Segment] = []


class Journal:
    """The journal of one file and one set of options.

    Args:
        folder: Where journals are kept.
        source: The sound file; another size or date makes another journal.
        options: Whatever changes the result.
    """

    def __init__(self, folder: Path, source: Path, options: str) -> None:
        facts = source.stat()
        identity = f"{source.resolve()}\n{facts.st_size}\n{facts.st_mtime_ns}\n{options}"
        self.path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.jsonl"

    def read(self) -> tuple[int, list[Segment]]:
        """How far an earlier run got, in ms, and its segments; 0 and none when there was none."""
        settled_ms, segments = 0, list[Segment]()
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return 0, []
        for line in lines:
            try:
                step = msgspec.json.decode(line, type=_Line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                break
            settled_ms = step.settled_ms
            segments += step.segments
        return settled_ms, segments

    def add(self, settled_ms: int, segments: tuple[Segment, ...]) -> None:
        """Notes a step. A disk that refuses costs the resuming, not the transcript."""
        line = msgspec.json.encode(_Line(settled_ms=settled_ms, segments=list(segments)))
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(line + b"\n")

    def restart(self, settled_ms: int, segments: list[Segment]) -> None:
        """Writes what is known anew, so that a line that was cut off does not stand before the next ones."""
        self.forget()
        if settled_ms:
            self.add(settled_ms, tuple(segments))

    def forget(self) -> None:
        """The transcript is whole, or is to be made from the beginning."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def options_key(**options: object) -> str:
    """Options as one line, for a journal's identity."""
    return json.dumps({name: str(value) for name, value in sorted(options.items())})


def default_folder() -> Path:
    """Where journals are kept unless told otherwise."""
    from voicewire.environment import default_home

    return default_home() / "transcripts"
