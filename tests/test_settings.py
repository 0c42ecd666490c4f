"""The environment: read on demand, typed, without ever showing a secret."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from voicewire.engine.catalogue import CATALOGUE
from voicewire.environment import default_home, variable
from voicewire.errors import ConfigError
from voicewire.settings import Settings, describe, get_settings, is_set, setting_names

pytestmark = pytest.mark.unit

KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for names in setting_names():
        for name in names:
            monkeypatch.delenv(name, raising=False)


def test_the_documented_variables_are_all_there() -> None:
    documented = """OPENAI_API_KEY OPENAI_MODEL OPENAI_BASE_URL AZURE_OPENAI_ENDPOINT AZURE_OPENAI_API_KEY
        AZURE_OPENAI_DEPLOYMENT AZURE_OPENAI_API_VERSION GEMINI_API_KEY GOOGLE_API_KEY GOOGLE_GENAI_API_KEY
        DASHSCOPE_API_KEY DASHSCOPE_WEBSOCKET_BASE_URL AZURE_SPEECH_KEY AZURE_KEY AZURE_SPEECH_REGION
        AZURE_REGION
        GEMINI_BASE_URL AZURE_SPEECH_ENDPOINT AZURE_SPEECH_HOST AZURE_VOICELIVE_ENDPOINT
        XAI_BASE_URL ASR_SAMPLE_RATE
        TTS_AUDIO_FORMAT REALTIME_BUFFER_SIZE REALTIME_VOICE_PROVIDER""".split()
    assert set(documented) <= {name for names in setting_names() for name in names}


def test_defaults() -> None:
    settings = get_settings()
    assert (settings.asr_sample_rate_hz, settings.tts_audio_format, settings.realtime_buffer_size) == (
        16000,
        "wav",
        1024,
    )
    assert settings.secret("openai_api_key") is None


def test_the_environment_is_read_when_asked_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_settings().openai_model is None
    assert get_settings() is get_settings()
    monkeypatch.setenv("OPENAI_MODEL", "gpt-realtime")
    assert get_settings().openai_model == "gpt-realtime"


@pytest.mark.parametrize("name", ["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_API_KEY"])
def test_aliases(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "k")
    assert get_settings().secret("gemini_api_key") == "k"


def test_the_first_alias_that_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEY", "old")
    monkeypatch.setenv("AZURE_SPEECH_KEY", "")
    assert get_settings().secret("azure_speech_key") == "old"
    monkeypatch.setenv("AZURE_SPEECH_KEY", "new")
    assert get_settings().secret("azure_speech_key") == "new"


def test_a_secret_is_not_printed_and_loses_its_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    settings = get_settings()
    assert settings.secret("openai_api_key") == KEY
    assert KEY not in repr(settings) and KEY not in str(settings) and KEY not in str(settings.model_dump())
    rows = {row.names[0]: row for row in describe()}
    assert rows["OPENAI_API_KEY"].is_set and rows["OPENAI_API_KEY"].is_secret
    assert KEY not in repr(describe())


def test_describe_says_what_is_set_and_by_which_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_REGION", "westeurope")
    rows = {row.names[0]: row for row in describe()}
    assert len(rows) == len(Settings.model_fields)
    assert rows["AZURE_SPEECH_REGION"].set_by == "AZURE_REGION"
    assert not rows["OPENAI_API_KEY"].is_set
    assert rows["ASR_SAMPLE_RATE"].default == "16000"
    assert all(row.help for row in rows.values())


def test_nothing_else_reads_the_environment() -> None:
    """Two hand it on, whole or with one more variable: to a child process, and to a library that only looks there."""
    source = Path(__file__).parent.parent / "src" / "voicewire"
    found = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if re.search(r"os\.environ|getenv", path.read_text(encoding="utf-8"))
    }
    assert found == {"environment.py", "engine/fetching.py", "engine/onnx.py", "cli/common.py"}


def test_every_file_of_the_engine_can_be_replaced() -> None:
    names = {name for names in setting_names() for name in names}
    assert {weights.environment_name for weights in CATALOGUE} <= names


def test_a_setting_is_set_by_any_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_set("GEMINI_API_KEY")
    monkeypatch.setenv("GOOGLE_API_KEY", "k")
    assert is_set("GEMINI_API_KEY")
    monkeypatch.setenv("A_NAME_OF_NOBODY", "x")
    assert is_set("A_NAME_OF_NOBODY")


def test_one_variable_is_read_whatever_the_others_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ASR_SAMPLE_RATE", "nonsense")
    monkeypatch.setenv("VOICEWIRE_DEBUG", "")
    assert variable("VOICEWIRE_DEBUG") is None
    monkeypatch.setenv("VOICEWIRE_HOME", str(tmp_path))
    assert default_home() == tmp_path
    assert variable("VOICEWIRE_DEBUG", {"VOICEWIRE_DEBUG": "1"}) == "1"


def test_a_wrong_value_names_the_variable_and_not_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_SAMPLE_RATE", KEY)
    with pytest.raises(ConfigError, match="ASR_SAMPLE_RATE") as refused:
        get_settings()
    assert KEY not in str(refused.value)


def test_importing_reads_nothing() -> None:
    environment = {**os.environ, "ASR_SAMPLE_RATE": "nonsense"}
    command = [sys.executable, "-c", "import voicewire.settings, voicewire.models; print('fine')"]
    assert (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        == "fine\n"
    )


def test_a_dot_env_file_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    with open(".env", "w", encoding="utf-8") as file:
        file.write("OPENAI_MODEL=from-the-file\n")
    assert Settings().openai_model is None
