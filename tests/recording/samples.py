"""A small conversation as events and marks, the way a session reports it."""

from __future__ import annotations

from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.model import (
    ModelInputDoneEvent,
    ModelInputStartedEvent,
    ModelInputTranscriptionDeltaEvent,
    ModelInputTranscriptionDoneEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseAudioTranscriptDeltaEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
)
from voicewire.recording.marks import AudioPlayed, Mark, PlayoutCut, ToolFinished, ToolStarted
from voicewire.recording.timeline import Timeline, TimelineBuilder

ORIGIN_NS = 5_000_000_000
PCM_24K = MediaFormat("audio/pcm", 24_000)

STORY = "Once upon a time there was a sea. "
TAIL = "It was very big & <blue>."


def _ns(at_ms: float) -> int:
    return ORIGIN_NS + round(at_ms * 1e6)


def conversation() -> list[tuple[float, EventBase | Mark]]:
    """A story that is interrupted, then a question that is answered with a tool."""
    timing = {
        "item_id": "u1", "response_id": "r1", "speech_end_ns": _ns(1500), "endpoint_ns": _ns(1900),
        "asr_final_ns": _ns(1750), "first_token_ns": _ns(1800), "first_clause_ns": _ns(1850),
        "first_audio_ns": _ns(1920),
    }  # fmt: skip
    return [
        (620, ModelInputStartedEvent(item_id="u1", audio_start_ms=400)),
        (800, ModelInputTranscriptionDeltaEvent(item_id="u1", delta="Tell")),
        (1100, ModelInputTranscriptionDeltaEvent(item_id="u1", delta="Tell me a stork", is_revision=True)),
        (1900, ModelInputDoneEvent(item_id="u1", audio_end_ms=1500)),
        (1901, ModelInputTranscriptionDoneEvent(transcript="Tell me a story.", item_id="u1")),
        (1902, ModelResponseCreatedEvent(response_id="r1")),
        (1910, ModelResponseAudioTranscriptDeltaEvent(
            response_id="r1", item_id="a1", delta=STORY, audio_start_ms=0)),
        (1911, ModelProviderEvent(name="voicewire.turn_timing", raw=timing)),
        (1920, ModelResponseAudioDeltaEvent(
            response_id="r1", item_id="a1", pcm=bytes(2 * 24_000 * 2), format=PCM_24K)),
        (1930, ModelResponseAudioTranscriptDeltaEvent(
            response_id="r1", item_id="a1", delta=TAIL, audio_start_ms=2000)),
        (1931, ModelResponseAudioDeltaEvent(
            response_id="r1", item_id="a1", pcm=bytes(2 * 24_000 * 2), format=PCM_24K)),
        (2500, AudioPlayed(item_id="a1", item_start_ms=0, start_ms=1925, end_ms=2495)),
        (3000, AudioPlayed(item_id="a1", item_start_ms=570, start_ms=2495, end_ms=2925)),
        (3001, ModelInputStartedEvent(item_id="u2", audio_start_ms=2700)),
        (3002, PlayoutCut(item_id="a1", cut_ms=2925, heard_ms=1000, dropped_ms=3000)),
        (3003, ModelResponseDoneEvent(
            response_id="r1", input_tokens=1, output_tokens=2, status="cancelled", reason="turn_detected")),
        (4400, ModelInputDoneEvent(item_id="u2", audio_end_ms=4000)),
        (4401, ModelInputTranscriptionDoneEvent(transcript="Stop, the weather?", item_id="u2")),
        (4402, ModelResponseCreatedEvent(response_id="r2")),
        (4403, ModelResponseDoneEvent(response_id="r2", input_tokens=1, output_tokens=2)),
        (4404, ToolStarted(call_id="c1", name="get_weather", arguments='{"city": "London"}')),
        (4410, ToolFinished(call_id="c1", name="get_weather", output="rain", outcome="completed")),
        (4411, ModelResponseCreatedEvent(response_id="r3")),
        (4450, ModelResponseAudioTranscriptDeltaEvent(response_id="r3", item_id="a3", delta="Rain.")),
        (4460, ModelResponseAudioDeltaEvent(response_id="r3", item_id="a3", pcm=bytes(4800), format=PCM_24K)),
        (4600, AudioPlayed(item_id="a3", item_start_ms=0, start_ms=4465, end_ms=4565)),
        (4601, ModelResponseDoneEvent(response_id="r3", input_tokens=1, output_tokens=2)),
    ]  # fmt: skip


def timeline(until: int | None = None) -> Timeline:
    """The conversation, or its beginning, as a timeline."""
    builder = TimelineBuilder(origin_ns=ORIGIN_NS)
    for at_ms, what in conversation()[:until]:
        builder.add(at_ms, what)
    return builder.build(6000.0 if until is None else None)
