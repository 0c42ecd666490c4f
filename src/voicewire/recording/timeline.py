"""A conversation as a value: who spoke when, what was said, heard, called and interrupted.

Pure. ``TimelineBuilder`` takes model events and marks with their session times and gives a ``Timeline`` at
any moment, so that a run that was stopped half-way has a timeline too. All times are milliseconds since
the session began; that is also the position in ``conversation.wav``.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace
from typing import Final

from voicewire.events.base import EventBase
from voicewire.events.model import (
    ModelErrorEvent,
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseAudioTranscriptDoneEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelResponseTextDeltaEvent,
    ModelResponseTextDoneEvent,
)
from voicewire.recording.marks import (
    AudioPlayed,
    InputStarted,
    Mark,
    PlayoutCut,
    StateChanged,
    ToolFinished,
    ToolStarted,
)
from voicewire.recording.waterfall import StageTimes, Waterfall, merged_times, waterfall_of

TURN_TIMING: Final = "voicewire.turn_timing"
"""Name of the provider event in which the embedded engine reports its stage times."""
_STAGE_FIELDS: Final = {
    "speech_end_ns": "speech_end_ms",
    "endpoint_ns": "endpoint_ms",
    "asr_final_ns": "asr_final_ms",
    "first_token_ns": "first_token_ms",
    "first_clause_ns": "first_clause_ms",
    "first_audio_ns": "audio_sent_ms",
}
_JOIN_MS: Final = 2.0
"""Stretches of playout that are closer than this are one."""
_BYTES_PER_SAMPLE: Final = 2


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of session time."""

    start_ms: float
    end_ms: float

    @property
    def duration_ms(self) -> float:
        """Its length."""
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True)
class Partial:
    """What the recogniser thought at one moment; the whole text so far."""

    at_ms: float
    text: str


@dataclass(frozen=True, slots=True)
class SpokenPiece:
    """A piece of the agent's words, and where its audio begins in the item, when that is known."""

    text: str
    audio_start_ms: float | None = None


@dataclass(slots=True)
class Utterance:
    """One stretch of user speech."""

    item_id: str
    start_ms: float
    end_ms: float | None = None
    """None while the user speaks."""
    onset_detected_ms: float = 0.0
    end_detected_ms: float | None = None
    partials: list[Partial] = field(default_factory=list[Partial])
    text: str = ""
    """The final transcript; the last partial until it comes."""
    final_ms: float | None = None


@dataclass(slots=True)
class ToolCall:
    """One call of a function of the application."""

    call_id: str
    name: str
    arguments: str
    start_ms: float
    end_ms: float | None = None
    output: str = ""
    outcome: str = "running"


@dataclass(slots=True)
class Speech:
    """One response of the agent, as generated and as heard."""

    response_id: str
    created_ms: float
    item_ids: list[str] = field(default_factory=list[str])
    pieces: list[SpokenPiece] = field(default_factory=list[SpokenPiece])
    text: str = ""
    """All the words that were generated."""
    heard_text: str | None = None
    """The words that were heard, when the speech was cut; None when all of it was."""
    spans: list[Span] = field(default_factory=list[Span])
    """When it sounded."""
    generated_ms: float = 0.0
    heard_ms: float = 0.0
    cut_ms: float | None = None
    """When an interruption silenced it."""
    first_text_ms: float | None = None
    first_audio_ms: float | None = None
    done_ms: float | None = None
    status: str = "in_progress"
    reason: str = ""
    times: StageTimes | None = None
    """What the model itself reported about its stages."""

    @property
    def is_interrupted(self) -> bool:
        """Whether the user cut it short."""
        return self.cut_ms is not None or (self.status == "cancelled" and self.reason == "turn_detected")

    @property
    def audible_ms(self) -> float | None:
        """When its first sample sounded."""
        return self.spans[0].start_ms if self.spans else None


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user said and what the agent made of it."""

    number: int
    """From 1."""
    utterance: Utterance | None
    """None when the agent spoke first, or the user typed."""
    speeches: tuple[Speech, ...]
    tools: tuple[ToolCall, ...]
    waterfall: Waterfall | None
    """None where nothing was audible."""

    @property
    def reply_text(self) -> str:
        """All words of the agent in this turn."""
        return " ".join(speech.text for speech in self.speeches if speech.text)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A whole conversation."""

    duration_ms: float
    utterances: tuple[Utterance, ...] = ()
    speeches: tuple[Speech, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    turns: tuple[Turn, ...] = ()
    states: tuple[tuple[float, str], ...] = ()
    errors: tuple[tuple[float, str], ...] = ()


class TimelineBuilder:
    """Collects events and marks into a timeline.

    Args:
        origin_ns: The moment of session time 0 on the clock that the engine's stage times use.

    Concurrency: one caller at a time.
    """

    def __init__(self, *, origin_ns: int = 0) -> None:
        self._origin_ns = origin_ns
        self._now_ms = 0.0
        self._input_offset_ms = 0.0
        self._utterances: dict[str, Utterance] = {}
        self._speeches: dict[str, Speech] = {}
        self._tools: dict[str, ToolCall] = {}
        self._response_of_item: dict[str, str] = {}
        self._states: list[tuple[float, str]] = []
        self._errors: list[tuple[float, str]] = []

    def add(self, at_ms: float, what: EventBase | Mark) -> None:
        """Takes the next event or mark; ``at_ms`` never falls."""
        self._now_ms = max(self._now_ms, at_ms)
        match what:
            case AudioPlayed() | PlayoutCut():
                self._add_playout(what)
            case ToolStarted() | ToolFinished():
                self._add_tool(at_ms, what)
            case StateChanged():
                self._states.append((at_ms, what.state))
            case InputStarted():
                self._input_offset_ms = what.offset_ms
            case EventBase():
                self._add_event(at_ms, what)
            case _:
                pass

    def build(self, duration_ms: float | None = None) -> Timeline:
        """The timeline up to now; ``duration_ms`` is that of the recording where there is one."""
        utterances = tuple(self._utterances.values())
        speeches = tuple(self._finished(speech) for speech in self._speeches.values())
        tools = tuple(self._tools.values())
        return Timeline(
            duration_ms=max(self._now_ms, duration_ms or 0.0),
            utterances=utterances,
            speeches=speeches,
            tools=tools,
            turns=turns_of(utterances, speeches, tools),
            states=tuple(self._states),
            errors=tuple(self._errors),
        )

    def _finished(self, speech: Speech) -> Speech:
        heard = speech.heard_text
        if heard is None and speech.cut_ms is not None:
            heard = words_heard(speech.pieces, speech.heard_ms, speech.generated_ms)
        return replace(speech, heard_text=heard)

    def _add_event(self, at_ms: float, event: EventBase) -> None:
        match event:
            case ModelInputStartedEvent():
                start_ms = event.audio_start_ms + self._input_offset_ms
                self._utterances[event.item_id] = Utterance(event.item_id, start_ms, onset_detected_ms=at_ms)
            case ModelInputDoneEvent():
                utterance = self._utterance(event.item_id, at_ms)
                utterance.end_ms = event.audio_end_ms + self._input_offset_ms
                utterance.end_detected_ms = at_ms
            case ModelInputTranscriptionDeltaEvent():
                utterance = self._utterance(event.item_id, at_ms)
                utterance.text = event.delta if event.is_revision else utterance.text + event.delta
                utterance.partials.append(Partial(at_ms, utterance.text))
            case ModelInputTranscriptionDoneEvent():
                utterance = self._utterance(event.item_id, at_ms)
                utterance.text, utterance.final_ms = event.transcript, at_ms
            case ModelProviderEvent(name=name) if name == TURN_TIMING:
                self._add_timing(event)
            case ModelErrorEvent():
                self._errors.append((at_ms, event.message))
            case _:
                self._add_response_event(at_ms, event)

    def _add_response_event(self, at_ms: float, event: EventBase) -> None:
        match event:
            case ModelResponseCreatedEvent():
                self._speech(event.response_id, at_ms)
            case ModelResponseDoneEvent():
                speech = self._speech(event.response_id, at_ms)
                speech.done_ms, speech.status, speech.reason = at_ms, event.status, event.reason
            case ModelResponseAudioDeltaEvent():
                speech = self._speech(event.response_id, at_ms, event.item_id)
                speech.first_audio_ms = at_ms if speech.first_audio_ms is None else speech.first_audio_ms
                bytes_per_sample = _BYTES_PER_SAMPLE if event.format.type == "audio/pcm" else 1
                speech.generated_ms += len(event.pcm) / bytes_per_sample * 1000 / event.format.rate
            case ModelResponseAudioTranscriptDeltaEvent() | ModelResponseTextDeltaEvent():
                speech = self._speech(event.response_id, at_ms, event.item_id)
                speech.first_text_ms = at_ms if speech.first_text_ms is None else speech.first_text_ms
                start = getattr(event, "audio_start_ms", None)
                speech.pieces.append(SpokenPiece(event.delta, start))
                speech.text += event.delta
            case (
                ModelResponseAudioTranscriptDoneEvent(transcript=text) | ModelResponseTextDoneEvent(text=text)
            ):
                speech = self._speech(event.response_id, at_ms, event.item_id)
                if len(speech.item_ids) == 1 and text:
                    speech.text = text
            case _:
                pass

    def _add_timing(self, event: ModelProviderEvent) -> None:
        times: dict[str, float] = {}
        for source, name in _STAGE_FIELDS.items():
            value = event.raw.get(source)
            if isinstance(value, int) and value > 0:
                times[name] = (value - self._origin_ns) / 1e6
        response_id = event.raw.get("response_id")
        if isinstance(response_id, str) and response_id in self._speeches:
            self._speeches[response_id].times = StageTimes(**times)

    def _add_playout(self, mark: AudioPlayed | PlayoutCut) -> None:
        response_id = self._response_of_item.get(mark.item_id)
        if response_id is None:
            return
        speech = self._speeches[response_id]
        if isinstance(mark, PlayoutCut):
            speech.cut_ms = mark.cut_ms
            speech.heard_ms = max(speech.heard_ms, mark.heard_ms)
            speech.heard_text = mark.heard_text
            return
        speech.heard_ms = max(speech.heard_ms, mark.item_start_ms + mark.end_ms - mark.start_ms)
        last = speech.spans[-1] if speech.spans else None
        if last is not None and mark.start_ms - last.end_ms <= _JOIN_MS:
            speech.spans[-1] = Span(last.start_ms, max(last.end_ms, mark.end_ms))
        else:
            speech.spans.append(Span(mark.start_ms, mark.end_ms))

    def _add_tool(self, at_ms: float, mark: ToolStarted | ToolFinished) -> None:
        if isinstance(mark, ToolStarted):
            self._tools[mark.call_id] = ToolCall(mark.call_id, mark.name, mark.arguments, at_ms)
            return
        call = self._tools.setdefault(mark.call_id, ToolCall(mark.call_id, mark.name, "", at_ms))
        call.end_ms, call.output, call.outcome = at_ms, mark.output, mark.outcome

    def _utterance(self, item_id: str, at_ms: float) -> Utterance:
        return self._utterances.setdefault(item_id, Utterance(item_id, at_ms))

    def _speech(self, response_id: str, at_ms: float, item_id: str = "") -> Speech:
        speech = self._speeches.setdefault(response_id, Speech(response_id, at_ms))
        if item_id and item_id not in self._response_of_item:
            self._response_of_item[item_id] = response_id
            speech.item_ids.append(item_id)
        return speech


def turns_of(
    utterances: tuple[Utterance, ...], speeches: tuple[Speech, ...], tools: tuple[ToolCall, ...]
) -> tuple[Turn, ...]:
    """Groups a conversation into turns: what follows an utterance, up to the next one, belongs to it."""
    # A response is created after the user's turn is known to be over; only then can it belong to it.
    starts = [u.start_ms for u in utterances]

    def owner(at_ms: float) -> int:
        return bisect.bisect_right(starts, at_ms) - 1

    turns: list[Turn] = []
    for index in range(-1, len(utterances)):
        own = tuple(s for s in speeches if owner(s.created_ms) == index)
        calls = tuple(c for c in tools if owner(c.start_ms) == index)
        if index < 0 and not own:
            continue
        utterance = utterances[index] if index >= 0 else None
        turns.append(Turn(len(turns) + 1, utterance, own, calls, _waterfall_of_turn(utterance, own)))
    return tuple(turns)


def _waterfall_of_turn(utterance: Utterance | None, speeches: tuple[Speech, ...]) -> Waterfall | None:
    """From the end of the utterance to the first sound: reported times first, then what every model shows."""
    first = next((speech for speech in speeches if speech.spans), None)
    if first is None:
        return None
    derived = StageTimes(
        speech_end_ms=utterance.end_ms if utterance else None,
        endpoint_ms=utterance.end_detected_ms if utterance else None,
        asr_final_ms=utterance.final_ms if utterance else None,
        first_token_ms=first.first_text_ms,
        audio_sent_ms=first.first_audio_ms,
    )
    times = merged_times(first.times, derived)
    if times.speech_end_ms is None:
        return None
    return waterfall_of(replace(times, audible_ms=first.audible_ms))


def words_heard(pieces: list[SpokenPiece], heard_ms: float, generated_ms: float) -> str:
    """The words that lie within the first ``heard_ms`` of an item's audio.

    Inside a piece the words are spread by their letters, because nothing better is known; a word counts when
    its middle was heard.

    Args:
        pieces: The words, in order, with the start of their audio where that is known.
        heard_ms: How much of the audio was heard.
        generated_ms: How much audio all pieces have together.
    """
    total_letters = sum(len(piece.text) for piece in pieces) or 1
    heard: list[str] = []
    letters = 0
    for index, piece in enumerate(pieces):
        start_ms = piece.audio_start_ms
        if start_ms is None:
            start_ms = generated_ms * letters / total_letters
        letters += len(piece.text)
        following = pieces[index + 1].audio_start_ms if index + 1 < len(pieces) else generated_ms
        end_ms = following if following is not None else generated_ms * letters / total_letters
        heard.append(_part_heard(piece.text, heard_ms - start_ms, max(end_ms - start_ms, 0.0)))
    return "".join(heard).strip()


def _part_heard(text: str, heard_ms: float, duration_ms: float) -> str:
    if heard_ms >= duration_ms:
        return text if heard_ms > 0 else ""
    kept = 0
    position = 0
    for word in text.split(" "):
        middle_ms = (position + len(word) / 2) / max(len(text), 1) * duration_ms
        if middle_ms >= heard_ms:
            break
        position += len(word) + 1
        kept = position
    return text[:kept]
