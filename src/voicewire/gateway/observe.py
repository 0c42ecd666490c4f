"""Who watches the gateway: one observer for everything that metrics, traces and recordings are made of.

``House`` holds one observer; the doors tell it of refusals, limits and sessions. Observers are called on the
event loop, in the middle of the media path: what they do must be cheap, must not wait and must not raise.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from voicewire.errors import InvalidEventError
from voicewire.events.base import EventBase
from voicewire.events.commands import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What is known of a session before it begins."""

    door: str
    """``openai``, ``gemini``, ``agent``, ``voice``, ``room`` or ``speech``."""
    model: str
    """Name of the served model."""
    session_id: str
    """Id in the address; one that the gateway made where the address has none."""
    user_id: str = "anonymous"
    """Id in the address of the agent door."""
    wants_recording: bool | None = None
    """What the client said about recording: True, False, or None when it said nothing."""


def new_session_id() -> str:
    """An id for a session whose address has none."""
    return f"sess_{secrets.token_hex(12)}"


def consent_in(config: Mapping[str, object]) -> bool | None:
    """What a front end's configuration says about recording, under ``record``.

    Raises:
        InvalidEventError: It is neither true nor false; what it means must not be guessed.
    """
    record = config.get("record")
    if record is not None and not isinstance(record, bool):
        raise InvalidEventError("config field 'record' is not true or false")
    return record


class Traffic:
    """Frames and bytes of all clients of one gateway, counted where they pass; text counts one byte a character."""

    __slots__ = ("received_bytes", "received_frames", "sent_bytes", "sent_frames")

    def __init__(self) -> None:
        self.received_frames = 0
        self.received_bytes = 0
        self.sent_frames = 0
        self.sent_bytes = 0


class SessionWatch:
    """Watches one session; this one looks away."""

    __slots__ = ()

    def on_command(self, command: Command, /) -> None:
        """A command goes to the model."""

    def on_event(self, event: EventBase, /) -> None:
        """The model reported something."""

    def ended(self, code: int, reason: str, duration_s: float, /) -> None:
        """The session is over; called once, after everything else.

        Args:
            code: The close code that the client is told (1000 when the client itself left).
            reason: The reason in words; holds nothing that was said.
            duration_s: From the opening of the model to its end.
        """


class GatewayObserver:
    """Watches one gateway; this one looks away."""

    def __init__(self, traffic: Traffic | None = None) -> None:
        self.traffic = traffic or Traffic()
        """Counted by every session's line."""

    def session_opened(self, facts: SessionFacts, /) -> SessionWatch:
        """A session begins: its model is about to be opened."""
        return _BLIND

    def refused(self, door: str, reason: str, /) -> None:
        """A handshake was refused.

        Args:
            door: As in ``SessionFacts.door``.
            reason: A code of the gateway's own, such as ``invalid_api_key``, never a client's words.
        """

    def limit_hit(self, kind: str, /) -> None:
        """A running session met a limit.

        Args:
            kind: Which one, a name of the gateway's own, such as ``idle`` or ``message_bytes``.
        """

    def failed(self, code: str, /) -> None:
        """The gateway or a model failed a session; ``code`` is the one the client is told."""

    def too_slow(self, dropped_bytes: int, /) -> None:
        """A client was cut because it did not read; so much was waiting for it."""


_BLIND = SessionWatch()


class WatchTeam(SessionWatch):
    """Several watches of one session."""

    __slots__ = ("_watches",)

    def __init__(self, watches: Iterable[SessionWatch]) -> None:
        self._watches = tuple(watches)

    def on_command(self, command: Command, /) -> None:
        """Tells all."""
        for watch in self._watches:
            watch.on_command(command)

    def on_event(self, event: EventBase, /) -> None:
        """Tells all."""
        for watch in self._watches:
            watch.on_event(event)

    def ended(self, code: int, reason: str, duration_s: float, /) -> None:
        """Tells all."""
        for watch in self._watches:
            watch.ended(code, reason, duration_s)


class ObserverTeam(GatewayObserver):
    """Several observers of one gateway."""

    def __init__(self, observers: Iterable[GatewayObserver], traffic: Traffic | None = None) -> None:
        super().__init__(traffic)
        self._observers = tuple(observers)

    def session_opened(self, facts: SessionFacts, /) -> SessionWatch:
        """Asks all for a watch, and leaves out those that look away."""
        watches = [observer.session_opened(facts) for observer in self._observers]
        seeing = [watch for watch in watches if watch is not _BLIND]
        if not seeing:
            return _BLIND
        return seeing[0] if len(seeing) == 1 else WatchTeam(seeing)

    def refused(self, door: str, reason: str, /) -> None:
        """Tells all."""
        for observer in self._observers:
            observer.refused(door, reason)

    def limit_hit(self, kind: str, /) -> None:
        """Tells all."""
        for observer in self._observers:
            observer.limit_hit(kind)

    def failed(self, code: str, /) -> None:
        """Tells all."""
        for observer in self._observers:
            observer.failed(code)

    def too_slow(self, dropped_bytes: int, /) -> None:
        """Tells all."""
        for observer in self._observers:
            observer.too_slow(dropped_bytes)
