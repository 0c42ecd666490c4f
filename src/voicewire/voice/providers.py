"""Which providers a `RealtimeVoice` can talk with, as data: names, keys, models and voices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from voicewire.errors import ModelLoadError, RealtimeError, UnknownModelError
from voicewire.models.model import RealtimeModel
from voicewire.models.profiles import GEMINI_VOICES, OPENAI_VOICES
from voicewire.models.registry import create_model, model_entries
from voicewire.settings import get_settings
from voicewire.voice.config import RealtimeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    """One provider."""

    name: str
    """As ``list_providers`` gives it."""
    prefix: str
    """As model names begin."""
    settings: tuple[str, ...] = ()
    """The settings that hold its key; none for a provider without keys."""
    models: tuple[str, ...] = ()
    """Models known by name, those of the document first."""
    voices: tuple[str, ...] = ()
    """Voices known by name, those of the document first."""
    voice: str = ""
    """Its own voice when none is asked for."""
    aliases: tuple[str, ...] = ()
    """Other names of it."""

    @property
    def has_key(self) -> bool:
        """Whether the environment holds a key for it."""
        return any(get_settings().secret(field) for field in self.settings)

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it is called."""
        return (self.name, self.prefix, *self.aliases)


def _first(documented: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    return (*documented, *(name for name in known if name not in documented))


PROVIDERS: Final[tuple[ProviderInfo, ...]] = (
    ProviderInfo(
        name="openai",
        prefix="openai",
        settings=("openai_api_key",),
        models=(
            "gpt-4o-realtime-preview",
            "gpt-4o-realtime-preview-2024-10-01",
            "gpt-4o-realtime-preview-2024-12-17",
            "gpt-realtime",
            "gpt-realtime-mini",
        ),
        voices=_first(("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse"), OPENAI_VOICES),
        voice="alloy",
    ),
    ProviderInfo(
        name="google_genai",
        prefix="gemini",
        settings=("gemini_api_key",),
        models=("gemini-2.0-flash-exp", "gemini-2.0-flash-thinking-exp", "gemini-3.8-live"),
        voices=_first(("Puck", "Charon", "Kore", "Fenrir", "Aoede"), GEMINI_VOICES),
        voice="Puck",
        aliases=("google",),
    ),
    ProviderInfo(name="azure", prefix="azure", settings=("azure_openai_api_key",), voices=OPENAI_VOICES),
    ProviderInfo(name="voicelive", prefix="voicelive", settings=("azure_voicelive_api_key",)),
    ProviderInfo(name="dashscope", prefix="dashscope", settings=("dashscope_api_key",)),
    ProviderInfo(name="xai", prefix="xai", settings=("xai_api_key",)),
    ProviderInfo(name="local", prefix="local", models=("local",)),
    ProviderInfo(name="echo", prefix="echo", models=("echo",)),
)
"""In the order of auto-detection, the document's two first."""


def available() -> tuple[ProviderInfo, ...]:
    """The providers that this installation can talk with, in the order of `PROVIDERS`."""
    prefixes = {entry.prefix for entry in model_entries()}
    return tuple(provider for provider in PROVIDERS if provider.prefix in prefixes)


def named(name: str) -> ProviderInfo:
    """A provider by any of its names, in any case.

    Raises:
        RealtimeError: There is no such provider; the message says which there are.
    """
    wanted = name.strip().lower()
    found = next((provider for provider in available() if wanted in provider.names), None)
    if found is None:
        known = ", ".join(provider.name for provider in available())
        raise RealtimeError(f"there is no provider {name!r}; the providers are: {known}", "unknown_provider")
    return found


def detected() -> ProviderInfo:
    """The provider to use when none is named: of ``REALTIME_VOICE_PROVIDER``, the first with a key, the engine.

    Raises:
        RealtimeError: None has a key, and the engine's files are not on this machine.
    """
    wished = get_settings().realtime_voice_provider
    if wished:
        return named(wished)
    with_key = next((provider for provider in available() if provider.has_key), None)
    if with_key is not None:
        return with_key
    if not _has_engine():
        raise RealtimeError(
            "no provider is configured: set OPENAI_API_KEY or GOOGLE_API_KEY, or run `voicewire setup` to talk "
            "with the engine on this machine",
            "not_configured",
        )
    return named("local")


def _has_engine() -> bool:
    from voicewire.engine import catalogue, weights

    try:
        for name in (catalogue.SILERO_VAD, catalogue.WHISPER):
            weights.locate(name)
    except ModelLoadError:
        return False
    return True


def model_for(provider: ProviderInfo, config: RealtimeConfig) -> RealtimeModel:
    """The provider's model that a configuration asks for; nothing is opened.

    Raises:
        VoicewireError: The model cannot be made.
    """
    if config.model and provider.prefix not in ("local", "echo"):
        return create_model(f"{provider.prefix}:{config.model}")
    return create_model(provider.prefix)


def voice_for(provider: ProviderInfo | None, model: RealtimeModel, config: RealtimeConfig) -> str:
    """The voice to ask for; empty leaves it to the model.

    Raises:
        RealtimeError: The provider has no such voice; the message says which it has.
    """
    if not config.is_set("voice"):
        return provider.voice if provider is not None else ""
    known = model.capabilities.voices or (provider.voices if provider is not None else ())
    if not known:
        return config.voice
    by_name: Mapping[str, str] = {voice.lower(): voice for voice in known}
    found = by_name.get(config.voice.strip().lower())
    if found is None:
        raise RealtimeError(
            f"{model.name} has no voice {config.voice!r}; its voices are: {', '.join(known)}", "unknown_voice"
        )
    return found


def model_by_name(name: str) -> RealtimeModel:
    """A model by its full name, such as ``openai:gpt-realtime``.

    Raises:
        RealtimeError: There is no such model.
    """
    try:
        return create_model(name)
    except UnknownModelError as error:
        raise RealtimeError(str(error), "unknown_provider") from error
