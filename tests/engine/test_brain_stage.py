"""A brain by the name of a stage, as against a file, a URL or a word."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from voicewire.engine import runtime
from voicewire.engine.runtime import EngineOptions, EngineRuntime

pytestmark = pytest.mark.unit


class Mute:
    """A brain in name only."""


def _loaded(name: str, monkeypatch: pytest.MonkeyPatch, entries: tuple[EntryPoint, ...] = ()) -> object:
    """What the options' brain becomes; the stock factory gives the text back that it was given."""

    def find(*, group: str, name: str) -> list[EntryPoint]:
        return [entry for entry in entries if (entry.group, entry.name) == (group, name)]

    monkeypatch.setattr(runtime, "entry_points", find)
    monkeypatch.setitem(runtime.DEFAULTS, "brain", f"{__name__}:stock")
    return EngineRuntime(EngineOptions(brain=name))._load_brain(EngineOptions(brain=name))


def stock(spec: str | None, *, model: str | None, api_key: str | None) -> object:
    return spec


@pytest.mark.parametrize("name", ["rules", "models/tiny.gguf", "C:\\models\\tiny.gguf", "http://host:1/v1#m"])
def test_a_file_a_url_or_a_word_goes_to_the_stock_factory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _loaded(name, monkeypatch) == name


def test_no_name_is_the_stock_brain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _loaded("", monkeypatch) is None


def test_module_and_factory_make_the_brain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(_loaded(f"{__name__}:Mute", monkeypatch), Mute)


def test_an_entry_point_makes_the_brain(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("mute", f"{__name__}:Mute", "voicewire.brain")
    assert isinstance(_loaded("mute", monkeypatch, (entry,)), Mute)
    assert _loaded("mute", monkeypatch) == "mute"
