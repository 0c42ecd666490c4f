"""Models without a wire are recorded as the OpenAI wire would have carried them."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from voicewire.audio.pcm import tone
from voicewire.errors import ConfigError, ConnectionLost
from voicewire.events import model as events
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, CommitAudio, SendText, SendToolResult, UpdateSession
from voicewire.events.session import SessionConfig
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel
from voicewire.testing.cassette_files import load_cassette
from voicewire.testing.cassette_model import model_of
from voicewire.testing.cassette_report import report_of
from voicewire.transport.cassette import Closed, Received
from voicewire.transport.frame_kinds import facts_of, members_of

pytestmark = [pytest.mark.unit, pytest.mark.anyio]

_TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
_ONLY_ON_A_WIRE = (
    events.ModelSessionUpdatedEvent,
    events.ModelProviderEvent,
    events.ModelInputTranscriptionDeltaEvent,  # the wire has no revisions, so there may be more of them
)


async def converse(model: RealtimeModel, *, rate_hz: int = 24_000) -> list[EventBase]:
    """A tool call and its answer, then a turn of speech."""
    found: list[EventBase] = []
    with anyio.fail_after(20):
        config = SessionConfig(turn_detection=None)
        async with model.open(instructions="x", tools=[_TOOL], config=config) as connection:
            await connection.send(SendText("call look {}"))
            async for event in connection:
                found.append(event)
                if isinstance(event, events.ModelResponseToolUseDoneEvent):
                    await connection.send(SendToolResult(event.tool_use["id"], "a tree"))
                done = sum(isinstance(event, events.ModelResponseDoneEvent) for event in found)
                if isinstance(event, events.ModelResponseDoneEvent) and done == 2:
                    await connection.send(
                        AppendAudio(tone(300, rate_hz // 2, rate_hz), sample_rate_hz=rate_hz)
                    )
                    await connection.send(CommitAudio())
                if isinstance(event, events.ModelResponseDoneEvent) and done == 3:
                    break
    return found


def shapes(found: list[EventBase]) -> list[str]:
    return [type(event).__name__ for event in found if not isinstance(event, _ONLY_ON_A_WIRE)]


async def test_echo_plays_again_as_a_provider(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    model = create_model("echo", record=path)
    assert (model.name, model.capabilities) == ("echo", create_model("echo").capabilities)
    plain = await converse(create_model("echo"))
    recorded = await converse(model)
    assert shapes(recorded) == shapes(plain)
    again = await converse(create_model(f"cassette:{path}"))
    assert shapes(again) == shapes(recorded)
    cassette = load_cassette(path)
    assert (cassette.header.model, cassette.header.provider) == ("openai:echo", "openai")
    report = report_of(cassette, model_of(cassette.header, "a").codec)
    assert not report.faults
    assert [answer.text for answer in report.answers] == [
        "",
        "look returned: a tree",
        "You sent 500 ms of audio",
    ]


async def test_audio_of_another_rate_is_recorded_as_the_wire_has_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    await converse(create_model("echo", record=path, record_audio=False), rate_hz=16_000)
    cassette = load_cassette(path)
    report = report_of(cassette, model_of(cassette.header, "a").codec)
    assert abs(report.sent_audio_bytes - 24_000) < 200


async def test_a_changed_session_and_a_lost_one_are_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with pytest.raises(ConnectionLost), anyio.fail_after(20):
        async with create_model("echo", record=path).open() as connection:
            await connection.send(UpdateSession(instructions="y"))
            await connection.send(SendText("drop"))
            async for _ in connection:
                pass
    cassette = load_cassette(path)
    last = cassette.entries[-1]
    assert isinstance(last, Closed)
    assert last.by == "lost"
    told = [facts_of(entry.frame) for entry in cassette.entries if isinstance(entry, Received)]
    said = [
        members_of(facts.value)["session"]["instructions"]
        for facts in told
        if facts.kind == "session.updated"
    ]
    assert said[-1] == "y"
    assert len(said) == 2


async def test_a_cancelled_wait_loses_no_event(tmp_path: Path) -> None:
    async with create_model("echo", record=tmp_path / "a.jsonl").open() as connection:
        stream = connection.__aiter__()
        assert isinstance(await stream.__anext__(), events.ModelSessionCreatedEvent)
        with anyio.move_on_after(0) as scope:
            await stream.__anext__()
        assert scope.cancelled_caught
        await connection.send(SendText("hi"))
        with anyio.fail_after(20):
            assert isinstance(await stream.__anext__(), events.ModelItemAddedEvent)


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write the cassette"):
        async with create_model("echo", record=tmp_path).open():
            pass
