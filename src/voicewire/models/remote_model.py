"""What every model of a provider is: a configuration, an address, headers, and a codec behind the narrow door."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Protocol

import msgspec

from voicewire.errors import ConfigError
from voicewire.events.session import SessionConfig, ToolSpec, Transcription
from voicewire.models.linked import LinkedModel
from voicewire.models.model import Capabilities, RealtimeConnection
from voicewire.models.opening import check_config, session_config
from voicewire.models.remote import ReceiveLimits, RemoteConnection, open_remote
from voicewire.protocols.codec import ClientCodec
from voicewire.transport.frames import FrameReceiver, FrameTransport
from voicewire.transport.options import WebSocketOptions

TokenProvider = Callable[[], str | Awaitable[str]]
"""Gives a bearer token for each session, plainly or asynchronously."""


class Token(Protocol):
    """What a credential gives; ``azure.core.credentials.AccessToken`` is one."""

    @property
    def token(self) -> str:
        """The bearer token."""
        ...


class TokenCredential(Protocol):
    """A credential in the manner of azure-identity, synchronous or asynchronous."""

    def get_token(self, *scopes: str) -> Token | Awaitable[Token]:
        """A token that is valid for the scopes."""
        ...


async def bearer(
    token_provider: TokenProvider | None, credential: TokenCredential | None, scope: str
) -> dict[str, str] | None:
    """The header of a token; None where neither a provider nor a credential is given.

    Args:
        token_provider: Gives the token itself.
        credential: Gives it for a scope.
        scope: What a credential is asked for.

    Raises:
        ConfigError: What came is no token.
    """
    if token_provider is not None:
        found: object = token_provider()
        if inspect.isawaitable(found):
            found = await found
    elif credential is not None:
        given: object = credential.get_token(scope)
        if inspect.isawaitable(given):
            given = await given
        found = getattr(given, "token", None)
    else:
        return None
    if not isinstance(found, str) or not found.strip():
        raise ConfigError("the token provider gave no token; it must give a string that is not empty")
    return {"Authorization": f"Bearer {found.strip()}"}


OR_TOKEN: Final = "api_key=, token_provider= or credential="
"""What lets into a resource of Azure."""


class RemoteProfile(Protocol):
    """What is known of a model before it is connected."""

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do."""
        ...

    @property
    def voice(self) -> str:
        """Voice of the reply where nothing else names one."""
        ...


class RemoteModel(LinkedModel):
    """A model behind a WebSocket. Providers differ in address, headers and codec only.

    Args:
        model_name: What the provider calls it.
        provider: Short name of the provider, for the full name and for errors.
        profile: What is known of the model.
        api_key: The key; the environment's when None.
        base_url: Where the provider is; by the environment when None.
        voice: Voice of the reply, whatever the configuration says.
        enable_input_audio_transcription: Whether the user's audio is transcribed.
        config: Defaults of every session; transcription comes from the argument when it is None.
        options: How the WebSocket behaves.
        limits: How far the application may fall behind.
        setup_timeout_s: How long opening a session may take.
    """

    def __init__(
        self,
        model_name: str,
        *,
        provider: str,
        profile: RemoteProfile,
        api_key: str | None,
        base_url: str | None,
        voice: str,
        enable_input_audio_transcription: bool,
        config: SessionConfig | None,
        options: WebSocketOptions | None,
        limits: ReceiveLimits | None,
        setup_timeout_s: float,
    ) -> None:
        super().__init__(model_name, provider=provider, has_options=options is not None)
        self.name = f"{provider}:{model_name}"
        self.capabilities = capabilities = profile.capabilities
        self._provider = provider
        self._api_key = api_key
        self._base_url = base_url
        self._options = options or WebSocketOptions()
        self._limits = limits
        self._setup_timeout_s = setup_timeout_s
        transcription = (
            Transcription()
            if enable_input_audio_transcription and capabilities.supports_input_transcription
            else None
        )
        self._defaults = config or SessionConfig(transcription=transcription)
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

    def codec(self) -> ClientCodec:
        """The client side of its wire, new: for programs that read what was recorded of it."""
        return self._codec(
            session_config(self._defaults, model=self.model_name, instructions="", tools=None, config=None)
        )

    def _key(self, setting: str, *, or_give: str = "api_key=") -> str:
        """The key: the argument, or that of the environment.

        Args:
            setting: Name of the setting; the environment variable is the same in capitals.
            or_give: What else would do, for the error.

        Raises:
            ConfigError: There is none.
        """
        from voicewire.settings import get_settings

        key = (self._api_key or get_settings().secret(setting) or "").strip()
        if not key:
            raise ConfigError(f"{self.name} needs a key: set {setting.upper()}, or give {or_give}")
        return key

    def _resource(self, endpoint: str | None, variable: str) -> str:
        """The address of a resource of the user's own.

        Args:
            endpoint: The environment's.
            variable: What the environment calls it, for the error.

        Raises:
            ConfigError: There is none.
        """
        base_url = self._base_url or endpoint
        if not base_url:
            raise ConfigError(f"{self.name} needs its resource's address: set {variable}, or give base_url=")
        return base_url

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
        return self._lasting(chosen)

    @asynccontextmanager
    async def _open(self, config: SessionConfig) -> AsyncGenerator[RemoteConnection, None]:
        check_config(self.name, self.capabilities, config)
        url = self._address()
        headers = {**await self._headers(), **self._options.headers}
        options = replace(self._link_options(self._options), headers=headers, provider=self._provider)

        async def connect(receiver: FrameReceiver) -> FrameTransport:
            from voicewire.transport.connect import connect_websocket

            return await connect_websocket(url, receiver, options)

        async with open_remote(
            self._codec(config),
            connect,
            config=config,
            capabilities=self.capabilities,
            name=self.name,
            provider=self._provider,
            limits=self._limits,
            setup_timeout_s=self._setup_timeout_s,
        ) as connection:
            yield connection

    @abstractmethod
    def _address(self) -> str:
        """The address of the WebSocket."""

    @abstractmethod
    async def _headers(self) -> dict[str, str]:
        """Headers that say who asks."""

    @abstractmethod
    def _codec(self, config: SessionConfig) -> ClientCodec:
        """The client side of the provider's wire, new."""
