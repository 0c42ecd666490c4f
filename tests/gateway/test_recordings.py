"""Recordings of sessions: whole or not there, kept and deleted as was said, nothing outside the folder."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from voicewire.audio.files import read_audio
from voicewire.audio.pcm import tone
from voicewire.errors import ConfigError, InvalidEventError
from voicewire.events.base import MediaFormat
from voicewire.events.commands import AppendAudio
from voicewire.events.model import ModelResponseAudioDeltaEvent, ModelResponseCreatedEvent
from voicewire.gateway import GatewaySettings, create_app
from voicewire.gateway.observe import SessionFacts, SessionWatch, consent_in
from voicewire.gateway.recordings import Recordings
from voicewire.models import create_model

pytestmark = pytest.mark.unit

FILES = {"conversation.wav", "events.jsonl", "timeline.html", "timeline.png"}
DAY_S = 86_400
AUDIO = ModelResponseAudioDeltaEvent(
    response_id="r", item_id="i", format=MediaFormat("audio/pcm", 24_000), pcm=tone(200, 100, 24_000)
)


def facts(session_id: str = "s", user_id: str = "u", wants: bool | None = None) -> SessionFacts:
    return SessionFacts(
        door="agent", model="echo", session_id=session_id, user_id=user_id, wants_recording=wants
    )


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    with Recordings(tmp_path / "rec") as opened:
        yield opened


def record(recordings: Recordings, session_id: str = "s", user_id: str = "u") -> None:
    """One short session."""
    session = recordings.session_opened(facts(session_id, user_id))
    session.on_command(AppendAudio(tone(300, 2400, 24_000)))
    session.on_event(ModelResponseCreatedEvent(response_id="r"))
    session.on_event(AUDIO)
    session.ended(1000, "", 0.1)


def kept(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.glob("*/*") if not path.parent.name.startswith("+")
    }


def test_a_session_leaves_its_sound_its_events_and_its_picture(tmp_path: Path) -> None:
    with Recordings(tmp_path) as recordings:
        record(recordings)
    home = tmp_path / "u" / "s"
    assert {path.name for path in home.iterdir()} == FILES
    assert read_audio(home / "conversation.wav", mono=False).format.channels == 2
    kinds = [json.loads(line)["type"] for line in (home / "events.jsonl").read_text().splitlines()]
    assert kinds[:2] == ["voicewire.input_started", "model_response_created"]
    assert list((tmp_path / "+partial").iterdir()) == []


def test_a_second_session_of_the_same_id_does_not_replace_the_first(tmp_path: Path) -> None:
    with Recordings(tmp_path) as recordings:
        record(recordings)
        record(recordings)
    assert kept(tmp_path) == {"u/s", "u/s+2"}


def test_a_client_that_refuses_is_not_recorded(tmp_path: Path) -> None:
    with Recordings(tmp_path) as recordings:
        session = recordings.session_opened(facts(wants=False))
        session.on_event(AUDIO)
        session.ended(1000, "", 0.1)
    assert kept(tmp_path) == set()


def test_the_number_of_recordings_at_a_time_is_bounded(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicewire.gateway.recordings.MAX_RECORDINGS", 2)
    sessions: list[SessionWatch] = [recordings.session_opened(facts(f"s{number}")) for number in range(4)]
    assert recordings.is_running("u", "s0")
    assert not recordings.is_running("u", "s2")
    for session in sessions:
        session.ended(1000, "", 0.1)


def test_what_a_killed_process_left_is_finished_at_the_next_start(tmp_path: Path) -> None:
    dead = tmp_path / "+partial" / "u+s"
    with Recordings(tmp_path) as recordings:
        record(recordings)
    dead.mkdir()
    wav = (tmp_path / "u" / "s" / "conversation.wav").read_bytes()
    (dead / "conversation.wav").write_bytes(wav + b"\x01" * 999)
    (dead / "events.jsonl").write_bytes(b'{"type":"a"}\n{"type":"b')
    (dead / "timeline.html.part").write_bytes(b"<html")
    (tmp_path / "+partial" / "u+empty").mkdir()
    with Recordings(tmp_path):
        pass
    assert kept(tmp_path) == {"u/s", "u/s+2"}
    home = tmp_path / "u" / "s+2"
    assert {path.name for path in home.iterdir()} == {"conversation.wav", "events.jsonl"}
    assert (home / "events.jsonl").read_bytes() == b'{"type":"a"}\n'
    assert (home / "conversation.wav").read_bytes() == wav
    assert struct.unpack("<I", wav[40:44])[0] == len(wav) - 44
    assert list((tmp_path / "+partial").iterdir()) == []


def test_recordings_are_deleted_by_age_and_by_size(tmp_path: Path) -> None:
    with Recordings(tmp_path) as recordings:
        for name in ("old", "middle", "new"):
            record(recordings, name)
    size_bytes = sum(file.stat().st_size for file in (tmp_path / "u" / "new").iterdir())
    now_s = (tmp_path / "u" / "new").stat().st_mtime
    for name, days in (("old", 9), ("middle", 2)):
        os.utime(tmp_path / "u" / name, (now_s - days * DAY_S, now_s - days * DAY_S))
    with Recordings(tmp_path, days=7):
        assert kept(tmp_path) == {"u/middle", "u/new"}
    with Recordings(tmp_path, max_gb=1.5 * size_bytes / 1e9):
        assert kept(tmp_path) == {"u/new"}


def test_only_one_gateway_records_into_a_folder(tmp_path: Path) -> None:
    with Recordings(tmp_path), pytest.raises(ConfigError, match="another gateway records there"):
        Recordings(tmp_path).open()


@pytest.mark.parametrize(
    ("user_id", "session_id"),
    [
        ("..", "secret"),
        ("u", ".."),
        (".", "u"),
        ("+partial", "x"),
        ("u", "a/b"),
        ("", "s"),
        ("link", "secret"),
    ],
)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, user_id: str, session_id: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").touch()
    with Recordings(tmp_path / "rec") as recordings:
        (tmp_path / "rec" / "link").symlink_to(tmp_path)
        (tmp_path / "rec" / "+partial" / "x").mkdir()
        assert not recordings.delete(user_id, session_id)
    assert (tmp_path / "secret" / "file").exists()


def test_a_link_in_a_user_s_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    with Recordings(tmp_path / "rec", days=0) as recordings:
        (tmp_path / "rec" / "u").mkdir()
        link = tmp_path / "rec" / "u" / "s"
        link.symlink_to(tmp_path / "secret")
        recordings.prune()
        assert not recordings.delete("u", "s")
        assert link.is_symlink()


@pytest.mark.anyio
async def test_a_key_deletes_a_session_and_nothing_else_does(tmp_path: Path) -> None:
    with Recordings(tmp_path) as recordings:
        record(recordings)
        record(recordings, "other")
    settings = GatewaySettings.model_validate({"api_keys": ["k-1"]})
    with Recordings(tmp_path) as recordings:
        app = create_app(create_model("echo"), settings=settings, recordings=recordings)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            key = {"authorization": "Bearer k-1"}
            assert (await client.delete("/recordings/u/s")).status_code == 401
            assert kept(tmp_path) == {"u/s", "u/other"}
            assert (await client.delete("/recordings/u/s", headers=key)).status_code == 204
            assert (await client.delete("/recordings/u/s", headers=key)).status_code == 404
            assert (await client.delete("/recordings/%2e%2e/u", headers=key)).status_code == 404
            running = recordings.session_opened(facts("now"))
            assert (await client.delete("/recordings/u/now", headers=key)).status_code == 409
            running.ended(1000, "", 0.1)
    assert kept(tmp_path) == {"u/other", "u/now"}


@pytest.mark.parametrize(
    ("config", "expected"), [({}, None), ({"record": False}, False), ({"record": True}, True)]
)
def test_consent_is_read_from_the_configuration(config: dict[str, object], expected: bool | None) -> None:
    assert consent_in(config) is expected


def test_consent_that_is_no_boolean_is_refused() -> None:
    with pytest.raises(InvalidEventError, match="record"):
        consent_in({"record": "no"})
