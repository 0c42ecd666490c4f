"""Who was heard when in a room: one timeline for all, and the mix for each listener."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from voicewire.agent.room_recording import RoomRecording
from voicewire.audio.format import AudioFrame
from voicewire.audio.mixer import Mixer
from voicewire.clock import NS_PER_S, Clock
from voicewire.errors import LocalProtocolError

ROOM_RATE_HZ: Final = 24_000
LEAD_SAMPLES: Final = ROOM_RATE_HZ // 10
"""An agent is heard so long after its first audio has come, so that what comes unevenly is heard evenly."""
MAX_TURN_SAMPLES: Final = 50 * ROOM_RATE_HZ
"""The longest turn that an agent hears at once; what waits to be sent to its model is bounded by a minute."""
_MAX_SPANS: Final = 10_000
_MAX_UNREAD_SAMPLES: Final = 60 * ROOM_RATE_HZ
_MAX_AHEAD_SAMPLES: Final = 660 * ROOM_RATE_HZ
"""The longest speech, which may come all at once, behind a minute that was not read."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch in which somebody was heard."""

    speaker: str
    start_sample: int
    """On the room's timeline, at 24 kHz."""
    end_sample: int


@dataclass(slots=True)
class _Stretch:
    speaker: str
    start_sample: int
    end_sample: int


@dataclass(slots=True)
class _Listener:
    from_sample: int
    mixer: Mixer


class RoomTracks:
    """What sounds in the room, in samples of 24 kHz from its beginning.

    Memory: the newest 10 000 stretches; of each listener's mix the last minute that was not read, and what has not
    sounded yet.

    Args:
        clock: Time.
        recording: Keeps what sounded.
    """

    def __init__(self, clock: Clock, recording: RoomRecording | None = None) -> None:
        self._clock = clock
        self._origin_ns = clock.now_ns()
        self._recording = recording
        self._listeners: dict[str, _Listener] = {}
        self._stretches: deque[_Stretch] = deque(maxlen=_MAX_SPANS)
        self._last: dict[str, _Stretch] = {}

    @property
    def now_sample(self) -> int:
        """Now, on the timeline."""
        return (self._clock.now_ns() - self._origin_ns) * ROOM_RATE_HZ // NS_PER_S

    @property
    def spans(self) -> tuple[Span, ...]:
        """Who was heard when, in the order in which they were first heard of."""
        return tuple(Span(one.speaker, one.start_sample, one.end_sample) for one in self._stretches)

    def at_ns(self, sample: int) -> int:
        """A place of the timeline, on the clock."""
        return self._origin_ns + -(-sample * NS_PER_S // ROOM_RATE_HZ)

    def add_speaker(self, name: str) -> None:
        """Somebody comes who may be heard."""
        if self._recording is not None:
            self._recording.add(name)

    def add_listener(self, name: str) -> None:
        """Somebody comes who hears, from now on, the mix of all others."""
        self._listeners[name] = _Listener(self.now_sample, _new_mixer())

    def remove_listener(self, name: str) -> None:
        """Somebody has left."""
        self._listeners.pop(name, None)

    def heard_by(self, name: str, samples: int) -> AudioFrame:
        """The next of what a listener hears, from when they came: everybody else, mixed.

        Raises:
            LocalProtocolError: Nobody of this name listens.
        """
        if name not in self._listeners:
            raise LocalProtocolError(
                f"nobody named {name!r} is in the room; they are: {list(self._listeners)}"
            )
        return self._listeners[name].mixer.read(samples)

    def plays(self, speaker: str, start_sample: int, pcm16: bytes) -> None:
        """Somebody is heard, now or soon; every listener gets it at once."""
        for name, listener in self._listeners.items():
            if name != speaker:
                _write(listener, speaker, start_sample, pcm16, self.now_sample)

    def unplays(self, speaker: str, from_sample: int, until_sample: int) -> None:
        """What ``plays`` took for this stretch will not sound."""
        if until_sample > from_sample:
            self.plays(speaker, from_sample, bytes(2 * (until_sample - from_sample)))

    def sounded(self, speaker: str, start_sample: int, pcm16: bytes, *, quiet_samples: int = 0) -> None:
        """Somebody has been heard.

        Args:
            speaker: Who.
            start_sample: Where it begins.
            pcm16: What was heard.
            quiet_samples: So many of it come before the voice; they are kept, and are no part of the stretch.
        """
        if not pcm16:
            return
        if self._recording is not None:
            self._recording.sounded(speaker, start_sample, pcm16)
        end_sample = start_sample + len(pcm16) // 2
        start_sample = min(start_sample + quiet_samples, end_sample)
        last = self._last.get(speaker)
        if last is not None and last.end_sample == start_sample:
            last.end_sample = end_sample
        else:
            self._last[speaker] = last = _Stretch(speaker, start_sample, end_sample)
            self._stretches.append(last)

    def longest_overlap_ms(self) -> float:
        """The longest time for which two were heard at once, in milliseconds."""
        spans = sorted(self.spans, key=lambda span: span.start_sample)
        longest = 0
        for at, span in enumerate(spans):
            for later in spans[at + 1 :]:
                if later.start_sample >= span.end_sample:
                    break
                if later.speaker != span.speaker:
                    longest = max(longest, min(span.end_sample, later.end_sample) - later.start_sample)
        return longest * 1000 / ROOM_RATE_HZ


def _new_mixer() -> Mixer:
    return Mixer(ROOM_RATE_HZ, limit="soft", max_ahead_samples=_MAX_AHEAD_SAMPLES)


def _write(listener: _Listener, speaker: str, start_sample: int, pcm16: bytes, now_sample: int) -> None:
    unread = now_sample - listener.from_sample - listener.mixer.position
    if unread > 2 * _MAX_UNREAD_SAMPLES:
        # Nobody has read for long: what comes next begins here, so that silence need not be read away.
        listener.from_sample, listener.mixer = now_sample - _MAX_UNREAD_SAMPLES, _new_mixer()
    elif unread > _MAX_UNREAD_SAMPLES:
        listener.mixer.read(unread - _MAX_UNREAD_SAMPLES)
    mixer = listener.mixer
    if speaker not in mixer.sources:
        mixer.add(speaker)
    mixer.write(speaker, pcm16, start_sample=start_sample - listener.from_sample)
