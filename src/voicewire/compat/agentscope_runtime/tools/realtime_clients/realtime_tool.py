"""Names of ``agentscope_runtime.tools.realtime_clients.realtime_tool``."""

from voicewire.speech.states import RealtimeState, RealtimeType
from voicewire.speech.tool import RealtimeTool
from voicewire.speech.tool import RealtimeTool as RealtimeComponent

__all__ = ["RealtimeComponent", "RealtimeState", "RealtimeTool", "RealtimeType"]
