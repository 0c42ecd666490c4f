"""How a connection to a provider is kept, lost and restored, as data."""

from __future__ import annotations

from dataclasses import dataclass

from voicewire.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepalivePolicy:
    """How a peer that is gone without a word is found out."""

    interval_s: float | None = 15.0
    """A ping goes out after this long without any frame from the peer; None: never."""
    timeout_s: float = 10.0
    """The connection counts as lost when nothing at all came this long after a ping; longer where pongs are slow."""

    def __post_init__(self) -> None:
        if (self.interval_s is not None and self.interval_s <= 0) or self.timeout_s <= 0:
            raise ConfigError(f"{self!r} has a time that is not above 0 s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectPolicy:
    """What happens when a connection is lost, or is about to reach its limit."""

    max_attempts: int = 6
    """Attempts in a row before the session is given up; 0: a loss is the end, and there is no roll-over."""
    first_delay_s: float = 0.25
    """Wait before the first attempt."""
    factor: float = 2.0
    """By what the wait grows from attempt to attempt."""
    max_delay_s: float = 8.0
    """The longest wait."""
    jitter: float = 0.5
    """Share of each wait that is left to chance, 0 to 1, so that many clients do not come back at once."""
    stable_after_s: float = 20.0
    """A connection that lived this long was a good one: attempts are counted from 0 again."""
    rollover_margin_s: float = 60.0
    """The next connection is opened this long before a known limit (at most a tenth of the session)."""
    rollover_grace_s: float = 5.0
    """The last moment for the change, before the limit; until then it waits for a pause between turns."""
    max_replayed_audio_s: float = 30.0
    """How much of the user's audio is kept for the next connection while it is not acknowledged."""
    idle_audio_s: float = 2.0
    """How much is kept while nobody speaks: what the provider's speech detection may not have judged yet."""
    max_history_items: int = 400
    """How many of the newest items are told to the next connection."""

    def __post_init__(self) -> None:
        times = (
            self.first_delay_s,
            self.max_delay_s,
            self.stable_after_s,
            self.rollover_margin_s,
            self.rollover_grace_s,
            self.max_replayed_audio_s,
            self.idle_audio_s,
        )
        if self.max_attempts < 0 or min(times) < 0 or self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ConfigError(
                f"{self!r} has a value out of range: counts and times from 0, factor from 1, jitter from 0 to 1"
            )


NO_RECONNECT = ReconnectPolicy(max_attempts=0)
"""A lost connection ends the session."""
