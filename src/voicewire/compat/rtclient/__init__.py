"""``rtclient`` (seed 001): its clients, and all of its messages."""

from __future__ import annotations

from voicewire.clients.low_level import RTLowLevelClient
from voicewire.clients.rt_client import RTClient
from voicewire.clients.rt_items import (
    RTAudioContent,
    RTFunctionCallItem,
    RTInputAudioItem,
    RTMessageItem,
    RTResponse,
    RTTextContent,
)
from voicewire.compat.rtclient import models
from voicewire.compat.rtclient.models import *  # noqa: F403  the original has every message here too
from voicewire.errors import RealtimeException

__all__ = [
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
__all__ += models.__all__
