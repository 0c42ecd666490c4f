"""The configurations of seed 000, and what Voicewire adds to them.

Defaults that come from the environment are read when a configuration is made, never at import. A field that a client
cannot honour is refused with its reason when the client is made (`refuse_unless`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicewire.errors import ConfigError, UnsupportedError
from voicewire.settings import get_settings

MODELSTUDIO_VOICE = "longcheng_v2"
AZURE_VOICE = "en-US-AvaMultilingualNeural"


class AsrVendor(str, Enum):
    """Who recognises."""

    MODELSTUDIO = "modelstudio"
    AZURE = "azure"


class TtsVendor(str, Enum):
    """Who speaks."""

    MODELSTUDIO = "modelstudio"
    AZURE = "azure"


def _sample_rate_hz() -> int:
    return get_settings().asr_sample_rate_hz


def _tts_format() -> str:
    return get_settings().tts_audio_format


def _named(setting: str, default: str) -> Callable[[], str]:
    return lambda: getattr(get_settings(), setting, None) or default


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def configured(kind: type[ConfigT], fields: Mapping[str, Any], what: str) -> ConfigT:
    """A configuration of these fields.

    Args:
        kind: The class.
        fields: Its fields.
        what: What it is for, as an error names it.

    Raises:
        ConfigError: A field does not exist, or its value is none that it may have.
    """
    try:
        return kind.model_validate(dict(fields))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigError(f"the options of {what} are wrong: {problems}") from None


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), validate_default=True)


class ModelstudioConnection(_Config):
    """How to reach ModelStudio (DashScope)."""

    base_url: str | None = None
    """``wss://host/api-ws/v1/inference``; else DASHSCOPE_WEBSOCKET_BASE_URL, else the service in Beijing."""
    api_key: str | None = Field(default=None, repr=False)
    """Else DASHSCOPE_API_KEY."""
    workspace_id: str | None = None
    user_agent: str | None = None
    data_inspection: str | None = None
    """``enable`` asks the service to inspect the data."""


class AzureConnection(_Config):
    """How to reach Azure Speech."""

    key: str | None = Field(default=None, repr=False)
    """Else AZURE_SPEECH_KEY."""
    region: str | None = None
    """Else AZURE_SPEECH_REGION."""
    endpoint: str | None = None
    """A full address instead of a region; else AZURE_SPEECH_ENDPOINT."""
    host: str | None = None
    """``ws://host:port`` or ``wss://host`` without a path (a container); else AZURE_SPEECH_HOST."""
    auth_token: str | None = Field(default=None, repr=False)
    """A token instead of a key."""
    endpoint_id: str | None = None
    """A custom model or a custom voice."""


class Limits(_Config):
    """Times and attempts of a remote session."""

    connect_timeout_s: float = Field(default=10.0, gt=0)
    start_timeout_s: float = Field(default=10.0, gt=0)
    """For the other side to take the session."""
    finish_timeout_s: float = Field(default=30.0, gt=0)
    """How long the other side may be silent after the last input, or take nothing of what is sent."""
    max_reconnects: int = Field(default=3, ge=0)
    """Attempts in a row after a lost connection; progress starts the count again."""


class _Cassette(_Config):
    """Where the frames of the wire go."""

    record: str | Path | None = None
    """A file, one cassette for all sessions of the client (``voicewire replay``); clients with a WebSocket only."""
    record_audio: bool = True
    """Whether audio goes into it too, or only its lengths."""


class AsrConfig(_Cassette):
    """What all recognisers have."""

    model: str | None = None
    language: str | None = None
    """BCP 47, such as ``zh-CN``."""
    format: str | None = None
    """Of what is sent: ``pcm``, ``wav``; ModelStudio also takes mp3, opus, speex, aac, amr."""
    sample_rate: int | None = Field(default=None, ge=1000, le=384_000)
    """In Hz."""
    bits_per_sample: int | None = None
    nb_channels: int | None = Field(default=None, ge=1, le=8)
    """More than one are averaged to one."""
    initial_silence_timeout: int | None = Field(default=None, ge=0)
    """Silence at the start that ends the session, in ms."""
    max_end_silence: int | None = Field(default=None, ge=0)
    """Silence that ends a sentence, in ms."""
    fast_vad_min_duration: int | None = Field(default=None, ge=0)
    """Shortest silence that may end a sentence, in ms. When set alone, it is ``max_end_silence``."""
    fast_vad_max_duration: int | None = Field(default=None, ge=0)
    """Kept for the services that still read it."""

    @property
    def end_silence_ms(self) -> int | None:
        """The silence that ends a sentence: ``max_end_silence``, else ``fast_vad_min_duration``."""
        return self.max_end_silence if self.max_end_silence is not None else self.fast_vad_min_duration


class TtsConfig(_Cassette):
    """What all voices have."""

    model: str | None = None
    voice: str | None = None
    format: str | None = None
    """``wav``, ``mp3``, ``pcm`` or ``ogg`` (Opus)."""
    chat_id: str | None = None
    """Labels the audio."""
    sample_rate: int | None = Field(default=None, ge=8000, le=48_000)
    """In Hz."""
    bits_per_sample: int | None = None
    nb_channels: int | None = None
    wav_header: Literal["open", "exact"] = "open"
    """``open``: audio streams at once behind a header of open length. ``exact``: it waits until its length is known."""


class ModelstudioAsrConfig(AsrConfig, ModelstudioConnection, Limits):
    """Configuration of `ModelstudioAsrClient`."""

    model: str | None = "gummy-realtime-v1"
    sample_rate: int | None = Field(default_factory=_sample_rate_hz, ge=1000, le=384_000)
    format: str | None = "pcm"
    max_end_silence: int | None = Field(default=700, ge=0)
    fast_vad_min_duration: int | None = Field(default=200, ge=0)
    fast_vad_max_duration: int | None = Field(default=1100, ge=0)
    language_hints: list[str] | None = None
    """Languages that may occur; ``language`` by default."""
    vocabulary_id: str | None = None
    """Hot words."""
    phrase_id: str | None = None
    """Hot words of the older kind."""
    disfluency_removal_enabled: bool | None = None
    semantic_punctuation_enabled: bool | None = None
    punctuation_prediction_enabled: bool | None = None
    inverse_text_normalization_enabled: bool | None = None
    multi_threshold_mode_enabled: bool | None = None
    heartbeat: bool | None = None
    """Keeps the session through long silence."""
    translation_target_languages: list[str] | None = None
    """Gummy only."""
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Further parameters of the service, sent as they are."""


class ModelstudioTtsConfig(TtsConfig, ModelstudioConnection, Limits):
    """Configuration of `ModelstudioTtsClient`."""

    model: str | None = "cosyvoice-v2"
    voice: str | None = Field(default_factory=_named("tts_voice", MODELSTUDIO_VOICE))
    sample_rate: int | None = Field(default=16000, ge=8000, le=48_000)
    format: str | None = Field(default_factory=_tts_format)
    speech_rate: float = Field(default=1.0, ge=0.5, le=2.0)
    pitch_rate: float = Field(default=1.0, ge=0.5, le=2.0)
    volume: int = Field(default=50, ge=0, le=100)
    bit_rate: int | None = Field(default=None, ge=6, le=510)
    """Of Opus, in kbit/s."""
    ssml: bool = False
    """Whether the text is SSML; then it is sent in one piece."""
    seed: int = Field(default=0, ge=0, le=65535)
    instruction: str | None = None
    """How to speak (v3 voices)."""
    language_hints: list[str] | None = None
    word_timestamps: bool = False
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])


class AzureAsrConfig(AsrConfig, AzureConnection, Limits):
    """Configuration of `AzureAsrClient`."""

    sample_rate: int | None = Field(default_factory=_sample_rate_hz, ge=1000, le=384_000)
    format: str | None = "pcm"
    bits_per_sample: int | None = 16
    nb_channels: int | None = Field(default=1, ge=1, le=8)
    initial_silence_timeout: int | None = Field(default=5000, ge=0)
    max_end_silence: int | None = Field(default=800, ge=0)
    language: str | None = Field(default_factory=_named("asr_language", "en-US"))
    mode: Literal["continuous", "single"] = "continuous"
    """``single`` ends after the first utterance."""
    phrases: list[str] = Field(default_factory=list[str])
    """Words to expect."""
    phrase_weight: float | None = Field(default=None, ge=0, le=2)
    is_detailed: bool = True
    """Asks for confidence and word times."""
    identify_speakers: bool = False
    profanity: Literal["masked", "removed", "raw"] = "masked"
    languages: list[str] = Field(default_factory=list[str])
    """Languages to choose from by listening, at most ten."""


class AzureTtsConfig(TtsConfig, AzureConnection, Limits):
    """Configuration of `AzureTtsClient`."""

    voice: str | None = Field(default_factory=_named("tts_voice", AZURE_VOICE))
    sample_rate: int | None = Field(default=16000, ge=8000, le=48_000)
    format: str | None = Field(default_factory=_tts_format)
    bits_per_sample: int | None = 16
    nb_channels: int | None = 1
    ssml: bool = False
    """Whether the text is SSML; else styles and rates are wrapped around plain text."""
    style: str | None = None
    """``cheerful``, ``sad``, ...: an expressive style of the voice."""
    style_degree: float | None = Field(default=None, ge=0.01, le=2)
    speech_rate: float = Field(default=1.0, ge=0.5, le=2.0)
    pitch_rate: float = Field(default=1.0, ge=0.5, le=2.0)
    volume: int = Field(default=100, ge=0, le=100)
    is_streaming_text: bool = True
    """Whether text is sent piece by piece as it comes (plain text without style, rate, pitch and volume)."""
    visemes: bool = False
    word_boundaries: bool = False


class LocalAsrConfig(AsrConfig):
    """Configuration of `LocalAsrClient`."""

    model: str | None = None
    sample_rate: int | None = Field(default_factory=_sample_rate_hz, ge=1000, le=384_000)
    format: str | None = "pcm"
    max_end_silence: int | None = Field(default=480, ge=0)
    partials: bool = True
    """Whether partial results are wanted."""
    finish_timeout_s: float = Field(default=30.0, gt=0)


class LocalTtsConfig(TtsConfig):
    """Configuration of `LocalTtsClient`."""

    model: str | None = None
    sample_rate: int | None = Field(default=24000, ge=8000, le=48_000)
    format: str | None = Field(default_factory=_tts_format)
    speech_rate: float = Field(default=1.0, ge=0.5, le=2.0)
    volume: int = Field(default=50, ge=0, le=100)
    """50 is the voice as it is, 100 twice as loud."""
    finish_timeout_s: float = Field(default=600.0, gt=0)


class OpenAITranscriptionConfig(AsrConfig):
    """Configuration of `OpenAITranscriptionClient`."""

    model: str | None = "gpt-realtime-whisper"
    sample_rate: int | None = Field(default_factory=_sample_rate_hz, ge=1000, le=384_000)
    format: str | None = "pcm"
    max_end_silence: int | None = Field(default=500, ge=0)
    api_key: str | None = Field(default=None, repr=False)
    """Else OPENAI_API_KEY."""
    base_url: str | None = None
    """Else OPENAI_BASE_URL."""
    prompt: str | None = None
    """Words to expect."""
    finish_timeout_s: float = Field(default=30.0, gt=0)
    """How long the last transcript may take after the last input."""
    max_reconnects: int = Field(default=3, ge=0)
    """Attempts in a row after a lost connection."""


def refuse_recording(config: AsrConfig | TtsConfig, why: str) -> None:
    """Refuses a cassette of a client that opens no WebSocket of its own.

    Raises:
        UnsupportedError: One is asked for.
    """
    refuse_unless(config.record is None, "record", why)


NO_WIRE = "the engine on this machine has no wire that could be recorded; leave it out"
SDK_HAS_NO_DOOR = (
    "the official Speech SDK opens its connections itself and lets nobody look at its frames; leave it out, or let it "
    "talk to `voicewire serve --cassettes DIR`"
)


def refuse_unless(condition: bool, what: str, why: str) -> None:
    """Refuses a field that cannot be honoured.

    Raises:
        UnsupportedError: The condition does not hold.
    """
    if not condition:
        raise UnsupportedError(f"{what}: {why}")
