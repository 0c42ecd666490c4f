"""A conversation over a transport: set-up, sending, falling behind, and every way to end."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.models.frames import (
    CAPABILITIES,
    COMMITTED,
    CONFIG,
    CREATED,
    RESPONSE_CREATED,
    UPDATED,
    answering_peer,
    delta,
    error,
    session,
)
from voicewire.audio.pcm import pcm16_to_int16, tone
from voicewire.errors import (
    AuthError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    ConsumerTooSlow,
    InvalidRequest,
    ProtocolError,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RemoteProtocolError,
    SessionClosed,
    UnsupportedError,
    VoicewireError,
)
from voicewire.events import AppendAudio, CommitAudio, CreateResponse, ModelEvents, SendImage, SendText
from voicewire.events.base import EventBase
from voicewire.events.commands import ClearAudio
from voicewire.models.remote import Connect, ReceiveLimits, RemoteConnection, open_remote
from voicewire.protocols.openai.client import OpenAIClientCodec
from voicewire.testing.transport import Faults, FaultyTransport, MemoryPeer
from voicewire.transport.frames import FrameReceiver, FrameTransport

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

PCM = b"\x01\x02" * 480


@asynccontextmanager
async def opened(connect: Connect, **options: Any) -> AsyncGenerator[RemoteConnection, None]:
    async with open_remote(
        OpenAIClientCodec(CONFIG),
        connect,
        config=CONFIG,
        capabilities=CAPABILITIES,
        name="openai:m",
        provider="openai",
        **options,
    ) as connection:
        yield connection


async def all_events(
    connection: RemoteConnection,
    events: list[EventBase] | None = None,
    came: Callable[[], None] = lambda: None,
) -> tuple[list[EventBase], BaseException | None]:
    """Everything until the iteration stops, and what it raised; each event is told of when it has been added."""
    events = [] if events is None else events
    with anyio.fail_after(5):
        try:
            async for event in connection:
                events.append(event)
                came()
        except VoicewireError as failure:
            return events, failure
    return events, None


def ends(events: list[EventBase]) -> list[tuple[int, str, bool]]:
    """Code, reason and expectedness of every end event."""
    kind = ModelEvents.ModelSessionEndedEvent
    return [(event.code, event.reason, event.is_expected) for event in events if isinstance(event, kind)]


async def test_it_is_ready_when_the_provider_confirmed_and_events_come_in_order() -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        assert (connection.session_id, connection.config.voice) == ("sess_1", "alloy")
        peer.say(RESPONSE_CREATED, delta(PCM))
        types = []
        async for event in connection:
            types.append(event.model_dump()["type"])
            if isinstance(event, ModelEvents.ModelResponseAudioDeltaEvent):
                assert event.pcm == PCM
                break
        assert types[:2] == ["model_session_created", "model_session_updated"]
        assert types[-1] == "model_response_audio_delta"
    assert peer.closed is not None and (peer.closed.code, peer.closed.is_clean) == (1000, True)


async def test_leaving_closes_and_the_iterator_stops_after_one_end_event() -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        pass
    events, failure = await all_events(connection)
    assert failure is None
    assert ends(events) == [(1000, "", True)]
    assert isinstance(events[-1], ModelEvents.ModelSessionEndedEvent)
    await connection.aclose()
    assert await all_events(connection) == ([], None)
    with pytest.raises(SessionClosed, match="is over"):
        await connection.send(SendText("late"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1000, SessionClosed), (1001, SessionClosed), (4000, SessionClosed), (1011, ConnectionLost)],
)
async def test_the_providers_close_ends_it_with_code_and_reason(code: int, kind: type[Exception]) -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        peer.close(code, "because")
        events, failure = await all_events(connection)
        assert ends(events) == [(code, "because", False)]
        assert type(failure) is kind
        assert isinstance(failure, SessionClosed | ConnectionLost)
        assert (failure.code, failure.reason) == (code, "because")
        with pytest.raises(SessionClosed):
            await connection.send(SendText("late"))


async def test_open_responses_are_ended_before_the_end() -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        peer.say(RESPONSE_CREATED, delta(PCM), COMMITTED)
        with anyio.fail_after(5):
            async for event in connection:  # a cut loses what was not delivered yet
                if isinstance(event, ModelEvents.ModelInputCommittedEvent):
                    break
        peer.cut()
        events, failure = await all_events(connection)
    done = [event for event in events if isinstance(event, ModelEvents.ModelResponseDoneEvent)]
    assert [event.status for event in done] == ["failed"]
    assert events.index(done[0]) < len(events) - 1
    assert ends(events)[0][0] == 1006
    assert isinstance(failure, ConnectionLost)


@pytest.mark.parametrize(
    ("faults", "kind", "code", "deltas"),
    [
        (Faults(cut_at_frame=4), ConnectionLost, 1006, 0),
        (Faults(garbage_at_frame=4), RemoteProtocolError, 1002, 0),
        (Faults(duplicate_at_frame=4), None, 1000, 3),
        (Faults(delay_s=0.001), None, 1000, 2),
        (Faults(oversize_at_frame=4), None, 1000, 1),
        (Faults(half_open_at_frame=5), None, 1006, 1),
    ],
    ids=["cut", "garbage", "duplicate", "delay", "oversize", "half-open"],
)
async def test_faults_end_in_one_reported_end(
    faults: Faults, kind: type[Exception] | None, code: int, deltas: int
) -> None:
    peer = answering_peer()
    collected: list[EventBase] = []
    failure: BaseException | None = None
    all_came = anyio.Event()
    async with opened(FaultyTransport.around(peer.connect, faults)) as connection:
        async with anyio.create_task_group() as tasks:

            def count() -> None:
                if _deltas_in(collected) == deltas:
                    all_came.set()

            async def collect() -> None:
                nonlocal failure
                _, failure = await all_events(connection, collected, count)

            tasks.start_soon(collect)
            peer.say(RESPONSE_CREATED, delta(PCM), delta(PCM))
            if deltas:
                with anyio.fail_after(5):
                    await all_came.wait()
            await anyio.wait_all_tasks_blocked()
            await connection.aclose()
    assert [end[0] for end in ends(collected)] == [code]
    assert (type(failure) if failure else None) is kind
    assert _deltas_in(collected) == deltas


def _deltas_in(events: list[EventBase]) -> int:
    return sum(isinstance(event, ModelEvents.ModelResponseAudioDeltaEvent) for event in events)


async def test_the_reader_does_not_wait_and_too_much_audio_ends_it() -> None:
    peer = answering_peer()
    limits = ReceiveLimits(max_queued_audio_s=1.0)
    async with opened(peer.connect, limits=limits) as connection:
        peer.say(RESPONSE_CREATED, *[delta(PCM) for _ in range(80)])  # 1.6 s
        closed = await peer.wait_closed()
        events, failure = await all_events(connection)
    deltas = [event for event in events if isinstance(event, ModelEvents.ModelResponseAudioDeltaEvent)]
    assert 45 <= len(deltas) <= 60
    assert isinstance(failure, ConsumerTooSlow)
    assert ends(events)[0][0] == 1008 and closed.code == 1008
    assert isinstance(events[-1], ModelEvents.ModelSessionEndedEvent)


async def test_too_many_control_events_end_it() -> None:
    peer = answering_peer()
    async with opened(peer.connect, limits=ReceiveLimits(max_queued_events=10)) as connection:
        peer.say(*[COMMITTED for _ in range(20)])
        await peer.wait_closed()
        events, failure = await all_events(connection)
    assert isinstance(failure, ConsumerTooSlow)
    assert len(ends(events)) == 1


async def test_taking_events_gives_the_budget_back() -> None:
    peer = answering_peer()
    async with opened(peer.connect, limits=ReceiveLimits(max_queued_audio_s=0.2)) as connection:
        peer.say(RESPONSE_CREATED)
        for _ in range(50):
            peer.say(delta(PCM))
            async for event in connection:
                if isinstance(event, ModelEvents.ModelResponseAudioDeltaEvent):
                    break
        assert connection.statistics().weight < 2000


# ---------------------------------------------------------------- set-up


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (error("invalid_api_key", "Incorrect API key provided: sk-abcdefghijk"), AuthError),
        (error("rate_limit_exceeded"), RateLimited),
        (error("insufficient_quota"), QuotaExceeded),
        (error("model_not_found"), InvalidRequest),
        (error("unknown_parameter", param="session.x"), InvalidRequest),
        (error("", kind="server_error"), ProviderUnavailable),
    ],
)
async def test_an_error_before_it_is_ready_is_raised(frame: str, kind: type[ProviderError]) -> None:
    peer = MemoryPeer(greeting=(CREATED, frame))
    with pytest.raises(kind) as refused:
        async with opened(peer.connect):
            pytest.fail("it must not open")
    assert type(refused.value) is kind
    assert refused.value.provider == "openai"
    assert "sk-abcdefghijk" not in str(refused.value)
    assert peer.closed is not None


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (4000, "invalid_request_error.beta_api_shape_disabled", InvalidRequest),
        (1008, "API key not valid. Please pass a valid API key.", AuthError),
        (3000, "invalid_request_error.invalid_api_key", AuthError),
        (1007, "bad setup", InvalidRequest),
        (1000, "", ConnectFailed),
        (1011, "internal error", ProviderUnavailable),
    ],
)
async def test_a_close_before_it_is_ready_is_raised(
    code: int, reason: str, kind: type[VoicewireError]
) -> None:
    peer = MemoryPeer(lambda peer, _: peer.close(code, reason), greeting=(CREATED,))
    with pytest.raises(kind) as refused:
        async with opened(peer.connect):
            pytest.fail("it must not open")
    assert type(refused.value) is kind


async def test_garbage_before_it_is_ready_is_raised() -> None:
    peer = MemoryPeer(greeting=("{broken",))
    with pytest.raises(RemoteProtocolError):
        async with opened(peer.connect):
            pytest.fail("it must not open")


async def test_a_cut_before_it_is_ready_is_raised() -> None:
    peer = MemoryPeer(lambda peer, _: peer.cut())
    with pytest.raises(ConnectFailed, match="before the session was ready"):
        async with opened(peer.connect):
            pytest.fail("it must not open")


async def test_a_provider_that_does_not_confirm_is_a_timeout() -> None:
    peer = MemoryPeer(greeting=(CREATED,))
    with pytest.raises(ConnectTimeout, match="not ready within"):
        async with opened(peer.connect, setup_timeout_s=0.01):
            pytest.fail("it must not open")
    assert peer.closed is not None


async def test_a_failing_connect_is_passed_on() -> None:
    async def refuse(receiver: FrameReceiver) -> FrameTransport:
        raise ConnectFailed("nobody there")

    with pytest.raises(ConnectFailed, match="nobody there"):
        async with opened(refuse):
            pytest.fail("it must not open")


async def test_cancelled_while_it_sets_up_it_closes() -> None:
    peer = MemoryPeer(greeting=(CREATED,))
    with anyio.move_on_after(0.01) as scope:
        async with opened(peer.connect):
            pytest.fail("it must not open")
    assert scope.cancelled_caught
    assert peer.closed is not None and peer.closed.code == 1000


async def test_cancelled_inside_it_closes_with_a_handshake() -> None:
    peer = answering_peer()
    with anyio.move_on_after(0.01) as scope:
        async with opened(peer.connect) as connection:
            async for _ in connection:
                pass
    assert scope.cancelled_caught
    assert peer.closed is not None and (peer.closed.code, peer.closed.is_clean) == (1000, True)


async def test_a_cancelled_wait_loses_no_event() -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        first = [event async for event, _ in _zip(connection, range(2))]
        assert len(first) == 2
        with anyio.move_on_after(0.005):
            async for _ in connection:
                pytest.fail("nothing was said")
        peer.say(COMMITTED)
        async for event in connection:
            assert isinstance(event, ModelEvents.ModelInputCommittedEvent)
            break


async def _zip(connection: RemoteConnection, numbers: range) -> AsyncGenerator[tuple[EventBase, int], None]:
    iterator = aiter(connection)
    for number in numbers:
        yield await anext(iterator), number


async def test_a_codec_that_fails_ends_it_with_a_protocol_error() -> None:
    told: list[int] = []

    class BrokenCodec(OpenAIClientCodec):
        def receive(self, frame: object) -> list[EventBase]:
            if b"committed" in bytes(frame):  # type: ignore[call-overload]  # a memoryview here
                raise KeyError("a bug")
            return super().receive(frame)  # type: ignore[arg-type]  # handed through

        def connection_lost(self, code: int, reason: str, *, is_expected: bool) -> list[EventBase]:
            told.append(code)
            return super().connection_lost(code, reason, is_expected=is_expected)

    peer = answering_peer()
    async with open_remote(
        BrokenCodec(CONFIG), peer.connect, config=CONFIG, capabilities=CAPABILITIES, name="openai:m"
    ) as connection:
        peer.say(COMMITTED)
        events, failure = await all_events(connection)
    assert isinstance(failure, ProtocolError)
    assert isinstance(failure.__cause__, KeyError)
    assert told == [1011]
    assert ends(events)[0][0] == 1011


# ---------------------------------------------------------------- sending


def appended(peer: MemoryPeer) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, peer.received) if event["type"] == "input_audio_buffer.append"]


async def test_audio_of_the_sessions_rate_is_sent_as_it_is() -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        command = AppendAudio(PCM, 24000)
        await connection.send(command)
    assert [event["audio"] for event in appended(peer)] == [command.base64]


async def test_audio_of_another_rate_is_resampled_across_chunks_and_flushed_at_the_commit() -> None:
    peer = answering_peer()
    sound = tone(440.0, 48000, 48000)
    async with opened(peer.connect) as connection:
        for start in range(0, len(sound), 1920):
            await connection.send(AppendAudio(sound[start : start + 1920], 48000))
        await connection.send(CommitAudio(respond=False))
    from voicewire.events.base import decode_base64

    pcm = b"".join(decode_base64(event["audio"]) for event in appended(peer))
    expected = pcm16_to_int16(tone(440.0, 24000, 24000))
    got = pcm16_to_int16(pcm)
    assert len(got) == len(expected)
    loudest = max(abs(int(a)) for a in got[2000:-2000])
    assert abs(loudest - max(abs(int(a)) for a in expected)) < 300
    assert json.loads(peer.received[-1])["type"] == "input_audio_buffer.commit"


async def test_clearing_forgets_what_the_resampler_holds() -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        await connection.send(AppendAudio(PCM, 16000))
        before = len(appended(peer))
        await connection.send(ClearAudio())
        await connection.send(CommitAudio(respond=False))
        await anyio.wait_all_tasks_blocked()
        assert len(appended(peer)) - before <= 1
        assert [json.loads(frame)["type"] for frame in peer.received][-2:] == [
            "input_audio_buffer.clear",
            "input_audio_buffer.commit",
        ]


async def test_g711_becomes_the_sessions_format() -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        await connection.send(AppendAudio(b"\xff" * 160, 8000, encoding="pcmu"))
        await connection.send(CommitAudio(respond=False))
        await anyio.wait_all_tasks_blocked()
    from voicewire.events.base import decode_base64

    total = sum(len(decode_base64(event["audio"])) for event in appended(peer))
    assert abs(total - 160 * 3 * 2) <= 64 * 2


async def test_a_session_that_takes_g711_gets_it() -> None:
    def answer(peer: MemoryPeer, frame: object) -> None:
        if '"session.update"' in str(frame):
            peer.say(session("updated", input_format={"type": "audio/pcmu"}))

    peer = MemoryPeer(answer, greeting=(CREATED,))
    async with opened(peer.connect) as connection:
        await connection.send(AppendAudio(b"\x00\x00" * 160, 8000))
        await anyio.wait_all_tasks_blocked()
        await connection.send(AppendAudio(b"\xff" * 160, 8000, encoding="pcmu"))
    from voicewire.events.base import decode_base64

    assert [decode_base64(event["audio"]) for event in appended(peer)] == [b"\xff" * 160, b"\xff" * 160]


async def test_what_the_model_lacks_is_refused_before_the_wire() -> None:
    peer = answering_peer()
    from dataclasses import replace

    async with open_remote(
        OpenAIClientCodec(CONFIG),
        peer.connect,
        config=CONFIG,
        capabilities=replace(CAPABILITIES, input_modalities=frozenset({"audio"})),
        name="openai:m",
    ) as connection:
        sent = len(peer.received)
        with pytest.raises(UnsupportedError, match="does not take images; SendImage was not sent"):
            await connection.send(SendImage(b"\xff\xd8"))
        await anyio.wait_all_tasks_blocked()
        assert len(peer.received) == sent


async def test_a_congested_network_makes_senders_wait_and_a_cancelled_one_sends_nothing() -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        assert peer.transport is not None
        peer.transport.stall()
        while not connection._transport.is_congested:  # type: ignore[union-attr]  # it is open
            await connection.send(AppendAudio(PCM, 24000))
        waiting = len(peer.received)
        with anyio.move_on_after(0.005) as scope:
            await connection.send(SendText("cancelled"))
        assert scope.cancelled_caught
        peer.transport.resume()
        await connection.send(CreateResponse())
        await anyio.wait_all_tasks_blocked()
    assert len(peer.received) > waiting
    assert not any("cancelled" in str(frame) for frame in peer.received)
    assert json.loads(peer.received[-1])["type"] == "response.create"


async def test_frames_of_concurrent_senders_do_not_mix() -> None:
    peer = answering_peer()
    async with opened(peer.connect) as connection, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(connection.send, SendText(f"text {number}", respond=False))
    texts = [event["item"]["content"][0]["text"] for event in map(json.loads, peer.received[1:])]
    assert texts == [f"text {number}" for number in range(20)]


async def test_a_view_of_the_wire_is_not_kept_by_the_codec() -> None:
    """The memory transport releases each view after the call, so this fails in the codec if it kept one."""
    peer = answering_peer()
    async with opened(peer.connect) as connection:
        peer.say(
            json.dumps({"type": "something.new", "event_id": "e", "deep": {"a": [1, 2]}}), UPDATED, COMMITTED
        )
        async for event in connection:
            if isinstance(event, ModelEvents.ModelInputCommittedEvent):
                break
