"""What is known of the models behind the DashScope realtime wire, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from voicewire.models.model import Capabilities
from voicewire.protocols.dashscope.traits import NESTED_RATES_HZ, TTS_RATES_HZ, WireTraits

QWEN_VOICES: Final = (
    "Cherry", "Serena", "Ethan", "Chelsie", "Tina", "Dylan", "Jada", "Sunny", "Peter", "Momo", "Vivian", "Moon", "Maia",
    "Kai", "Nofish", "Bella", "Jennifer", "Ryan", "Katerina", "Elias", "Marcus", "Roy", "Rocky", "Kiki", "Eric", "Li",
)  # fmt: skip
"""Voices seen in the documents. They change monthly, so they are for lists, never a reason to refuse one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DashScopeProfile:
    """One family of models."""

    capabilities: Capabilities
    traits: WireTraits
    voice: str = "Cherry"
    """Used when none is asked for."""


_OMNI = DashScopeProfile(
    capabilities=Capabilities(
        input_modalities=frozenset({"audio", "text", "image"}),
        output_modalities=frozenset({"audio", "text"}),
        input_rates_hz=(16000,),
        output_rate_hz=24000,
        supports_semantic_vad=True,
        supports_truncation=False,
        supports_idle_timeout=True,
        max_session_s=7200,
    ),
    traits=WireTraits(),
    voice="Tina",
)
"""qwen3.5-omni, and models that nobody here has heard of: functions, semantic turn detection, two hours."""

_OMNI_3 = replace(
    _OMNI,
    capabilities=replace(
        _OMNI.capabilities,
        supports_tools=False,
        supports_semantic_vad=False,
        supports_item_editing=False,
        supports_idle_timeout=False,
    ),
    traits=WireTraits(pcm_name="pcm16", transcription_model="gummy-realtime-v1"),
    voice="Cherry",
)
"""qwen3-omni-flash: no functions."""

_OMNI_TURBO = replace(_OMNI_3, voice="Chelsie")
"""qwen-omni-turbo."""

_OMNI_38 = replace(
    _OMNI,
    capabilities=replace(_OMNI.capabilities, input_rates_hz=(16000, 24000, 8000, 48000)),
    traits=WireTraits(is_audio_nested=True, is_always_create_empty=True),
)
"""qwen3.8-omni: formats and voice lie in ``session.audio``; needs a workspace host."""

_QWEN_AUDIO = replace(
    _OMNI,
    capabilities=replace(
        _OMNI.capabilities,
        input_modalities=frozenset({"audio", "text"}),
        supports_semantic_vad=False,
        supports_idle_timeout=False,
        options=frozenset({"smart_turn"}),
    ),
    traits=WireTraits(has_finish=False, transcription_model="fun-asr"),
    voice="longanqian",
)
"""qwen-audio realtime: no images, no ``session.finish``."""

_ASR = DashScopeProfile(
    capabilities=Capabilities(
        input_modalities=frozenset({"audio"}),
        output_modalities=frozenset(),
        input_rates_hz=(16000, 8000),
        output_rate_hz=16000,
        supports_tools=False,
        supports_truncation=False,
        supports_item_editing=False,
    ),
    traits=WireTraits(family="asr"),
    voice="",
)
"""Qwen-ASR: transcripts only."""

_TTS = DashScopeProfile(
    capabilities=Capabilities(
        input_modalities=frozenset({"text"}),
        output_modalities=frozenset({"audio"}),
        output_rate_hz=24000,
        supports_tools=False,
        supports_server_vad=False,
        supports_truncation=False,
        supports_item_editing=False,
        supports_input_transcription=False,
        emits_partial_transcripts=False,
    ),
    traits=WireTraits(family="tts"),
)
"""Qwen-TTS: says the text that it is given."""

_FAMILIES: Final = (
    ("qwen-omni-turbo", _OMNI_TURBO),
    ("qwen3-omni", _OMNI_3),
    ("qwen3.8-omni", _OMNI_38),
    ("qwen-audio-", _QWEN_AUDIO),
)
OUTPUT_RATES_HZ: Final = {"omni": NESTED_RATES_HZ, "asr": (16000,), "tts": TTS_RATES_HZ}
"""Rates of reply audio that can be asked for, where the shape of the session has room for one."""


def dashscope_profile(model: str) -> DashScopeProfile:
    """The profile of a model behind this wire."""
    name = model.lower()
    parts = name.split("-")
    if "tts" in parts:
        return _TTS
    if "asr" in parts:
        return _ASR
    return next((profile for prefix, profile in _FAMILIES if name.startswith(prefix)), _OMNI)
