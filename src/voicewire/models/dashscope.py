"""Qwen models of DashScope (Alibaba Model Studio), and every server that speaks the same realtime wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from voicewire.events.base import MediaFormat
from voicewire.events.session import SessionConfig, ToolSpec, Transcription
from voicewire.models.addresses import websocket_url
from voicewire.models.dashscope_profiles import OUTPUT_RATES_HZ, DashScopeProfile, dashscope_profile
from voicewire.models.model import RealtimeConnection
from voicewire.models.opening import check_config, session_config
from voicewire.models.remote import ReceiveLimits, RemoteConnection, open_remote
from voicewire.models.remote_model import RemoteModel
from voicewire.protocols.dashscope.traits import Family
from voicewire.transport.frames import FrameReceiver, FrameTransport
from voicewire.transport.options import WebSocketOptions
from voicewire.transport.policies import NO_RECONNECT

if TYPE_CHECKING:
    from voicewire.protocols.dashscope.client import DashScopeClientCodec

DASHSCOPE_BASE_URL = "wss://dashscope.aliyuncs.com"
DEFAULT_REGION = "cn-beijing"
_ROOT = "/api-ws/v1"
_TASK_PATH = f"{_ROOT}/inference"


class DashScopeRealtimeModel(RemoteModel):
    """A Qwen model behind DashScope's realtime wire: Qwen-Omni, Qwen-Audio, Qwen-ASR or Qwen-TTS, by its name.

    A Qwen-ASR session only transcribes. A Qwen-TTS session says each ``SendText`` as it is written.

    Args:
        model_name: Such as ``qwen3.5-omni-plus-realtime``.
        api_key: The key; ``DASHSCOPE_API_KEY`` when None. Printed nowhere.
        voice: Such as ``Cherry``; the model's own default when empty.
        enable_input_audio_transcription: Whether the user's audio is transcribed.
        base_url: Such as ``wss://dashscope-intl.aliyuncs.com`` or ``ws://127.0.0.1:8080``; an address of the task
            wire (``.../api-ws/v1/inference``) gives the realtime one beside it. When None,
            ``DASHSCOPE_WEBSOCKET_BASE_URL``.
        workspace: Id of the workspace: its own host is used unless ``base_url`` says otherwise, and it is sent along.
        region: Region of that host, such as ``ap-southeast-1``.
        config: Defaults of every session; voice and transcription come from the arguments when it is None.
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
        base_url: str | None = None,
        *,
        workspace: str | None = None,
        region: str = DEFAULT_REGION,
        config: SessionConfig | None = None,
        options: WebSocketOptions | None = None,
        limits: ReceiveLimits | None = None,
        setup_timeout_s: float = 15.0,
    ) -> None:
        self._profile: DashScopeProfile = dashscope_profile(model_name)
        super().__init__(
            model_name,
            provider="dashscope",
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
        self._workspace = workspace
        self._region = region
        family = self._profile.traits.family
        if family != "omni":
            # There is no conversation that a new connection could be told of.
            self.set_link(reconnect=NO_RECONNECT)
            if config is None:
                self._defaults = _speech_defaults(family, self._defaults)

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
        return self._lasting(self._fitted(chosen))

    def _fitted(self, config: SessionConfig) -> SessionConfig:
        """The configuration with audio formats that the model has; audio is converted to them on the way in."""
        capabilities, traits = self.capabilities, self._profile.traits
        rate_hz = config.input_format.rate
        if rate_hz not in capabilities.input_rates_hz:
            rate_hz = capabilities.input_rates_hz[0]
        spoken_hz = config.output_format.rate
        has_choice = traits.is_audio_nested or traits.family == "tts"
        if not has_choice or spoken_hz not in OUTPUT_RATES_HZ[traits.family]:
            spoken_hz = capabilities.output_rate_hz
        return msgspec.structs.replace(
            config,
            input_format=MediaFormat("audio/pcm", rate_hz),
            output_format=MediaFormat("audio/pcm", spoken_hz),
        )

    @asynccontextmanager
    async def _open(self, config: SessionConfig) -> AsyncGenerator[RemoteConnection, None]:
        check_config(self.name, self.capabilities, config)
        url = self._address()
        headers = {**await self._headers(), **self._options.headers}
        options = replace(self._link_options(self._options), headers=headers, provider="dashscope")
        codec = self._codec(config)

        async def connect(receiver: FrameReceiver) -> FrameTransport:
            from voicewire.models.dashscope_link import FinishingLink
            from voicewire.transport.connect import connect_websocket

            link = FinishingLink(receiver, codec.finishing)
            await connect_websocket(url, link, options)
            return link

        async with open_remote(
            codec,
            connect,
            config=config,
            capabilities=self.capabilities,
            name=self.name,
            provider="dashscope",
            limits=self._limits,
            setup_timeout_s=self._setup_timeout_s,
        ) as connection:
            yield connection

    def _codec(self, config: SessionConfig) -> DashScopeClientCodec:
        from voicewire.protocols.dashscope.client import DashScopeClientCodec

        return DashScopeClientCodec(config, traits=self._profile.traits)

    def _address(self) -> str:
        from voicewire.settings import get_settings

        base_url = self._base_url
        if not base_url and self._workspace:
            base_url = f"wss://{self._workspace}.{self._region}.maas.aliyuncs.com"
        base_url = base_url or get_settings().dashscope_websocket_base_url or DASHSCOPE_BASE_URL
        return websocket_url(_beside_tasks(base_url), "/realtime", {"model": self.model_name}, root=_ROOT)

    async def _headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._key('dashscope_api_key')}"}
        if self._workspace:
            headers["X-DashScope-WorkSpace"] = self._workspace
        return headers


def _speech_defaults(family: Family, defaults: SessionConfig) -> SessionConfig:
    """What a session is by default that only listens, or only speaks."""
    if family == "tts":
        return msgspec.structs.replace(defaults, turn_detection=None, transcription=None)
    return msgspec.structs.replace(defaults, is_transcription_only=True, transcription=Transcription())


def _beside_tasks(base_url: str) -> str:
    """The base of the realtime wire, where an address of the task wire is given."""
    parts = urlsplit(base_url.strip())
    path = parts.path.rstrip("/")
    if not path.endswith(_TASK_PATH):
        return base_url
    return urlunsplit(parts._replace(path=path.removesuffix("/inference")))
