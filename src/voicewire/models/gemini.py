"""Google's Gemini Live models, and every server that speaks the same wire."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from voicewire.errors import ConfigError
from voicewire.events.session import SessionConfig
from voicewire.models.addresses import websocket_url
from voicewire.models.opening import check_config
from voicewire.models.profiles import gemini_profile
from voicewire.models.remote import ReceiveLimits, RemoteConnection, open_remote
from voicewire.models.remote_model import RemoteModel, TokenProvider, bearer
from voicewire.transport.frames import FrameReceiver, FrameTransport
from voicewire.transport.options import WebSocketOptions

if TYPE_CHECKING:
    from voicewire.protocols.gemini.client import GeminiClientCodec

GEMINI_BASE_URL = "wss://generativelanguage.googleapis.com"
_TOKEN_PREFIX = "auth_tokens/"
_VERTEX_PATH = "/ws/google.cloud.aiplatform.{version}.LlmBidiService/BidiGenerateContent"
_PATH = "/ws/google.ai.generativelanguage.{version}.GenerativeService.{method}"


class GeminiRealtimeModel(RemoteModel):
    """A Gemini Live model, or any server at ``base_url`` that speaks its wire.

    The wire configures a session once. ``UpdateSession`` therefore goes on in a new connection, by the session's
    resumption handle or, before there is one, with the words said so far.

    Args:
        model_name: Such as ``gemini-3.8-live``.
        api_key: The key, or an ephemeral token (``auth_tokens/...``); ``GEMINI_API_KEY``, ``GOOGLE_API_KEY`` or
            ``GOOGLE_GENAI_API_KEY`` when None. Printed nowhere.
        voice: Such as ``Puck`` or ``Kore``.
        enable_input_audio_transcription: Whether the user's audio is transcribed.
        base_url: Such as ``wss://generativelanguage.googleapis.com`` or ``ws://127.0.0.1:8080``; ``GEMINI_BASE_URL``
            when None.
        api_version: Version segment of the address; by default what the key needs.
        project: Project of Google Cloud; with it the session goes to Vertex AI.
        location: Its location, such as ``europe-west4``.
        token_provider: Gives the OAuth token that Vertex AI wants instead of a key.
        config: Defaults of every session; voice and transcription come from the arguments when it is None.
        options: How the WebSocket behaves.
        limits: How far the application may fall behind.
        setup_timeout_s: How long opening a session may take.

    Raises:
        ConfigError: A project without a location or a token provider.
    """

    def __init__(
        self,
        model_name: str,
        api_key: str | None = None,
        voice: str = "Puck",
        enable_input_audio_transcription: bool = True,
        base_url: str | None = None,
        *,
        api_version: str | None = None,
        project: str | None = None,
        location: str | None = None,
        token_provider: TokenProvider | None = None,
        config: SessionConfig | None = None,
        options: WebSocketOptions | None = None,
        limits: ReceiveLimits | None = None,
        setup_timeout_s: float = 15.0,
    ) -> None:
        self._profile = gemini_profile(model_name)
        super().__init__(
            model_name,
            provider="gemini",
            profile=replace(self._profile, voice=voice),
            api_key=api_key,
            base_url=base_url,
            voice="",
            enable_input_audio_transcription=enable_input_audio_transcription,
            config=config,
            options=options,
            limits=limits,
            setup_timeout_s=setup_timeout_s,
        )
        if project and not (location and token_provider):
            raise ConfigError("Vertex AI needs project=, location= and token_provider= together")
        self._api_version = api_version
        self._project = project
        self._location = location or ""
        self._token_provider = token_provider

    @asynccontextmanager
    async def _open(self, config: SessionConfig) -> AsyncGenerator[RemoteConnection, None]:
        from voicewire.models.gemini_link import ReopeningLink
        from voicewire.ownership import TaskOwner
        from voicewire.transport.connect import connect_websocket

        check_config(self.name, self.capabilities, config)
        url = self._address()
        owner = TaskOwner(f"connections of {self.name}")

        async def dial(receiver: FrameReceiver) -> FrameTransport:
            headers = {**await self._headers(), **self._options.headers}
            options = replace(self._link_options(self._options), headers=headers, provider="gemini")
            return await connect_websocket(url, receiver, options)

        async def connect(receiver: FrameReceiver) -> FrameTransport:
            return await ReopeningLink(receiver, dial, owner).open()

        codec = self._codec(config)
        try:
            async with open_remote(
                codec,
                connect,
                config=codec.config,
                capabilities=self.capabilities,
                name=self.name,
                provider="gemini",
                limits=self._limits,
                setup_timeout_s=self._setup_timeout_s,
            ) as connection:
                codec.report_to(connection.report)
                yield connection
        finally:
            await owner.aclose()

    def _codec(self, config: SessionConfig) -> GeminiClientCodec:
        from voicewire.protocols.gemini.client import GeminiClientCodec

        return GeminiClientCodec(
            msgspec.structs.replace(config, model=self._resource_name(config.model)),
            ids=_unique_ids(),
            traits=self._profile.traits,
            can_reopen=True,
        )

    # ------------------------------------------------------------------ where and as whom

    def _own_key(self) -> str:
        from voicewire.settings import get_settings

        return (self._api_key or get_settings().secret("gemini_api_key") or "").strip()

    def _resource_name(self, model: str) -> str:
        if not self._project or "/" in model:
            return model
        place = f"projects/{self._project}/locations/{self._location}"
        return f"{place}/publishers/google/models/{model}"

    def _address(self) -> str:
        from voicewire.settings import get_settings

        base_url = self._base_url or get_settings().gemini_base_url
        if self._project:
            path = _VERTEX_PATH.format(version=self._api_version or "v1beta1")
            return websocket_url(base_url or _vertex_host(self._location), path, {})
        is_token = self._own_key().startswith(_TOKEN_PREFIX)
        version = self._api_version or ("v1alpha" if is_token else "v1beta")
        method = "BidiGenerateContentConstrained" if is_token else "BidiGenerateContent"
        return websocket_url(base_url or GEMINI_BASE_URL, _PATH.format(version=version, method=method), {})

    async def _headers(self) -> dict[str, str]:
        if (token := await bearer(self._token_provider, None, "")) is not None:
            return token
        key = self._own_key()
        if not key:
            raise ConfigError(
                f"{self.name} needs a key: set GEMINI_API_KEY or GOOGLE_API_KEY, or give api_key="
            )
        if key.startswith(_TOKEN_PREFIX):
            return {"x-goog-api-key": key, "Authorization": f"Token {key}"}
        return {"x-goog-api-key": key}


def _vertex_host(location: str) -> str:
    if location == "global":
        return "wss://aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"wss://aiplatform.{location}.rep.googleapis.com"
    return f"wss://{location}-aiplatform.googleapis.com"


def _unique_ids() -> Callable[[str], str]:
    session, numbers = secrets.token_hex(6), count(1)
    return lambda prefix: f"{prefix}_{session}_{next(numbers):04d}"
