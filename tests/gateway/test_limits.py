"""What a session may use: the counting, and what the client of each wire is told."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voicewire.events.base import MediaFormat
from voicewire.events.commands import AppendAudio
from voicewire.events.model import ModelResponseAudioDeltaEvent
from voicewire.gateway import GatewaySettings
from voicewire.gateway.limits import Bucket, Meter, duration_s, json_fault
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

OPENAI, AGENT = "/v1/realtime?model=echo", "/ws/user1/session1"
SECOND = base64.b64encode(bytes(48_000)).decode()
"""A second of silence at 24 kHz."""


async def end_of(socket: ClientConnection) -> tuple[int, str, list[dict[str, Any]]]:
    """Close code, reason, and everything that came before them."""
    seen: list[dict[str, Any]] = []
    with anyio.fail_after(20), pytest.raises(ConnectionClosed) as closed:
        while True:
            frame = await socket.recv()
            seen.append(json.loads(frame) if isinstance(frame, str) else {"type": "audio"})
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason, seen


def error_codes(seen: list[dict[str, Any]]) -> list[str]:
    return [
        event.get("code") or event["error"]["code"]
        for event in seen
        if event["type"] in ("error", "agent_error")
    ]


async def say_turn(socket: ClientConnection, path: str, text: str = "hello") -> None:
    """A text turn on either wire."""
    if path == AGENT:
        await socket.send(json.dumps({"type": "client_session_create", "config": {}}))
        await socket.send(json.dumps({"type": "client_text_append", "session_id": "s", "text": text}))
        return
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await socket.send('{"type": "response.create"}')


async def append(socket: ClientConnection, path: str) -> None:
    """A second of audio on either wire."""
    if path == AGENT:
        event = {"type": "client_audio_append", "session_id": "s", "audio": SECOND}
        await socket.send(json.dumps({**event, "format": {"type": "audio/pcm", "rate": 24000}}))
    elif path == "/voice":
        await socket.send(bytes(48_000))
    else:
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": SECOND}))


async def end_of_flood(socket: ClientConnection, path: str) -> tuple[int, str, list[dict[str, Any]]]:
    """Sends audio until the connection is closed; how it was."""
    ends: list[tuple[int, str, list[dict[str, Any]]]] = []

    async def read() -> None:
        ends.append(await end_of(socket))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        with suppress(ConnectionClosed):
            for _ in range(1000):
                await append(socket, path)
    (end,) = ends
    return end


@pytest.mark.parametrize("path", [OPENAI, AGENT, "/voice"])
async def test_audio_far_ahead_of_real_time_ends_the_session(path: str) -> None:
    async with serve("echo", settings=GatewaySettings(audio_burst_s=20.0, drain_s=0.0)) as gateway:
        async with connect(gateway.ws_url + path, max_size=None) as socket:
            if path == AGENT:
                await socket.send(json.dumps({"type": "client_session_create", "config": {}}))
            code, reason, seen = await end_of_flood(socket, path)
        assert (code, "real time" in reason) == (1008, True)
        assert error_codes(seen).count("rate_limit_exceeded") == 1


@pytest.mark.parametrize("path", [OPENAI, AGENT])
async def test_a_session_has_a_length(path: str) -> None:
    async with serve("echo", settings=GatewaySettings(max_session_s=0.05, drain_s=0.0)) as gateway:
        async with connect(gateway.ws_url + path) as socket:
            if path == AGENT:
                await socket.send(json.dumps({"type": "client_session_create", "config": {}}))
            code, reason, seen = await end_of(socket)
    assert (code, "maximum duration" in reason) == (1001, True)
    assert error_codes(seen) == ["session_expired"]


async def test_what_the_client_is_shown_of_its_end_is_true() -> None:
    async with serve("echo", settings=GatewaySettings(max_session_s=100.0, drain_s=0.0)) as gateway:
        async with connect(gateway.ws_url + OPENAI) as short:
            first = json.loads(await short.recv())["session"]["expires_at"]
    async with serve("echo", settings=GatewaySettings(max_session_s=5000.0, drain_s=0.0)) as gateway:
        async with connect(gateway.ws_url + OPENAI) as long:
            second = json.loads(await long.recv())["session"]["expires_at"]
    assert 4900 <= second - first <= 4999


@pytest.mark.parametrize("path", [OPENAI, AGENT, "/voice"])
async def test_a_session_in_which_nothing_happens_ends(path: str) -> None:
    async with serve("echo", settings=GatewaySettings(idle_timeout_s=0.1, drain_s=0.0)) as gateway:
        async with connect(gateway.ws_url + path) as socket:
            code, _, seen = await end_of(socket)
    assert (code, error_codes(seen)) == (1001, ["idle_timeout"])


@pytest.mark.parametrize("path", [OPENAI, AGENT])
@pytest.mark.parametrize(
    "limit", [{"max_session_tokens": 1}, {"max_session_audio_s": 0.2}], ids=["tokens", "audio"]
)
async def test_a_session_that_has_spent_its_budget_ends(path: str, limit: dict[str, Any]) -> None:
    async with serve("echo", settings=GatewaySettings.model_validate({"drain_s": 0.0, **limit})) as gateway:
        async with connect(gateway.ws_url + path, max_size=None) as socket:
            await say_turn(socket, path, "speak 3 seconds")
            code, reason, seen = await end_of(socket)
    assert (code, "budget" in reason) == (1008, True)
    assert error_codes(seen) == ["insufficient_quota"]


async def test_a_flood_of_messages_ends_the_session() -> None:
    settings = GatewaySettings(max_frames_per_s=10.0, frame_burst=50, drain_s=0.0)
    async with serve("echo", settings=settings) as gateway, connect(gateway.ws_url + OPENAI) as socket:
        for _ in range(60):
            await socket.send("ping")
        code, reason, seen = await end_of(socket)
    assert (code, "too many messages" in reason) == (1008, True)
    assert error_codes(seen) == ["rate_limit_exceeded"]


async def test_a_whole_file_at_once_is_no_flood() -> None:
    manual = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    async with serve("echo") as gateway, connect(gateway.ws_url + OPENAI, max_size=None) as socket:
        await socket.send(json.dumps({"type": "session.update", "session": manual}))
        for _ in range(500):
            await append(socket, OPENAI)
        await socket.send('{"type": "input_audio_buffer.clear"}')
        with anyio.fail_after(20):
            while json.loads(await socket.recv())["type"] != "input_audio_buffer.cleared":
                pass


async def test_a_key_and_a_user_have_their_share() -> None:
    settings = GatewaySettings(
        api_keys=(SecretStr("one"), SecretStr("two")),
        max_sessions_per_key=2,
        max_sessions_per_user=1,
        drain_s=0.0,
    )

    def door(path: str, key: str) -> Any:
        return connect(gateway.ws_url + path, additional_headers={"Authorization": f"Bearer {key}"})

    async with serve("echo", settings=settings) as gateway:
        async with door(OPENAI, "one"), door(AGENT, "one"):
            for path, key in ((OPENAI, "one"), (AGENT, "two")):
                with pytest.raises(InvalidStatus) as full:
                    async with door(path, key):
                        pass
                assert full.value.response.status_code == 503
                assert full.value.response.headers["retry-after"] == "5"
            async with door(OPENAI, "two"), door("/ws/user2/session1", "two"):
                pass
        with anyio.fail_after(5):
            await gateway.admission.wait_until_empty()
        async with door(AGENT, "one"):
            pass


# ---------------------------------------------------------------------- the counting


@given(
    per_s=st.floats(0.1, 100), capacity=st.floats(0.1, 1000),
    steps=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 50)), max_size=60),
)  # fmt: skip
def test_a_bucket_never_grants_more_than_it_holds_one_amount_and_the_time(
    per_s: float, capacity: float, steps: list[tuple[float, float]]
) -> None:
    bucket, now_s, granted, largest = Bucket(per_s, capacity, 0.0), 0.0, 0.0, 0.0
    for pause_s, amount in steps:
        now_s += pause_s
        if bucket.take(amount, now_s):
            granted += amount
            largest = max(largest, amount)
        assert granted <= capacity + largest + now_s * per_s + 1e-6


def test_one_message_may_be_larger_than_the_allowance_and_its_debt_is_waited_for() -> None:
    meter = Meter(GatewaySettings(audio_burst_s=600.0), 0.0)
    assert meter.audio_in(1966.0, 0.0) is None, "15 MiB of G.711"
    assert meter.audio_in(0.1, 1.0) is not None
    assert meter.audio_in(0.1, 1400.0) is None


def test_real_time_with_a_clock_that_is_a_little_fast_never_meets_the_limit() -> None:
    meter = Meter(GatewaySettings(audio_burst_s=600.0, max_session_audio_s=0.0), 0.0)
    for second in range(8 * 3600):
        assert meter.audio_in(1.001, float(second)) is None


def test_a_limit_of_zero_is_none() -> None:
    off = GatewaySettings(
        audio_burst_s=0.0,
        max_frames_per_s=0.0,
        max_session_s=0.0,
        idle_timeout_s=0.0,
        max_session_audio_s=0.0,
    )
    meter = Meter(off, 0.0)
    assert meter.next_check_s(5.0) is None
    assert meter.overdue(1e9) is None
    for _ in range(100):
        assert meter.audio_in(1e6, 0.0) is None
        assert meter.frame(0.0) is None


def test_activity_in_either_direction_postpones_the_idle_limit() -> None:
    meter = Meter(GatewaySettings(idle_timeout_s=10.0, max_session_s=0.0), 0.0)
    meter.frame(5.0)
    assert (meter.overdue(14.9), meter.next_check_s(14.0)) == (None, 1.0)
    meter.sent(14.0)
    assert meter.overdue(23.9) is None
    hit = meter.overdue(24.0)
    assert hit is not None and hit.kind == "idle"


@pytest.mark.parametrize(
    ("audio", "seconds"),
    [(AppendAudio(bytes(48_000), 24_000), 1.0), (AppendAudio(bytes(8000), 8000, encoding="pcmu"), 1.0)],
)
def test_audio_is_counted_in_seconds(audio: AppendAudio, seconds: float) -> None:
    assert duration_s(audio) == seconds


def test_the_agents_audio_counts_as_well() -> None:
    meter = Meter(GatewaySettings(max_session_audio_s=1.0), 0.0)
    for media_type, rate_hz, size in (("audio/pcm", 24_000, 24_000), ("audio/pcmu", 8_000, 4_000)):
        delta = ModelResponseAudioDeltaEvent(
            response_id="r", item_id="i", format=MediaFormat(media_type, rate_hz), pcm=bytes(size)
        )
        assert meter.event(delta) is None
    assert meter.audio_in(0.01, 0.0) is not None


# ---------------------------------------------------------------------- JSON

TIGHT = GatewaySettings(max_json_depth=8, max_json_values=1000)


@pytest.mark.parametrize(
    ("frame", "is_fault"),
    [
        ("ping", False),
        ("[" * 8 + "]" * 8, False),
        ("[" * 9 + "]" * 9, True),
        ('{"a":' * 9 + "1" + "}" * 9, True),
        ("[]," * 9, False),
        ('"' + "[" * 500 + '"', False),
        ('{"a": "\\"' + "[" * 500 + '"}', False),
        ('{"a": "\\\\"' + "[" * 9 + "]" * 9 + "}", True),
        ("[" + "[]," * 990 + "]", True),
        ("1," * 1001, True),
        ("{" * 100_000, True),
        ('{"audio": "' + "A" * 100_000 + '"}', False),
        ('{"audio": "' + "A" * 2_000_000 + '"}', False),
        (" " * 10 + '{"audio": "' + "A" * 2_000_000 + '"}', False),
        ('"' + "A" * 2_000_000 + '"', True),
        ("A" * 2_000_000, True),
        ('"' * 100_000 + "[" * 9, True),
        (b"{" * 9 + b"}" * 9, True),
        (bytes(range(256)) * 100, False),
    ],
)
def test_json_is_measured_before_it_is_read(frame: str | bytes, is_fault: bool) -> None:
    assert bool(json_fault(frame, TIGHT)) is is_fault


JSON = st.recursive(
    st.none() | st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=60,
)


def depth_of(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 1 + max(map(depth_of, value.values()), default=0) if isinstance(value, dict) else 0


@given(JSON, st.integers(8, 12), st.booleans())
def test_what_is_refused_is_exactly_what_is_too_deep(value: object, most: int, is_ascii: bool) -> None:
    for wrapped in (value, [[[[[[value]]]]]]):
        text = json.dumps(wrapped, ensure_ascii=is_ascii)
        settings = GatewaySettings(max_json_depth=most)
        assert bool(json_fault(text, settings)) is (depth_of(wrapped) > most)
