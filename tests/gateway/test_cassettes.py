"""Cassettes of a gateway: each client's wire in a file of its own, private, that plays as the gateway did."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.gateway.test_recordings import record
from voicewire.audio.pcm import tone
from voicewire.errors import ConfigError
from voicewire.events.commands import AppendAudio, CommitAudio, SendText
from voicewire.events.model import ModelResponseAudioTranscriptDoneEvent, ModelResponseDoneEvent
from voicewire.events.session import SessionConfig
from voicewire.gateway import GatewaySettings, create_app
from voicewire.gateway.cassettes import Cassettes
from voicewire.gateway.recordings import Recordings
from voicewire.gateway.visit import Visit
from voicewire.models import create_model
from voicewire.models.model import RealtimeModel
from voicewire.testing import serve
from voicewire.testing.cassette_files import load_cassette
from voicewire.testing.cassette_model import CassetteRealtimeModel
from voicewire.testing.cassette_server import serve_cassette
from voicewire.transport.cassette import Closed

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

KEY = "opensesame1234567890"
"""Nothing about it looks like a key."""
SETTINGS = GatewaySettings.model_validate({"api_keys": [KEY], "drain_s": 0.0, "close_grace_s": 1.0})
_TIMEOUT_S = 20.0
WIRES: dict[str, dict[str, Any]] = {
    "openai:echo": {},
    "openai:beta": {"dialect": "beta"},
    "azure:preview": {"api_version": "2025-04-01-preview"},
    "voicelive:echo": {},
    "gemini:echo": {},
    "dashscope:qwen3.5-omni-plus-realtime": {},
}


def address(name: str, ws_url: str) -> str:
    return f"{ws_url}/v1" if name.startswith("openai") else ws_url


async def words_of(model: RealtimeModel, text: str = "Hello") -> str:
    """What the model answers to a text, after a turn of speech."""
    said = ""
    done = 0
    with anyio.fail_after(_TIMEOUT_S):
        config = SessionConfig(turn_detection=None)
        async with model.open(instructions=f"Say not {KEY}.", config=config) as connection:
            rate_hz = model.capabilities.input_rates_hz[0]
            await connection.send(AppendAudio(tone(440, rate_hz // 5, rate_hz), rate_hz))
            await connection.send(CommitAudio())
            async for event in connection:
                if isinstance(event, ModelResponseAudioTranscriptDoneEvent):
                    said = event.transcript
                if isinstance(event, ModelResponseDoneEvent):
                    done += 1
                    if done == 2:
                        break
                    await connection.send(SendText(text))
    return said


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*.jsonl") if not path.parent.name.startswith("+"))


@pytest.mark.parametrize("name", WIRES)
async def test_a_session_of_every_wire_leaves_a_cassette_that_plays_as_the_gateway_did(
    tmp_path: Path, name: str
) -> None:
    with Cassettes(tmp_path) as cassettes:
        async with serve(settings=SETTINGS, cassettes=cassettes) as gateway:
            model = create_model(name, api_key=KEY, base_url=address(name, gateway.ws_url), **WIRES[name])
            said = await words_of(model)
    assert said.endswith("Hello")
    (path,) = kept(tmp_path)
    assert path.parent.name == "anonymous"
    assert path.stem.startswith("sess_")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert KEY not in path.read_text(encoding="utf-8")
    assert list((tmp_path / "+partial").iterdir()) == []
    cassette = load_cassette(path)
    assert not cassette.is_broken_off
    assert isinstance(cassette.entries[-1], Closed)
    assert cassette.entries[-1].by == "client"
    assert await words_of(CassetteRealtimeModel(path), "Something else") == said
    async with serve_cassette(path) as provider:
        again = create_model(name, api_key="any", base_url=address(name, provider.ws_url), **WIRES[name])
        assert await words_of(again, "Something else") == said
    assert provider.mismatches == []


async def test_audio_is_cut_by_choice(tmp_path: Path) -> None:
    with Cassettes(tmp_path, keeps_audio=False) as cassettes:
        async with serve(settings=SETTINGS, cassettes=cassettes) as gateway:
            await words_of(create_model("openai:echo", api_key=KEY, base_url=f"{gateway.ws_url}/v1"))
    (path,) = kept(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "bytes of audio>" in text
    assert max(map(len, text.splitlines())) < 5_000
    assert load_cassette(path).header.audio == "cut"


async def front_end(url: str, config: dict[str, Any]) -> None:
    """A front end that creates a session and leaves."""
    async with connect(f"{url}/ws/ann/talk-1", additional_headers={"api-key": KEY}) as socket:
        await socket.send(json.dumps({"type": "client_session_create", "config": config}))
        await first(socket, "agent_ready")


@pytest.mark.parametrize(("config", "count"), [({}, 1), ({"record": True}, 1), ({"record": False}, 0)])
async def test_a_front_end_that_refuses_leaves_nothing(
    tmp_path: Path, config: dict[str, Any], count: int
) -> None:
    with Cassettes(tmp_path) as cassettes:
        async with serve(settings=SETTINGS, cassettes=cassettes) as gateway:
            await front_end(gateway.ws_url, config)
            await gateway.admission.wait_until_empty()
    assert [path.relative_to(tmp_path).as_posix() for path in kept(tmp_path)] == ["ann/talk-1.jsonl"] * count
    assert list((tmp_path / "+partial").iterdir()) == []


async def first(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The first event of this kind."""
    with anyio.fail_after(_TIMEOUT_S):
        while True:
            event: dict[str, Any] = json.loads(await socket.recv())
            if event["type"] == kind:
                return event


async def test_a_resume_token_does_not_get_into_it(tmp_path: Path) -> None:
    header, create = {"api-key": KEY}, {"type": "client_session_create"}
    with Cassettes(tmp_path) as cassettes:
        async with serve(settings=SETTINGS, cassettes=cassettes) as gateway:
            async with connect(f"{gateway.ws_url}/ws/ann/talk-1", additional_headers=header) as socket:
                await socket.send(json.dumps({**create, "config": {"resume": True}}))
                token = (await first(socket, "server_resume_token"))["token"]
            async with connect(f"{gateway.ws_url}/ws/ann/talk-1", additional_headers=header) as socket:
                await socket.send(json.dumps({**create, "config": {"resume_token": token}}))
                await first(socket, "server_session_resumed")
    assert token
    texts = [path.read_text(encoding="utf-8") for path in kept(tmp_path)]
    assert len(texts) == 2
    assert all("resume_token" in text and token not in text for text in texts)


async def test_a_session_that_was_refused_stays_so_when_it_is_resumed(tmp_path: Path) -> None:
    header, create = {"api-key": KEY}, {"type": "client_session_create"}
    with Cassettes(tmp_path) as cassettes:
        async with serve(settings=SETTINGS, cassettes=cassettes) as gateway:
            async with connect(f"{gateway.ws_url}/ws/ann/talk-1", additional_headers=header) as socket:
                await socket.send(json.dumps({**create, "config": {"resume": True, "record": False}}))
                token = (await first(socket, "server_resume_token"))["token"]
            async with connect(f"{gateway.ws_url}/ws/ann/talk-1", additional_headers=header) as socket:
                await socket.send(json.dumps({**create, "config": {"resume_token": token}}))
                await first(socket, "server_session_resumed")
    assert kept(tmp_path) == []


def in_the_way(folder: Path) -> None:
    """A file where the running cassettes go: every one of them fails to open."""
    (folder / "+partial").rmdir()
    (folder / "+partial").touch()


def not_in_the_way(_: Path) -> None:
    """The disk is fine."""


@pytest.mark.parametrize(("break_it", "most"), [(in_the_way, 64), (not_in_the_way, 0)])
async def test_a_session_goes_on_without_a_cassette(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    break_it: Callable[[Path], None],
    most: int,
) -> None:
    monkeypatch.setattr("voicewire.gateway.cassettes.MAX_CASSETTES", most)
    caplog.set_level(logging.WARNING, "voicewire.gateway")
    with Cassettes(tmp_path) as cassettes:
        break_it(tmp_path)
        async with serve(settings=SETTINGS, cassettes=cassettes) as gateway:
            said = await words_of(create_model("openai:echo", api_key=KEY, base_url=f"{gateway.ws_url}/v1"))
    assert said.endswith("Hello")
    assert kept(tmp_path) == []
    assert [line.message for line in caplog.records] == ["cassette not recorded"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_disk_that_is_full_costs_the_cassette_and_not_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    link = tmp_path / "+partial" / "anonymous+sess_1.jsonl"
    monkeypatch.setattr("voicewire.gateway.keeping.SessionShelf.new_part", lambda *_: link)
    with Cassettes(tmp_path) as cassettes:
        link.symlink_to("/dev/full")
        visit = Visit(door="openai", session_id="sess_1")
        scope: dict[str, Any] = {"path": "/v1/realtime", "headers": []}
        tape = cassettes.tape(scope, visit)
        await tape.begin()
        tape.of_client("{}")
        tape.end()
    assert any("cassette" in line.message for line in caplog.records)


def test_a_folder_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="choose another --cassettes folder"):
        Cassettes(tmp_path / "file").open()


def test_only_one_gateway_writes_into_a_folder(tmp_path: Path) -> None:
    with Cassettes(tmp_path), pytest.raises(ConfigError, match="another gateway records there"):
        Cassettes(tmp_path).open()


async def two(cassettes: Cassettes) -> None:
    """Two connections of one session."""
    for _ in range(2):
        visit = Visit(door="agent", session_id="s", user_id="u")
        tape = cassettes.tape({"path": "/ws/u/s", "headers": []}, visit)
        await tape.begin()
        tape.of_client('{"type":"a"}')
        tape.end()


async def test_what_a_killed_process_left_gets_its_name_without_the_broken_line(tmp_path: Path) -> None:
    with Cassettes(tmp_path) as cassettes:
        await two(cassettes)
    assert [path.name for path in kept(tmp_path)] == ["s+2.jsonl", "s.jsonl"]
    whole = (tmp_path / "u" / "s.jsonl").read_bytes()
    (tmp_path / "+partial" / "u+t.jsonl").write_bytes(whole + b'{"way":"sen')
    (tmp_path / "+partial" / "stray").write_bytes(b"x")
    with Cassettes(tmp_path):
        pass
    assert (tmp_path / "u" / "t.jsonl").read_bytes() == whole
    assert list((tmp_path / "+partial").iterdir()) == []


async def test_cassettes_are_deleted_by_age_and_by_size(tmp_path: Path) -> None:
    with Cassettes(tmp_path) as cassettes:
        await two(cassettes)
    os.utime(tmp_path / "u" / "s.jsonl", (1, 1))
    with Cassettes(tmp_path, days=1):
        assert [path.name for path in kept(tmp_path)] == ["s+2.jsonl"]
    with Cassettes(tmp_path, max_gb=1e-9):
        assert kept(tmp_path) == []


async def test_a_deletion_deletes_recordings_and_cassettes(tmp_path: Path) -> None:
    with Cassettes(tmp_path / "wires") as cassettes, Recordings(tmp_path / "sound") as recordings:
        await two(cassettes)
        record(recordings)
    with Cassettes(tmp_path / "wires") as cassettes, Recordings(tmp_path / "sound") as recordings:
        app = create_app(create_model("echo"), settings=SETTINGS, recordings=recordings, cassettes=cassettes)
        visit = Visit(door="agent", session_id="on", user_id="u")
        running = cassettes.tape({"path": "/ws/u/on", "headers": []}, visit)
        await running.begin()
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            headers = {"api-key": KEY}
            assert (await client.delete("/recordings/u/s")).status_code == 401
            assert (await client.delete("/recordings/u/on", headers=headers)).status_code == 409
            assert (await client.delete("/recordings/u/s", headers=headers)).status_code == 204
            assert (await client.delete("/recordings/u/s", headers=headers)).status_code == 404
        running.end()
    assert [path.name for path in kept(tmp_path / "wires")] == ["on.jsonl"]
    assert not (tmp_path / "sound" / "u").exists()
