"""Names of ``agentscope_runtime.tools.realtime_clients.azure_tts_client``."""

from voicewire.speech.callbacks import AzureTtsCallbacks
from voicewire.speech.config import AzureTtsConfig
from voicewire.speech.seed_clients import SeedAzureTtsClient as AzureTtsClient

__all__ = ["AzureTtsCallbacks", "AzureTtsClient", "AzureTtsConfig"]
