"""When to reconnect, when to change over, when to give up. No clock, no socket, no chance in here."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from voicewire.transport.policies import ReconnectPolicy

_NS_PER_S = 1_000_000_000


class LinkAction(Enum):
    """What is to be done now."""

    NOTHING = "nothing"
    CONNECT = "connect"
    """Open a connection in place of the lost one; then say `opened` or `attempt_failed`."""
    PREPARE = "prepare"
    """Open a second connection beside the present one; then say `prepared` or `attempt_failed`."""
    SWITCH = "switch"
    """Change over to the prepared connection; then say `opened`, or `lost` when it turned out to be gone."""


class _State(Enum):
    OPEN = "open"
    PREPARING = "preparing"
    PREPARED = "prepared"
    WAITING = "waiting"
    CONNECTING = "connecting"
    ENDED = "ended"


class LinkSupervisor:
    """The life of one session over several connections, as decisions. Time comes in with every call.

    Args:
        policy: What to do.
        max_session_s: Known limit of one connection, None for none.
        chance: A number from 0 to 1 for each wait.
    """

    def __init__(
        self, policy: ReconnectPolicy, *, max_session_s: float | None, chance: Callable[[], float]
    ) -> None:
        self._policy = policy
        self._max_session_s = max_session_s
        self._chance = chance
        self._state = _State.OPEN
        self._opened_ns = 0
        self._attempts = 0
        self._due_ns: int | None = None
        self._limit_ns: int | None = None
        self._grace_s = policy.rollover_grace_s

    @property
    def attempts(self) -> int:
        """Attempts since the last good connection, failed ones and the present one."""
        return self._attempts

    @property
    def is_ended(self) -> bool:
        """Whether nothing will be done any more."""
        return self._state is _State.ENDED

    @property
    def is_in_service(self) -> bool:
        """Whether there is a connection to talk over."""
        return self._state in (_State.OPEN, _State.PREPARING, _State.PREPARED)

    @property
    def wants_quiet(self) -> bool:
        """Whether a connection is ready and only a pause is waited for."""
        return self._state is _State.PREPARED

    @property
    def next_ns(self) -> int | None:
        """When `poll` is due next; None while only a report changes anything."""
        if self._state in (_State.OPEN, _State.WAITING):
            return self._due_ns
        return self._last_moment_ns if self._state is _State.PREPARED else None

    @property
    def _last_moment_ns(self) -> int | None:
        return None if self._limit_ns is None else self._limit_ns - int(self._grace_s * _NS_PER_S)

    def opened(self, now_ns: int) -> None:
        """A connection is in service, all of the past was told to it."""
        if self._state is _State.ENDED:
            return
        self._state = _State.OPEN
        self._opened_ns = now_ns
        self._due_ns = self._limit_ns = None
        if self._max_session_s is not None and self._policy.max_attempts > 0:
            self._set_limit(now_ns, self._max_session_s)

    def going_away(self, now_ns: int, left_s: float) -> None:
        """The provider said that this connection ends soon."""
        if self.is_in_service and self._policy.max_attempts > 0:
            limit_ns = now_ns + int(left_s * _NS_PER_S)
            if self._limit_ns is None or limit_ns < self._limit_ns:
                self._limit_ns = limit_ns
                self._grace_s = min(self._policy.rollover_grace_s, left_s / 2)
                if self._state is _State.OPEN:
                    self._due_ns = now_ns

    def poll(self, now_ns: int, *, is_quiet: bool) -> LinkAction:
        """What is to be done now; an action is given once.

        Args:
            now_ns: The present moment.
            is_quiet: Whether nobody speaks, nothing is asked and nothing is being answered.
        """
        is_due = self._due_ns is not None and now_ns >= self._due_ns
        if self._state is _State.WAITING and is_due:
            self._state = _State.CONNECTING
            return LinkAction.CONNECT
        if self._state is _State.OPEN and is_due:
            self._state = _State.PREPARING
            self._due_ns = None
            return LinkAction.PREPARE
        if self._state is _State.PREPARED:
            last_ns = self._last_moment_ns
            if is_quiet or (last_ns is not None and now_ns >= last_ns):
                self._state = _State.CONNECTING
                return LinkAction.SWITCH
        return LinkAction.NOTHING

    def prepared(self) -> None:
        """The second connection is open."""
        if self._state is _State.PREPARING:
            self._state = _State.PREPARED

    def lost(self, now_ns: int, *, is_retryable: bool) -> bool:
        """The connection in service, or the one just changed over to, is gone.

        Returns:
            Whether it will be restored.
        """
        if self._state is _State.ENDED:
            return False
        if self._state is _State.PREPARED and is_retryable:
            # The next connection is there already.
            self._limit_ns = now_ns
            return True
        if now_ns - self._opened_ns >= self._policy.stable_after_s * _NS_PER_S:
            self._attempts = 0
        return self._retry(now_ns, is_retryable=is_retryable)

    def attempt_failed(self, now_ns: int, *, is_retryable: bool) -> bool:
        """What CONNECT or PREPARE asked for did not work.

        Returns:
            Whether it goes on: by another attempt, or with the present connection to its end.
        """
        if self._state is _State.PREPARING:
            self._state = _State.OPEN
            self._attempts += 1
            if self._attempts < self._policy.max_attempts and is_retryable:
                self._due_ns = now_ns + self._delay_ns(self._attempts)
            return True
        return self._retry(now_ns, is_retryable=is_retryable)

    def end(self) -> None:
        """Nothing will be done any more."""
        self._state = _State.ENDED
        self._due_ns = None

    def _retry(self, now_ns: int, *, is_retryable: bool) -> bool:
        if not is_retryable or self._attempts >= self._policy.max_attempts:
            self.end()
            return False
        self._due_ns = now_ns + self._delay_ns(self._attempts)
        self._attempts += 1
        self._state = _State.WAITING
        return True

    def _delay_ns(self, attempt: int) -> int:
        policy = self._policy
        whole_s = min(policy.first_delay_s * policy.factor ** min(attempt, 64), policy.max_delay_s)
        return int(whole_s * (1 - policy.jitter * self._chance()) * _NS_PER_S)

    def _set_limit(self, now_ns: int, left_s: float) -> None:
        margin_s = min(self._policy.rollover_margin_s, left_s / 10)
        self._grace_s = min(self._policy.rollover_grace_s, margin_s / 2)
        self._limit_ns = now_ns + int(left_s * _NS_PER_S)
        self._due_ns = self._limit_ns - int(margin_s * _NS_PER_S)
