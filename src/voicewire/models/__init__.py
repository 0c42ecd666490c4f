"""Models to talk with: providers, the embedded engine, and the deterministic ones, behind one door.

Names load on first use, so that importing one provider never loads another.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.models.azure import AzureOpenAIRealtimeModel
    from voicewire.models.dashscope import DashScopeRealtimeModel
    from voicewire.models.echo import EchoRealtimeModel
    from voicewire.models.gemini import GeminiRealtimeModel
    from voicewire.models.model import Capabilities, RealtimeConnection, RealtimeModel
    from voicewire.models.openai import OpenAIRealtimeModel
    from voicewire.models.queue_door import RealtimeModelBase
    from voicewire.models.registry import create_model, model_entries
    from voicewire.models.remote import ReceiveLimits, RemoteConnection, open_remote
    from voicewire.models.scripted import ScriptedRealtimeModel
    from voicewire.models.voicelive import VoiceLiveRealtimeModel
    from voicewire.models.xai import XAIRealtimeModel

_HOME = {
    "AzureOpenAIRealtimeModel": "azure",
    "Capabilities": "model",
    "DashScopeRealtimeModel": "dashscope",
    "EchoRealtimeModel": "echo",
    "GeminiRealtimeModel": "gemini",
    "OpenAIRealtimeModel": "openai",
    "RealtimeConnection": "model",
    "RealtimeModel": "model",
    "RealtimeModelBase": "queue_door",
    "ReceiveLimits": "remote",
    "RemoteConnection": "remote",
    "ScriptedRealtimeModel": "scripted",
    "VoiceLiveRealtimeModel": "voicelive",
    "XAIRealtimeModel": "xai",
    "create_model": "registry",
    "model_entries": "registry",
    "open_remote": "remote",
}

__all__ = [
    "AzureOpenAIRealtimeModel",
    "Capabilities",
    "DashScopeRealtimeModel",
    "EchoRealtimeModel",
    "GeminiRealtimeModel",
    "OpenAIRealtimeModel",
    "RealtimeConnection",
    "RealtimeModel",
    "RealtimeModelBase",
    "ReceiveLimits",
    "RemoteConnection",
    "ScriptedRealtimeModel",
    "VoiceLiveRealtimeModel",
    "XAIRealtimeModel",
    "create_model",
    "model_entries",
    "open_remote",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
