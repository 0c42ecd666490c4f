"""Azure Voice Live: the flat wire with voices, turn detection and audio options of its own."""

from __future__ import annotations

from voicewire.events.session import SessionConfig
from voicewire.models.addresses import websocket_url
from voicewire.models.profiles import voicelive_profile
from voicewire.models.remote import ReceiveLimits
from voicewire.models.remote_model import OR_TOKEN, RemoteModel, TokenCredential, TokenProvider, bearer
from voicewire.protocols.codec import ClientCodec
from voicewire.transport.options import WebSocketOptions

API_VERSION = "2025-10-01"
ENTRA_SCOPE = "https://ai.azure.com/.default"
"""What a credential is asked for."""


class VoiceLiveRealtimeModel(RemoteModel):
    """A model behind Azure Voice Live.

    What only this service has goes into ``SessionConfig.extra`` under its own name: ``voice`` (an object),
    ``input_audio_echo_cancellation``, ``noise_reduction``, ``animation``, ``output_audio_timestamp_types``;
    ``turn_detection`` there holds what `TurnDetection` has no field for, such as ``auto_truncate``. Visemes,
    blend shapes and word timestamps come as ``ModelProviderEvent``.

    Args:
        model_name: Such as ``gpt-realtime`` or ``gpt-4o``.
        api_key: The resource's key; ``AZURE_VOICELIVE_API_KEY`` when None. Printed nowhere.
        voice: Such as ``alloy`` or ``en-US-AvaNeural``.
        enable_input_audio_transcription: Whether the user's audio is transcribed.
        base_url: The resource, such as ``https://NAME.services.ai.azure.com``; else ``AZURE_VOICELIVE_ENDPOINT``.
        api_version: Version of the service.
        token_provider: Gives an Entra token; used instead of a key.
        credential: A credential in the manner of azure-identity, synchronous or not; used instead of a key.
        config: Defaults of every session.
        options: How the WebSocket behaves.
        limits: How far the application may fall behind.
        setup_timeout_s: How long opening a session may take.
    """

    def __init__(
        self,
        model_name: str,
        api_key: str | None = None,
        voice: str = "",
        enable_input_audio_transcription: bool = True,
        *,
        base_url: str | None = None,
        api_version: str = API_VERSION,
        token_provider: TokenProvider | None = None,
        credential: TokenCredential | None = None,
        config: SessionConfig | None = None,
        options: WebSocketOptions | None = None,
        limits: ReceiveLimits | None = None,
        setup_timeout_s: float = 15.0,
    ) -> None:
        self._profile = voicelive_profile()
        super().__init__(
            model_name,
            provider="voicelive",
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
        self._api_version = api_version
        self._token_provider = token_provider
        self._credential = credential

    def _codec(self, config: SessionConfig) -> ClientCodec:
        from voicewire.protocols.openai.dialect_voicelive import VOICE_LIVE
        from voicewire.protocols.openai.flat_client import FlatClientCodec

        return FlatClientCodec(config, VOICE_LIVE, transcription_model=self._profile.transcription_model)

    def _address(self) -> str:
        from voicewire.settings import get_settings

        base_url = self._resource(get_settings().azure_voicelive_endpoint, "AZURE_VOICELIVE_ENDPOINT")
        query = {"api-version": self._api_version, "model": self.model_name}
        return websocket_url(base_url, "/realtime", query, root="/voice-live")

    async def _headers(self) -> dict[str, str]:
        token = await bearer(self._token_provider, self._credential, ENTRA_SCOPE)
        return token or {"api-key": self._key("azure_voicelive_api_key", or_give=OR_TOKEN)}
