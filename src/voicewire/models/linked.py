"""What all models behind a wire have in common: how their connections are kept, lost, restored and recorded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import Self

from voicewire.events.session import SessionConfig
from voicewire.models.model import RealtimeConnection
from voicewire.models.profiles import link_profile
from voicewire.models.queue_door import RealtimeModelBase
from voicewire.transport.policies import KeepalivePolicy, ReconnectPolicy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from voicewire.clock import Clock
    from voicewire.models.remote import ReceiveLimits, RemoteConnection
    from voicewire.transport.options import WebSocketOptions, Wrap
    from voicewire.transport.recorder import CassetteRecorder


class LinkedModel(RealtimeModelBase):
    """A model at the other end of a connection. Its class opens one connection; here it becomes a lasting session.

    Args:
        model_name: What the provider calls the model.
        provider: Short name of the provider, for its `LinkProfile`.
        has_options: Whether the application gave WebSocket options, whose keepalive then counts.
    """

    _limits: ReceiveLimits | None

    def __init__(self, model_name: str, *, provider: str, has_options: bool) -> None:
        super().__init__(model_name)
        self._link_provider = provider
        profile = link_profile(provider)
        self._reconnect = profile.reconnect
        self._keepalive = None if has_options else profile.keepalive
        self._clock: Clock | None = None
        self._chance: Callable[[], float] | None = None
        self._wraps: list[Wrap] = []
        self._recorder: CassetteRecorder | None = None

    @property
    def dialect(self) -> str:
        """Dialect of the provider's wire; empty when there is only one."""
        return ""

    @property
    def reconnect(self) -> ReconnectPolicy:
        """What happens when a connection is lost."""
        return self._reconnect

    @property
    def keepalive(self) -> KeepalivePolicy | None:
        """How a peer that is gone without a word is found out; None: as the WebSocket options say."""
        return self._keepalive

    def set_link(
        self,
        *,
        reconnect: ReconnectPolicy | None = None,
        keepalive: KeepalivePolicy | None = None,
        wrap: Wrap | None = None,
        record: str | Path | None = None,
        record_audio: bool = True,
        clock: Clock | None = None,
        chance: Callable[[], float] | None = None,
    ) -> Self:
        """Changes how the connections of later sessions behave; what is None stays as it is.

        Args:
            reconnect: What happens when a connection is lost; ``NO_RECONNECT`` ends the session with it.
            keepalive: How a peer that is gone without a word is found out.
            wrap: Stands between each connection and its model, outside of those given before, such as faults.
            record: A file that the wire frames of all later sessions go into, a cassette: see ``CassetteRecorder``.
            record_audio: Whether audio goes into it too, or only its lengths.
            clock: Tells the supervisor the time.
            chance: A number from 0 to 1 for each wait.

        Returns:
            The model itself.
        """
        self._reconnect = reconnect or self._reconnect
        self._keepalive = keepalive or self._keepalive
        self._clock = clock or self._clock
        self._chance = chance or self._chance
        if wrap is not None:
            self._wraps.append(wrap)
        if record is not None:
            from voicewire.transport.recorder import CassetteRecorder

            self._recorder = CassetteRecorder(
                record,
                provider=self._link_provider,
                dialect=self.dialect,
                model=self.name,
                keeps_audio=record_audio,
            )
        return self

    def _link_options(self, options: WebSocketOptions) -> WebSocketOptions:
        """The WebSocket's options with what `set_link` and the profile say of connections."""
        wrap = options.wrap
        for outer in self._wraps:
            wrap = _both(wrap, outer)
        options = replace(options, wrap=wrap, recorder=self._recorder or options.recorder)
        if self._keepalive is None:
            return options
        return replace(
            options, ping_interval_s=self._keepalive.interval_s, ping_timeout_s=self._keepalive.timeout_s
        )

    def _lasting(self, config: SessionConfig) -> AbstractAsyncContextManager[RealtimeConnection]:
        """A session over as many connections as it takes; over one when nothing is to be restored."""
        if self._recorder is not None:
            return _recorded(self._recorder, self._unrecorded(config))
        return self._unrecorded(config)

    def _unrecorded(self, config: SessionConfig) -> AbstractAsyncContextManager[RealtimeConnection]:
        if self._reconnect.max_attempts == 0:
            return self._open(config)
        from voicewire.models.supervised import open_supervised

        return open_supervised(
            self._open,
            config=config,
            capabilities=self.capabilities,
            name=self.name,
            policy=self._reconnect,
            limits=self._limits,
            clock=self._clock,
            chance=self._chance,
        )

    @abstractmethod
    def _open(self, config: SessionConfig) -> AbstractAsyncContextManager[RemoteConnection]:
        """One connection."""


@asynccontextmanager
async def _recorded(
    recorder: CassetteRecorder, session: AbstractAsyncContextManager[RealtimeConnection]
) -> AsyncGenerator[RealtimeConnection, None]:
    """The session; when it is left, all of it is in the cassette."""
    async with recorder, session as connection:
        yield connection


def _both(inner: Wrap | None, outer: Wrap) -> Wrap:
    if inner is None:
        return outer
    return lambda connect: outer(inner(connect))
