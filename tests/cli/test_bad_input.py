"""Whatever the user gets wrong is one clear line and the right exit code, never a traceback."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from voicewire.audio.files import write_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.cli import common
from voicewire.cli.main import app
from voicewire.errors import ConfigError, VoicewireError

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_MODEL",
        "VOICEWIRE_API_KEYS",
        "VOICEWIRE_DEBUG",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOICEWIRE_HOME", str(tmp_path / "home"))


def _refused(*arguments: str) -> tuple[int, str]:
    """Exit code and the one line on standard error."""
    result = CliRunner().invoke(app, list(arguments))
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    return result.exit_code, lines[0]


def test_unknown_model() -> None:
    code, line = _refused("talk", "--model", "opnai:gpt")
    assert code == 2
    assert "opnai" in line and "openai:MODEL" in line


def test_missing_key(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    write_audio(path, AudioFrame(AudioFormat(16_000), bytes(3200)))
    code, line = _refused("talk", "--model", "openai:gpt-realtime", "--input", str(path))
    assert code == 2
    assert "OPENAI_API_KEY" in line


@pytest.mark.parametrize("content", [b"", b"not a wave at all", b"RIFF\x24\x00\x00\x00WAVEfmt "])
def test_a_wav_that_is_not_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(content)
    for arguments in (("talk", "--model", "echo", "--input", str(path)), ("transcribe", str(path))):
        code, line = _refused(*arguments)
        assert code == 1
        assert "speech.wav" in line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    code, line = _refused("talk", "--model", "echo", "--input", str(tmp_path / "none.wav"))
    assert (code, "none.wav" in line) == (1, True)


def test_a_voice_that_the_model_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    code, line = _refused("talk", "--model", "openai:gpt-realtime", "--voice", "nosuch")
    assert code == 2
    assert "'nosuch'" in line and "it has:" in line


def test_no_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = CliRunner().invoke(app, ["talk", "--model", "echo"])
    assert result.exit_code == 1
    assert "--input FILE" in result.stderr and "voicewire[devices]" in result.stderr


def test_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, line = _refused("serve", "--model", "echo", "--port", port)
    assert code == 2
    assert f"port {port}" in line and "in use" in line


def test_an_open_address_needs_keys(tmp_path: Path) -> None:
    code, line = _refused("serve", "--model", "echo", "--host", "0.0.0.0")
    assert (code, "--api-keys" in line) == (2, True)
    (tmp_path / "keys").write_text("# none\n")
    code, line = _refused("serve", "--model", "echo", "--api-keys", str(tmp_path / "keys"))
    assert (code, "no API key" in line) == (2, True)


def test_a_brain_for_a_model_that_has_its_own() -> None:
    for command in ("talk", "serve"):
        code, line = _refused(command, "--model", "echo", "--brain", "x.gguf")
        assert (code, "--brain" in line) == (2, True)


def test_an_output_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    write_audio(tmp_path / "a.wav", AudioFrame(AudioFormat(16_000), bytes(3200)))
    code, line = _refused(
        "talk",
        "--model",
        "echo",
        "--input",
        str(tmp_path / "a.wav"),
        "--output",
        str(tmp_path / "file" / "x"),
    )
    assert (code, "choose another folder" in line) == (2, True)


def test_saying_nothing_or_into_nothing() -> None:
    code, line = _refused("say", "  ", "--output", "x.wav")
    assert (code, "nothing to say" in line) == (2, True)
    code, line = _refused("say", "hello", "--output", "x.doc")
    assert (code, ".doc" in line) == (2, True)


def test_a_scenario_that_is_none(tmp_path: Path) -> None:
    code, line = _refused("demo", "--scenario", str(tmp_path / "none.json"))
    assert (code, "none.json" in line) == (2, True)
    (tmp_path / "bad.json").write_text('{"turns": [{"kind": 1}]}')
    code, line = _refused("demo", "--scenario", str(tmp_path / "bad.json"))
    assert (code, "not a scenario" in line) == (2, True)


def test_checking_a_run_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"turns": []}')
    result = CliRunner().invoke(
        app, ["demo", "--check-only", "--scenario", str(tmp_path / "s.json"), "--output", str(tmp_path)]
    )
    assert result.exit_code == 1
    assert "conversation.wav" in result.stderr


def test_usage_errors_are_two() -> None:
    for arguments in (["talk", "--nope"], ["nope"], ["transcribe"], ["transcribe", "x", "--format", "docx"]):
        assert CliRunner().invoke(app, arguments).exit_code == 2


def test_debugging_shows_the_error_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEWIRE_DEBUG", "1")
    result = CliRunner().invoke(app, ["talk", "--model", "nope"])
    assert isinstance(result.exception, VoicewireError)


def test_ctrl_c_is_130() -> None:
    @common.command
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as caught:
        interrupted()
    assert caught.value.exit_code == 130


def test_an_error_message_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert common.report(ConfigError("cannot read '[bold]x[/bold]'")) == 2
    assert "'[bold]x[/bold]'" in capsys.readouterr().err
