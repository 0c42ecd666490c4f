"""The demo's script: what the user says, when, and what the answer must contain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from voicewire.errors import ConfigError
from voicewire.recording.marks import AudioPlayed, ScriptSpoke, StateChanged

if TYPE_CHECKING:
    from voicewire.agent.edges import VirtualMicrophone
    from voicewire.agent.session import VoiceSession
    from voicewire.audio.format import AudioFrame
    from voicewire.clock import Clock
    from voicewire.events.base import EventBase
    from voicewire.recording.marks import Mark
    from voicewire.recording.recorder import SessionRecorder

_POLL_MS: Final = 10
_REPLY_TIMEOUT_MS: Final = 20_000
_SETTLE_MS: Final = 200
"""A reply is over when the agent has been idle for so long; between two clauses it may pause."""


class ScriptTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the user says."""

    kind: str
    file: str
    """A sound file, relative to the scenario."""
    text: str
    """What it says."""
    expect: tuple[tuple[str, ...], ...] = ()
    """For each group, one of its phrases must be heard in the reply."""
    after_reply_ms: int = 600
    """Silence between the end of the reply before and this."""
    into_reply_ms: int | None = None
    """Speak over the reply, so long after it began to sound."""
    tool: str = ""
    """The function that must be called."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A scripted conversation."""

    turns: tuple[ScriptTurn, ...]
    lead_ms: int = 500
    about: str = ""


def read_scenario(path: Path) -> Scenario:
    """Reads a scenario file.

    Raises:
        ConfigError: It is missing, or not a scenario.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Scenario)
    except OSError as error:
        raise ConfigError(
            f"cannot read the scenario {str(path)!r}: {error.strerror}; run in the project's root"
        ) from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{str(path)!r} is not a scenario: {error}") from error


class ReplyWatch:
    """Knows when the agent began and ceased to speak; an observer of ``VoiceSession``."""

    def __init__(self) -> None:
        self.state = "idle"
        self.spans: list[tuple[float, float]] = []

    def began_after(self, at_ms: float) -> float | None:
        """When the agent first sounded after a moment."""
        return next((start for start, _ in self.spans if start >= at_ms), None)

    def is_over(self, since_ms: float, now_ms: float) -> bool:
        """Whether a reply has sounded since a moment and is over."""
        if self.state != "idle" or self.began_after(since_ms) is None:
            return False
        return now_ms - self.spans[-1][1] >= _SETTLE_MS

    def on_start(self, origin_ns: int) -> None:
        """The session begins."""

    def on_event(self, at_ms: float, what: EventBase | Mark) -> None:
        """Notes states and sounds."""
        if isinstance(what, StateChanged):
            self.state = what.state
        elif isinstance(what, AudioPlayed):
            self.spans.append((what.start_ms, what.end_ms))

    def on_user_audio(self, start_ms: float, frame: AudioFrame) -> None:
        """Not needed."""

    def on_agent_audio(self, start_ms: float, pcm16: bytes, sample_rate_hz: int) -> None:
        """Not needed."""

    def on_agent_position(self, until_ms: float) -> None:
        """Not needed."""


class ScriptedUser:
    """Plays the user's part of a scenario.

    Args:
        scenario: What to say and when.
        speech: The audio of each turn, 16-bit mono at the microphone's rate.
        microphone: Where to say it.
        recorder: Gets a mark for every sentence.
        clock: The session's clock.
    """

    def __init__(
        self,
        scenario: Scenario,
        speech: list[bytes],
        microphone: VirtualMicrophone,
        recorder: SessionRecorder,
        clock: Clock,
    ) -> None:
        self.watch = ReplyWatch()
        self._scenario = scenario
        self._speech = speech
        self._microphone = microphone
        self._recorder = recorder
        self._clock = clock

    async def run(self, session: VoiceSession) -> None:
        """Says everything, then ends the session when the last reply is over.

        A reply that does not come within 20 s is given up: the conversation goes on and the check fails.
        """
        await session.wait_started()
        await self._sleep_ms(self._scenario.lead_ms)
        spoken_until_ms = 0.0
        for number, turn in enumerate(self._scenario.turns):
            if number:
                await self._wait_for_cue(session, turn, spoken_until_ms)
            audio = self._speech[number]
            start_ms = self._microphone.speak(audio)
            spoken_until_ms = start_ms + self._microphone.format.ms_of(len(audio) // 2)
            mark = ScriptSpoke(turn=number, start_ms=start_ms, end_ms=spoken_until_ms)
            self._recorder.on_event(session.now_ms, mark)
            while session.now_ms < spoken_until_ms:
                await self._sleep_ms(_POLL_MS)
        await self._wait_for_end(session, spoken_until_ms)
        await self._sleep_ms(_SETTLE_MS)
        session.stop()

    async def _wait_for_cue(self, session: VoiceSession, turn: ScriptTurn, since_ms: float) -> None:
        if turn.into_reply_ms is None:
            await self._wait_for_end(session, since_ms)
            await self._sleep_ms(max(0, turn.after_reply_ms - _SETTLE_MS))
            return
        deadline_ms = session.now_ms + _REPLY_TIMEOUT_MS
        while session.now_ms < deadline_ms:
            began_ms = self.watch.began_after(since_ms)
            if began_ms is not None and session.now_ms >= began_ms + turn.into_reply_ms:
                return
            await self._sleep_ms(_POLL_MS)

    async def _wait_for_end(self, session: VoiceSession, since_ms: float) -> None:
        deadline_ms = session.now_ms + _REPLY_TIMEOUT_MS
        while session.now_ms < deadline_ms and not self.watch.is_over(since_ms, session.now_ms):
            if self.watch.state == "speaking":
                deadline_ms = session.now_ms + _REPLY_TIMEOUT_MS
            await self._sleep_ms(_POLL_MS)

    async def _sleep_ms(self, duration_ms: int) -> None:
        await self._clock.sleep_until_ns(self._clock.now_ns() + duration_ms * 1_000_000)
