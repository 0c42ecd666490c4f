"""What a conversation leaves behind: a stereo recording, a log of events, a timeline and its picture.

``timeline``, ``marks``, ``waterfall``, ``scene`` and ``svg`` are pure; ``recorder``, ``log``, ``html`` and
``png`` write files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.recording.recorder import SessionRecorder

__all__ = ["SessionRecorder"]


def __getattr__(name: str) -> object:
    """Loads the recorder, and the audio libraries with it, on first use."""
    if name != "SessionRecorder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("voicewire.recording.recorder"), name)
