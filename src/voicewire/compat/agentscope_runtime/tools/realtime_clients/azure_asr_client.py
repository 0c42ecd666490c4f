"""Names of ``agentscope_runtime.tools.realtime_clients.azure_asr_client``."""

from voicewire.speech.callbacks import AzureAsrCallbacks
from voicewire.speech.config import AzureAsrConfig
from voicewire.speech.seed_clients import SeedAzureAsrClient as AzureAsrClient

__all__ = ["AzureAsrCallbacks", "AzureAsrClient", "AzureAsrConfig"]
