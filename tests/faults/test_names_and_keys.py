"""Model names that are none, keys that are missing, scripts that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.leaks import SECRET, shown
from tests.faults.lines import refused
from tests.faults.program import speech_file
from voicewire.errors import AudioError, ConfigError, UnknownModelError
from voicewire.events import AppendAudio
from voicewire.models import create_model

pytestmark = pytest.mark.unit

UNKNOWN = {
    "opnai:gpt-realtime": "'openai:MODEL'",
    "gpt-realtime": "'openai:gpt-realtime'",
    "Echo": "'echo'",
    "": "echo",
    ":": "echo",
    "local:x": "'local'",
    "echo:": "'echo'",
    "echo\n": "",
}


@pytest.mark.parametrize("name", UNKNOWN, ids=range(len(UNKNOWN)))
def test_an_unknown_model(name: str, tmp_path: Path) -> None:
    if name.strip() == "echo":
        assert create_model(name).name == "echo"
        return
    with pytest.raises(UnknownModelError) as error:
        create_model(name)
    assert UNKNOWN[name] in str(error.value)
    for command in (("talk", "-i", speech_file(tmp_path), "-m"), ("serve", "--model"), ("voices", "--model")):
        line = refused(*command, name, code=2)
        assert UNKNOWN[name] in line


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("openai:gpt-realtime", ("OPENAI_API_KEY",)),
        ("openai", ("OPENAI_API_KEY",)),
        ("azure:d", ("AZURE_OPENAI_ENDPOINT",)),
        ("scripted:/nowhere/x.json", ("/nowhere/x.json",)),
        ("scripted:", ("scripted:FILE",)),
    ],
)
def test_what_a_model_needs_is_named(name: str, variables: tuple[str, ...], tmp_path: Path) -> None:
    line = refused("talk", "-m", name, "-i", speech_file(tmp_path), code=2)
    assert all(variable in line for variable in variables), line


def test_a_wrong_option_is_a_config_error_without_its_value() -> None:
    with pytest.raises(ConfigError) as error:
        create_model("openai:m", apikey=SECRET)
    assert "apikey" in str(error.value)
    assert SECRET not in shown(error.value)


def test_a_key_in_the_wrong_place_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://user:{SECRET}@127.0.0.1:9/v1")
    refused("talk", "-m", "openai:m", "-i", speech_file(tmp_path), code=2)
    monkeypatch.setenv("ASR_SAMPLE_RATE", SECRET)
    line = refused("talk", "-m", "openai:m", "-i", speech_file(tmp_path), code=2)
    assert "ASR_SAMPLE_RATE" in line


@pytest.mark.parametrize("rate", [0, -1, 192_001, 10**12, float("nan"), 24_000.5, True, "24000", None])
def test_absurd_rates_of_appended_audio(rate: object) -> None:
    with pytest.raises(AudioError, match="1 to 192000"):
        AppendAudio(b"\0\0", rate)  # type: ignore[arg-type]  # that is the fault


@pytest.mark.parametrize("size", [1, 3, 959])
def test_half_a_sample_of_appended_audio(size: int) -> None:
    with pytest.raises(AudioError, match=f"{size} bytes.*16-bit"):
        AppendAudio(bytes(size), 24_000)


@pytest.mark.anyio
@pytest.mark.parametrize("rate_hz", [1, 7, 999, 44_101, 191_999])
async def test_a_rate_that_nothing_converts_is_refused_and_the_session_goes_on(rate_hz: int) -> None:
    async with create_model("echo").open() as connection:
        with pytest.raises(AudioError, match=f"{rate_hz} Hz"):
            await connection.send(AppendAudio(bytes(96_000), rate_hz))
        await connection.send(AppendAudio(bytes(960), 24_000))
