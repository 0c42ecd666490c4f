"""The voice-chat messages of seed 000's schema module: models only, no client or server speaks them.

The original could not construct its request and read every response as the wrong payload; here the directive, or the
event, says which payload it is.
"""

from __future__ import annotations

import uuid
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel, Field, SerializeAsAny, model_validator

from voicewire.speech.config import (
    AsrConfig,
    AsrVendor,
    AzureAsrConfig,
    AzureTtsConfig,
    ModelstudioAsrConfig,
    ModelstudioTtsConfig,
    TtsConfig,
    TtsVendor,
)

_ASR_OF: Final[dict[str, type[BaseModel]]] = {"modelstudio": ModelstudioAsrConfig, "azure": AzureAsrConfig}
_TTS_OF: Final[dict[str, type[BaseModel]]] = {"modelstudio": ModelstudioTtsConfig, "azure": AzureTtsConfig}


def _with_options(data: Any, kind: str, plain: type[BaseModel], vendors: dict[str, type[BaseModel]]) -> Any:
    """The fields with their options read as the vendor's, where they have more than the plain ones."""
    if not isinstance(data, dict):
        return data
    fields: dict[str, Any] = {**data}  # pyright: ignore[reportUnknownVariableType]  # as it came
    options: Any = fields.get(f"{kind}_options")
    if not isinstance(options, dict) or set(options) <= set(plain.model_fields):  # pyright: ignore[reportUnknownArgumentType]  # as it came
        return fields
    vendor = fields.get(f"{kind}_vendor") or "modelstudio"
    chosen = vendors.get(str(getattr(vendor, "value", vendor)), plain)
    return {**fields, f"{kind}_options": chosen.model_validate(options)}


class ModelstudioKnowledgeBaseConfig(BaseModel):
    """Where a dialogue looks things up."""

    index_ids: list[str]
    workspace_id: str
    api_key: str = Field(repr=False)


class ModelstudioVoiceChatUpstream(BaseModel):
    """What the client sends."""

    dialog_mode: str | None = "duplex"
    enable_server_vad: bool | None = True
    modalities: list[str] | None = Field(default_factory=lambda: ["audio"])
    asr_vendor: AsrVendor | None = AsrVendor.MODELSTUDIO
    asr_options: SerializeAsAny[AsrConfig] | None = Field(default_factory=AsrConfig)
    """Of the vendor's own kind, when it has fields of the vendor's."""

    @model_validator(mode="before")
    @classmethod
    def _choose(cls, data: Any) -> Any:
        return _with_options(data, "asr", AsrConfig, _ASR_OF)


class ModelstudioVoiceChatDownstream(BaseModel):
    """What the client wants back."""

    modalities: list[str] | None = Field(default_factory=lambda: ["audio", "text"])
    tts_vendor: TtsVendor | None = TtsVendor.MODELSTUDIO
    tts_options: SerializeAsAny[TtsConfig] | None = Field(default_factory=TtsConfig)
    """Of the vendor's own kind, when it has fields of the vendor's."""

    @model_validator(mode="before")
    @classmethod
    def _choose(cls, data: Any) -> Any:
        return _with_options(data, "tts", TtsConfig, _TTS_OF)


class ModelstudioVoiceChatParameters(BaseModel):
    """Further settings of a dialogue."""

    modelstudio_kb: ModelstudioKnowledgeBaseConfig | None = None
    enable_tool_call: bool | None = False


class ModelstudioVoiceChatInput(BaseModel):
    """A text of the user."""

    dialog_id: str | None = None
    app_id: str | None = None
    text: str | None = None


class ModelstudioVoiceChatDirective(str, Enum):
    """What a request orders."""

    SESSION_START = "SessionStart"
    SESSION_STOP = "SessionStop"


class ModelstudioVoiceChatEvent(str, Enum):
    """What a response tells."""

    SESSION_STARTED = "SessionStarted"
    SESSION_STOPPED = "SessionStopped"
    AUDIO_TRANSCRIPT = "AudioTranscript"
    RESPONSE_TEXT = "ResponseText"
    RESPONSE_AUDIO_STARTED = "ResponseAudioStarted"
    RESPONSE_AUDIO_ENDED = "ResponseAudioEnded"


class ModelstudioVoiceChatInPayload(BaseModel):
    """What requests carry."""


class ModelstudioVoiceChatSessionStartPayload(ModelstudioVoiceChatInPayload):
    """The beginning of a session."""

    session_id: str | None = Field(default_factory=lambda: str(uuid.uuid4()))
    upstream: ModelstudioVoiceChatUpstream | None = Field(default_factory=ModelstudioVoiceChatUpstream)
    downstream: ModelstudioVoiceChatDownstream | None = Field(default_factory=ModelstudioVoiceChatDownstream)
    parameters: ModelstudioVoiceChatParameters | None = Field(default_factory=ModelstudioVoiceChatParameters)


class ModelstudioVoiceChatSessionStopPayload(ModelstudioVoiceChatInPayload):
    """The end of a session."""


class ModelstudioVoiceChatOutPayload(BaseModel):
    """What responses carry."""

    session_id: str | None = None


class ModelstudioVoiceChatSessionStartedPayload(ModelstudioVoiceChatOutPayload):
    """The session has begun."""


class ModelstudioVoiceChatSessionStoppedPayload(ModelstudioVoiceChatOutPayload):
    """The session is over."""


class ModelstudioVoiceChatResponseAudioStartedPayload(ModelstudioVoiceChatOutPayload):
    """Audio of the reply begins."""


class ModelstudioVoiceChatResponseAudioStoppedPayload(ModelstudioVoiceChatOutPayload):
    """Audio of the reply ended."""


class ModelstudioVoiceChatAudioTranscriptPayload(ModelstudioVoiceChatOutPayload):
    """Words of the user."""

    text: str | None = ""
    finished: bool


class ModelstudioVoiceChatResponseTextPayload(ModelstudioVoiceChatOutPayload):
    """Words of the reply."""

    text: str | None = ""
    tool_calls: list[dict[str, Any]] | None = Field(default_factory=list[dict[str, Any]])
    finished: bool


_IN: Final[dict[ModelstudioVoiceChatDirective, type[ModelstudioVoiceChatInPayload]]] = {
    ModelstudioVoiceChatDirective.SESSION_START: ModelstudioVoiceChatSessionStartPayload,
    ModelstudioVoiceChatDirective.SESSION_STOP: ModelstudioVoiceChatSessionStopPayload,
}
_OUT: Final[dict[ModelstudioVoiceChatEvent, type[ModelstudioVoiceChatOutPayload]]] = {
    ModelstudioVoiceChatEvent.SESSION_STARTED: ModelstudioVoiceChatSessionStartedPayload,
    ModelstudioVoiceChatEvent.SESSION_STOPPED: ModelstudioVoiceChatSessionStoppedPayload,
    ModelstudioVoiceChatEvent.AUDIO_TRANSCRIPT: ModelstudioVoiceChatAudioTranscriptPayload,
    ModelstudioVoiceChatEvent.RESPONSE_TEXT: ModelstudioVoiceChatResponseTextPayload,
    ModelstudioVoiceChatEvent.RESPONSE_AUDIO_STARTED: ModelstudioVoiceChatResponseAudioStartedPayload,
    ModelstudioVoiceChatEvent.RESPONSE_AUDIO_ENDED: ModelstudioVoiceChatResponseAudioStoppedPayload,
}


class ModelstudioVoiceChatRequest(BaseModel):
    """An order of the client; the directive says what its payload is."""

    directive: ModelstudioVoiceChatDirective
    payload: SerializeAsAny[ModelstudioVoiceChatInPayload]

    @model_validator(mode="before")
    @classmethod
    def _choose(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        fields: dict[str, Any] = {**data}  # pyright: ignore[reportUnknownVariableType]  # as it came
        try:
            kind = _IN[ModelstudioVoiceChatDirective(fields.get("directive"))]
        except ValueError:
            raise ValueError(f"Unsupported directive: {fields.get('directive')}") from None
        payload: Any = fields.get("payload") or {}
        return {**fields, "payload": payload if isinstance(payload, kind) else kind.model_validate(payload)}


class ModelstudioVoiceChatResponse(BaseModel):
    """What the service tells; the event says what its payload is."""

    event: ModelstudioVoiceChatEvent | None
    payload: SerializeAsAny[ModelstudioVoiceChatOutPayload]

    @model_validator(mode="before")
    @classmethod
    def _choose(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        fields: dict[str, Any] = {**data}  # pyright: ignore[reportUnknownVariableType]  # as it came
        event = fields.get("event")
        payload: Any = fields.get("payload") or {}
        if event is None or isinstance(payload, ModelstudioVoiceChatOutPayload):
            return fields
        kind = _OUT[ModelstudioVoiceChatEvent(event)]
        return {**fields, "payload": kind.model_validate(payload)}
