"""Azure OpenAI: the OpenAI wire at the address of a resource (GA path, no API version)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

from voicewire.errors import ConfigError
from voicewire.events.session import SessionConfig
from voicewire.models.addresses import websocket_url
from voicewire.models.openai import OpenAIWireModel
from voicewire.models.profiles import azure_profile
from voicewire.models.remote import ReceiveLimits
from voicewire.transport.options import WebSocketOptions

TokenProvider = Callable[[], str | Awaitable[str]]
"""Gives a Microsoft Entra token (scope ``https://cognitiveservices.azure.com/.default``) for each session."""


class AzureOpenAIRealtimeModel(OpenAIWireModel):
    """A realtime deployment of Azure OpenAI.

    Args:
        deployment: Name of the deployment; ``AZURE_OPENAI_DEPLOYMENT`` when empty.
        api_key: The resource's key; ``AZURE_OPENAI_API_KEY`` when None. Printed nowhere.
        voice: Such as ``alloy``.
        enable_input_audio_transcription: Whether the user's audio is transcribed.
        base_url: The resource, such as ``https://NAME.openai.azure.com``; else ``AZURE_OPENAI_ENDPOINT``.
        token_provider: Gives an Entra token; used instead of a key.
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
        config: SessionConfig | None = None,
        options: WebSocketOptions | None = None,
        limits: ReceiveLimits | None = None,
        setup_timeout_s: float = 15.0,
    ) -> None:
        if not deployment:
            from voicewire.settings import get_settings

            deployment = get_settings().azure_openai_deployment or ""
        if not deployment:
            raise ConfigError(
                "azure needs a deployment: set AZURE_OPENAI_DEPLOYMENT, or name it (azure:NAME)"
            )
        super().__init__(
            f"azure:{deployment}",
            deployment,
            provider="azure",
            profile=azure_profile(),
            voice=voice,
            enable_input_audio_transcription=enable_input_audio_transcription,
            config=config,
            options=options,
            limits=limits,
            setup_timeout_s=setup_timeout_s,
        )
        self._api_key = api_key
        self._base_url = base_url
        self._token_provider = token_provider

    def _address(self) -> str:
        from voicewire.settings import get_settings

        base_url = self._base_url or get_settings().azure_openai_endpoint
        if not base_url:
            raise ConfigError(
                f"{self.name} needs its resource's address: set AZURE_OPENAI_ENDPOINT, or give base_url="
            )
        return websocket_url(base_url, "/realtime", {"model": self.model_name}, root="/openai/v1")

    async def _headers(self) -> dict[str, str]:
        if self._token_provider is not None:
            token = self._token_provider()
            if inspect.isawaitable(token):
                token = await token
            return {"Authorization": f"Bearer {token}"}
        from voicewire.settings import get_settings

        key = self._api_key or get_settings().secret("azure_openai_api_key")
        if not key:
            raise ConfigError(
                f"{self.name} needs a key: set AZURE_OPENAI_API_KEY, or give api_key= or token_provider="
            )
        return {"api-key": key.strip()}
