"""The callbacks of the seeds: pydantic models, every field optional, a function or a coroutine function.

Documented order of a session, for every client::

    on_open | on_started -> on_event, on_data, ... -> on_complete | on_stopped          (a normal end)
                                                   -> on_error -> on_canceled (Azure)  (a failure)
                                                   -> on_close                         (always, once, last)

After ``close()`` nothing is called any more but ``on_close``. A callback that raises is logged; the session goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

Callback = Callable[..., Any] | None
"""Called in the session's event loop; ``Any`` because users' functions return what they like."""


class RealtimeCallbacks(BaseModel):
    """What every client calls."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    on_error: Callback = None
    """``(message: str)``: the session failed."""
    on_close: Callback = None
    """``()``: the session is over, however it ended."""
    on_state: Callback = None
    """``(state: RealtimeState)``: a transition."""


class AsrCallbacks(RealtimeCallbacks):
    """What recognition clients call."""

    on_open: Callback = None
    """``()``: the other side has taken the session."""
    on_event: Callback = None
    """``(is_final: bool, text: str)``."""
    on_complete: Callback = None
    """``()``: everything that was sent is recognised."""
    on_result: Callback = None
    """``(event: RecognitionEvent)``: the same as ``on_event`` with times, words and confidence."""
    on_overflow: Callback = None
    """``(dropped_bytes: int)``: the buffer was full and its oldest audio is lost."""
    on_reconnect: Callback = None
    """``(event: Reconnected)``."""


class TtsCallbacks(RealtimeCallbacks):
    """What synthesis clients call."""

    on_open: Callback = None
    on_data: Callback = None
    """``(data: bytes, chat_id: str | None, index: int)``."""
    on_complete: Callback = None
    """``(chat_id: str | None)``."""
    on_event: Callback = None
    """``(message: str)``: an event of the service as JSON (ModelStudio)."""
    on_word_boundary: Callback = None
    """``(word: WordBoundary)``."""
    on_viseme_received: Callback = None
    """``(viseme: Viseme)``."""


class ModelstudioAsrCallbacks(AsrCallbacks):
    """Callbacks of `ModelstudioAsrClient`."""


class ModelstudioTtsCallbacks(TtsCallbacks):
    """Callbacks of `ModelstudioTtsClient`."""


class AzureAsrCallbacks(AsrCallbacks):
    """Callbacks of `AzureAsrClient`."""

    on_started: Callback = None
    """``()``: the session has begun."""
    on_stopped: Callback = None
    """``()``: the session ended normally."""
    on_canceled: Callback = None
    """``()``: the session failed; ``on_error`` had the reason."""


class AzureTtsCallbacks(TtsCallbacks):
    """Callbacks of `AzureTtsClient`."""

    on_started: Callback = None
    on_canceled: Callback = None
    on_synthesizing: Callback = None
    """``(audio: SynthesizedAudio)``."""


LocalAsrCallbacks = AsrCallbacks
LocalTtsCallbacks = TtsCallbacks
