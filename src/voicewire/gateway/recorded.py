"""One session on its way into a recording: commands and events become what a recorder takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from voicewire.audio import g711
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.resample import Resampler
from voicewire.errors import AudioError
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, Command, TruncateItem
from voicewire.events.model import (
    ModelInputStartedEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseDoneEvent,
)
from voicewire.gateway.observe import SessionWatch
from voicewire.gateway.playing import PresumedPlayout, Sound
from voicewire.recording.marks import AudioPlayed, InputStarted, TruncationOrdered
from voicewire.recording.recorder import RATE_HZ, SessionRecorder

_LOG = logging.getLogger("voicewire.gateway")
_MAX_BACKLOG: Final = 10_000
"""Jobs that may wait for the disk. Policy when full: the recording ends there, the conversation goes on."""
_GAP_MS: Final = 250.0
"""A microphone that was silent for longer was off; less is the network's jitter."""


class RecordedSession(SessionWatch):
    """Gives a session to a recorder.

    Args:
        recorder: Opened; whoever gets ``on_end`` closes it.
        on_end: Called once, at the end of the session.
    """

    def __init__(self, recorder: SessionRecorder, on_end: Callable[[RecordedSession], None]) -> None:
        self.recorder = recorder
        self._on_end = on_end
        self._origin_ns = time.monotonic_ns()
        self._playout = PresumedPlayout()
        self._resampler: tuple[int, Resampler] | None = None
        self._user_end_ms: float | None = None
        self._input_ms = 0.0
        self._is_full = False
        recorder.on_start(self._origin_ns)

    @property
    def _now_ms(self) -> float:
        return (time.monotonic_ns() - self._origin_ns) / 1_000_000

    def on_command(self, command: Command, /) -> None:
        """The user's audio, and what the client says about its playout."""
        if self._is_over_full():
            return
        now_ms = self._now_ms
        if isinstance(command, AppendAudio):
            self._hear(now_ms, command)
        elif isinstance(command, TruncateItem):
            self._cut(now_ms)
            mark = TruncationOrdered(
                item_id=command.item_id,
                content_index=command.content_index,
                audio_end_ms=command.audio_end_ms,
            )
            self.recorder.on_event(now_ms, mark)
        self._advance(now_ms)

    def on_event(self, event: EventBase, /) -> None:
        """Every event is logged; the agent's audio is played, and cut by an interruption."""
        if self._is_over_full():
            return
        now_ms = self._now_ms
        self.recorder.on_event(now_ms, event)
        if isinstance(event, ModelResponseAudioDeltaEvent):
            self._say(now_ms, event)
        elif isinstance(event, ModelInputStartedEvent) or (
            isinstance(event, ModelResponseDoneEvent) and event.status == "cancelled"
        ):
            self._cut(now_ms)
        self._advance(now_ms)

    def ended(self, code: int, reason: str, duration_s: float, /) -> None:
        """What would have sounded after the end was never heard."""
        if not self._is_full:
            now_ms = self._now_ms
            self._cut(now_ms)
            self.recorder.on_agent_position(now_ms)
        self._on_end(self)

    def _is_over_full(self) -> bool:
        if not self._is_full and self.recorder.backlog > _MAX_BACKLOG:
            self._is_full = True
            _LOG.warning("recording ends early", extra={"cause": "the disk is too slow"})
        return self._is_full

    def _hear(self, now_ms: float, append: AppendAudio) -> None:
        try:
            pcm16 = append.pcm if append.encoding == "pcm16" else g711.decode(append.pcm, append.encoding)
        except AudioError:  # the model refuses it, and the client is told
            return
        length_ms = len(pcm16) * 500 / append.sample_rate_hz
        end_ms = self._user_end_ms
        if end_ms is None or now_ms - length_ms - end_ms > _GAP_MS:
            end_ms = max(end_ms or 0.0, now_ms - length_ms)
            self.recorder.on_event(now_ms, InputStarted(offset_ms=end_ms - self._input_ms))
        self._user_end_ms = end_ms + length_ms
        self._input_ms += length_ms
        if append.sample_rate_hz != RATE_HZ:
            if self._resampler is None or self._resampler[0] != append.sample_rate_hz:
                self._resampler = (append.sample_rate_hz, Resampler(append.sample_rate_hz, RATE_HZ))
            pcm16 = self._resampler[1].process(pcm16)
        if pcm16:
            self.recorder.on_user_audio(end_ms, AudioFrame(AudioFormat(RATE_HZ), pcm16))

    def _say(self, now_ms: float, event: ModelResponseAudioDeltaEvent) -> None:
        pcm16 = event.pcm
        if event.format.type != "audio/pcm":
            pcm16 = g711.decode(pcm16, "pcma" if event.format.type == "audio/pcma" else "pcmu")
        self._playout.add(now_ms, event.item_id, event.content_index, pcm16, event.format.rate)

    def _cut(self, now_ms: float) -> None:
        sounds, over, cut = self._playout.cut(now_ms)
        self._play(sounds, over)
        if cut is not None:
            self.recorder.on_event(now_ms, cut)

    def _advance(self, now_ms: float) -> None:
        sounds, over = self._playout.advance(now_ms)
        self._play(sounds, over)
        if self._playout.is_empty:
            self.recorder.on_agent_position(now_ms)

    def _play(self, sounds: list[Sound], over: list[AudioPlayed]) -> None:
        for sound in sounds:
            self.recorder.on_agent_audio(sound.start_ms, sound.pcm16, sound.sample_rate_hz)
        for stretch in over:
            self.recorder.on_event(stretch.end_ms, stretch)
