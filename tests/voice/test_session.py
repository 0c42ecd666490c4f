"""What a `RealtimeVoice` does, on the deterministic model in this process."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from voicewire.agent import ProgressReport, ToolProgress
from voicewire.audio.pcm import silence, tone
from voicewire.errors import AudioError
from voicewire.voice import (
    RealtimeConfig,
    RealtimeError,
    RealtimeVoice,
    ToolCallRequest,
    ToolDefinition,
    TranscriptDelta,
    VADMode,
    VoiceSession,
    detector,
)

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

SPEECH = tone(440, 12_000, 24_000)
PAUSE = silence(24_000)


def voice(**options: Any) -> RealtimeVoice:
    tools = options.pop("tools", None)
    return RealtimeVoice("echo", RealtimeConfig(**options), tools=tools)


def has_open_turn(session: VoiceSession) -> bool:
    """The property, read anew: a type checker takes it to stay what an assertion said it was."""
    return session.has_open_turn


async def test_without_an_audio_handler_audio_is_a_whole_turn() -> None:
    async with voice().connect() as session:
        reply = await session.send_audio(SPEECH)
        assert reply is not None
        assert reply.audio == SPEECH
        assert (reply.transcript, reply.status) == ("You sent 500 ms of audio", "completed")
        again = await session.send_audio(SPEECH + PAUSE)
        assert again is not None
        assert again.audio == SPEECH + PAUSE


async def test_with_an_audio_handler_audio_streams_and_the_model_ends_the_turn() -> None:
    talker = voice()
    audio = bytearray()
    words: list[tuple[str, bool, str]] = []
    talker.on_audio(audio.extend)

    @talker.on_transcript
    async def told(text: str, is_final: bool, role: str) -> None:
        words.append((text, is_final, role))

    async with talker.connect() as session:
        for at in range(0, len(SPEECH + PAUSE), 960):
            assert await session.send_audio((SPEECH + PAUSE)[at : at + 960]) is None
        await session.end_turn()
        await session.wait_until_settled()
    assert audio.startswith(SPEECH[:4800])
    finals = [(text, role) for text, is_final, role in words if is_final]
    assert [role for _, role in finals] == ["user", "assistant"]
    partials = [text for text, is_final, role in words if role == "assistant" and not is_final]
    assert partials
    assert all(b.startswith(a) for a, b in zip(partials, partials[1:], strict=False))


async def test_wait_decides_where_the_rule_does_not_suit() -> None:
    talker = voice()
    heard: list[bytes] = []
    talker.on_audio(heard.append)
    async with talker.connect() as session:
        reply = await session.send_audio(SPEECH + PAUSE + SPEECH, wait=True)
        assert reply is not None
        assert reply.audio == SPEECH + PAUSE + SPEECH
    async with voice(vad_mode=VADMode.NONE).connect() as session:
        assert await session.send_audio(SPEECH, wait=False) is None
        assert await session.send_audio(SPEECH, wait=False) is None
        whole = await session.end_turn()
        assert whole is not None
        assert whole.audio == SPEECH * 2
        assert await session.end_turn() is None


async def test_client_mode_runs_our_detector_and_sends_speech_only(monkeypatch: pytest.MonkeyPatch) -> None:
    # The level as the detector: what counts as speech does not depend on the engine's files.
    monkeypatch.setattr("voicewire.voice.detector._judge", detector._Level)
    talker = voice(vad_mode=VADMode.CLIENT, vad_prefix_padding_ms=0)
    audio = bytearray()
    talker.on_audio(audio.extend)
    async with talker.connect() as session:
        await session.send_audio(silence(240_000))
        assert not has_open_turn(session)
        await session.end_turn()
        await session.wait_until_settled()
        assert not audio
        await session.send_audio(SPEECH + PAUSE)
        await session.wait_until_settled()
        assert SPEECH in audio
        assert len(audio) < len(SPEECH + PAUSE)
        audio.clear()
        await session.send_audio(SPEECH)
        assert has_open_turn(session)
        await session.end_turn()
        await session.wait_until_settled()
        assert SPEECH in audio


async def test_speech_in_client_mode_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewire.voice.detector._judge", detector._Level)
    talker = voice(vad_mode=VADMode.CLIENT)
    statuses: list[str] = []
    talker.on_response_done(statuses.append)
    heard = anyio.Event()
    talker.on_audio(lambda _: heard.set())
    async with talker.connect() as session:
        await session.send_text("speak 30 seconds")
        await heard.wait()
        await session.send_audio(SPEECH + PAUSE)
        await session.wait_until_settled()
    assert statuses == ["cancelled", "completed"]


async def test_text_and_interruption() -> None:
    talker = voice()
    interrupted: list[bool] = []
    talker.on_interrupted(lambda: interrupted.append(True))
    heard = anyio.Event()
    talker.on_audio(lambda _: heard.set())
    async with talker.connect() as session:
        reply = await session.send_text("Hello", wait=True)
        assert reply is not None
        assert reply.transcript == "You said: Hello"
        await session.send_text("speak 30 seconds")
        heard = anyio.Event()
        await heard.wait()
        await session.interrupt()
        await session.wait_until_settled()
    assert interrupted == [True]


async def test_functions_become_tools() -> None:
    def get_weather(city: str) -> str:
        return f"Weather in {city}: 72 F"

    async with voice(tools=[get_weather]).connect() as session:
        reply = await session.send_text('call get_weather {"city": "Oslo"}', wait=True)
    assert reply is not None
    assert reply.transcript == "get_weather returned: Weather in Oslo: 72 F"


async def test_a_handler_is_asked_first_and_the_function_runs_when_it_gives_nothing() -> None:
    def add(a: int, b: int) -> int:
        return a + b

    talker = voice(tools=[add, ToolDefinition("declared")])
    asked: list[tuple[str, dict[str, Any]]] = []

    @talker.on_tool_call
    async def two(name: str, args: dict[str, Any]) -> str | None:
        asked.append((name, args))
        return "from the handler" if name == "declared" else None

    async with talker.connect() as session:
        first = await session.send_text('call add {"a": 2, "b": 3}', wait=True)
        second = await session.send_text("call declared {}", wait=True)
    assert first is not None
    assert second is not None
    assert first.transcript == "add returned: 5"
    assert second.transcript == "declared returned: from the handler"
    assert asked == [("add", {"a": 2, "b": 3}), ("declared", {})]


async def test_a_handler_with_one_argument_gets_the_request() -> None:
    talker = voice(tools=[ToolDefinition("lookup")])

    @talker.on_tool_call
    def one(request: ToolCallRequest) -> dict[str, Any]:
        return {"was": request.name, "with": request.arguments}

    async with talker.connect() as session:
        reply = await session.send_text('call lookup {"q": 1}', wait=True)
    assert reply is not None
    assert json.loads(reply.transcript.partition(": ")[2]) == {"was": "lookup", "with": {"q": 1}}


async def test_how_far_a_tool_is_can_be_heard() -> None:
    async def search(progress: ToolProgress) -> str:
        progress.report(1, total=2, message="page 1")
        return "found"

    talker = voice(tools=[search])
    heard: list[tuple[str, ProgressReport]] = []

    @talker.on_tool_progress
    async def told(name: str, report: ProgressReport) -> None:
        heard.append((name, report))

    async with talker.connect() as session:
        reply = await session.send_text("call search {}", wait=True)
    assert reply is not None
    assert reply.transcript == "search returned: found"
    assert heard == [("search", ProgressReport("page 1", 1.0, 2.0))]


async def test_an_exception_in_a_tool_is_an_error_result_and_the_talk_goes_on() -> None:
    def broken() -> str:
        raise LookupError("no such thing")

    talker = voice(tools=[broken])
    async with talker.connect() as session:
        reply = await session.send_text("call broken {}", wait=True)
        assert reply is not None
        assert "no such thing" in reply.transcript
        after = await session.send_text("still there", wait=True)
        assert after is not None
        assert after.transcript == "You said: still there"


async def test_a_callback_that_raises_is_reported_and_nothing_else_breaks() -> None:
    talker = voice()
    errors: list[Exception] = []
    heard: list[bytes] = []

    @talker.on_audio
    async def broken(_: bytes) -> None:
        raise RuntimeError("mine")

    talker.on_audio(heard.append)
    talker.on_error(errors.append)
    async with talker.connect() as session:
        reply = await session.send_text("Hi", wait=True)
        await session.wait_until_settled()
    assert reply is not None
    assert b"".join(heard) == reply.audio
    assert {str(error) for error in errors} == {"mine"}


async def test_connect_and_disconnect_are_told_once_each_session() -> None:
    talker = voice()
    told: list[str] = []
    talker.on_connect(lambda: told.append("connect"))
    talker.on_disconnect(lambda: told.append("disconnect"))
    talker.on_response_done(told.append)
    for _ in range(2):
        async with talker.connect() as session:
            await session.send_text("x", wait=True)
            await session.close()
            await session.close()
    assert told == ["connect", "completed", "disconnect"] * 2


async def test_a_lost_connection_is_an_error_an_end_and_a_refusal() -> None:
    talker = voice()
    told: list[object] = []
    over = anyio.Event()
    talker.on_error(told.append)

    @talker.on_disconnect
    async def ended() -> None:
        over.set()

    async with talker.connect() as session:
        with pytest.raises(RealtimeError):
            await session.send_text("drop", wait=True)
        assert not session.is_active
        with pytest.raises(RealtimeError, match=r"not active.*voice\.connect"):
            await session.send_text("again")
        await session.interrupt()
        assert await session.end_turn() is None
    assert over.is_set()
    assert [type(error).__name__ for error in told] == ["RealtimeConnectionError"]


async def test_a_failed_response_is_told_by_its_status() -> None:
    async with voice().connect() as session:
        reply = await session.send_text("fail rate_limit_exceeded", wait=True)
    assert reply is not None
    assert reply.status == "failed"


async def test_cancelling_a_wait_leaves_the_session_usable() -> None:
    async with voice().connect() as session:
        with anyio.move_on_after(0.01) as scope:
            await session.send_text("speak 5 seconds", wait=True)
        assert scope.cancelled_caught
        await session.interrupt()
        await session.wait_until_settled()
        reply = await session.send_audio(SPEECH)
        assert reply is not None
        assert reply.audio == SPEECH


async def test_two_that_wait_take_turns() -> None:
    replies: list[str] = []
    async with voice().connect() as session, anyio.create_task_group() as tasks:

        async def say(text: str) -> None:
            reply = await session.send_text(text, wait=True)
            assert reply is not None
            replies.append(reply.transcript)

        tasks.start_soon(say, "one")
        tasks.start_soon(say, "two")
    assert sorted(replies) == ["You said: one", "You said: two"]


async def test_misuse_says_what_to_do() -> None:
    connection = voice().connect()
    async with connection as session:
        with pytest.raises(AudioError, match="whole number"):
            await session.send_audio(b"\0")
        with pytest.raises(RealtimeError, match="entered before"):
            await connection.__aenter__()
    with pytest.raises(RealtimeError, match="not active"):
        await session.send_audio(SPEECH)


async def test_an_error_in_the_body_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with voice().connect():
            raise KeyError("mine")


async def test_run_gives_audio_and_words_and_ends_with_the_reply() -> None:
    async def audio() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(SPEECH), 4800):
            yield SPEECH[at : at + 4800]

    found = [item async for item in voice(vad_mode="none").run(audio())]
    words = [item for item in found if isinstance(item, TranscriptDelta) and item.is_final]
    assert [(item.role, item.text) for item in words] == [
        ("user", "[audio 500 ms]"),
        ("assistant", "You sent 500 ms of audio"),
    ]
    chunks = [item for item in found if not isinstance(item, TranscriptDelta)]
    assert b"".join(item.data for item in chunks) == SPEECH
    assert chunks[-1].is_final


async def test_run_raises_what_the_stream_raises() -> None:
    async def audio() -> AsyncGenerator[bytes, None]:
        yield SPEECH
        raise OSError("the microphone is gone")

    with pytest.raises(OSError, match="microphone"):
        async for _ in voice().run(audio()):
            pass
