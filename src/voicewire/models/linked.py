"""What all models behind a wire have in common: how their connections are kept, lost, restored and recorded."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
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

    from voicewire.clock import Clock
    from voicewire.models.remote import ReceiveLimits, RemoteConnection
    from voicewire.transport.options import WebSocketOptions, Wrap


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
        profile = link_profile(provider)
        self._reconnect = profile.reconnect
        self._keepalive = None if has_options else profile.keepalive
        self._clock: Clock | None = None
        self._chance: Callable[[], float] | None = None
        self._wraps: list[Wrap] = []

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
        clock: Clock | None = None,
        chance: Callable[[], float] | None = None,
    ) -> Self:
        """Changes how the connections of later sessions behave; what is None stays as it is.

        Args:
            reconnect: What happens when a connection is lost; ``NO_RECONNECT`` ends the session with it.
            keepalive: How a peer that is gone without a word is found out.
            wrap: Stands between each connection and its model, outside of those given before: a recorder, faults.
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
        return self

    def _link_options(self, options: WebSocketOptions) -> WebSocketOptions:
        """The WebSocket's options with what `set_link` and the profile say of connections."""
        wrap = options.wrap
        for outer in self._wraps:
            wrap = _both(wrap, outer)
        options = replace(options, wrap=wrap)
        if self._keepalive is None:
            return options
        return replace(
            options, ping_interval_s=self._keepalive.interval_s, ping_timeout_s=self._keepalive.timeout_s
        )

    def _lasting(self, config: SessionConfig) -> AbstractAsyncContextManager[RealtimeConnection]:
        """A session over as many connections as it takes; over one when nothing is to be restored."""
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


def _both(inner: Wrap | None, outer: Wrap) -> Wrap:
    if inner is None:
        return outer
    return lambda connect: outer(inner(connect))
