"""Word errors of the embedded recogniser on files: our own speech set, and real recordings of Debian's.

The recordings come from the package ``pocketsphinx-testdata`` (BSD): five sentences of an audio book and six spoken
commands. It is used where it is installed; else it is downloaded with apt and unpacked for this run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voicewire.recording.wording import word_errors

ROOT = Path(__file__).resolve().parent.parent
OWN = ROOT / "tests" / "data" / "speech"
PACKAGE = "pocketsphinx-testdata"
INSTALLED = Path("/usr/share/pocketsphinx/test/data")
GO_FORWARD = "go forward ten meters"
_LINE = re.compile(r"<s>(?P<text>.*)</s> \((?P<name>.+)\)")


def own_set() -> list[tuple[Path, str]]:
    """The recordings that are part of this project, with their words; the hesitant ones end in what was meant."""
    listed = json.loads((OWN / "sentences.json").read_text(encoding="utf-8"))["sentences"]
    return [(OWN / entry["file"], entry["text"]) for entry in listed if "parts" not in entry]


def debian_sets(data: Path) -> Iterator[tuple[str, list[tuple[Path, str]]]]:
    """The real recordings: name of the set, and its files with their words."""
    yield "librivox", _listed(data / "librivox" / "transcription")
    commands = _listed(data / "cards" / "cards.transcription")
    yield "commands", [*commands, (data / "goforward.raw", GO_FORWARD)]


def _listed(page: Path) -> list[tuple[Path, str]]:
    lines = (_LINE.match(line) for line in page.read_text(encoding="utf-8").splitlines())
    return [(page.parent / f"{line['name']}.wav", line["text"]) for line in lines if line is not None]


def unpacked(folder: Path) -> Path | None:
    """Where the package's data lies; None when apt cannot fetch it."""
    if INSTALLED.is_dir():
        return INSTALLED
    try:
        subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=folder, check=True, capture_output=True)
        archive = next(folder.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError, StopIteration):
        return None
    return folder / INSTALLED.relative_to("/")


def word_error_row(name: str, clips: list[tuple[Path, str]]) -> dict[str, Any]:
    """The row of one set; each file is recognised as ``voicewire transcribe`` does it."""
    import anyio

    from voicewire.speech import create_asr

    async def heard(path: Path) -> str:
        return (await create_asr("local").recognize_file(path)).text

    wrong = words = 0
    for path, text in clips:
        errors, count = word_errors(text, _spelled(anyio.run(heard, path)))
        wrong += errors
        words += count
    return {"set": name, "wer_percent": round(100 * wrong / words, 1), "wrong": wrong, "words": words}


def _spelled(text: str) -> str:
    """Abbreviations as the transcripts have them."""
    return re.sub(r"\bMr\b\.?", "mister", text)


def word_error_rows() -> list[dict[str, Any]]:
    """All sets that are at hand."""
    rows = [word_error_row("own", own_set())]
    with tempfile.TemporaryDirectory() as folder:
        data = unpacked(Path(folder))
        if data is None:
            print(f"left out: apt cannot fetch {PACKAGE}", file=sys.stderr)
        else:
            rows += [word_error_row(name, clips) for name, clips in debian_sets(data)]
    return rows
