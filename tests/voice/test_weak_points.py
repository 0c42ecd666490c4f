"""The weak points of the original ``RealtimeVoice`` that no other test here has; and being left at any moment."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import anyio
import anyio.abc
import anyio.from_thread
import anyio.lowlevel
import pytest

from tests.clients.cancelling import Left, cancelled_at_every_await
from voicewire.audio.pcm import silence, tone
from voicewire.errors import RealtimeConnectionError
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.models import EchoRealtimeModel, GeminiRealtimeModel, OpenAIRealtimeModel, RealtimeConnection
from voicewire.voice import RealtimeConfig, RealtimeError, RealtimeVoice, ToolDefinition, VADMode, providers

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

SPEECH = tone(440, 12_000, 24_000)
OWN = ("voicewire voice", "voicewire agent")


def voice(**options: Any) -> RealtimeVoice:
    tools = options.pop("tools", None)
    return RealtimeVoice("echo", RealtimeConfig(**options), tools=tools)


async def test_a_slow_tool_holds_up_nothing() -> None:
    may_end, begun = anyio.Event(), anyio.Event()

    async def slow() -> str:
        begun.set()
        await may_end.wait()
        return "at last"

    talker = voice(tools=[slow])
    words: list[str] = []
    told = anyio.Event()

    @talker.on_transcript
    def said(text: str, is_final: bool, role: str) -> None:
        if is_final and role == "assistant":
            words.append(text)
            told.set()

    async with talker.connect() as session:
        await session.send_text("call slow {}")
        await begun.wait()
        await session.send_text("Hello")
        await told.wait()
        assert words == ["You said: Hello"]
        may_end.set()
        await session.wait_until_settled()
        assert len(words) == 2  # the response that follows the result was waited for
        outputs = [item.output for item in session.history() if item.kind == "function_call_output"]
    assert outputs == ["at last"]


async def test_a_sync_tool_runs_beside_the_loop() -> None:
    loop_thread = threading.get_ident()
    ran_in: list[int] = []

    def blocking() -> str:
        ran_in.append(threading.get_ident())
        # Ends only if the loop goes on meanwhile.
        anyio.from_thread.run(anyio.lowlevel.checkpoint)
        return "done"

    async with voice(tools=[blocking]).connect() as session:
        reply = await session.send_text("call blocking {}", wait=True)
    assert reply is not None
    assert reply.transcript == "blocking returned: done"
    assert ran_in != [loop_thread]


async def test_a_tool_that_never_returns_is_cut() -> None:
    async def never() -> str:
        await anyio.sleep_forever()
        return ""

    async with voice(tools=[never], tool_timeout_s=0.01).connect() as session:
        reply = await session.send_text("call never {}", wait=True)
    assert reply is not None
    assert "0.01" in reply.transcript


async def test_arguments_that_are_wrong_are_an_error_result() -> None:
    def add(a: int, b: int) -> int:
        return a + b

    async with voice(tools=[add]).connect() as session:
        reply = await session.send_text('call add {"a": "many"}', wait=True)
        assert reply is not None
        assert "error" in reply.transcript
        after = await session.send_text('call add {"a": 1, "b": 2}', wait=True)
    assert after is not None
    assert after.transcript == "add returned: 3"


async def test_a_declared_tool_without_a_handler_is_answered() -> None:
    async with voice(tools=[ToolDefinition("nobody")]).connect() as session:
        reply = await session.send_text("call nobody {}", wait=True)
    assert reply is not None
    assert "no on_tool_call handler answers nobody" in reply.transcript


async def test_the_session_has_its_id_from_the_beginning() -> None:
    async with voice().connect() as session:
        assert session.session_id
        assert session.is_active
    assert session.session_id
    assert not session.is_active


def test_each_provider_has_its_own_default_voice() -> None:
    plain = RealtimeConfig()
    gemini = GeminiRealtimeModel("gemini-2.0-flash-exp", api_key="k")
    assert providers.voice_for(providers.named("gemini"), gemini, plain) == "Puck"
    openai = OpenAIRealtimeModel("gpt-realtime", api_key="k")
    assert providers.voice_for(providers.named("openai"), openai, plain) == "alloy"
    with pytest.raises(RealtimeError, match=r"no voice 'alloy'.*Puck"):
        providers.voice_for(providers.named("gemini"), gemini, RealtimeConfig(voice="alloy"))


class Spy(EchoRealtimeModel):
    """Keeps what it was opened with."""

    asked: SessionConfig

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        assert config is not None
        self.asked = config
        return super().open(instructions=instructions, tools=tools, config=config)


async def test_what_was_set_is_asked_for() -> None:
    model = Spy()
    config = RealtimeConfig(vad_threshold=0.3, vad_silence_duration_ms=700, max_tokens=99)
    talker = RealtimeVoice(model, config)
    talker.on_audio(lambda _: None)
    async with talker.connect():
        pass
    assert model.asked.max_output_tokens == 99
    assert model.asked.transcription is not None
    assert model.asked.turn_detection is not None
    assert model.asked.turn_detection.threshold == 0.3
    assert model.asked.turn_detection.silence_duration_ms == 700


@pytest.mark.parametrize("mode", [VADMode.CLIENT, VADMode.NONE])
async def test_turns_that_are_not_the_servers_are_not_detected_there(mode: VADMode) -> None:
    model = Spy()
    talker = RealtimeVoice(model, RealtimeConfig(vad_mode=mode))
    talker.on_audio(lambda _: None)
    async with talker.connect():
        pass
    assert model.asked.turn_detection is None


async def test_a_server_that_never_sets_up_is_left() -> None:
    async def silent(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await anyio.sleep_forever()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        model = GeminiRealtimeModel(
            "gemini-2.0-flash-exp", api_key="k", base_url=f"ws://127.0.0.1:{port}", setup_timeout_s=0.01
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, silent)
            await anyio.lowlevel.checkpoint()
            before = Left(*OWN)
            with pytest.raises(RealtimeConnectionError):
                async with RealtimeVoice(model).connect():
                    pass
            assert [name for name in before.added() if name.startswith(OWN)] == []
            tasks.cancel_scope.cancel()


async def test_every_callback_may_raise() -> None:
    talker = voice(tools=[ToolDefinition("f")])
    errors: list[str] = []
    events = ("audio", "transcript", "tool_call", "connect", "disconnect", "interrupted", "response_done")
    for event in events:

        def broken(*_: object, event: str = event) -> None:
            raise RuntimeError(event)

        getattr(talker, f"on_{event}")(broken)

    @talker.on_error
    def worse(error: Exception) -> None:
        errors.append(str(error))
        raise RuntimeError("of the handler of errors")

    async with talker.connect() as session:
        first = await session.send_text("call f {}", wait=True)
        await session.send_text("speak 1 seconds")
        await session.interrupt()
        await session.wait_until_settled()
        last = await session.send_text("still there", wait=True)
        await session.close()
    assert first is not None
    assert "tool_call" in first.transcript
    assert last is not None
    assert last.transcript == "You said: still there"
    assert set(errors) >= {"audio", "transcript", "connect", "disconnect", "response_done"}


# ---------------------------------------------------------------------- being left


async def talk() -> None:
    talker = voice()
    talker.on_transcript(lambda text, is_final: None)
    async with talker.connect() as session:
        await session.send_audio(SPEECH)
        await session.send_text("Hello", wait=True)


async def talk_in_a_stream() -> None:
    talker = voice()
    talker.on_audio(lambda _: None)
    async with talker.connect() as session:
        await session.send_audio(SPEECH + silence(24_000))
        await session.interrupt()
        await session.wait_until_settled()


async def listen_to_run() -> None:
    async with aclosing(voice(vad_mode="none").run(speech())) as heard:
        async for _ in heard:
            pass


async def speech() -> AsyncGenerator[bytes, None]:
    yield SPEECH


@pytest.mark.parametrize("by_task", [False, True])
@pytest.mark.parametrize("work", [talk, talk_in_a_stream, listen_to_run])
async def test_cancelling_at_any_await_leaves_nothing(
    work: Callable[[], Awaitable[None]], by_task: bool
) -> None:
    await work()
    before = Left("")
    assert await cancelled_at_every_await(work, before.check, by_task=by_task) > 2


async def test_leaving_run_early_leaves_nothing() -> None:
    before = Left("")
    async with aclosing(voice(vad_mode="none").run(speech())) as heard:
        async for _ in heard:
            break
    await before.check()


async def test_a_connection_that_was_never_entered_is_nothing() -> None:
    before = Left("")
    voice().connect()
    await before.check()
    with pytest.raises(RealtimeError):
        RealtimeVoice("nobody")
