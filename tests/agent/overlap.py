"""How long two were heard at once, measured from the energy in the tracks of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.files import read_audio
from voicewire.audio.pcm import pcm16_to_int16

STEP_MS = 10
LOUD_DBFS = -45.0
"""From here a piece of 10 ms is heard; the room's own detector has the same limit."""
PAUSE_MS = 200
"""Quiet that is shorter belongs to the speech around it, so that gaps between words hide no overlap."""


def tracks_in(folder: Path) -> dict[str, NDArray[np.int16]]:
    """The tracks of a room's recording by name."""
    return {path.stem: pcm16_to_int16(read_audio(path).data) for path in sorted(folder.glob("*.wav"))}


def longest_overlap_ms(tracks: Mapping[str, NDArray[np.int16]], rate_hz: int) -> int:
    """The longest stretch in which two or more tracks are heard, in milliseconds."""
    longest = run = 0
    for speakers in np.sum([heard(track, rate_hz) for track in tracks.values()], axis=0):
        run = run + 1 if speakers > 1 else 0
        longest = max(longest, run)
    return longest * STEP_MS


def heard(track: NDArray[np.int16], rate_hz: int) -> NDArray[np.bool_]:
    """For each 10 ms, whether somebody speaks: loud, or in a short pause between loud pieces."""
    step = rate_hz * STEP_MS // 1000
    pieces = np.reshape(track[: len(track) // step * step], (-1, step)).astype(np.float64)
    limit = 32768 * 10 ** (LOUD_DBFS / 20)
    loud: NDArray[np.bool_] = np.sqrt(np.mean(np.square(pieces), axis=1)) >= limit
    places = np.flatnonzero(loud)
    for begin, end in zip(places[:-1], places[1:], strict=True):
        if (end - begin) * STEP_MS <= PAUSE_MS:
            loud[begin:end] = True
    return loud
