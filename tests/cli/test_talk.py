"""``voicewire talk``: what it says first, and how it ends when the model has nothing to say."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from voicewire.audio.devices import Microphone, Speaker
from voicewire.audio.files import write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.pcm import tone
from voicewire.cli.main import app
from voicewire.cli.outcome import ResponseOutcome
from voicewire.cli.terminal import TerminalView
from voicewire.errors import AudioDeviceError, VoicewireError
from voicewire.events.model import ModelResponseDoneEvent

pytestmark = pytest.mark.unit

INVITATION = "Speak when you like"


def _done(status: Any, message: str = "") -> ModelResponseDoneEvent:
    return ModelResponseDoneEvent(
        response_id="r", input_tokens=0, output_tokens=0, status=status, message=message
    )


def _speech(folder: Path) -> Path:
    path = folder / "speech.wav"
    write_audio(path, AudioFrame(AudioFormat(16_000), tone(300, 8_000, 16_000)))
    return path


def _script(folder: Path, *steps: dict[str, Any]) -> str:
    path = folder / "script.jsonl"
    path.write_text("".join(json.dumps(step) + "\n" for step in steps))
    return f"scripted:{path}"


TURN: tuple[dict[str, Any], ...] = (
    {"expect": "AppendAudio"},
    {"speech_started_ms": 0},
    {"speech_stopped_ms": 20},
    {"end_turn": True},
    {"expect": "response"},
)


def test_a_conversation_in_which_every_response_failed_is_a_failure(tmp_path: Path) -> None:
    model = _script(tmp_path, *TURN, {"fail": "rate_limit_exceeded", "message": "too many at once"})
    done = CliRunner().invoke(app, ["talk", "--model", model, "--input", str(_speech(tmp_path))])
    assert done.exit_code == 1, done.output
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1
    assert "the model gave no answer" in lines[0] and "too many at once" in lines[0]


def test_a_conversation_with_an_answer_is_none(tmp_path: Path) -> None:
    model = _script(tmp_path, *TURN, {"say": "Hello. ", "audio_ms": 100}, {"finish": "completed"})
    done = CliRunner().invoke(app, ["talk", "--model", model, "--input", str(_speech(tmp_path))])
    assert (done.exit_code, done.stderr) == (0, "")
    assert INVITATION not in done.output


def test_one_answer_is_enough_and_none_at_all_is_no_failure() -> None:
    outcome = ResponseOutcome()
    outcome.check()
    outcome.on_event(0.0, _done("failed", "broken"))
    with pytest.raises(VoicewireError, match=r"1 of 1 responses failed, the last one with broken"):
        outcome.check()
    outcome.on_event(0.0, _done("cancelled"))
    outcome.check()


class _Devices:
    """Stands for a microphone and a speaker that open, and of which one does not."""

    opened = 0

    async def open(self) -> object:
        self.opened += 1
        return self

    async def refuse(self) -> object:
        raise AudioDeviceError("this machine has no default speaker")

    async def close(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.opened -= 1


def test_nobody_is_invited_before_the_devices_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = _Devices()
    monkeypatch.setattr(Microphone, "__aenter__", lambda _: devices.open())
    monkeypatch.setattr(Microphone, "aclose", lambda _: devices.close(None, None, None))
    monkeypatch.setattr(Speaker, "__aenter__", lambda _: devices.refuse())
    done = CliRunner().invoke(app, ["talk", "--model", "echo"])
    assert done.exit_code == 1
    assert "no default speaker" in done.stderr
    assert INVITATION not in done.output
    assert devices.opened == 0


def test_the_invitation_comes_with_the_session(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalView(Console(), "echo", invitation=f"{INVITATION}.") as view:
        assert INVITATION not in capsys.readouterr().out
        view.on_start(0)
        assert INVITATION in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--echo-cancellation", "--no-echo-cancellation"])
def test_microphone_and_speaker_share_an_echo_path(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paths: dict[type, object] = {}

    def keep(kind: type, name: str) -> Any:
        before = kind.__init__  # type: ignore[misc]  # of the class that is watched

        def made(self: Any, *arguments: Any, echo: object = None, **options: Any) -> None:
            paths[kind] = echo
            before(self, *arguments, echo=echo, **options)

        return made

    async def refuse(self: object) -> object:
        raise AudioDeviceError("enough")

    for kind in (Microphone, Speaker):
        monkeypatch.setattr(kind, "__init__", keep(kind, kind.__name__))
    monkeypatch.setattr(Microphone, "__aenter__", refuse)
    assert CliRunner().invoke(app, ["talk", "--model", "echo", option]).exit_code == 1
    assert paths[Microphone] is paths[Speaker]
    assert (paths[Microphone] is not None) == (option == "--echo-cancellation")
