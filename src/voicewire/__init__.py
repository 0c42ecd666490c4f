"""Voicewire: realtime voice conversations over any provider, and over none.

Public names load on first use (PEP 562), so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from voicewire._version import __version__

if TYPE_CHECKING:
    from voicewire.agent import RealtimeAgent, Toolkit
    from voicewire.events import ClientEvents, ModelEvents, ServerEvents
    from voicewire.models import RealtimeConnection, RealtimeModel, create_model

_LAZY = {
    "ClientEvents": "voicewire.events",
    "ModelEvents": "voicewire.events",
    "ServerEvents": "voicewire.events",
    "Toolkit": "voicewire.agent",
    "RealtimeConnection": "voicewire.models",
    "RealtimeAgent": "voicewire.agent",
    "RealtimeModel": "voicewire.models",
    "create_model": "voicewire.models",
}

__all__ = [
    "ClientEvents",
    "ModelEvents",
    "RealtimeAgent",
    "RealtimeConnection",
    "RealtimeModel",
    "ServerEvents",
    "Toolkit",
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
