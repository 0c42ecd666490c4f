"""The base of all clients: states, both styles, one end, a bounded buffer."""

from __future__ import annotations

import logging
import threading

import anyio
import pytest

from voicewire.errors import ConnectionLost, LocalProtocolError, SessionClosed
from voicewire.speech import AsrCallbacks, AudioDropped, RealtimeState, RealtimeTool, RecognitionEvent
from voicewire.speech.asr import AsrSession

from .fakes import Diary, ScriptedAsr

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


async def fails_after_opening(client: ScriptedAsr, session: AsrSession) -> None:
    await client._opened(session)
    await session.receive()
    raise ConnectionLost("the line is dead")


async def refuses(client: ScriptedAsr, session: AsrSession) -> None:
    raise ConnectionLost("nobody answers")


async def breaks(client: ScriptedAsr, session: AsrSession) -> None:
    raise ZeroDivisionError("a bug")


async def never_ends(client: ScriptedAsr, session: AsrSession) -> None:
    await client._opened(session)
    await anyio.sleep_forever()


async def test_async_style_gives_events_and_stops_at_the_end() -> None:
    client = ScriptedAsr()
    assert isinstance(client, RealtimeTool)
    assert client.get_state() is RealtimeState.IDLE
    async with client:
        assert client.get_state() is RealtimeState.RUNNING
        await client.send(bytes(100))
        await client.finish()
        assert client.get_state() is RealtimeState.STOPPING
        events = [event async for event in client]
        assert client.get_state() is RealtimeState.IDLE
    assert [event.text for event in events if isinstance(event, RecognitionEvent)] == ["100"]
    assert client.get_state() is RealtimeState.CLOSED


async def test_callback_style_keeps_early_audio_and_the_order() -> None:
    diary = Diary()
    client = ScriptedAsr(callbacks=diary.callbacks())
    client.start()
    client.send_audio_data(bytes(10))
    client.send_audio_data(bytes(32))
    await client.stop()
    assert diary.lines == ["open", "final 42", "complete", "close"]


async def test_a_client_can_be_started_again_after_every_end() -> None:
    diary = Diary()
    client = ScriptedAsr(callbacks=diary.callbacks())
    for _ in range(2):
        client.start()
        await client.async_stop()
    client.start()
    client.close()
    client.start()
    await client.stop()
    once = ["open", "final 0", "complete", "close"]
    assert diary.lines == [*once, *once, "close", *once]


async def test_close_says_close_once_and_nothing_after_it() -> None:
    diary = Diary()
    client = ScriptedAsr(never_ends, diary.callbacks())
    client.start()
    await anyio.lowlevel.checkpoint()
    client.close()
    client.close()
    await client.aclose()
    assert diary.lines.count("close") == 1
    assert diary.lines[-1] == "close"
    assert client.get_state() is RealtimeState.CLOSED


async def test_a_failure_is_told_once_each_way() -> None:
    diary = Diary()
    client = ScriptedAsr(fails_after_opening, diary.callbacks())
    client.start()
    client.send_audio_data(b"12")
    with pytest.raises(ConnectionLost, match="dead"):
        await client.stop()
    assert diary.lines == ["open", "error the line is dead", "close"]
    assert client.get_state() is RealtimeState.FAILED
    with pytest.raises(SessionClosed):
        client.send_audio_data(b"34")


async def test_a_failure_ends_the_iteration_with_the_error() -> None:
    async with ScriptedAsr(fails_after_opening) as client:
        await client.send(b"12")
        with pytest.raises(ConnectionLost, match="dead"):
            async for _ in client:
                pytest.fail("there is no event")


async def test_opening_raises_what_it_failed_with() -> None:
    client = ScriptedAsr(refuses)
    with pytest.raises(ConnectionLost, match="nobody answers"):
        await client.open()


async def test_a_bug_becomes_an_error_of_ours() -> None:
    diary = Diary()
    client = ScriptedAsr(breaks, diary.callbacks())
    client.start()
    with pytest.raises(Exception, match="ZeroDivisionError") as caught:
        await client.stop()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert diary.lines[-1] == "close"


async def test_starting_twice_is_refused() -> None:
    async with ScriptedAsr() as client:
        with pytest.raises(LocalProtocolError, match="running already"):
            client.start()


async def test_every_transition_is_observable() -> None:
    seen: list[RealtimeState] = []
    client = ScriptedAsr(callbacks=AsrCallbacks(on_state=seen.append))
    client.start()
    await anyio.wait_all_tasks_blocked()
    await client.stop()
    client.close()
    assert [state.value for state in seen] == ["starting", "running", "stopping", "idle", "closed"]


async def test_a_full_buffer_drops_its_oldest_audio_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALTIME_BUFFER_SIZE", "1")
    diary = Diary()
    client = ScriptedAsr(callbacks=diary.callbacks())
    client.start()
    for _ in range(12):
        client.send_audio_data(bytes(100))  # 1 sample frame x 512 chunks x 2 bytes hold ten of them
    await client.stop()
    assert diary.lines == ["open", "overflow 200", "final 1000", "complete", "close"]


async def test_the_async_style_waits_for_room_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALTIME_BUFFER_SIZE", "1")
    async with ScriptedAsr() as client:
        for _ in range(100):
            await client.send(bytes(100))
        await client.finish()
        events = [event async for event in client]
    assert not any(isinstance(event, AudioDropped) for event in events)
    assert [event.text for event in events if isinstance(event, RecognitionEvent)] == ["10000"]


async def test_a_callback_that_raises_is_logged_and_the_session_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[str] = []

    def bad(is_final: bool, text: str) -> None:
        raise KeyError("mine")

    async def complete() -> None:
        await anyio.lowlevel.checkpoint()
        ended.append("awaited")

    client = ScriptedAsr(callbacks=AsrCallbacks(on_event=bad, on_complete=complete))
    client.start()
    with caplog.at_level(logging.ERROR):
        await client.stop()
    assert ended == ["awaited"]
    assert "callback" in caplog.text


async def test_audio_may_come_from_any_thread() -> None:
    diary = Diary()
    client = ScriptedAsr(callbacks=diary.callbacks())
    client.start()
    await anyio.to_thread.run_sync(client.send_audio_data, bytes(7))
    await client.stop()
    assert "final 7" in diary.lines


def test_without_an_event_loop_stop_waits_for_the_end() -> None:
    diary = Diary()
    client = ScriptedAsr(callbacks=diary.callbacks())
    client.start()
    client.send_audio_data(bytes(5))
    assert client.stop().is_done
    assert diary.lines == ["open", "final 5", "complete", "close"]
    assert client.get_state() is RealtimeState.IDLE
    assert [thread.name for thread in threading.enumerate()].count("voicewire-speech") == 1


def test_stopping_what_was_never_started_does_nothing() -> None:
    assert ScriptedAsr().stop().is_done


def test_unknown_callbacks_are_refused() -> None:
    with pytest.raises(ValueError, match="on_nonsense"):
        AsrCallbacks(on_nonsense=print)  # type: ignore[call-arg]  # that is the mistake
