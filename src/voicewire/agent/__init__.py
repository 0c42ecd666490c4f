"""Running a conversation: the session driver, its edges, agents and rooms."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.agent.agent import RealtimeAgent
    from voicewire.agent.edges import (
        AudioSink,
        AudioSource,
        DeviceSink,
        DeviceSource,
        FileSource,
        SessionObserver,
        VirtualMicrophone,
        VirtualSpeaker,
    )
    from voicewire.agent.floor import AddressedByName, FirstToClaim, FloorPolicy, ModeratorOrder, TurnTaken
    from voicewire.agent.mcp_server import McpServer
    from voicewire.agent.progress import ProgressReport, ToolProgress
    from voicewire.agent.room import ChatRoom
    from voicewire.agent.room_turns import RoomTurn
    from voicewire.agent.session import VoiceSession
    from voicewire.agent.toolkit import Toolkit
    from voicewire.agent.tools import Tool, ToolAnswer, ToolRunner

_HOME = {
    "AddressedByName": "floor",
    "AudioSink": "edges",
    "AudioSource": "edges",
    "ChatRoom": "room",
    "DeviceSink": "edges",
    "DeviceSource": "edges",
    "FileSource": "edges",
    "FirstToClaim": "floor",
    "FloorPolicy": "floor",
    "McpServer": "mcp_server",
    "ModeratorOrder": "floor",
    "ProgressReport": "progress",
    "RealtimeAgent": "agent",
    "RoomTurn": "room_turns",
    "SessionObserver": "edges",
    "Tool": "tools",
    "ToolAnswer": "tools",
    "ToolProgress": "progress",
    "ToolRunner": "tools",
    "Toolkit": "toolkit",
    "TurnTaken": "floor",
    "VirtualMicrophone": "edges",
    "VirtualSpeaker": "edges",
    "VoiceSession": "session",
}

__all__ = [
    "AddressedByName",
    "AudioSink",
    "AudioSource",
    "ChatRoom",
    "DeviceSink",
    "DeviceSource",
    "FileSource",
    "FirstToClaim",
    "FloorPolicy",
    "McpServer",
    "ModeratorOrder",
    "ProgressReport",
    "RealtimeAgent",
    "RoomTurn",
    "SessionObserver",
    "Tool",
    "ToolAnswer",
    "ToolProgress",
    "ToolRunner",
    "Toolkit",
    "TurnTaken",
    "VirtualMicrophone",
    "VirtualSpeaker",
    "VoiceSession",
]


def __getattr__(name: str) -> object:
    """Loads a public name on first use: importing the package loads no model and no schema library."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
