"""xAI's voice models: the OpenAI wire with a session object that is half flat."""

from __future__ import annotations

from voicewire.events.session import SessionConfig
from voicewire.models.addresses import openai_url
from voicewire.models.profiles import xai_profile
from voicewire.models.remote import ReceiveLimits
from voicewire.models.remote_model import RemoteModel
from voicewire.protocols.codec import ClientCodec
from voicewire.transport.options import WebSocketOptions

XAI_BASE_URL = "https://api.x.ai/v1"


class XAIRealtimeModel(RemoteModel):
    """A voice model of xAI.

    Args:
        model_name: Such as ``grok-voice-latest``.
        api_key: The key; ``XAI_API_KEY`` when None. Printed nowhere.
        voice: Such as ``ara`` or ``eve``.
        enable_input_audio_transcription: Whether the user's audio is transcribed.
        base_url: Such as ``https://api.x.ai/v1``; ``XAI_BASE_URL`` when None.
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
        config: SessionConfig | None = None,
        options: WebSocketOptions | None = None,
        limits: ReceiveLimits | None = None,
        setup_timeout_s: float = 15.0,
    ) -> None:
        self._profile = xai_profile()
        super().__init__(
            model_name,
            provider="xai",
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

    def _codec(self, config: SessionConfig) -> ClientCodec:
        from voicewire.protocols.openai.client import OpenAIClientCodec
        from voicewire.protocols.openai.dialect_xai import xai_session

        return OpenAIClientCodec(
            config,
            transcription_model=self._profile.transcription_model,
            shape_session=xai_session,
            passed_events=frozenset({"ping"}),
        )

    def _address(self) -> str:
        from voicewire.settings import get_settings

        base_url = self._base_url or get_settings().xai_base_url or XAI_BASE_URL
        return openai_url(base_url, self.model_name)

    async def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key('xai_api_key')}"}
