"""Which recogniser and which voice stand behind a served model: what the gateway's speech doors open."""

from __future__ import annotations

from typing import Any

from voicewire.engine.local import LocalRealtimeModel
from voicewire.errors import UnsupportedError
from voicewire.models.model import RealtimeModel
from voicewire.speech.asr import AsrClient
from voicewire.speech.config import AsrConfig, LocalAsrConfig, LocalTtsConfig, configured
from voicewire.speech.echo_tts import EchoTtsClient
from voicewire.speech.local_asr import LocalAsrClient
from voicewire.speech.local_tts import LocalTtsClient
from voicewire.speech.model_asr import ModelAsrClient
from voicewire.speech.tts import TtsClient


def recogniser_of(
    model: RealtimeModel, *, sample_rate_hz: int, language: str | None = None, silence_ms: int | None = None
) -> AsrClient[Any]:
    """A recogniser for 16-bit mono audio.

    Raises:
        UnsupportedError: The model does not transcribe.
        ConfigError: The rate is none that audio has.
    """
    if isinstance(model, LocalRealtimeModel):
        known = language if language and language.lower().startswith("en") else None
        wish = {"sample_rate": sample_rate_hz, "language": known, "max_end_silence": silence_ms or 480}
        config = configured(LocalAsrConfig, wish, "the recogniser")
        options = model._options
        return LocalAsrClient(config, stages={"vad": options.vad, "recognizer": options.recognizer})
    wish = {"sample_rate": sample_rate_hz, "language": language, "max_end_silence": silence_ms}
    return ModelAsrClient(model, configured(AsrConfig, wish, "the recogniser"))


def voice_of(
    model: RealtimeModel,
    *,
    sample_rate_hz: int,
    format: str,
    voice: str | None = None,
    speech_rate: float = 1.0,
    volume: int = 50,
) -> TtsClient[Any]:
    """A voice; one that this machine does not have becomes its default one.

    Raises:
        UnsupportedError: The model only speaks in conversations.
        ConfigError: The format does not exist, or not at this rate.
    """
    known = voice if voice in model.capabilities.voices else None
    wish = {
        "sample_rate": sample_rate_hz,
        "format": format,
        "voice": known,
        "speech_rate": min(max(speech_rate, 0.5), 2.0),
        "volume": min(max(volume, 0), 100),
    }
    config = configured(LocalTtsConfig, wish, "the voice")
    if isinstance(model, LocalRealtimeModel):
        return LocalTtsClient(config, stages={"synthesizer": model._options.synthesizer})
    if model.capabilities.is_deterministic:
        return EchoTtsClient(config)
    raise UnsupportedError(
        f"the model {model.name!r} speaks in conversations only; serve `local` or `echo` for synthesis"
    )
