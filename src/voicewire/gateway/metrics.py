"""The gateway's figures for Prometheus, in a registry of each application's own.

Every label has a bounded set of values: names of our own, the served models, and at most `MAX_LABEL_VALUES`
different codes of others; what comes after them counts as ``other``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from voicewire.clock import NS_PER_S, MonotonicClock
from voicewire.events.base import EventBase
from voicewire.events.model import ModelAudioDroppedEvent, ModelErrorEvent, ModelResponseDoneEvent
from voicewire.gateway.admission import Admission
from voicewire.gateway.observe import GatewayObserver, SessionFacts, SessionWatch, Traffic
from voicewire.gateway.turns import Since, Stage, TurnWatch

MAX_LABEL_VALUES: Final = 64
OTHER: Final = "other"
_LAG_STEP_S: Final = 0.1
_STAGE_BUCKETS_S: Final = (
    0.01,
    0.025,
    0.05,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    3.0,
    5.0,
    10.0,
)
_SESSION_BUCKETS_S: Final = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200)
_LAG_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class GatewayMetrics(GatewayObserver):
    """Counts what an observer is told.

    The loop's lag is measured by a timer, not a task, that runs while there are sessions.

    Args:
        admission: Knows how many sessions run.
        traffic: Counts frames and bytes.
    """

    def __init__(self, admission: Admission, traffic: Traffic) -> None:
        super().__init__(traffic)
        self.registry = CollectorRegistry()
        """This application's own; add your own figures to it."""
        registry = self.registry
        self._codes: dict[str, set[str]] = {}
        self._open_count = 0
        self._timer: asyncio.TimerHandle | None = None
        self.open = Gauge(
            "voicewire_sessions_open", "Sessions that run", ("door", "model"), registry=registry
        )
        self.opened = Counter("voicewire_sessions", "Sessions begun", ("door", "model"), registry=registry)
        self.ended = Counter("voicewire_session_ends", "Sessions over", ("door", "code"), registry=registry)
        self.length = Histogram(
            "voicewire_session_seconds", "Length", ("door",), buckets=_SESSION_BUCKETS_S, registry=registry
        )
        self.refusals = Counter(
            "voicewire_refusals", "Handshakes refused", ("door", "reason"), registry=registry
        )
        self.limits = Counter("voicewire_limits", "Limits met by sessions", ("kind",), registry=registry)
        self.responses = Counter(
            "voicewire_responses", "Responses over", ("model", "status"), registry=registry
        )
        self.interruptions = Counter(
            "voicewire_interruptions", "Responses cut short", ("model", "cause"), registry=registry
        )
        registry.register(_Gauges(admission, traffic))
        self._add_times_and_losses(registry)

    def _add_times_and_losses(self, registry: CollectorRegistry) -> None:
        self.stages = Histogram(
            "voicewire_stage_seconds",
            "Latency of a turn's stages",
            ("model", "stage", "since"),
            buckets=_STAGE_BUCKETS_S,
            registry=registry,
        )
        self.dropped = Counter(
            "voicewire_audio_dropped_seconds", "Audio lost or left out", ("direction",), registry=registry
        )
        self.errors = Counter("voicewire_errors", "Errors told to clients", ("code",), registry=registry)
        self.slow_clients = Counter(
            "voicewire_slow_clients", "Clients cut as they did not read", registry=registry
        )
        self.slow_bytes = Counter(
            "voicewire_slow_client_dropped_bytes", "What waited for clients that were cut", registry=registry
        )
        self.lag = Histogram(
            "voicewire_loop_lag_seconds",
            "How late the event loop ran a timer",
            buckets=_LAG_BUCKETS_S,
            registry=registry,
        )

    def page(self, accept: str) -> tuple[bytes, str]:
        """The figures now, in the format that an ``Accept`` header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def bounded(self, label: str, value: str) -> str:
        """A value of a label, or ``other`` when the label has had too many different ones."""
        known = self._codes.setdefault(label, set())
        if value in known:
            return value
        if len(known) >= MAX_LABEL_VALUES:
            return OTHER
        known.add(value)
        return value

    # ------------------------------------------------------------------ what an observer is told

    def session_opened(self, facts: SessionFacts, /) -> SessionWatch:
        """A session begins."""
        return _MeteredSession(self, facts)

    def refused(self, door: str, reason: str, /) -> None:
        """A handshake was refused."""
        self.refusals.labels(door, self.bounded("reason", reason)).inc()

    def limit_hit(self, kind: str, /) -> None:
        """A running session met a limit."""
        self.limits.labels(self.bounded("kind", kind)).inc()

    def failed(self, code: str, /) -> None:
        """A session failed."""
        self.errors.labels(self.bounded("code", code)).inc()

    def too_slow(self, dropped_bytes: int, /) -> None:
        """A client was cut."""
        self.slow_clients.inc()
        self.slow_bytes.inc(dropped_bytes)

    # ------------------------------------------------------------------ the loop's lag

    def begin_session(self) -> None:
        """One session more."""
        self._open_count += 1
        if self._timer is None:
            self._tick_later(asyncio.get_running_loop())

    def end_session(self) -> None:
        """One session less; the last one stops the timer."""
        self._open_count -= 1
        if not self._open_count and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick_later(self, loop: asyncio.AbstractEventLoop) -> None:
        due_s = loop.time() + _LAG_STEP_S
        self._timer = loop.call_at(due_s, self._tick, loop, due_s)

    def _tick(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        self.lag.observe(max(0.0, loop.time() - due_s))
        self._tick_later(loop)


class _MeteredSession(TurnWatch):
    """Counts what happens in one session."""

    __slots__ = ("_facts", "_metrics")

    def __init__(self, metrics: GatewayMetrics, facts: SessionFacts) -> None:
        super().__init__(MonotonicClock())
        self._metrics = metrics
        self._facts = facts
        self._handlers[ModelErrorEvent] = self._failed
        self._handlers[ModelAudioDroppedEvent] = self._dropped
        metrics.opened.labels(facts.door, facts.model).inc()
        metrics.open.labels(facts.door, facts.model).inc()
        metrics.begin_session()

    def stage_done(self, stage: Stage, since: Since, start_ns: int, end_ns: int) -> None:
        """A stage is through."""
        seconds = (end_ns - start_ns) / NS_PER_S
        self._metrics.stages.labels(self._facts.model, stage, since).observe(seconds)

    def response_ended(self, event: ModelResponseDoneEvent) -> None:
        """A response is over."""
        metrics, model = self._metrics, self._facts.model
        metrics.responses.labels(model, event.status).inc()
        if event.status == "cancelled":
            metrics.interruptions.labels(model, metrics.bounded("cause", event.reason or "unknown")).inc()

    def ended(self, code: int, reason: str, duration_s: float, /) -> None:
        """The session is over."""
        metrics, facts = self._metrics, self._facts
        metrics.open.labels(facts.door, facts.model).dec()
        metrics.ended.labels(facts.door, metrics.bounded("close", str(code))).inc()
        metrics.length.labels(facts.door).observe(duration_s)
        metrics.end_session()

    def _failed(self, event: EventBase) -> None:
        if isinstance(event, ModelErrorEvent):
            self._metrics.failed(event.code or event.error_type or "unknown")

    def _dropped(self, event: EventBase) -> None:
        if isinstance(event, ModelAudioDroppedEvent):
            seconds = event.samples / event.sample_rate_hz
            self._metrics.dropped.labels(event.direction).inc(seconds)


class _Gauges(Collector):
    """Figures that are kept elsewhere and read when they are asked for."""

    def __init__(self, admission: Admission, traffic: Traffic) -> None:
        self._admission = admission
        self._traffic = traffic

    def collect(self) -> Iterable[Metric]:
        """The figures now."""
        admission, traffic = self._admission, self._traffic
        yield GaugeMetricFamily(
            "voicewire_connections", "Connections that hold a place", value=admission.session_count
        )
        yield GaugeMetricFamily(
            "voicewire_draining",
            "1 while the server takes no more sessions",
            value=int(admission.is_draining),
        )
        yield GaugeMetricFamily(
            "voicewire_warming", "1 while models are being loaded", value=int(admission.is_warming)
        )
        yield GaugeMetricFamily(
            "voicewire_sessions_waiting",
            "Sessions that wait for their client to come back",
            value=admission.waiting_count,
        )
        frames = CounterMetricFamily("voicewire_frames", "WebSocket messages", labels=("direction",))
        frames.add_metric(("in",), traffic.received_frames)
        frames.add_metric(("out",), traffic.sent_frames)
        yield frames
        payload = CounterMetricFamily("voicewire_payload_bytes", "Their payload", labels=("direction",))
        payload.add_metric(("in",), traffic.received_bytes)
        payload.add_metric(("out",), traffic.sent_bytes)
        yield payload
