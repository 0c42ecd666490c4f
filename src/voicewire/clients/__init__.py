"""Clients of the realtime API with the names of seeds 001 and 004. Names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.clients.addresses import AzureKeyCredential
    from voicewire.clients.azure_realtime_audio import AzureRealtimeAudio
    from voicewire.clients.low_level import ClientState, RTLowLevelClient
    from voicewire.clients.rt_client import RTClient
    from voicewire.clients.rt_items import (
        RTAudioContent,
        RTFunctionCallItem,
        RTInputAudioItem,
        RTMessageItem,
        RTResponse,
        RTTextContent,
    )
    from voicewire.clients.statuses import DEFAULT_SESSION_CONFIG, ModelStatus, ModelStatusEnum
    from voicewire.errors import RealtimeException

_HOME = {
    "AzureKeyCredential": "clients.addresses",
    "AzureRealtimeAudio": "clients.azure_realtime_audio",
    "ClientState": "clients.low_level",
    "DEFAULT_SESSION_CONFIG": "clients.statuses",
    "ModelStatus": "clients.statuses",
    "ModelStatusEnum": "clients.statuses",
    "RTAudioContent": "clients.rt_items",
    "RTClient": "clients.rt_client",
    "RTFunctionCallItem": "clients.rt_items",
    "RTInputAudioItem": "clients.rt_items",
    "RTLowLevelClient": "clients.low_level",
    "RTMessageItem": "clients.rt_items",
    "RTResponse": "clients.rt_items",
    "RTTextContent": "clients.rt_items",
    "RealtimeException": "errors",
}

__all__ = [
    "DEFAULT_SESSION_CONFIG",
    "AzureKeyCredential",
    "AzureRealtimeAudio",
    "ClientState",
    "ModelStatus",
    "ModelStatusEnum",
    "RTAudioContent",
    "RTClient",
    "RTFunctionCallItem",
    "RTInputAudioItem",
    "RTLowLevelClient",
    "RTMessageItem",
    "RTResponse",
    "RTTextContent",
    "RealtimeException",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"voicewire.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
