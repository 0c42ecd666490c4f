"""Bends an input: bytes, frames and JSON values are changed, moved, doubled and taken away."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, cast

from fuzz.targets import BINARY, FRAME_END

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**70), 0.5, -1e308, 1e308, "", "x", "\u00b2", "\x00", "AQI",
    "not base64!", "commit", "in_progress", "completed", "r1", "r2", "i1", "i2", "u1", [], [1], {}, {"type": "x"},
    [[[]]], {"id": None}, "9" * 30, "\U0001f600", "a" * 300,
)  # fmt: skip


def mutated(data: bytes, random: Random, changes: int) -> bytes:
    """The input with so many changes."""
    frames = data.split(FRAME_END)
    for _ in range(changes):
        random.choice(_CHANGES)(frames, random)
        frames = frames or [b""]
    return FRAME_END.join(frames)


def _drop(frames: list[bytes], random: Random) -> None:
    del frames[random.randrange(len(frames))]


def _double(frames: list[bytes], random: Random) -> None:
    frames.insert(random.randrange(len(frames) + 1), random.choice(frames))


def _swap(frames: list[bytes], random: Random) -> None:
    one, other = random.randrange(len(frames)), random.randrange(len(frames))
    frames[one], frames[other] = frames[other], frames[one]


def _cut(frames: list[bytes], random: Random) -> None:
    at = random.randrange(len(frames))
    frames[at] = frames[at][: random.randrange(len(frames[at]) + 1)]


def _flip(frames: list[bytes], random: Random) -> None:
    at = random.randrange(len(frames))
    frame = bytearray(frames[at] or b" ")
    frame[random.randrange(len(frame))] = random.randrange(255)  # not 255: that would end the frame
    frames[at] = bytes(frame)


def _recast(frames: list[bytes], random: Random) -> None:
    at = random.randrange(len(frames))
    frame = frames[at]
    frames[at] = frame[1:] if frame.startswith(BINARY) else BINARY + frame


def _revalue(frames: list[bytes], random: Random) -> None:
    """Another value, or none, at some place of a frame's JSON."""
    at = random.randrange(len(frames))
    head, brace, body = frames[at].partition(b"{")
    try:
        data = json.loads(brace + body)
    except ValueError:
        return
    places: list[tuple[Any, Any]] = []
    _collect(data, places)
    if not places:
        return
    holder, key = random.choice(places)
    if isinstance(holder, dict) and random.randrange(5) == 0:
        del holder[key]
    else:
        holder[key] = random.choice(_VALUES)
    frames[at] = head + json.dumps(data).encode()


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    keys: list[Any] = []
    if isinstance(value, dict):
        keys += cast("dict[str, Any]", value)
    elif isinstance(value, list):
        keys += range(len(value))  # pyright: ignore[reportUnknownArgumentType]  # of anything
    holder = cast("Any", value)
    for key in keys:
        places.append((holder, key))
        _collect(holder[key], places)


_CHANGES: tuple[Callable[[list[bytes], Random], None], ...] = (
    _drop, _double, _swap, _swap, _cut, _flip, _recast, _revalue, _revalue, _revalue, _revalue, _revalue,
)  # fmt: skip
