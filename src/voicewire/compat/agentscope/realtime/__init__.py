"""``agentscope.realtime`` (seed 002). Models load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from voicewire.events import (
    ClientEvents,
    ClientEventType,
    EventBase,
    ModelEvents,
    ModelEventType,
    ServerEvents,
    ServerEventType,
)

if TYPE_CHECKING:
    from voicewire.compat.agentscope.realtime._dashscope_realtime_model import DashScopeRealtimeModel
    from voicewire.compat.agentscope.realtime._gemini_realtime_model import GeminiRealtimeModel
    from voicewire.compat.agentscope.realtime._openai_realtime_model import OpenAIRealtimeModel
    from voicewire.models import RealtimeModelBase

_HOME = {
    "DashScopeRealtimeModel": f"{__name__}._dashscope_realtime_model",
    "GeminiRealtimeModel": f"{__name__}._gemini_realtime_model",
    "OpenAIRealtimeModel": f"{__name__}._openai_realtime_model",
    "RealtimeModelBase": "voicewire.models",
}

__all__ = [
    "ClientEventType",
    "ClientEvents",
    "DashScopeRealtimeModel",
    "EventBase",
    "GeminiRealtimeModel",
    "ModelEventType",
    "ModelEvents",
    "OpenAIRealtimeModel",
    "RealtimeModelBase",
    "ServerEventType",
    "ServerEvents",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
