"""Names of ``agentscope_runtime.tools.realtime_clients.modelstudio_asr_client``."""

from voicewire.speech.callbacks import ModelstudioAsrCallbacks
from voicewire.speech.config import ModelstudioAsrConfig
from voicewire.speech.seed_clients import SeedModelstudioAsrClient as ModelstudioAsrClient

__all__ = ["ModelstudioAsrCallbacks", "ModelstudioAsrClient", "ModelstudioAsrConfig"]
