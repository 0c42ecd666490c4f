"""Names of ``agentscope_runtime.tools.realtime_clients.asr_client``."""

from voicewire.speech.asr import AsrClient

__all__ = ["AsrClient"]
