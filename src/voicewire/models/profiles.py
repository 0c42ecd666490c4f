"""What is known of each model, as data read before anything is sent; no code branches on a provider."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicewire.models.model import Capabilities
from voicewire.protocols.gemini.client_state import WireTraits
from voicewire.protocols.openai.dialect_beta import FIRST_BETA
from voicewire.protocols.openai.dialect_voicelive import VOICE_LIVE
from voicewire.transport.policies import KeepalivePolicy, ReconnectPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProfile:
    """How the connections of one provider behave."""

    reconnect: ReconnectPolicy = ReconnectPolicy()
    """What happens when a connection is lost."""
    keepalive: KeepalivePolicy = KeepalivePolicy()
    """How a peer that is gone without a word is found out."""


_LINKS = {
    # Its pongs are known to be late right after a turn: only 40 s of silence count. It may say nothing of an utterance
    # before its first words, so that audio is kept for as long as one may be.
    "gemini": LinkProfile(
        reconnect=ReconnectPolicy(idle_audio_s=15.0),
        keepalive=KeepalivePolicy(interval_s=20.0, timeout_s=40.0),
    ),
}


def link_profile(provider: str) -> LinkProfile:
    """How the connections of a provider behave, by its short name."""
    return _LINKS.get(provider, LinkProfile())


OPENAI_VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
"""Voices of the OpenAI realtime models."""
OPENAI_VOICES_OF_2024 = tuple(voice for voice in OPENAI_VOICES if voice not in ("cedar", "marin"))
"""Voices of the preview models."""


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
        supports_idle_timeout=True,
        max_session_s=3600,
    ),
    transcription_model="gpt-4o-mini-transcribe",
    voice="alloy",
)
"""The ``gpt-realtime`` family, and models that nobody here has heard of."""

_OPENAI_PREVIEW = replace(
    _OPENAI,
    capabilities=replace(
        _OPENAI.capabilities,
        input_modalities=frozenset({"audio", "text"}),
        voices=OPENAI_VOICES_OF_2024,
        max_session_s=1800,
    ),
    transcription_model="whisper-1",
)
"""``gpt-4o-realtime-preview`` and ``gpt-4o-mini-realtime-preview``: no images, half the session."""

_AZURE = replace(_OPENAI, transcription_model="whisper-1")
"""A deployment has any name, so its model is not known; ``whisper-1`` needs no deployment of its own."""


_OPENAI_FAMILIES = (
    ("gpt-4o-realtime", _OPENAI_PREVIEW),
    ("gpt-4o-mini-realtime", _OPENAI_PREVIEW),
    ("gpt-realtime", _OPENAI),
)
"""``gpt-realtime``, ``-1.5``, ``-2``, ``-2.1``, ``-2.1-mini`` and ``-mini`` differ in price and wit only."""


def openai_profile(model: str) -> Profile:
    """The profile of a model of OpenAI, or of a server that speaks its wire."""
    return next((profile for prefix, profile in _OPENAI_FAMILIES if model.startswith(prefix)), _OPENAI)


def preview_profile(profile: Profile) -> Profile:
    """The profile of the same model behind the beta dialect, which knows neither images nor idle timeouts."""
    capabilities = replace(
        profile.capabilities,
        input_modalities=frozenset({"audio", "text"}),
        voices=OPENAI_VOICES_OF_2024,
        supports_idle_timeout=False,
        max_session_s=1800,
    )
    return replace(profile, capabilities=capabilities, transcription_model="whisper-1")


def first_preview_profile(profile: Profile) -> Profile:
    """The same behind the beta dialect of October 2024, which has no partial transcripts and gives no items back."""
    preview = preview_profile(profile)
    capabilities = replace(
        preview.capabilities,
        voices=FIRST_BETA.voices,
        supports_item_editing=False,
        emits_partial_transcripts=False,
    )
    return replace(preview, capabilities=capabilities)


def azure_profile() -> Profile:
    """The profile of an Azure OpenAI deployment."""
    return _AZURE


_VOICE_LIVE = Profile(
    capabilities=replace(
        _OPENAI.capabilities,
        voices=(),
        supports_out_of_band=False,
        options=(VOICE_LIVE.options - set(VOICE_LIVE.refused_options)) | VOICE_LIVE.turn_kinds,
    ),
    transcription_model="whisper-1",
    voice="alloy",
)
"""Any model behind Voice Live; it has voices by the hundred, so any name is taken."""


def voicelive_profile() -> Profile:
    """The profile of a model behind Azure Voice Live."""
    return _VOICE_LIVE


XAI_VOICES = ("ara", "eve", "leo", "rex", "sal")
"""Voices of xAI's voice models."""

_XAI = Profile(
    capabilities=Capabilities(
        input_modalities=frozenset({"audio", "text"}),
        output_modalities=frozenset({"audio"}),
        input_rates_hz=(24000,),
        output_rate_hz=24000,
        voices=XAI_VOICES,
        supports_truncation=False,
        supports_item_editing=False,
        max_session_s=1800,
    ),
    transcription_model="grok-transcribe",
    voice="ara",
)
"""The ``grok-voice`` family; what its documentation does not name is taken as not there."""


def xai_profile() -> Profile:
    """The profile of a voice model of xAI."""
    return _XAI


GEMINI_VOICES = (
    "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus",
    "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar", "Alnilam",
    "Schedar", "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
)  # fmt: skip
"""Voices of the Gemini Live models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiProfile:
    """One family of Gemini Live models."""

    capabilities: Capabilities
    traits: WireTraits
    voice: str = "Puck"
    """Used when none is asked for."""


_GEMINI = GeminiProfile(
    capabilities=Capabilities(
        input_modalities=frozenset({"audio", "text", "image"}),
        output_modalities=frozenset({"audio"}),
        input_rates_hz=(16000,),
        output_rate_hz=24000,
        voices=GEMINI_VOICES,
        supports_truncation=False,
        supports_item_editing=False,
        max_session_s=600,
    ),
    traits=WireTraits(
        # Handles to go on with after a lost connection, and sessions that no longer end with their context.
        setup_defaults={"sessionResumption": {}, "contextWindowCompression": {"slidingWindow": {}}},
        holds_audio_during_calls=True,
    ),
)
"""The 2.5 and 3.1 families: ten minutes a connection, functions block."""

_GEMINI_38 = GeminiProfile(
    capabilities=replace(_GEMINI.capabilities, max_session_s=3480),
    traits=replace(
        _GEMINI.traits, calls_block=False, holds_audio_during_calls=False, supports_context_update=True
    ),
)
"""The 3.8 family: 58 minutes a connection, functions do not block, instructions and tools may change."""

_GEMINI_HALF_CASCADE = replace(
    _GEMINI, capabilities=replace(_GEMINI.capabilities, output_modalities=frozenset({"audio", "text"}))
)
"""Models that are not of the audio-only families, and those that nobody here has heard of."""

_GEMINI_FAMILIES = (
    ("gemini-3.8", _GEMINI_38),
    ("gemini-3.1", _GEMINI),
    ("gemini-3.5-live-translate", _GEMINI),
)


def gemini_profile(model: str) -> GeminiProfile:
    """The profile of a Gemini Live model."""
    name = model.rpartition("/")[2]
    if "native-audio" in name:
        return _GEMINI
    return next(
        (profile for prefix, profile in _GEMINI_FAMILIES if name.startswith(prefix)), _GEMINI_HALF_CASCADE
    )
