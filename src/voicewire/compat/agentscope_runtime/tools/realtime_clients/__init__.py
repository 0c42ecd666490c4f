"""``agentscope_runtime.tools.realtime_clients``. Names load on first use; a missing SDK is told by its clients."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.speech.asr import AsrClient
    from voicewire.speech.callbacks import (
        AzureAsrCallbacks,
        AzureTtsCallbacks,
        ModelstudioAsrCallbacks,
        ModelstudioTtsCallbacks,
    )
    from voicewire.speech.config import (
        AzureAsrConfig,
        AzureTtsConfig,
        ModelstudioAsrConfig,
        ModelstudioTtsConfig,
    )
    from voicewire.speech.seed_clients import SeedAzureAsrClient as AzureAsrClient
    from voicewire.speech.seed_clients import SeedAzureTtsClient as AzureTtsClient
    from voicewire.speech.seed_clients import SeedModelstudioAsrClient as ModelstudioAsrClient
    from voicewire.speech.seed_clients import SeedModelstudioTtsClient as ModelstudioTtsClient
    from voicewire.speech.states import RealtimeState, RealtimeType
    from voicewire.speech.tool import RealtimeTool
    from voicewire.speech.tts import TtsClient

_HOME = {
    "AsrClient": ("asr", "AsrClient"),
    "AzureAsrCallbacks": ("callbacks", "AzureAsrCallbacks"),
    "AzureAsrClient": ("seed_clients", "SeedAzureAsrClient"),
    "AzureAsrConfig": ("config", "AzureAsrConfig"),
    "AzureTtsCallbacks": ("callbacks", "AzureTtsCallbacks"),
    "AzureTtsClient": ("seed_clients", "SeedAzureTtsClient"),
    "AzureTtsConfig": ("config", "AzureTtsConfig"),
    "ModelstudioAsrCallbacks": ("callbacks", "ModelstudioAsrCallbacks"),
    "ModelstudioAsrClient": ("seed_clients", "SeedModelstudioAsrClient"),
    "ModelstudioAsrConfig": ("config", "ModelstudioAsrConfig"),
    "ModelstudioTtsCallbacks": ("callbacks", "ModelstudioTtsCallbacks"),
    "ModelstudioTtsClient": ("seed_clients", "SeedModelstudioTtsClient"),
    "ModelstudioTtsConfig": ("config", "ModelstudioTtsConfig"),
    "RealtimeState": ("states", "RealtimeState"),
    "RealtimeTool": ("tool", "RealtimeTool"),
    "RealtimeType": ("states", "RealtimeType"),
    "TtsClient": ("tts", "TtsClient"),
}

__all__ = [
    "AsrClient",
    "AzureAsrCallbacks",
    "AzureAsrClient",
    "AzureAsrConfig",
    "AzureTtsCallbacks",
    "AzureTtsClient",
    "AzureTtsConfig",
    "ModelstudioAsrCallbacks",
    "ModelstudioAsrClient",
    "ModelstudioAsrConfig",
    "ModelstudioTtsCallbacks",
    "ModelstudioTtsClient",
    "ModelstudioTtsConfig",
    "RealtimeState",
    "RealtimeTool",
    "RealtimeType",
    "TtsClient",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, original = _HOME[name]
    return getattr(import_module(f"voicewire.speech.{module}"), original)


def __dir__() -> list[str]:
    return sorted(__all__)
