"""Ways to carry frames: a WebSocket client, and a memory pair for tests. One interface, `FrameTransport`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.transport.connect import connect_websocket
    from voicewire.transport.frames import CloseInfo, Frame, FrameReceiver, FrameTransport
    from voicewire.transport.memory import MemoryTransport, memory_pair
    from voicewire.transport.options import WebSocketOptions
    from voicewire.transport.recorder import CassetteRecorder
    from voicewire.transport.websocket import WebSocketTransport

_HOME = {
    "CassetteRecorder": "recorder",
    "CloseInfo": "frames",
    "Frame": "frames",
    "FrameReceiver": "frames",
    "FrameTransport": "frames",
    "MemoryTransport": "memory",
    "WebSocketOptions": "options",
    "WebSocketTransport": "websocket",
    "connect_websocket": "connect",
    "memory_pair": "memory",
}

__all__ = [
    "CassetteRecorder",
    "CloseInfo",
    "Frame",
    "FrameReceiver",
    "FrameTransport",
    "MemoryTransport",
    "WebSocketOptions",
    "WebSocketTransport",
    "connect_websocket",
    "memory_pair",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
