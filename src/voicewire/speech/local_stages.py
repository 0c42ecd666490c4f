"""The parts of the embedded engine that speech clients use, each loaded when it is first needed.

A process that also runs the whole engine has its models already; they are shared.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar, cast

from voicewire.engine.runtime import EngineRuntime, Stage, load_stage
from voicewire.engine.stages import Recognizer, Synthesizer, Vad

T = TypeVar("T")
_THREADS: Final = 2
"""One session's words do not wait for another one's voice."""

_lock = threading.Lock()
_loaded: dict[tuple[Stage, str], object] = {}
_pool: ThreadPoolExecutor | None = None


async def run(work: Callable[..., T], *args: Any) -> T:
    """Runs a model step in one of the two speech threads (ADR 0022).

    Cancellation: work that has not begun is taken back; work that has begun ends by itself and its result is dropped.
    """
    return await asyncio.wrap_future(_threads().submit(work, *args))


def vad(name: str = "") -> Vad:
    """The voice activity detector."""
    return cast("Vad", _stage("vad", name))


def recognizer(name: str = "") -> Recognizer:
    """The recogniser."""
    return cast("Recognizer", _stage("recognizer", name))


def synthesizer(name: str = "") -> Synthesizer:
    """The synthesizer."""
    return cast("Synthesizer", _stage("synthesizer", name))


def _stage(stage: Stage, name: str) -> object:
    """One stage, loaded once (blocks).

    Raises:
        ConfigError: No such stage, or its package is missing.
        ModelLoadError: Its files are missing or damaged.
    """
    with _lock:
        found = _loaded.get((stage, name)) or EngineRuntime.loaded_stage(stage, name)
        if found is None:
            found = load_stage(stage, name)()
        _loaded[(stage, name)] = found
        return found


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="voicewire-speech-engine")
        return _pool
