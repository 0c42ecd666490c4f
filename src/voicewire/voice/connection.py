"""Opening and closing a session of a `RealtimeVoice`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final

import anyio
import anyio.to_thread

from voicewire.agent.agent import RealtimeAgent
from voicewire.errors import RealtimeConnectionError, RealtimeError, UnsupportedError, VoicewireError
from voicewire.events.session import SessionConfig, Transcription, TurnDetection
from voicewire.models.model import Capabilities, RealtimeModel
from voicewire.ownership import TaskOwner, run_to_end
from voicewire.voice import providers
from voicewire.voice.callbacks import Callbacks
from voicewire.voice.config import RealtimeConfig, VADMode
from voicewire.voice.detector import ClientDetector
from voicewire.voice.inbox import VoiceInbox
from voicewire.voice.session import VoiceSession
from voicewire.voice.tools import VoiceToolkit

OUTPUT_RATE_HZ: Final = 24_000
_CALLBACKS_S: Final = 5.0
"""How long callbacks that run may take when a session is left, in seconds."""

ModelFactory = Callable[[RealtimeConfig], RealtimeModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSetup:
    """What a session is opened with."""

    name: str
    config: RealtimeConfig
    provider: providers.ProviderInfo | None
    make: ModelFactory
    callbacks: Callbacks
    toolkit: VoiceToolkit

    def turn_detection(self, capabilities: Capabilities) -> TurnDetection | None:
        """The turn detection that the model is to do, None for none.

        Raises:
            RealtimeError: The model cannot do what the mode asks for.
        """
        config = self.config
        if config.vad_mode is not VADMode.SERVER:
            if not capabilities.supports_manual_turns:
                raise RealtimeError(
                    f"{self.name} ends turns by itself only; use vad_mode=VADMode.SERVER", "unsupported"
                )
            return None
        if not capabilities.supports_server_vad:
            raise RealtimeError(f"{self.name} finds no turns; use vad_mode=VADMode.CLIENT", "unsupported")
        return TurnDetection(
            threshold=config.vad_threshold if config.is_set("vad_threshold") else None,
            prefix_padding_ms=config.vad_prefix_padding_ms,
            silence_duration_ms=config.vad_silence_duration_ms,
        )

    def session_config(
        self, capabilities: Capabilities, voice: str, detection: TurnDetection | None
    ) -> SessionConfig:
        """The whole configuration, as far as the model has such settings."""
        config = self.config
        hears = config.transcribe_input and capabilities.supports_input_transcription
        return SessionConfig(
            voice=voice,
            modality="audio" if "audio" in capabilities.output_modalities else "text",
            transcription=Transcription() if hears else None,
            turn_detection=detection,
            max_output_tokens=config.max_tokens if config.is_set("max_tokens") else None,
            extra={"temperature": config.temperature} if config.is_set("temperature") else {},
        )


class VoiceConnection:
    """The context of one session. Leaving it ends the session and waits until nothing of it is left.

    Args:
        setup: What to open it with.
    """

    def __init__(self, setup: VoiceSetup) -> None:
        self._setup = setup
        self._agent: RealtimeAgent | None = None
        self._inbox: VoiceInbox | None = None
        self._owner = TaskOwner("voice callbacks")

    async def __aenter__(self) -> VoiceSession:
        if self._agent is not None:
            raise RealtimeError("this connection was entered before; call voice.connect() again", "used")
        try:
            return await self._open()
        except BaseException:
            await self._close()
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def _open(self) -> VoiceSession:
        setup, config = self._setup, self._setup.config
        try:
            model = setup.make(config)
        except VoicewireError as error:
            raise _cannot_open(error) from error
        voice = providers.voice_for(setup.provider, model, config)
        detection = setup.turn_detection(model.capabilities)
        # Without a handler for audio as it comes, turns come whole and are ended by hand.
        is_streaming = setup.callbacks.has("audio") or not model.capabilities.supports_manual_turns
        detects = detection is not None and is_streaming
        self._inbox = inbox = VoiceInbox(setup.callbacks, config, output_rate_hz=OUTPUT_RATE_HZ)
        self._agent = agent = RealtimeAgent(
            "voice",
            config.instructions,
            model,
            setup.toolkit,
            config=setup.session_config(model.capabilities, voice, detection if detects else None),
            on_interruption=inbox.interrupted,
        )
        detector = None
        if config.vad_mode is VADMode.CLIENT:
            # Loads a network from a file.
            detector = await anyio.to_thread.run_sync(ClientDetector, config, config.sample_rate)
        try:
            await agent.start(inbox)
        except VoicewireError as error:
            raise _cannot_open(error) from error
        await setup.callbacks.call("connect")
        self._owner.start(inbox.deliver(), name="callbacks")
        return VoiceSession(
            agent,
            inbox,
            detector=detector,
            detection=detection,
            detects=detects,
            sample_rate_hz=config.sample_rate,
        )

    async def _close(self) -> None:
        await run_to_end(self._end(), name="voice: closing")

    async def _end(self) -> None:
        if self._agent is not None:
            await self._agent.stop()
        if self._inbox is not None:
            self._inbox.close()
        with anyio.move_on_after(_CALLBACKS_S):
            await self._owner.join()
        await self._owner.aclose()


def _cannot_open(error: VoicewireError) -> RealtimeError:
    if isinstance(error, RealtimeError):
        return error
    code = str(getattr(error, "code", "") or "") or None
    if isinstance(error, UnsupportedError):
        return RealtimeError(str(error), code or "unsupported")
    wrapped = RealtimeConnectionError(str(error), code)
    wrapped.retryable = error.retryable
    return wrapped
