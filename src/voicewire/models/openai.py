"""OpenAI's realtime models, and every server that speaks the same wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from voicewire.errors import ConfigError
from voicewire.events.session import SessionConfig, ToolSpec, Transcription
from voicewire.models.addresses import websocket_url
from voicewire.models.model import RealtimeConnection
from voicewire.models.opening import check_config, session_config
from voicewire.models.profiles import Profile, openai_profile
from voicewire.models.queue_door import RealtimeModelBase
from voicewire.models.remote import ReceiveLimits, open_remote
from voicewire.transport.frames import FrameReceiver, FrameTransport
from voicewire.transport.options import WebSocketOptions

OPENAI_BASE_URL = "https://api.openai.com/v1"


class OpenAIWireModel(RealtimeModelBase):
    """A model behind the OpenAI wire (GA dialect). Providers differ in address and headers only.

    Args:
        name: Full name, such as ``openai:gpt-realtime``.
        model_name: What the provider calls it.
        provider: Short name of the provider, for errors.
        profile: What is known of the model.
        voice: Voice of the reply; the profile's when empty.
        enable_input_audio_transcription: Whether the user's audio is transcribed.
        config: Defaults of every session; voice and transcription come from the arguments when it is None.
        options: How the WebSocket behaves.
        limits: How far the application may fall behind.
        setup_timeout_s: How long opening a session may take.
    """

    def __init__(
        self,
        name: str,
        model_name: str,
        *,
        provider: str,
        profile: Profile,
        voice: str,
        enable_input_audio_transcription: bool,
        config: SessionConfig | None,
        options: WebSocketOptions | None,
        limits: ReceiveLimits | None,
        setup_timeout_s: float,
    ) -> None:
        super().__init__(model_name)
        self.name = name
        self.capabilities = profile.capabilities
        self._provider = provider
        self._profile = profile
        self._options = options or WebSocketOptions()
        self._limits = limits
        self._setup_timeout_s = setup_timeout_s
        self._defaults = config or SessionConfig(
            transcription=Transcription() if enable_input_audio_transcription else None
        )
        if voice or not self._defaults.voice:
            self._defaults = msgspec.structs.replace(self._defaults, voice=voice or profile.voice)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model_name!r})"

    @property
    def websocket_url(self) -> str:
        """The address that a session connects to; holds no secret.

        Raises:
            ConfigError: The base address is missing or not one.
        """
        return self._address()

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens a conversation; see `RealtimeModel.open`."""
        chosen = session_config(
            self._defaults, model=self.model_name, instructions=instructions, tools=tools, config=config
        )
        return self._open(chosen)

    @asynccontextmanager
    async def _open(self, config: SessionConfig) -> AsyncGenerator[RealtimeConnection, None]:
        from voicewire.protocols.openai.client import OpenAIClientCodec
        from voicewire.transport.connect import connect_websocket

        check_config(self.name, self.capabilities, config)
        url = self._address()
        headers = {**await self._headers(), **self._options.headers}
        options = replace(self._options, headers=headers, provider=self._provider)

        async def connect(receiver: FrameReceiver) -> FrameTransport:
            return await connect_websocket(url, receiver, options)

        async with open_remote(
            OpenAIClientCodec(config, transcription_model=self._profile.transcription_model),
            connect,
            config=config,
            capabilities=self.capabilities,
            name=self.name,
            provider=self._provider,
            limits=self._limits,
            setup_timeout_s=self._setup_timeout_s,
        ) as connection:
            yield connection

    def _address(self) -> str:
        raise ConfigError(f"{type(self).__name__} has no address")

    async def _headers(self) -> dict[str, str]:
        return {}


class OpenAIRealtimeModel(OpenAIWireModel):
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
        organization: str | None = None,
        project: str | None = None,
        config: SessionConfig | None = None,
        options: WebSocketOptions | None = None,
        limits: ReceiveLimits | None = None,
        setup_timeout_s: float = 15.0,
    ) -> None:
        super().__init__(
            f"openai:{model_name}",
            model_name,
            provider="openai",
            profile=openai_profile(model_name),
            voice=voice,
            enable_input_audio_transcription=enable_input_audio_transcription,
            config=config,
            options=options,
            limits=limits,
            setup_timeout_s=setup_timeout_s,
        )
        self._api_key = api_key
        self._base_url = base_url
        self._organization = organization
        self._project = project

    def _address(self) -> str:
        from voicewire.settings import get_settings

        base_url = self._base_url or get_settings().openai_base_url or OPENAI_BASE_URL
        root = "" if urlsplit(base_url.strip()).path.strip("/") else "/v1"
        return websocket_url(base_url, "/realtime", {"model": self.model_name}, root=root)

    async def _headers(self) -> dict[str, str]:
        from voicewire.settings import get_settings

        key = self._api_key or get_settings().secret("openai_api_key")
        if not key:
            raise ConfigError(f"{self.name} needs a key: set OPENAI_API_KEY, or give api_key=")
        headers = {"Authorization": f"Bearer {key.strip()}"}
        if self._organization:
            headers["OpenAI-Organization"] = self._organization
        if self._project:
            headers["OpenAI-Project"] = self._project
        return headers
