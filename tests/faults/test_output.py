"""Output that cannot be written: folders that cannot be made, disks that fill up, readers that go away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.lines import refused
from tests.faults.program import WAIT_S, events_in, ran, speech_file
from voicewire.audio.files import read_audio

pytestmark = pytest.mark.unit


def test_a_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "x"
    line = refused("talk", "-m", "echo", "-i", speech_file(tmp_path), "-o", out, code=2)
    assert str(out) in line and "choose another folder" in line


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    line = refused("talk", "-m", "echo", "-i", speech_file(tmp_path), "-o", tmp_path / "out", code=2)
    assert "choose another folder" in line
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("name", ["conversation.wav", "events.jsonl", "timeline.html", "timeline.png"])
def test_a_folder_where_a_file_should_be(name: str, tmp_path: Path) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    code = 1 if name.endswith(".wav") else 2
    line = refused("talk", "-m", "echo", "-i", speech_file(tmp_path), "-o", tmp_path / "out", code=code)
    assert name in line and str(tmp_path / "out") in line


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    line = refused("talk", "-m", "echo", "-i", speech_file(tmp_path), "-o", "/proc/1/task/out", code=2)
    assert "/proc/1/task/out" in line and "choose another folder" in line


def test_a_disk_that_fills_up_in_the_conversation(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("talk", "-m", "echo", "-i", speech_file(tmp_path, 0.3), "-o", out)
    ended = ran(*arguments, file_limit_bytes=100_000)
    assert ended.code == 2
    assert str(out) in ended.error_line() and "incomplete" in ended.error_line()
    assert "You sent" in ended.output, "the conversation itself goes on"
    recorded = read_audio(out / "conversation.wav", mono=False)
    assert 100 < recorded.duration_ms < 1100, "valid up to the last complete write"
    assert events_in(out)


def test_a_disk_that_is_full_for_the_events(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "events.jsonl").symlink_to("/dev/full")
    ended = ran("talk", "-m", "echo", "-i", speech_file(tmp_path, 0.1), "-o", out)
    assert ended.code == 2
    assert str(out) in ended.error_line() and "No space left" in ended.error_line()


def test_a_disk_that_is_full_for_the_picture(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("talk", "-m", "echo", "-i", speech_file(tmp_path, 0.1), "-o", out)
    # Room for the sound and none for the page: /dev/full takes its place.
    out.mkdir()
    (out / "timeline.html.part").symlink_to("/dev/full")
    ended = ran(*arguments)
    assert ended.code == 2
    assert str(out) in ended.error_line() and "No space left" in ended.error_line()
    assert read_audio(out / "conversation.wav", mono=False).duration_ms > 500
    assert sorted(path.name for path in out.iterdir()) == ["conversation.wav", "events.jsonl"]


@pytest.mark.parametrize("target", ["folder", "a.doc", "a"])
def test_say_into_what_cannot_be_written(target: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / target
    line = refused("say", "hello", "-o", path, code=2)
    assert str(path) in line and ".wav" in line
    assert sorted(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    command = f"{sys.executable} -m voicewire.cli models | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=WAIT_S)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "1")
