"""The narrow door: one interface for every model, remote or in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from voicewire.events.base import EventBase
from voicewire.events.commands import Command
from voicewire.events.session import SessionConfig, ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model can do, as data. Read before anything is sent; a lack is an ``UnsupportedError``."""

    input_modalities: frozenset[str] = frozenset({"text", "audio"})
    """Of ``text``, ``audio``, ``image``."""
    output_modalities: frozenset[str] = frozenset({"audio", "text"})
    """What a response may consist of."""
    input_rates_hz: tuple[int, ...] = (24000,)
    """Rates the model takes, the preferred one first; other audio is resampled before it is sent."""
    output_rate_hz: int = 24000
    """Rate of the reply's audio."""
    voices: tuple[str, ...] = ()
    """Voices known by name; empty when the provider takes any string."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes the model speaks; empty when unknown or many."""
    supports_tools: bool = True
    supports_server_vad: bool = True
    supports_semantic_vad: bool = False
    supports_manual_turns: bool = True
    supports_truncation: bool = True
    """Whether an assistant item can be cut to what was heard."""
    supports_out_of_band: bool = False
    """Whether a response can run outside the conversation."""
    supports_item_editing: bool = True
    """Whether items can be inserted, retrieved and deleted."""
    supports_idle_timeout: bool = False
    """Whether the model speaks again by itself when the user stays silent."""
    supports_input_transcription: bool = True
    emits_partial_transcripts: bool = True
    """Whether the user's words come as partials before the final transcript."""
    is_deterministic: bool = False
    """The same input gives the same output (``echo``, ``scripted``)."""
    max_session_s: int | None = None
    """Hard limit of one session, None for no limit."""
    options: frozenset[str] = frozenset()
    """Settings that only this provider has: keys of ``SessionConfig.extra``, kinds of turn detection."""


class RealtimeConnection(ABC):
    """One open conversation.

    Iterating yields model events and ends after ``ModelSessionEndedEvent``. When the end was not asked
    for, the iterator yields that event and then raises ``ConnectionLost`` or ``SessionClosed``.

    Concurrency: one task iterates, any number of tasks send.
    """

    @property
    @abstractmethod
    def session_id(self) -> str:
        """The provider's id of this session."""

    @property
    @abstractmethod
    def config(self) -> SessionConfig:
        """The effective configuration, as last confirmed by the model."""

    @abstractmethod
    async def send(self, command: Command) -> None:
        """Sends one command; returns when it was handed to the transport, not when it took effect.

        Raises:
            UnsupportedError: The model lacks the capability; nothing was sent.
            SessionClosed: The session is over.

        Cancellation: the command was either sent whole or not at all.
        """

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[EventBase]:
        """The events, in order. Cancelling a wait for the next event loses nothing."""

    @abstractmethod
    async def aclose(self) -> None:
        """Ends the session; idempotent. The iterator then yields the end event and stops."""


class RealtimeModel(ABC):
    """A model to talk with. Holds configuration only; nothing is acquired before ``open``."""

    name: str
    """Full name, such as ``openai:gpt-realtime`` or ``local``."""
    capabilities: Capabilities

    @abstractmethod
    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens a conversation; entering waits until the session is configured.

        Args:
            instructions: What the model is to be (overrides ``config``'s when not empty).
            tools: Functions that the model may call, in any spelling ``tool_specs`` reads.
            config: The whole configuration, when more than the defaults is wanted.

        Raises:
            ConfigError: A key or setting is missing.
            UnsupportedError: The configuration asks for something the model cannot do.
            ConnectFailed, ConnectTimeout, AuthError, ...: The session could not be set up.

        Leaving the context ends the session and waits for everything it started.
        """
