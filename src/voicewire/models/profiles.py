"""What is known of each model, as data read before anything is sent; no code branches on a provider."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicewire.models.model import Capabilities

OPENAI_VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
"""Voices of the OpenAI realtime models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One model family of one provider."""

    capabilities: Capabilities
    transcription_model: str
    """Transcribes the user's audio when the configuration names no model."""
    voice: str = ""
    """Used when none is asked for."""


_OPENAI = Profile(
    capabilities=Capabilities(
        input_modalities=frozenset({"audio", "text", "image"}),
        output_modalities=frozenset({"audio", "text"}),
        input_rates_hz=(24000,),
        output_rate_hz=24000,
        voices=OPENAI_VOICES,
        supports_semantic_vad=True,
        supports_out_of_band=True,
        max_session_s=3600,
    ),
    transcription_model="gpt-4o-mini-transcribe",
    voice="alloy",
)

_OPENAI_PREVIEW = replace(
    _OPENAI,
    capabilities=replace(
        _OPENAI.capabilities, input_modalities=frozenset({"audio", "text"}), max_session_s=1800
    ),
    transcription_model="whisper-1",
)
"""``gpt-4o-realtime-preview`` and ``gpt-4o-mini-realtime-preview``: no images, half the session."""

_AZURE = replace(_OPENAI, transcription_model="whisper-1")
"""A deployment has any name, so its model is not known; ``whisper-1`` needs no deployment of its own."""


def openai_profile(model: str) -> Profile:
    """The profile of a model of OpenAI, or of a server that speaks its wire."""
    return _OPENAI_PREVIEW if model.startswith(("gpt-4o-realtime", "gpt-4o-mini-realtime")) else _OPENAI


def azure_profile() -> Profile:
    """The profile of an Azure OpenAI deployment."""
    return _AZURE
