"""``scripted``: every step of the file format, and the errors that name their line."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from voicewire.errors import ConfigError, ConnectionLost, SessionClosed
from voicewire.events import commands as c
from voicewire.events import model as m
from voicewire.events.base import EventBase
from voicewire.models import create_model
from voicewire.models.script_steps import Step, read_script
from voicewire.models.scripted import ScriptedRealtimeModel
from voicewire.testing.clock import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

SCRIPT = """
# A greeting, a tool, a failure.
{"expect": "SendText", "with": {"text": "hello"}}
{"expect": "response"}
{"wait_ms": 200}
{"say": "Hi there. ", "audio_ms": 100}
{"audio_ms": 50, "hz": 880}
{"finish": "completed", "usage": {"input_text_tokens": 5, "output_text_tokens": 9}}
{"expect": "response"}
{"call": "get_weather", "arguments": {"city": "Paris"}, "call_id": "c1"}
{"finish": "completed"}
{"expect": "response"}
{"fail": "server_error", "message": "out of ideas"}
{"error": "hiccup", "message": "never mind"}
{"speech_started_ms": 100}
{"partial": "good"}
{"speech_stopped_ms": 900}
{"end_turn": true}
{"transcript": "goodbye"}
{"emit": {"type": "model_input_cleared"}}
{"close": 1001, "reason": "time is up"}
"""


async def _play(
    model: ScriptedRealtimeModel, *commands: c.Command
) -> tuple[list[EventBase], Exception | None]:
    events: list[EventBase] = []
    try:
        async with model.open() as connection:
            for command in commands:
                await connection.send(command)
            async for event in connection:
                events.append(event)  # noqa: PERF401  the events before an error are wanted
    except (ConnectionLost, SessionClosed) as error:
        return events, error
    return events, None


async def test_a_script_plays_the_same_conversation_every_time(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text(SCRIPT)
    runs: list[list[str]] = []
    for _ in range(2):
        clock = ManualClock()
        model = create_model(f"scripted:{path}", clock=clock)
        events: list[EventBase] = []

        async def listen(model: object = model, events: list[EventBase] = events) -> None:
            assert isinstance(model, ScriptedRealtimeModel)
            async with model.open() as connection:
                await connection.send(c.SendText("hello"))
                with pytest.raises(SessionClosed, match="time is up"):
                    async for event in connection:
                        events.append(event)
                        if isinstance(event, m.ModelResponseDoneEvent) and len(event.output) == 1:
                            kind = event.output[0].kind
                            follow_up = (
                                c.SendText("weather?")
                                if kind == "message"
                                else c.SendToolResult("c1", "rain")
                            )
                            await connection.send(follow_up)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await clock.advance_ms(199)
            assert not any(isinstance(event, m.ModelResponseAudioDeltaEvent) for event in events)
            await clock.advance_ms(1)
        runs.append([repr(event) for event in events])
        audio = b"".join(e.pcm for e in events if isinstance(e, m.ModelResponseAudioDeltaEvent))
        assert len(audio) == 150 * 48
        ends = [(e.status, e.reason) for e in events if isinstance(e, m.ModelResponseDoneEvent)]
        assert ends == [
            ("completed", ""),
            ("completed", ""),
            ("failed", "server_error"),
            ("failed", "connection_lost"),
        ]
        words = next(e for e in events if isinstance(e, m.ModelInputTranscriptionDoneEvent))
        assert words.transcript == "goodbye"
        assert any(isinstance(e, m.ModelInputClearedEvent) for e in events)
        assert any(isinstance(e, m.ModelErrorEvent) and e.code == "hiccup" for e in events)
    assert runs[0] == runs[1]


async def test_other_commands_are_passed_over_and_other_values_end_the_session() -> None:
    steps = [Step(line=7, expect="SendText", where={"text": "hello"})]
    _, error = await _play(ScriptedRealtimeModel(steps), c.ClearAudio(), c.SendText("goodbye", respond=False))
    assert isinstance(error, ConnectionLost)
    assert "line 7" in str(error)
    assert "goodbye" in str(error)


async def test_a_drop_is_a_drop() -> None:
    events, error = await _play(ScriptedRealtimeModel([Step(drop="cable")]))
    assert isinstance(error, ConnectionLost)
    assert error.code == 1006
    assert isinstance(events[-1], m.ModelSessionEndedEvent)


async def test_an_answer_without_a_question_names_its_line() -> None:
    _, error = await _play(ScriptedRealtimeModel([Step(line=3, say="Hi.")]))
    assert "line 3" in str(error)


async def test_a_response_beyond_the_script_fails() -> None:
    async with ScriptedRealtimeModel([]).open() as connection:
        await connection.send(c.SendText("hello"))
        async for event in connection:
            if isinstance(event, m.ModelResponseDoneEvent):
                assert (event.status, event.reason) == ("failed", "script_over")
                return


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1"),
        ('\n{"sing": "la"}', "line 2.*sing"),
        ('{"say": "a", "drop": "b"}', "say and drop"),
        ("{}", "does nothing"),
        ('{"wait_ms": "long"}', "wait_ms"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_script(path)


async def test_a_missing_file_is_named_when_it_is_opened() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.jsonl"):
        async with ScriptedRealtimeModel("nowhere.jsonl").open():
            pass
