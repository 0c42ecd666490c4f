"""Azure OpenAI: the OpenAI wire at the address of a resource, by its GA path or by that of the preview."""

from __future__ import annotations

from voicewire.errors import ConfigError
from voicewire.events.session import SessionConfig
from voicewire.models.addresses import websocket_url
from voicewire.models.openai import openai_codec
from voicewire.models.profiles import Profile, azure_profile, first_preview_profile, preview_profile
from voicewire.models.remote import ReceiveLimits
from voicewire.models.remote_model import OR_TOKEN, RemoteModel, TokenCredential, TokenProvider, bearer
from voicewire.protocols.codec import ClientCodec
from voicewire.transport.options import WebSocketOptions

ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
"""What a credential is asked for."""


def _usual_deployment() -> str:
    from voicewire.settings import get_settings

    deployment = get_settings().azure_openai_deployment
    if not deployment:
        raise ConfigError("azure needs a deployment: set AZURE_OPENAI_DEPLOYMENT, or name it (azure:NAME)")
    return deployment


def _profile(api_version: str | None) -> Profile:
    if not api_version:
        return azure_profile()
    from voicewire.protocols.openai.dialect_beta import BETA_PREVIEW_VERSION

    is_first = api_version == BETA_PREVIEW_VERSION
    return first_preview_profile(azure_profile()) if is_first else preview_profile(azure_profile())


class AzureOpenAIRealtimeModel(RemoteModel):
    """A realtime deployment of Azure OpenAI.

    Args:
        deployment: Name of the deployment; ``AZURE_OPENAI_DEPLOYMENT`` when empty.
        api_key: The resource's key; ``AZURE_OPENAI_API_KEY`` when None. Printed nowhere.
        voice: Such as ``alloy``.
        enable_input_audio_transcription: Whether the user's audio is transcribed.
        base_url: The resource, such as ``https://NAME.openai.azure.com``; else ``AZURE_OPENAI_ENDPOINT``.
        token_provider: Gives an Entra token; used instead of a key.
        credential: A credential in the manner of azure-identity, synchronous or not; used instead of a key.
        api_version: Version of the preview, such as ``2025-04-01-preview``: with it the session goes by the
            preview's path in the beta dialect. None is the GA path, which has no version.
        config: Defaults of every session.
        options: How the WebSocket behaves.
        limits: How far the application may fall behind.
        setup_timeout_s: How long opening a session may take.

    Raises:
        ConfigError: No deployment is named.
    """

    def __init__(
        self,
        deployment: str = "",
        api_key: str | None = None,
        voice: str = "",
        enable_input_audio_transcription: bool = True,
        *,
        base_url: str | None = None,
        token_provider: TokenProvider | None = None,
        credential: TokenCredential | None = None,
        api_version: str | None = None,
        config: SessionConfig | None = None,
        options: WebSocketOptions | None = None,
        limits: ReceiveLimits | None = None,
        setup_timeout_s: float = 15.0,
    ) -> None:
        deployment = deployment or _usual_deployment()
        self._profile = _profile(api_version)
        super().__init__(
            deployment,
            provider="azure",
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
        self._token_provider = token_provider
        self._credential = credential
        self._api_version = api_version

    @property
    def dialect(self) -> str:
        """``beta`` by the preview's path, else ``ga``."""
        return "beta" if self._api_version else "ga"

    def _codec(self, config: SessionConfig) -> ClientCodec:
        return openai_codec(config, self._profile, "beta" if self._api_version else "ga")

    def _address(self) -> str:
        from voicewire.settings import get_settings

        base_url = self._resource(get_settings().azure_openai_endpoint, "AZURE_OPENAI_ENDPOINT")
        if self._api_version:
            query = {"api-version": self._api_version, "deployment": self.model_name}
            return websocket_url(base_url, "/realtime", query, root="/openai")
        return websocket_url(base_url, "/realtime", {"model": self.model_name}, root="/openai/v1")

    async def _headers(self) -> dict[str, str]:
        token = await bearer(self._token_provider, self._credential, ENTRA_SCOPE)
        return token or {"api-key": self._key("azure_openai_api_key", or_give=OR_TOKEN)}
