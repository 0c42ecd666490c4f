"""Models by name, loaded when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from voicewire.errors import ConfigError, UnknownModelError
from voicewire.models import create_model, model_entries
from voicewire.models.azure import AzureOpenAIRealtimeModel
from voicewire.models.openai import OpenAIRealtimeModel
from voicewire.settings import setting_names

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for names in setting_names():
        for name in names:
            monkeypatch.delenv(name, raising=False)


def test_providers_by_name_with_their_options() -> None:
    model = create_model("openai:gpt-realtime", api_key="k", base_url="ws://127.0.0.1:8080/v1")
    assert isinstance(model, OpenAIRealtimeModel)
    assert model.name == "openai:gpt-realtime"
    assert model.websocket_url == "ws://127.0.0.1:8080/v1/realtime?model=gpt-realtime"
    azure = create_model("azure:my-deployment")
    assert isinstance(azure, AzureOpenAIRealtimeModel)
    assert azure.name == "azure:my-deployment"


def test_a_name_may_hold_colons() -> None:
    assert create_model("openai:ft:gpt-realtime:x").name == "openai:ft:gpt-realtime:x"


def test_the_model_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert create_model("openai").name == "openai:gpt-realtime"
    monkeypatch.setenv("OPENAI_MODEL", "gpt-realtime-mini")
    assert create_model("openai").name == "openai:gpt-realtime-mini"
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "dep")
    assert create_model("azure:").name == "azure:dep"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("opnai:gpt-realtime", "did you mean 'openai:MODEL'"),
        ("ehco", "did you mean 'echo'"),
        ("gpt-realtime", "did you mean 'openai:gpt-realtime'"),
        ("Local", "did you mean 'local'"),
        ("", "the models are: local, echo, scripted:FILE, openai:MODEL, azure:DEPLOYMENT"),
        ("zzz", "the models are: local"),
        ("echo:loud", "takes nothing after it"),
    ],
)
def test_unknown_names(name: str, says: str) -> None:
    with pytest.raises(UnknownModelError, match=says):
        create_model(name)


def test_a_name_without_its_argument() -> None:
    with pytest.raises(ConfigError, match="scripted:FILE"):
        create_model("scripted")


def test_an_option_that_the_model_does_not_have() -> None:
    with pytest.raises(ConfigError, match="colour"):
        create_model("openai:gpt-realtime", colour="red")


def test_every_entry_has_what_a_list_needs() -> None:
    assert [entry.pattern for entry in model_entries()][:3] == ["local", "echo", "scripted:FILE"]
    assert all(entry.summary for entry in model_entries())


def test_importing_the_registry_loads_no_model() -> None:
    code = (
        "import sys, voicewire.models.registry; voicewire.models.registry.model_entries();"
        "heavy = ('picows', 'numpy', 'pydantic_settings', 'voicewire.models.openai');"
        "print([m for m in sys.modules if m in heavy])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
