"""Names of ``agentscope_runtime.tools.realtime_clients.modelstudio_tts_client``."""

from voicewire.speech.callbacks import ModelstudioTtsCallbacks
from voicewire.speech.config import ModelstudioTtsConfig
from voicewire.speech.seed_clients import SeedModelstudioTtsClient as ModelstudioTtsClient

__all__ = ["ModelstudioTtsCallbacks", "ModelstudioTtsClient", "ModelstudioTtsConfig"]
