"""The four clients as seed 000's programs use them, under its own import path.

Two things differ from the clients of ``voicewire.speech``, because the examples of the document rest on them:

* ``stop()`` has delivered everything when it returns, also inside a coroutine. The session runs in the speech thread,
  and callbacks come from there, as they came from the SDKs' threads. Inside an event loop use ``async_stop()``, which
  never waits.
* Audio is what the examples write to: files named ``.wav``. With TTS_AUDIO_FORMAT at ``wav`` (the documented default),
  PCM comes as a WAV whose header tells its true length, and therefore when that is known. TTS_AUDIO_FORMAT=pcm gives
  bare samples.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

from voicewire.settings import get_settings
from voicewire.speech.azure_asr import AzureAsrClient
from voicewire.speech.azure_tts import AzureTtsClient
from voicewire.speech.callbacks import AzureTtsCallbacks, ModelstudioTtsCallbacks
from voicewire.speech.config import AzureTtsConfig, ModelstudioTtsConfig, TtsConfig
from voicewire.speech.modelstudio_asr import ModelstudioAsrClient
from voicewire.speech.modelstudio_tts import ModelstudioTtsClient

ConfigT = TypeVar("ConfigT", bound=TtsConfig)


class SeedModelstudioAsrClient(ModelstudioAsrClient):
    """`ModelstudioAsrClient` whose ``stop`` waits for the last words."""

    session_runs_in_thread: ClassVar[bool] = True


class SeedAzureAsrClient(AzureAsrClient):
    """`AzureAsrClient` whose ``stop`` waits for the last words."""

    session_runs_in_thread: ClassVar[bool] = True


class SeedModelstudioTtsClient(ModelstudioTtsClient):
    """`ModelstudioTtsClient` whose ``stop`` waits for the audio, which comes as a file."""

    session_runs_in_thread: ClassVar[bool] = True

    def __init__(
        self, config: ModelstudioTtsConfig | None = None, callbacks: ModelstudioTtsCallbacks | None = None
    ) -> None:
        super().__init__(as_file(config or ModelstudioTtsConfig()), callbacks)


class SeedAzureTtsClient(AzureTtsClient):
    """`AzureTtsClient` whose ``stop`` waits for the audio, which comes as a file."""

    session_runs_in_thread: ClassVar[bool] = True

    def __init__(
        self, config: AzureTtsConfig | None = None, callbacks: AzureTtsCallbacks | None = None
    ) -> None:
        super().__init__(as_file(config or AzureTtsConfig()), callbacks)


def as_file(config: ConfigT) -> ConfigT:
    """The configuration whose audio can be written to a file as it comes."""
    is_pcm = (config.format or "pcm").lower() in ("pcm", "raw")
    update: dict[str, str] = {"wav_header": "exact"}
    if is_pcm and get_settings().tts_audio_format.lower() == "wav":
        update["format"] = "wav"
    return config.model_copy(update=update)
