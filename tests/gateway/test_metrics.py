"""What ``/metrics`` shows, and to whom."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from voicewire.events.base import MediaFormat
from voicewire.events.commands import SendText
from voicewire.events.model import (
    ModelAudioDroppedEvent,
    ModelErrorEvent,
    ModelInputDoneEvent,
    ModelInputTranscriptionDoneEvent,
    ModelProviderEvent,
    ModelResponseAudioDeltaEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
)
from voicewire.gateway import GatewaySettings, create_app
from voicewire.gateway.admission import Admission
from voicewire.gateway.metrics import MAX_LABEL_VALUES, GatewayMetrics
from voicewire.gateway.observe import SessionFacts, SessionWatch, Traffic
from voicewire.models import create_model
from voicewire.testing import serve

from .test_limits_of_wires import WIRES, Wire

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

FACTS = SessionFacts(door="openai", model="echo", session_id="s")
CREATED = ModelResponseCreatedEvent(response_id="r")
AUDIO = ModelResponseAudioDeltaEvent(
    response_id="r", item_id="i", format=MediaFormat("audio/pcm", 24_000), pcm=b"\0\0"
)


def done(status: str = "completed", reason: str = "") -> ModelResponseDoneEvent:
    data = {"response_id": "r", "input_tokens": 1, "output_tokens": 1, "status": status, "reason": reason}
    return ModelResponseDoneEvent.model_validate({"type": "model_response_done", **data})


@pytest.fixture
def metrics() -> GatewayMetrics:
    return GatewayMetrics(Admission(4), Traffic())


@pytest.fixture
async def watch(metrics: GatewayMetrics) -> AsyncIterator[SessionWatch]:
    opened = metrics.session_opened(FACTS)
    yield opened
    opened.ended(1000, "", 1.0)


def value(metrics: GatewayMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_a_session_is_counted_while_it_runs_and_when_it_is_over(metrics: GatewayMetrics) -> None:
    session = metrics.session_opened(FACTS)
    assert value(metrics, "voicewire_sessions_open", door="openai", model="echo") == 1
    session.ended(1008, "too slow", 61.0)
    assert value(metrics, "voicewire_sessions_open", door="openai", model="echo") == 0
    assert value(metrics, "voicewire_sessions_total", door="openai", model="echo") == 1
    assert value(metrics, "voicewire_session_ends_total", door="openai", code="1008") == 1
    assert value(metrics, "voicewire_session_seconds_sum", door="openai") == 61.0


async def test_the_stages_of_a_spoken_turn(metrics: GatewayMetrics, watch: SessionWatch) -> None:
    for event in (
        ModelInputDoneEvent(item_id="u", audio_end_ms=0),
        ModelInputTranscriptionDoneEvent(item_id="u", transcript="secret words"),
        CREATED,
        AUDIO,
        AUDIO,
        done(),
    ):
        watch.on_event(event)
    for stage in ("asr_final", "first_audio"):
        labels = {"model": "echo", "stage": stage, "since": "endpoint"}
        assert value(metrics, "voicewire_stage_seconds_count", **labels) == 1, stage
    assert value(metrics, "voicewire_responses_total", model="echo", status="completed") == 1
    assert b"secret" not in metrics.page("")[0]


async def test_a_typed_turn_counts_from_the_request(metrics: GatewayMetrics, watch: SessionWatch) -> None:
    watch.on_command(SendText("hello"))
    watch.on_event(CREATED)
    watch.on_event(AUDIO)
    labels = {"model": "echo", "stage": "first_audio", "since": "request"}
    assert value(metrics, "voicewire_stage_seconds_count", **labels) == 1


async def test_the_engine_s_own_marks_count_from_the_end_of_speech(
    metrics: GatewayMetrics, watch: SessionWatch
) -> None:
    raw = {"speech_end_ns": 1_000_000_000, "endpoint_ns": 1_250_000_000, "first_audio_ns": 1_500_000_000}
    watch.on_event(ModelProviderEvent(name="voicewire.turn_timing", raw=raw))
    labels = {"model": "echo", "since": "speech_end"}
    assert value(metrics, "voicewire_stage_seconds_sum", stage="endpoint", **labels) == 0.25
    assert value(metrics, "voicewire_stage_seconds_sum", stage="first_audio", **labels) == 0.5


async def test_interruptions_drops_and_errors(metrics: GatewayMetrics, watch: SessionWatch) -> None:
    watch.on_event(CREATED)
    watch.on_event(done("cancelled", "turn_detected"))
    watch.on_event(ModelAudioDroppedEvent(samples=24_000, sample_rate_hz=16_000))
    watch.on_event(ModelErrorEvent(error_type="server_error", code="boom", message="what was said"))
    assert value(metrics, "voicewire_interruptions_total", model="echo", cause="turn_detected") == 1
    assert value(metrics, "voicewire_audio_dropped_seconds_total", direction="input") == 1.5
    assert value(metrics, "voicewire_errors_total", code="boom") == 1


async def test_codes_of_others_cannot_fill_the_registry(metrics: GatewayMetrics) -> None:
    for number in range(3 * MAX_LABEL_VALUES):
        metrics.failed(f"code-{number}")
    families = text_string_to_metric_families(metrics.page("")[0].decode())
    errors = next(family for family in families if family.name == "voicewire_errors")
    counts = {s.labels["code"]: s.value for s in errors.samples if s.name.endswith("_total")}
    assert len(counts) == MAX_LABEL_VALUES + 1
    assert counts["other"] == 2 * MAX_LABEL_VALUES


@pytest.mark.parametrize(("key", "status"), [("", 401), ("wrong", 401), ("k-1", 200)])
async def test_metrics_are_for_keys(key: str, status: int) -> None:
    app = create_app(create_model("echo"), settings=GatewaySettings.model_validate({"api_keys": ["k-1"]}))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/metrics", headers={"authorization": f"Bearer {key}"} if key else {})
    assert answer.status_code == status
    assert ("voicewire_connections 0.0" in answer.text) == (status == 200)


WATCHED = Path(__file__).parents[2] / "docs" / "how-to" / "watch-a-gateway.md"


def test_the_page_lists_every_metric_with_its_labels(metrics: GatewayMetrics) -> None:
    table = WATCHED.read_text(encoding="utf-8").partition("| metric | labels |")[2].partition("\n\n")[0]
    listed: dict[str, set[str]] = {}
    for row in table.splitlines()[2:]:
        names, labels = (re.findall(r"`([a-z_]+)`", cell) for cell in row.split("|")[1:3])
        listed |= dict.fromkeys(names, set(labels))
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        collector = metrics.registry._names_to_collectors.get(family.name)
        sampled = {label for sample in family.samples for label in sample.labels}
        found[name] = set(getattr(collector, "_labelnames", ())) or sampled - {"le"}
    assert listed == found


def test_names_follow_the_conventions_of_prometheus(metrics: GatewayMetrics) -> None:
    for family in metrics.registry.collect():
        assert re.fullmatch(r"voicewire(_[a-z]+)+", family.name), family.name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent|total|count|sum|bucket)$", family.name)
        assert family.documentation
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
async def test_every_wire_is_watched(wire: Wire) -> None:
    counted = 'voicewire_responses_total{model="echo",status="completed"} 1.0'
    async with serve("echo") as gateway, httpx.AsyncClient() as client:
        async with connect(
            gateway.ws_url + wire.path, additional_headers=wire.headers, max_size=None
        ) as socket:

            async def listen() -> None:
                async for _ in socket:
                    pass

            for frame in (*wire.begin, *wire.turn("hello")):
                await socket.send(json.dumps(frame))
            text = ""
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                with anyio.fail_after(20):
                    while counted not in text:
                        text = (await client.get(f"{gateway.http_url}/metrics")).text
                tasks.cancel_scope.cancel()
    assert f'voicewire_sessions_total{{door="{wire.door}",model="echo"}} 1.0' in text
    assert 'stage="first_audio"' in text


async def test_two_applications_count_by_themselves() -> None:
    one, two = (GatewayMetrics(Admission(1), Traffic()) for _ in range(2))
    one.limit_hit("idle")
    assert value(one, "voicewire_limits_total", kind="idle") == 1
    assert value(two, "voicewire_limits_total", kind="idle") is None
