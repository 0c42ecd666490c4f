"""Finding out that a peer is gone although nothing was closed."""

from __future__ import annotations

from collections.abc import Callable

from voicewire.transport.options import CallLater, Timer


class Keepalive:
    """Pings a silent peer, and reports one that stays silent.

    One timer at a time, and one attribute to set for each frame: reading a clock there would cost more.

    Args:
        interval_s: A ping goes out after one to two of these without a frame.
        timeout_s: How long anything at all may take to come after a ping.
        call_later: The clock.
        ping: Sends a ping.
        on_silence: Called once when nothing came.
    """

    __slots__ = ("_call_later", "_interval_s", "_on_silence", "_ping", "_timeout_s", "_timer", "is_heard")

    def __init__(
        self,
        *,
        interval_s: float,
        timeout_s: float,
        call_later: CallLater,
        ping: Callable[[], None],
        on_silence: Callable[[], None],
    ) -> None:
        self.is_heard = True
        """Set by the reader for every frame, of whatever kind."""
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._call_later = call_later
        self._ping = ping
        self._on_silence = on_silence
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begins to watch."""
        self._timer = self._call_later(self._interval_s, self._check)

    def stop(self) -> None:
        """Ends the watch; idempotent."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _check(self) -> None:
        if self._timer is None:
            return
        if self.is_heard:
            self.is_heard = False
            self._timer = self._call_later(self._interval_s, self._check)
        else:
            self._timer = self._call_later(self._timeout_s, self._judge)
            self._ping()

    def _judge(self) -> None:
        if self._timer is None:
            return
        if self.is_heard:
            self._check()
        else:
            self._timer = None
            self._on_silence()
