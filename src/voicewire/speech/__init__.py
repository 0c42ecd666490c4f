"""Streaming recognition and synthesis: ModelStudio, Azure, OpenAI, and this machine.

``create_asr("local")`` and ``create_tts("local")`` need no key. Names load on first use; a provider's SDK is
needed only when a client of that provider is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.speech.asr import AsrClient
    from voicewire.speech.azure_asr import AzureAsrClient
    from voicewire.speech.azure_tts import AzureTtsClient
    from voicewire.speech.callbacks import (
        AsrCallbacks,
        AzureAsrCallbacks,
        AzureTtsCallbacks,
        LocalAsrCallbacks,
        LocalTtsCallbacks,
        ModelstudioAsrCallbacks,
        ModelstudioTtsCallbacks,
        TtsCallbacks,
    )
    from voicewire.speech.captions import clean, render
    from voicewire.speech.config import (
        AsrConfig,
        AzureAsrConfig,
        AzureTtsConfig,
        LocalAsrConfig,
        LocalTtsConfig,
        ModelstudioAsrConfig,
        ModelstudioTtsConfig,
        OpenAITranscriptionConfig,
        TtsConfig,
    )
    from voicewire.speech.create import create_asr, create_tts
    from voicewire.speech.figures import numerals
    from voicewire.speech.local_asr import LocalAsrClient
    from voicewire.speech.local_tts import LocalTtsClient
    from voicewire.speech.model_asr import ModelAsrClient, OpenAITranscriptionClient
    from voicewire.speech.modelstudio_asr import ModelstudioAsrClient
    from voicewire.speech.modelstudio_tts import ModelstudioTtsClient
    from voicewire.speech.preprocess import Gain, HighPass, NoiseSuppression
    from voicewire.speech.results import (
        AudioDropped,
        Bookmark,
        RecognitionEvent,
        RecognitionResult,
        Reconnected,
        Segment,
        SpokenWord,
        SynthesizedAudio,
        Viseme,
        WordBoundary,
    )
    from voicewire.speech.session import Completion
    from voicewire.speech.states import RealtimeState, RealtimeType
    from voicewire.speech.tool import RealtimeTool
    from voicewire.speech.tts import TtsClient

_HOME = {
    "AsrCallbacks": "callbacks",
    "AsrClient": "asr",
    "AsrConfig": "config",
    "AudioDropped": "results",
    "AzureAsrCallbacks": "callbacks",
    "AzureAsrClient": "azure_asr",
    "AzureAsrConfig": "config",
    "AzureTtsCallbacks": "callbacks",
    "AzureTtsClient": "azure_tts",
    "AzureTtsConfig": "config",
    "Bookmark": "results",
    "Completion": "session",
    "Gain": "preprocess",
    "HighPass": "preprocess",
    "LocalAsrCallbacks": "callbacks",
    "LocalAsrClient": "local_asr",
    "LocalAsrConfig": "config",
    "LocalTtsCallbacks": "callbacks",
    "LocalTtsClient": "local_tts",
    "LocalTtsConfig": "config",
    "ModelAsrClient": "model_asr",
    "ModelstudioAsrCallbacks": "callbacks",
    "ModelstudioAsrClient": "modelstudio_asr",
    "ModelstudioAsrConfig": "config",
    "ModelstudioTtsCallbacks": "callbacks",
    "ModelstudioTtsClient": "modelstudio_tts",
    "ModelstudioTtsConfig": "config",
    "NoiseSuppression": "preprocess",
    "OpenAITranscriptionClient": "model_asr",
    "OpenAITranscriptionConfig": "config",
    "RealtimeState": "states",
    "RealtimeTool": "tool",
    "RealtimeType": "states",
    "RecognitionEvent": "results",
    "RecognitionResult": "results",
    "Reconnected": "results",
    "Segment": "results",
    "SpokenWord": "results",
    "SynthesizedAudio": "results",
    "TtsCallbacks": "callbacks",
    "TtsClient": "tts",
    "TtsConfig": "config",
    "Viseme": "results",
    "WordBoundary": "results",
    "clean": "captions",
    "create_asr": "create",
    "create_tts": "create",
    "numerals": "figures",
    "render": "captions",
}

__all__ = [
    "AsrCallbacks",
    "AsrClient",
    "AsrConfig",
    "AudioDropped",
    "AzureAsrCallbacks",
    "AzureAsrClient",
    "AzureAsrConfig",
    "AzureTtsCallbacks",
    "AzureTtsClient",
    "AzureTtsConfig",
    "Bookmark",
    "Completion",
    "Gain",
    "HighPass",
    "LocalAsrCallbacks",
    "LocalAsrClient",
    "LocalAsrConfig",
    "LocalTtsCallbacks",
    "LocalTtsClient",
    "LocalTtsConfig",
    "ModelAsrClient",
    "ModelstudioAsrCallbacks",
    "ModelstudioAsrClient",
    "ModelstudioAsrConfig",
    "ModelstudioTtsCallbacks",
    "ModelstudioTtsClient",
    "ModelstudioTtsConfig",
    "NoiseSuppression",
    "OpenAITranscriptionClient",
    "OpenAITranscriptionConfig",
    "RealtimeState",
    "RealtimeTool",
    "RealtimeType",
    "RecognitionEvent",
    "RecognitionResult",
    "Reconnected",
    "Segment",
    "SpokenWord",
    "SynthesizedAudio",
    "TtsCallbacks",
    "TtsClient",
    "TtsConfig",
    "Viseme",
    "WordBoundary",
    "clean",
    "create_asr",
    "create_tts",
    "numerals",
    "render",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
