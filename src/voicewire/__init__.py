"""Voicewire: realtime voice conversations over any provider, and over none.

Public names load on first use (PEP 562), so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from voicewire._version import __version__

if TYPE_CHECKING:
    from voicewire.agent import ChatRoom, RealtimeAgent, Toolkit
    from voicewire.clients import AzureRealtimeAudio, RTClient, RTLowLevelClient
    from voicewire.events import ClientEvents, ModelEvents, ServerEvents
    from voicewire.models import RealtimeConnection, RealtimeModel, create_model
    from voicewire.voice import RealtimeConfig, RealtimeVoice, VADMode

_LAZY = {
    "AzureRealtimeAudio": "voicewire.clients",
    "ChatRoom": "voicewire.agent",
    "ClientEvents": "voicewire.events",
    "ModelEvents": "voicewire.events",
    "RTClient": "voicewire.clients",
    "RTLowLevelClient": "voicewire.clients",
    "RealtimeAgent": "voicewire.agent",
    "RealtimeConfig": "voicewire.voice",
    "RealtimeConnection": "voicewire.models",
    "RealtimeModel": "voicewire.models",
    "RealtimeVoice": "voicewire.voice",
    "ServerEvents": "voicewire.events",
    "Toolkit": "voicewire.agent",
    "VADMode": "voicewire.voice",
    "create_model": "voicewire.models",
}

__all__ = [
    "AzureRealtimeAudio",
    "ChatRoom",
    "ClientEvents",
    "ModelEvents",
    "RTClient",
    "RTLowLevelClient",
    "RealtimeAgent",
    "RealtimeConfig",
    "RealtimeConnection",
    "RealtimeModel",
    "RealtimeVoice",
    "ServerEvents",
    "Toolkit",
    "VADMode",
    "__version__",
    "create_model",
]


def __getattr__(name: str) -> object:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'voicewire' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
