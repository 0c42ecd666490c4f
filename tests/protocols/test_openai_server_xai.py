"""xAI's session object at the GA door: read as it is meant, and nothing else is let in by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voicewire.events.commands import UpdateSession
from voicewire.events.session import SessionConfig, TurnDetection
from voicewire.models.hosted import counting_ids
from voicewire.protocols.openai.dialect_xai import ga_session, xai_session
from voicewire.protocols.openai.server import OpenAIServerCodec
from voicewire.protocols.openai.session_config import session_body

pytestmark = pytest.mark.unit


def codec() -> OpenAIServerCodec:
    made = OpenAIServerCodec(SessionConfig(), ids=counting_ids("x"), now_s=1, model="m")
    made.data_to_send()
    return made


def update(door: OpenAIServerCodec, session: dict[str, Any]) -> UpdateSession | dict[str, Any]:
    """What the door makes of an update: a command, or the error that it answers with."""
    commands = door.receive(json.dumps({"type": "session.update", "event_id": "e1", "session": session}))
    if commands:
        (command,) = commands
        assert isinstance(command, UpdateSession)
        return command
    (frame,) = door.data_to_send()
    error: dict[str, Any] = json.loads(frame)["error"]
    return error


@pytest.mark.parametrize("turns", [None, TurnDetection(silence_duration_ms=700)])
def test_what_our_client_says_to_xai_is_what_the_door_reads(turns: TurnDetection | None) -> None:
    config = SessionConfig(
        instructions="Be brief.", voice="eve", turn_detection=turns, tool_choice="required"
    )
    sent = xai_session(session_body(config))
    assert "type" not in sent
    command = update(codec(), sent)
    assert isinstance(command, UpdateSession)
    changed = command
    assert (changed.instructions, changed.voice, changed.tool_choice) == ("Be brief.", "eve", "required")
    if turns is None:
        assert changed.turn_detection is None
    else:
        assert isinstance(changed.turn_detection, TurnDetection)
        assert changed.turn_detection.silence_duration_ms == 700


def test_a_ga_client_that_forgets_the_type_is_told_so() -> None:
    error = update(codec(), {"instructions": "x"})
    assert isinstance(error, dict)
    assert (error["code"], error["param"]) == ("missing_required_parameter", "session.type")


def test_once_known_it_needs_no_mark() -> None:
    door = codec()
    assert isinstance(update(door, {"voice": "ara"}), UpdateSession)
    command = update(door, {"instructions": "x"})
    assert isinstance(command, UpdateSession)
    assert command.instructions == "x"


@pytest.mark.parametrize(
    "session",
    [
        {"voice": "alloy", "modalities": ["audio"]},
        {"turn_detection": None, "input_audio_format": "pcm16"},
    ],
)
def test_a_flat_session_of_the_beta_is_not_taken_for_it(session: dict[str, Any]) -> None:
    error = update(codec(), session)
    assert isinstance(error, dict)
    assert error["param"] == "session.type"


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"voice": 7}, "session.audio.output.voice"),
        ({"turn_detection": {"type": "server_vad", "threshold": "x"}}, "session.audio.input.turn_detection"),
        ({"voice": "ara", "audio": 5}, "session.audio"),
        ({"voice": "ara", "audio": {"input": 5}}, "session.audio"),
    ],
)
def test_what_it_cannot_read_is_an_error(session: dict[str, Any], param: str) -> None:
    error = update(codec(), session)
    assert isinstance(error, dict)
    assert error["param"].startswith(param)
    assert error["event_id"] == "e1"


def test_the_shape_alone_decides() -> None:
    assert ga_session({"tools": []}, is_sure=False) is None
    assert ga_session({"tools": []}, is_sure=True) == {"type": "realtime", "tools": []}
    assert ga_session({"tools": [], "speed": 1}, is_sure=True) is None
