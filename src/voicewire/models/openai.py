"""OpenAI's realtime models, and every server that speaks the same wire."""

from __future__ import annotations

from typing import Literal

from voicewire.errors import ConfigError
from voicewire.events.session import SessionConfig
from voicewire.models.addresses import openai_url
from voicewire.models.profiles import Profile, openai_profile, preview_profile
from voicewire.models.remote import ReceiveLimits
from voicewire.models.remote_model import RemoteModel
from voicewire.protocols.codec import ClientCodec
from voicewire.transport.options import WebSocketOptions

OPENAI_BASE_URL = "https://api.openai.com/v1"
BETA_HEADER = {"OpenAI-Beta": "realtime=v1"}

Dialect = Literal["ga", "beta"]
"""``ga`` is the wire of today; ``beta`` the flat one before it, for servers that speak nothing else."""


def openai_codec(config: SessionConfig, profile: Profile, dialect: Dialect) -> ClientCodec:
    """The client side of the OpenAI wire in one of its dialects."""
    if dialect == "beta":
        from voicewire.protocols.openai.dialect_beta import BETA
        from voicewire.protocols.openai.flat_client import FlatClientCodec

        return FlatClientCodec(config, BETA, transcription_model=profile.transcription_model)
    from voicewire.protocols.openai.client import OpenAIClientCodec

    return OpenAIClientCodec(config, transcription_model=profile.transcription_model)


class OpenAIRealtimeModel(RemoteModel):
    """A realtime model of OpenAI, or of any server at ``base_url`` that speaks its wire.

    Args:
        model_name: Such as ``gpt-realtime``.
        api_key: The key; ``OPENAI_API_KEY`` when None. Printed nowhere.
        voice: Such as ``alloy`` or ``marin``.
        enable_input_audio_transcription: Whether the user's audio is transcribed.
        base_url: Such as ``https://api.openai.com/v1`` or ``ws://127.0.0.1:8080/v1``; ``OPENAI_BASE_URL``
            when None.
        organization: Sent as ``OpenAI-Organization``.
        project: Sent as ``OpenAI-Project``.
        dialect: ``ga``, or ``beta`` for servers that speak the flat wire of 2024 and 2025; OpenAI itself no
            longer does.
        config: Defaults of every session.
        options: How the WebSocket behaves.
        limits: How far the application may fall behind.
        setup_timeout_s: How long opening a session may take.

    Raises:
        ConfigError: There is no such dialect.
    """

    def __init__(
        self,
        model_name: str,
        api_key: str | None = None,
        voice: str = "",
        enable_input_audio_transcription: bool = True,
        *,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        dialect: Dialect = "ga",
        config: SessionConfig | None = None,
        options: WebSocketOptions | None = None,
        limits: ReceiveLimits | None = None,
        setup_timeout_s: float = 15.0,
    ) -> None:
        if dialect not in ("ga", "beta"):
            raise ConfigError(f"there is no dialect {dialect!r}; give 'ga' or 'beta'")
        self._profile = (
            preview_profile(openai_profile(model_name)) if dialect == "beta" else openai_profile(model_name)
        )
        super().__init__(
            model_name,
            provider="openai",
            profile=self._profile,
            api_key=api_key,
            base_url=base_url,
            voice=voice,
            enable_input_audio_transcription=enable_input_audio_transcription,
            config=config,
            options=options,
            limits=limits,
            setup_timeout_s=setup_timeout_s,
        )
        self._dialect: Dialect = dialect
        self._organization = organization
        self._project = project

    @property
    def dialect(self) -> str:
        """``ga`` or ``beta``."""
        return self._dialect

    def _codec(self, config: SessionConfig) -> ClientCodec:
        return openai_codec(config, self._profile, self._dialect)

    def _address(self) -> str:
        from voicewire.settings import get_settings

        base_url = self._base_url or get_settings().openai_base_url or OPENAI_BASE_URL
        return openai_url(base_url, self.model_name)

    async def _headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._key('openai_api_key')}"}
        if self._organization:
            headers["OpenAI-Organization"] = self._organization
        if self._project:
            headers["OpenAI-Project"] = self._project
        return {**headers, **BETA_HEADER} if self._dialect == "beta" else headers
