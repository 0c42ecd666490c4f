"""Whose a voice is: a client that can only name its own provider's voices talks to a model of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from voicewire.models.dashscope_profiles import QWEN_VOICES
from voicewire.models.model import RealtimeModel
from voicewire.models.profiles import GEMINI_VOICES, OPENAI_VOICES, XAI_VOICES

KNOWN_VOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": OPENAI_VOICES,
    "azure": OPENAI_VOICES,
    "voicelive": OPENAI_VOICES,
    "xai": XAI_VOICES,
    "gemini": GEMINI_VOICES,
    "dashscope": QWEN_VOICES,
}
"""Voices of each provider, as far as they are known here. A provider may have more."""


def fitting_voice(voice: str, model: RealtimeModel) -> str:
    """The voice to ask a model for: empty, so its own default one, where the name is that of another provider.

    A name that nobody here knows is left alone: providers get new voices every month.

    Args:
        voice: What was asked for.
        model: Who is to speak.
    """
    own = model.capabilities.voices or KNOWN_VOICES.get(model.name.partition(":")[0], ())
    is_elsewhere = any(voice in names for names in KNOWN_VOICES.values())
    return "" if own and is_elsewhere and voice not in own else voice
