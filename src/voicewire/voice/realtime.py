"""``RealtimeVoice``: a conversation by speech, with decorators for what happens in it (seed 003)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from voicewire.errors import RealtimeError
from voicewire.models.model import RealtimeModel
from voicewire.ownership import TaskOwner
from voicewire.streams import BoundedStream
from voicewire.voice import providers
from voicewire.voice.callbacks import Callbacks, CallbackT
from voicewire.voice.config import RealtimeConfig
from voicewire.voice.connection import ModelFactory, VoiceConnection, VoiceSetup
from voicewire.voice.tools import VoiceToolkit
from voicewire.voice.values import AudioChunk, SpeakerRole, TranscriptDelta

_MAX_RUN_ITEMS: Final = 10_000


class RealtimeVoice:
    """Talks with a realtime model; what happens goes to decorated functions.

    ::

        voice = RealtimeVoice()                       # the provider whose key is set, else the engine here

        @voice.on_transcript
        async def words(text: str, is_final: bool): ...

        async with voice.connect() as session:
            response = await session.send_audio(whole_turn)     # without on_audio: the whole reply

    Callbacks may be sync or async, several for each event; one that raises is reported to ``on_error``, and the
    conversation goes on. ``on_transcript`` gives all words of a turn so far, then the final ones; a callback with a
    third argument is told who speaks (``user`` or ``assistant``).

    Args:
        provider: ``openai``, ``gemini`` (or ``google_genai``), ``azure``, ``local``, ``echo``, ... in any case; a
            full model name such as ``openai:gpt-realtime``; or a model. Detected when None: from
            ``REALTIME_VOICE_PROVIDER``, then the first provider with a key, then the engine on this machine.
        config: Settings; it is copied.
        tools: Functions that the model may call, besides those of the configuration.
        record: A file that the wire of all sessions goes into, a cassette for ``voicewire replay``.
        record_audio: Whether audio goes into it too, or only its lengths.

    Raises:
        RealtimeError: No such provider, none is configured, or a tool is none.

    Concurrency: one event loop; several sessions at a time share the callbacks.
    """

    _registered: ClassVar[dict[str, ModelFactory]] = {}

    def __init__(
        self,
        provider: str | RealtimeModel | None = None,
        config: RealtimeConfig | None = None,
        *,
        tools: Iterable[Any] | None = None,
        record: str | Path | None = None,
        record_audio: bool = True,
    ) -> None:
        self.config = config.model_copy(deep=False) if config is not None else RealtimeConfig()
        self._provider: providers.ProviderInfo | None = None
        self._make: ModelFactory
        self._name = ""
        self._choose(provider)
        if record is not None:
            self._make = _recorded(self._make, record, record_audio=record_audio)
        self._callbacks = Callbacks()
        self._toolkit = VoiceToolkit(self._callbacks, timeout_s=self.config.tool_timeout_s)
        for tool in (*self.config.tools, *(tools or ())):
            self._toolkit.include(tool)

    def __repr__(self) -> str:
        return f"RealtimeVoice(provider={self.provider_name!r})"

    @property
    def provider_name(self) -> str:
        """Whom it talks with, such as ``openai`` or ``gemini``."""
        return self._name

    def _choose(self, provider: str | RealtimeModel | None) -> None:
        if isinstance(provider, RealtimeModel):
            self._name = provider.name
            self._make = lambda _: provider
            return
        if provider is not None and provider.strip().lower() in self._registered:
            self._name = provider.strip().lower()
            self._make = self._registered[self._name]
            return
        if provider is not None and ":" in provider:
            self._name = provider
            self._make = lambda _: providers.model_by_name(provider)
            return
        found = providers.detected() if provider is None else providers.named(provider)
        self._provider = found
        self._name = found.prefix
        self._make = lambda config: providers.model_for(found, config)

    # ------------------------------------------------------------------ callbacks

    def on_audio(self, callback: CallbackT) -> CallbackT:
        """Calls ``callback(audio)`` with the model's speech: 16-bit mono at 24 kHz."""
        return self._callbacks.add("audio", callback)

    def on_transcript(self, callback: CallbackT) -> CallbackT:
        """Calls ``callback(text, is_final)``, or ``callback(text, is_final, role)``, with words."""
        return self._callbacks.add("transcript", callback)

    def on_tool_call(self, callback: CallbackT) -> CallbackT:
        """Asks ``callback(name, arguments)``, or ``callback(request)``, for the result of a call first.

        What it returns is the result; when it returns None, the function of that name in ``tools`` runs.
        """
        return self._callbacks.add("tool_call", callback)

    def on_tool_progress(self, callback: CallbackT) -> CallbackT:
        """Calls ``callback(name, report)`` with the `ProgressReport` of a tool that says how far it is."""
        return self._callbacks.add("tool_progress", callback)

    def on_connect(self, callback: CallbackT) -> CallbackT:
        """Calls ``callback()`` when a session is open."""
        return self._callbacks.add("connect", callback)

    def on_disconnect(self, callback: CallbackT) -> CallbackT:
        """Calls ``callback()`` once when a session is over, for whatever reason, after all other callbacks."""
        return self._callbacks.add("disconnect", callback)

    def on_error(self, callback: CallbackT) -> CallbackT:
        """Calls ``callback(error)`` with trouble in a session, and with what other callbacks raise."""
        return self._callbacks.add("error", callback)

    def on_interrupted(self, callback: CallbackT) -> CallbackT:
        """Calls ``callback()`` when audio that is not played yet must not be heard."""
        return self._callbacks.add("interrupted", callback)

    def on_response_done(self, callback: CallbackT) -> CallbackT:
        """Calls ``callback(status)`` when a response is complete."""
        return self._callbacks.add("response_done", callback)

    # ------------------------------------------------------------------ talking

    def connect(self) -> VoiceConnection:
        """A session, to be entered with ``async with``; entering waits until it takes input.

        Raises (on entering):
            RealtimeConnectionError: The session could not be opened: no key, no connection, refused.
            RealtimeError: The configuration asks for what the model cannot do.
        """
        return VoiceConnection(self._setup())

    async def run(
        self, audio_stream: AsyncIterator[bytes]
    ) -> AsyncGenerator[AudioChunk | TranscriptDelta, None]:
        """Sends audio as it comes and gives what the model says; ends when the last reply has ended.

        Args:
            audio_stream: 16-bit mono audio of the user. Its end ends the user's turn.

        Yields:
            Audio and words, in order; at most 10 000 of them wait.

        Raises:
            RealtimeError: The conversation ended before the audio did.
            Exception: Whatever ``audio_stream`` raised.
        """
        stream: BoundedStream[AudioChunk | TranscriptDelta] = BoundedStream(
            "run of a voice", policy="wait", max_items=_MAX_RUN_ITEMS
        )
        own = Callbacks()

        @partial(own.add, "audio")
        async def heard(audio: bytes) -> None:
            await stream.put(AudioChunk(audio))

        @partial(own.add, "response_done")
        async def ended(_: str) -> None:
            await stream.put(AudioChunk(b"", is_final=True))

        @partial(own.add, "transcript")
        async def said(text: str, is_final: bool, role: SpeakerRole) -> None:
            await stream.put(TranscriptDelta(text, is_final, role))

        del heard, ended, said
        connection = VoiceConnection(replace(self._setup(), callbacks=self._callbacks.with_more(own)))
        owner = TaskOwner("voice run")
        owner.start(_feed(connection, audio_stream, stream), name="audio of the user")
        try:
            async for item in stream:
                yield item
        finally:
            await owner.aclose()

    def _setup(self) -> VoiceSetup:
        return VoiceSetup(
            name=self._name,
            config=self.config,
            provider=self._provider,
            make=self._make,
            callbacks=self._callbacks,
            toolkit=self._toolkit,
        )

    # ------------------------------------------------------------------ discovery

    @classmethod
    def list_providers(cls) -> list[str]:
        """Every provider that can be named, the document's two first."""
        return [provider.name for provider in providers.available()] + sorted(cls._registered)

    @classmethod
    def list_configured_providers(cls) -> list[str]:
        """The providers whose key is set, in the order in which they are chosen."""
        return [provider.name for provider in providers.available() if provider.has_key]

    @classmethod
    def list_models(cls, provider: str) -> list[str]:
        """Models of a provider that are known by name; any other name may be given too.

        Raises:
            RealtimeError: There is no such provider.
        """
        return list(providers.named(provider).models)

    @classmethod
    def list_voices(cls, provider: str) -> list[str]:
        """Voices of a provider that are known by name.

        Raises:
            RealtimeError: There is no such provider.
        """
        return list(providers.named(provider).voices)

    @classmethod
    def available_providers(cls) -> list[str]:
        """Like ``list_providers``, by the names that model names begin with (``gemini``)."""
        return [provider.prefix for provider in providers.available()] + sorted(cls._registered)

    @classmethod
    def configured_providers(cls) -> list[str]:
        """Like ``list_configured_providers``, by the names that model names begin with."""
        return [provider.prefix for provider in providers.available() if provider.has_key]

    @classmethod
    def register_provider(cls, name: str, factory: ModelFactory) -> None:
        """Adds a provider of the application for this process.

        Args:
            name: What ``provider=`` says.
            factory: Makes the model for a configuration.

        Raises:
            RealtimeError: The factory cannot be called.
        """
        if not callable(factory):
            raise RealtimeError(
                f"the factory of provider {name!r} is not callable: {factory!r}", "invalid_provider"
            )
        cls._registered[name.strip().lower()] = factory


def realtime_voice(
    provider: str | RealtimeModel | None = None, config: RealtimeConfig | None = None
) -> RealtimeVoice:
    """A `RealtimeVoice`; the same as calling the class."""
    return RealtimeVoice(provider, config)


def _recorded(make: ModelFactory, record: str | Path, *, record_audio: bool) -> ModelFactory:
    """Makes one model for all sessions: they share the file."""
    from voicewire.models.recorded import with_cassette

    made: list[RealtimeModel] = []

    def make_once(config: RealtimeConfig) -> RealtimeModel:
        if not made:
            made.append(with_cassette(make(config), record, record_audio=record_audio))
        return made[0]

    return make_once


async def _feed(
    connection: VoiceConnection,
    audio_stream: AsyncIterator[bytes],
    stream: BoundedStream[AudioChunk | TranscriptDelta],
) -> None:
    failure: BaseException | None = None
    try:
        async with connection as session:
            async for piece in audio_stream:
                await session.send_audio(piece, wait=False)
            await session.end_turn(wait=False)
            await session.wait_until_settled()
    # A task boundary: the failure is raised where the results are read.
    except Exception as error:
        failure = error
    finally:
        stream.close(failure)
