"""Names of ``agentscope_runtime.tools.realtime_clients.tts_client``."""

from voicewire.speech.tts import TtsClient

__all__ = ["TtsClient"]
