"""Spans of sessions, turns and stages."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from voicewire.events.model import (
    ModelInputDoneEvent,
    ModelInputTranscriptionDoneEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
)
from voicewire.gateway.observe import SessionFacts
from voicewire.gateway.tracing import GatewayTraces

pytestmark = pytest.mark.unit

FACTS = SessionFacts(door="openai", model="echo", session_id="s", user_id="u")


def traced() -> tuple[GatewayTraces, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return GatewayTraces(provider), exporter


def test_a_session_holds_its_turns_and_a_turn_its_stages() -> None:
    traces, exporter = traced()
    session = traces.session_opened(FACTS)
    session.on_event(ModelInputDoneEvent(item_id="i", audio_end_ms=0))
    session.on_event(ModelInputTranscriptionDoneEvent(item_id="i", transcript="my secret words"))
    session.on_event(ModelResponseCreatedEvent(response_id="r"))
    session.on_event(ModelResponseDoneEvent(response_id="r", input_tokens=3, output_tokens=4))
    session.ended(1000, "bye", 1.0)
    stage, turn, whole = exporter.get_finished_spans()
    assert (stage.name, turn.name, whole.name) == ("stage.asr_final", "turn", "session")
    assert stage.parent is not None and turn.parent is not None and whole.parent is None
    assert turn.context is not None and whole.context is not None
    assert stage.parent.span_id == turn.context.span_id
    assert turn.parent.span_id == whole.context.span_id
    assert turn.attributes is not None and turn.attributes["voicewire.output_tokens"] == 4
    assert "secret" not in "".join(span.to_json() for span in (stage, turn, whole))


def test_a_session_that_ends_badly_is_an_error_and_leaves_no_open_span() -> None:
    traces, exporter = traced()
    session = traces.session_opened(FACTS)
    session.on_event(ModelInputDoneEvent(item_id="i", audio_end_ms=0))
    session.ended(1011, "internal error", 1.0)
    turn, whole = exporter.get_finished_spans()
    assert (turn.name, whole.name) == ("turn", "session")
    assert whole.status.status_code is StatusCode.ERROR
