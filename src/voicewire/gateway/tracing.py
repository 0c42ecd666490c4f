"""OpenTelemetry spans of sessions, turns and stages. Needs the extra ``[otel]``; import it only when it is asked for.

===============  ==========================================================================
span             from, to
===============  ==========================================================================
``session``      the opening of the model to its end
``turn``         the end of the user's turn to the end of the response
``stage.NAME``   the start that ``voicewire.since`` names to the end of the stage
===============  ==========================================================================

Attributes hold ids, names, codes and counts; nothing that was said.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from voicewire._version import __version__
from voicewire.clock import MonotonicClock
from voicewire.gateway.observe import GatewayObserver, SessionFacts, SessionWatch
from voicewire.gateway.turns import Since, Stage, TurnWatch

if TYPE_CHECKING:
    from voicewire.events.model import ModelResponseDoneEvent

_FINE_CODES = frozenset({1000, 1001})


class GatewayTraces(GatewayObserver):
    """Makes a trace of each session.

    Args:
        provider: Where spans go; by default what the application, or ``opentelemetry-instrument``, has set up.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        super().__init__()
        self._tracer = trace.get_tracer("voicewire.gateway", __version__, provider)

    def session_opened(self, facts: SessionFacts, /) -> SessionWatch:
        """A session begins."""
        return _TracedSession(self._tracer, facts)


class _TracedSession(TurnWatch):
    """The spans of one session."""

    __slots__ = ("_offset_ns", "_session", "_tracer", "_turn")

    def __init__(self, tracer: Tracer, facts: SessionFacts) -> None:
        super().__init__(MonotonicClock())
        # Spans are stamped in time since 1970, stages in the time of the monotonic clock.
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._tracer = tracer
        self._turn: Span | None = None
        self._session = tracer.start_span(
            "session",
            kind=SpanKind.SERVER,
            attributes={
                "voicewire.door": facts.door,
                "voicewire.model": facts.model,
                "voicewire.session_id": facts.session_id,
                "voicewire.user_id": facts.user_id,
            },
        )

    def turn_began(self, at_ns: int, since: Since) -> None:
        """A turn of the user is over."""
        self._end_turn(None)
        self._turn = self._tracer.start_span(
            "turn",
            context=trace.set_span_in_context(self._session),
            start_time=at_ns + self._offset_ns,
            attributes={"voicewire.since": since},
        )

    def stage_done(self, stage: Stage, since: Since, start_ns: int, end_ns: int) -> None:
        """A stage is through."""
        parent = self._turn or self._session
        span = self._tracer.start_span(
            f"stage.{stage}",
            context=trace.set_span_in_context(parent),
            start_time=start_ns + self._offset_ns,
            attributes={"voicewire.since": since},
        )
        span.end(end_ns + self._offset_ns)

    def response_ended(self, event: ModelResponseDoneEvent) -> None:
        """A response is over."""
        self._end_turn(event)

    def ended(self, code: int, reason: str, duration_s: float, /) -> None:
        """The session is over."""
        self._end_turn(None)
        self._session.set_attribute("voicewire.close_code", code)
        if code not in _FINE_CODES:
            self._session.set_status(Status(StatusCode.ERROR))
        self._session.end()

    def _end_turn(self, event: ModelResponseDoneEvent | None) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if event is not None:
            turn.set_attribute("voicewire.status", event.status)
            turn.set_attribute("voicewire.reason", event.reason)
            turn.set_attribute("voicewire.input_tokens", event.input_tokens)
            turn.set_attribute("voicewire.output_tokens", event.output_tokens)
            if event.status == "failed":
                turn.set_status(Status(StatusCode.ERROR))
        turn.end()
