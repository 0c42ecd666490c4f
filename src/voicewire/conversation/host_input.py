"""The host's input side: positions of the user's audio, turns, commits, transcripts. No audio bytes."""

from __future__ import annotations

import msgspec

from voicewire.conversation.host_core import HostCore
from voicewire.conversation.host_floor import Floor
from voicewire.conversation.orders import CloseInput, TranscribeInput
from voicewire.errors import LocalProtocolError
from voicewire.events.items import ContentPart, Item
from voicewire.events.model import (
    ModelAudioDroppedEvent,
    ModelInputClearedEvent,
    ModelInputCommittedEvent,
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelInputTranscriptionFailedEvent,
)
from voicewire.events.session import SessionConfig

MIN_COMMIT_MS = 100
"""Less audio than this cannot be committed by hand (OpenAI's limit)."""


class InputSide:
    """Positions count from the first sample of the session and only grow.

    ``keep_from_sample`` is where the audio begins that no turn has taken; ``end_sample`` is how much has come.
    """

    def __init__(self, core: HostCore, floor: Floor, rate_hz: int) -> None:
        self._core = core
        self._floor = floor
        self.rate_hz = rate_hz
        self.end_sample = 0
        self.keep_from_sample = 0
        self._partials: dict[str, str] = {}
        """Text so far of every turn whose transcript is not final, by item id."""
        self._unwanted: set[str] = set()
        """Turns whose transcript nobody asked for."""

    def set_rate(self, rate_hz: int) -> None:
        """See ``ConversationHost.set_input_rate``."""
        if self.end_sample and rate_hz != self.rate_hz:
            raise LocalProtocolError(
                f"the input rate is {self.rate_hz} Hz and audio has come; resample to it instead of changing it"
            )
        self.rate_hz = rate_hz

    def ms_of(self, samples: int) -> int:
        """Whole milliseconds of input samples, rounded down."""
        return samples * 1000 // self.rate_hz

    def appended(self, samples: int) -> None:
        """See ``ConversationHost.audio_appended``."""
        if not self._core.is_closed:
            self.end_sample += max(0, samples)

    def dropped(self, samples: int, reason: str) -> None:
        """See ``ConversationHost.input_dropped``."""
        samples = min(samples, self.end_sample - self.keep_from_sample)
        if self._core.is_closed or samples <= 0:
            return
        self.keep_from_sample += samples
        self._core.turns.forget_before(self.keep_from_sample)
        self._core.emit(
            ModelAudioDroppedEvent(
                samples=samples, sample_rate_hz=self.rate_hz, direction="input", reason=reason
            )
        )

    def forget(self, until_sample: int) -> None:
        """See ``ConversationHost.input_forgotten``."""
        turn = self._core.turns.turn
        limit = self.end_sample if turn is None else turn.start_sample
        self.keep_from_sample = max(self.keep_from_sample, min(until_sample, limit))

    # ------------------------------------------------------------------ turns

    def speech_started(self, at_sample: int, now_ms: int) -> None:
        """See ``ConversationHost.speech_started``."""
        core = self._core
        if core.is_closed or core.turns.is_speaking:
            return
        at_sample = max(self.keep_from_sample, min(at_sample, self.end_sample))
        is_new = core.turns.turn is None
        item_id = core.ids("item") if core.turns.turn is None else core.turns.turn.item_id
        turn = core.turns.start(item_id, at_sample, core.config)
        if turn is None:
            return
        if is_new:
            self._expect_transcript(item_id, turn.config)
        core.emit(ModelInputStartedEvent(item_id=item_id, audio_start_ms=self.ms_of(core.turns.floor_sample)))
        detection = turn.config.turn_detection
        if detection is None or detection.interrupt_response:
            self._floor.interrupt(now_ms)

    def speech_stopped(self, at_sample: int) -> None:
        """See ``ConversationHost.speech_stopped``."""
        turn = self._core.turns.stop(min(at_sample, self.end_sample))
        if turn is not None and turn.end_sample is not None:
            self._core.emit(
                ModelInputDoneEvent(item_id=turn.item_id, audio_end_ms=self.ms_of(turn.end_sample))
            )

    def end_turn(self) -> None:
        """See ``ConversationHost.end_turn``."""
        self.speech_stopped(self.end_sample)
        turn = self._core.turns.turn
        if turn is None or turn.end_sample is None or self._core.is_closed:
            return
        self._core.turns.take(turn.end_sample)
        self._commit(turn.item_id, turn.start_sample, turn.end_sample, turn.config)
        detection = turn.config.turn_detection
        if detection is not None and detection.create_response:
            self._floor.turn_ended(turn.config)
        self._floor.start_waiting()

    def commit_by_hand(self, *, respond: bool, command_id: str) -> None:
        """``CommitAudio``: everything that no turn has taken, an open turn with it."""
        core = self._core
        turn = core.turns.turn
        start_sample = self.keep_from_sample
        if (self.end_sample - start_sample) * 1000 < MIN_COMMIT_MS * self.rate_hz:
            held_ms = (self.end_sample - start_sample) * 1000 / self.rate_hz
            core.error(
                "input_audio_buffer_commit_empty",
                f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of "
                f"audio, but buffer only has {held_ms:.2f}ms of audio.",
                command_id,
            )
            return
        self.speech_stopped(self.end_sample)
        item_id = core.ids("item") if turn is None else turn.item_id
        config = core.config if turn is None else turn.config
        if turn is None:
            self._expect_transcript(item_id, config)
        core.turns.take(self.end_sample)
        self._commit(item_id, start_sample, self.end_sample, config)
        core.emit(CloseInput(end_sample=self.end_sample, reason="committed"))
        if respond:
            self._floor.ask()
        self._floor.start_waiting()

    def clear(self) -> None:
        """``ClearAudio``: what was appended and not committed is thrown away, an open turn with it."""
        self._take_back()
        self.keep_from_sample = self.end_sample
        self._core.emit(ModelInputClearedEvent())
        self._core.emit(CloseInput(end_sample=self.end_sample, reason="cleared"))
        self._floor.start_waiting()

    def discard_turn(self) -> None:
        """See ``ConversationHost.discard_turn``."""
        self._take_back()
        self._floor.start_waiting()

    def close(self) -> None:
        """The session ends: speech that is open stops."""
        self._take_back()

    def _take_back(self) -> None:
        self.speech_stopped(self.end_sample)
        turn = self._core.turns.take(self.end_sample)
        if turn is not None:
            self.item_deleted(turn.item_id)

    def _commit(self, item_id: str, start_sample: int, end_sample: int, config: SessionConfig) -> None:
        core = self._core
        self.keep_from_sample = end_sample
        part = ContentPart(kind="audio", is_transcribed=False)
        item = Item(id=item_id, role="user", content=(part,))
        core.emit(ModelInputCommittedEvent(item_id=item_id, previous_item_id=core.items.last_id))
        core.add_item(item)
        core.emit(
            TranscribeInput(
                item_id=item_id,
                start_sample=start_sample,
                end_sample=end_sample,
                settings=config.transcription,
            )
        )

    # ------------------------------------------------------------------ transcripts

    def _expect_transcript(self, item_id: str, config: SessionConfig) -> None:
        self._partials[item_id] = ""
        if config.transcription is None:
            self._unwanted.add(item_id)

    def transcription_partial(self, item_id: str, text: str) -> None:
        """See ``ConversationHost.transcription_partial``."""
        before = self._partials.get(item_id)
        if before is None or before == text or self._core.is_closed:
            return
        self._partials[item_id] = text
        if item_id in self._unwanted:
            return
        is_revision = not text.startswith(before)
        delta = text if is_revision else text[len(before) :]
        self._core.emit(
            ModelInputTranscriptionDeltaEvent(item_id=item_id, delta=delta, is_revision=is_revision)
        )

    def transcription_final(
        self, item_id: str, text: str, usage: tuple[int | None, int | None, float | None]
    ) -> None:
        """See ``ConversationHost.transcription_final``."""
        item = self._core.items.get(item_id)
        if item is None or self._core.is_closed or self._partials.pop(item_id, None) is None:
            return
        parts = tuple(
            msgspec.structs.replace(part, text=text, is_transcribed=True) if part.kind == "audio" else part
            for part in item.content
        )
        self._core.items.replace(msgspec.structs.replace(item, content=parts))
        if item_id in self._unwanted:
            self._unwanted.discard(item_id)
            return
        input_tokens, output_tokens, duration_s = usage
        self._core.emit(
            ModelInputTranscriptionDoneEvent(
                transcript=text,
                item_id=item_id,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                duration_s=duration_s,
            )
        )

    def transcription_failed(self, item_id: str, code: str, message: str) -> None:
        """See ``ConversationHost.transcription_failed``."""
        is_known = item_id in self._core.items and self._partials.pop(item_id, None) is not None
        is_wanted = item_id not in self._unwanted
        self._unwanted.discard(item_id)
        if is_known and is_wanted and not self._core.is_closed:
            self._core.emit(ModelInputTranscriptionFailedEvent(item_id=item_id, code=code, message=message))

    def item_deleted(self, item_id: str) -> None:
        """The item is gone; facts about its words are dropped from now on."""
        self._partials.pop(item_id, None)
        self._unwanted.discard(item_id)
