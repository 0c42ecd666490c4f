"""The log: one line for a connection, ids and outcome, nothing that was said and no key."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import anyio
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from voicewire.cli.serving import gateway_settings
from voicewire.errors import ConfigError
from voicewire.gateway import GatewaySettings
from voicewire.gateway.logs import FieldFormatter, log_to
from voicewire.gateway.settings import limit_names
from voicewire.testing import serve

from .test_agent_door import ask, create, until

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

KEY = "a-key-that-is-nobodys-business"
SAID = "the-words-that-were-said"


def record(**fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("voicewire.gateway", logging.WARNING, "f.py", 1, "session ended", None, None)
    vars(made).update(fields)
    return made


def test_json_is_an_object_a_line() -> None:
    line = FieldFormatter("json").format(record(session_id="s\n1", code=1000, odd=object))
    assert "\n" not in line
    fields = json.loads(line)
    assert (fields["message"], fields["session_id"], fields["code"]) == ("session ended", "s\n1", 1000)
    assert fields["level"] == "WARNING" and fields["time"].endswith("+00:00")


def test_text_cannot_be_broken_into_two_lines() -> None:
    line = FieldFormatter("text").format(record(reason='x"\n2026 forged line'))
    assert len(line.splitlines()) == 1
    assert line.endswith(r'WARNING voicewire.gateway: session ended reason="x\"\n2026 forged line"')


def test_a_traceback_is_a_field() -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        failed = record()
        failed.exc_info = sys.exc_info()
    assert "ValueError: boom" in json.loads(FieldFormatter("json").format(failed))["traceback"]


async def test_a_connection_is_one_line_and_holds_nothing_that_was_said() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("voicewire")
    before = (logger.propagate, logger.level, list(logger.handlers))
    with log_to(stream, "json"):
        settings = GatewaySettings(api_keys=(SecretStr(KEY),), drain_s=0.0)
        async with serve("echo", settings=settings) as gateway:
            headers = {"Authorization": f"Bearer {KEY}"}
            async with connect(
                f"{gateway.ws_url}/ws/user1/session1?key={KEY}", additional_headers=headers
            ) as socket:
                await create(socket, instructions=SAID)
                await ask(socket, SAID)
                await until(socket, "agent_response_done")
            with pytest.raises(InvalidStatus):
                await connect(f"{gateway.ws_url}/v1/realtime?key=wrong-{KEY}")
            with anyio.fail_after(5):
                await gateway.admission.wait_until_empty()
    assert (logger.propagate, logger.level, list(logger.handlers)) == before
    assert KEY not in stream.getvalue() and SAID not in stream.getvalue()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = {line["message"]: line for line in lines}
    assert len(lines) == len(told) == 2
    ended, refused = told["session ended"], told["connection refused"]
    assert {name: ended[name] for name in ("door", "model", "user_id", "session_id", "code", "cause")} == {
        "door": "agent",
        "model": "echo",
        "user_id": "user1",
        "session_id": "session1",
        "code": 1000,
        "cause": "client_left",
    }
    assert ended["duration_s"] >= 0 and len(ended["key_id"]) == 12
    assert (refused["status"], refused["cause"], refused["door"]) == (401, "invalid_api_key", "openai")


def test_the_command_line_reaches_every_limit_and_counts_for_more_than_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOICEWIRE_LIMITS", "max_session_s=60, idle_timeout_s=7")
    monkeypatch.setenv("VOICEWIRE_ALLOWED_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("VOICEWIRE_SECRET_KEY", "0123456789abcdef0123456789abcdef")
    made = gateway_settings([KEY], limits=["max_session_s=90"])
    assert (made.max_session_s, made.idle_timeout_s) == (90.0, 7.0)
    assert made.allowed_origins == ("https://a.example", "https://b.example")
    assert made.signing_key is not None and made.api_keys[0].get_secret_value() == KEY
    assert gateway_settings([], origins=["https://c.example"]).allowed_origins == ("https://c.example",)
    for name in limit_names():
        value = 64 * 1024 if isinstance(getattr(made, name), int) else 3
        assert getattr(gateway_settings([], limits=[f"{name}={value}"]), name) == value


@pytest.mark.parametrize(
    "limit", ["nonsense=1", "max_session_s", "max_session_s=soon", "max_sessions=0", "api_keys=x", "=", ""]
)
def test_a_wrong_limit_names_itself_and_shows_no_value(limit: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        gateway_settings([KEY], limits=[limit])
    assert KEY not in str(wrong.value) and "limit" in str(wrong.value)
