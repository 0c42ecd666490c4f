"""Every environment variable that Voicewire reads, in one table.

Read on demand, never at import, and once for each state of the environment. ``.env`` files are read by the
command line and the samples, never here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from voicewire.environment import variable
from voicewire.errors import ConfigError


def _env(*names: str, default: Any = None, help: str) -> Any:
    """A field that is read from the first of these variables that is set."""
    return Field(default=default, validation_alias=AliasChoices(*names), description=help)


class Settings(BaseSettings):
    """The environment, typed. An empty variable counts as not set; keys are `SecretStr`."""

    model_config = SettingsConfigDict(
        env_file=None, env_ignore_empty=True, case_sensitive=True, extra="ignore", frozen=True
    )

    openai_api_key: SecretStr | None = _env("OPENAI_API_KEY", help="key of OpenAI")
    openai_model: str | None = _env("OPENAI_MODEL", help="model of `openai` without a name")
    openai_base_url: str | None = _env("OPENAI_BASE_URL", help="OpenAI's address, such as http://host/v1")
    azure_openai_endpoint: str | None = _env(
        "AZURE_OPENAI_ENDPOINT", help="address of the Azure OpenAI resource"
    )
    azure_openai_api_key: SecretStr | None = _env(
        "AZURE_OPENAI_API_KEY", help="key of the Azure OpenAI resource"
    )
    azure_openai_deployment: str | None = _env(
        "AZURE_OPENAI_DEPLOYMENT", help="deployment of `azure` without a name"
    )
    azure_openai_api_version: str | None = _env(
        "AZURE_OPENAI_API_VERSION", help="API version of the preview clients (the GA wire has none)"
    )
    azure_voicelive_endpoint: str | None = _env(
        "AZURE_VOICELIVE_ENDPOINT", help="address of Azure Voice Live"
    )
    azure_voicelive_api_key: SecretStr | None = _env(
        "AZURE_VOICELIVE_API_KEY", help="key of Azure Voice Live"
    )
    gemini_api_key: SecretStr | None = _env(
        "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_API_KEY", help="key of Gemini"
    )
    gemini_base_url: str | None = _env("GEMINI_BASE_URL", help="Gemini's address, such as ws://host")
    dashscope_api_key: SecretStr | None = _env("DASHSCOPE_API_KEY", help="key of DashScope (Model Studio)")
    dashscope_websocket_base_url: str | None = _env(
        "DASHSCOPE_WEBSOCKET_BASE_URL", help="DashScope's address, such as ws://host/api-ws/v1/inference"
    )
    xai_api_key: SecretStr | None = _env("XAI_API_KEY", help="key of xAI")
    xai_base_url: str | None = _env("XAI_BASE_URL", help="xAI's address, such as http://host/v1")
    azure_speech_key: SecretStr | None = _env("AZURE_SPEECH_KEY", "AZURE_KEY", help="key of Azure Speech")
    azure_speech_region: str | None = _env(
        "AZURE_SPEECH_REGION", "AZURE_REGION", help="region of Azure Speech"
    )
    azure_speech_endpoint: str | None = _env("AZURE_SPEECH_ENDPOINT", help="address of Azure Speech")
    azure_speech_host: str | None = _env("AZURE_SPEECH_HOST", help="host of Azure Speech, such as ws://host")
    asr_sample_rate_hz: int = _env(
        "ASR_SAMPLE_RATE", default=16000, help="rate of audio for recognition, in Hz"
    )
    tts_audio_format: str = _env("TTS_AUDIO_FORMAT", default="wav", help="format of synthesised audio")
    tts_voice: str | None = _env("TTS_VOICE", help="voice of the speech clients of seed 000")
    asr_language: str | None = _env("ASR_LANG", help="language of Azure's recogniser")
    realtime_buffer_size: int = _env(
        "REALTIME_BUFFER_SIZE", default=1024, help="sample frames of one chunk of microphone audio"
    )
    realtime_voice_provider: str | None = _env("REALTIME_VOICE_PROVIDER", help="provider of `RealtimeVoice`")
    home: str | None = _env("VOICEWIRE_HOME", help="folder of the engine's files (else the user's cache)")
    api_keys: SecretStr | None = _env("VOICEWIRE_API_KEYS", help="keys that the gateway accepts, by comma")
    secret_key: SecretStr | None = _env(
        "VOICEWIRE_SECRET_KEY",
        help="signs the gateway's client secrets; the same for processes that share them",
    )
    allowed_origins: str | None = _env(
        "VOICEWIRE_ALLOWED_ORIGINS", help="origins of web pages that may use the gateway, by comma"
    )
    limits: str | None = _env("VOICEWIRE_LIMITS", help="limits of the gateway, NAME=VALUE by comma")
    otel: str | None = _env(
        "VOICEWIRE_OTEL", help="anything but `0`: `voicewire serve` makes OpenTelemetry spans"
    )
    debug: str | None = _env("VOICEWIRE_DEBUG", help="anything but `0`: the program shows tracebacks")
    brain_api_key: SecretStr | None = _env(
        "VOICEWIRE_BRAIN_API_KEY", help="key of a brain that is an OpenAI-compatible server"
    )
    silero_vad_path: str | None = _env(
        "VOICEWIRE_SILERO_VAD_PATH", help="your own file of the speech detector"
    )
    smart_turn_path: str | None = _env(
        "VOICEWIRE_SMART_TURN_PATH", help="your own file of the end-of-turn hint"
    )
    whisper_path: str | None = _env("VOICEWIRE_WHISPER_PATH", help="your own folder of the recogniser")
    smollm2_path: str | None = _env("VOICEWIRE_SMOLLM2_PATH", help="your own file of the language model")

    def secret(self, field: str) -> str | None:
        """The value of a secret, without spaces and line ends around it; None when it is not set.

        Args:
            field: Name of the field.
        """
        value = getattr(self, field)
        return value.get_secret_value().strip() or None if isinstance(value, SecretStr) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingInfo:
    """One row of the table, for the documentation and ``voicewire doctor``."""

    names: tuple[str, ...]
    """The variables, the first one preferred."""
    help: str
    default: str
    """As text, empty for none."""
    is_secret: bool
    is_set: bool
    set_by: str
    """The variable that is set, empty when none is."""


def setting_names() -> tuple[tuple[str, ...], ...]:
    """The variables of each setting, in the order of the table."""
    return tuple(_choices(name) for name in Settings.model_fields)


def _choices(field: str) -> tuple[str, ...]:
    alias = Settings.model_fields[field].validation_alias
    assert isinstance(alias, AliasChoices)
    return tuple(str(choice) for choice in alias.choices)


_ALL_NAMES = tuple(name for names in setting_names() for name in names)


def get_settings() -> Settings:
    """The settings as the environment has them now; the same object until a variable of ours changes.

    Raises:
        ConfigError: A variable holds a value of the wrong kind; the message names it.
    """
    return _read(tuple(variable(name) for name in _ALL_NAMES))


@lru_cache(maxsize=1)
def _read(_environment: tuple[str | None, ...]) -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()
        )
        # The values stay out: what a wrong variable holds may be a key pasted into the wrong place.
        raise ConfigError(f"wrong environment variable: {problems}") from None


def is_set(name: str) -> bool:
    """Whether the setting that this variable belongs to is set, by whichever of its names."""
    names = next((choices for choices in setting_names() if name in choices), (name,))
    return any(variable(choice) for choice in names)


def describe() -> tuple[SettingInfo, ...]:
    """The whole table: names, help, and whether each is set. Never a value."""
    rows: list[SettingInfo] = []
    for name, field in Settings.model_fields.items():
        names = _choices(name)
        set_by = next((choice for choice in names if variable(choice)), "")
        rows.append(
            SettingInfo(
                names=names,
                help=field.description or "",
                default="" if field.default is None else str(field.default),
                is_secret="SecretStr" in str(field.annotation),
                is_set=bool(set_by),
                set_by=set_by,
            )
        )
    return tuple(rows)
