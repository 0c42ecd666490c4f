"""Clients by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, cast

from pydantic import BaseModel

from voicewire.errors import ConfigError
from voicewire.speech.asr import AsrClient
from voicewire.speech.config import configured
from voicewire.speech.tts import TtsClient

_ASR: Final = {
    "local": ("local_asr", "LocalAsrClient", "LocalAsrConfig"),
    "modelstudio": ("modelstudio_asr", "ModelstudioAsrClient", "ModelstudioAsrConfig"),
    "azure": ("azure_asr", "AzureAsrClient", "AzureAsrConfig"),
    "openai": ("model_asr", "OpenAITranscriptionClient", "OpenAITranscriptionConfig"),
}
_TTS: Final = {
    "local": ("local_tts", "LocalTtsClient", "LocalTtsConfig"),
    "modelstudio": ("modelstudio_tts", "ModelstudioTtsClient", "ModelstudioTtsConfig"),
    "azure": ("azure_tts", "AzureTtsClient", "AzureTtsConfig"),
}
_ALIASES: Final = {"dashscope": "modelstudio"}


def create_asr(
    name: str = "local", *, callbacks: Any = None, preprocess: Any = (), **options: Any
) -> AsrClient[Any]:
    """A recogniser by name.

    Args:
        name: ``local``, ``modelstudio`` (or ``dashscope``), ``azure`` or ``openai``; ``NAME:MODEL`` sets the model.
        callbacks: The application's functions, for the callback style.
        preprocess: Steps that the audio passes first.
        **options: Fields of the client's configuration, or ``config=`` as a whole.

    Raises:
        ConfigError: No such client, an unknown option, or a missing extra.
        UnsupportedError: An option that the client cannot honour.
    """
    make, config = _resolve(_ASR, name, options, "recogniser")
    return cast("AsrClient[Any]", make(config, callbacks, preprocess=preprocess))


def create_tts(name: str = "local", *, callbacks: Any = None, **options: Any) -> TtsClient[Any]:
    """A voice by name.

    Args:
        name: ``local``, ``modelstudio`` (or ``dashscope``) or ``azure``; ``NAME:MODEL`` sets the model.
        callbacks: The application's functions, for the callback style.
        **options: Fields of the client's configuration, or ``config=`` as a whole.

    Raises:
        ConfigError: No such client, an unknown option, or a missing extra.
        UnsupportedError: An option that the client cannot honour.
    """
    make, config = _resolve(_TTS, name, options, "voice")
    return cast("TtsClient[Any]", make(config, callbacks))


def _resolve(
    table: dict[str, tuple[str, str, str]], name: str, options: dict[str, Any], kind: str
) -> tuple[Any, BaseModel]:
    provider, _, model = name.partition(":")
    found = table.get(_ALIASES.get(provider, provider))
    if found is None:
        raise ConfigError(f"there is no {kind} named {name!r}; there are {', '.join(table)}")
    module, client, config_name = found
    make = getattr(import_module(f"voicewire.speech.{module}"), client)
    config_type: type[BaseModel] = getattr(import_module("voicewire.speech.config"), config_name)
    if isinstance(options.get("config"), config_type):
        return make, cast("BaseModel", options["config"])
    if model:
        options = {"model": model, **options}
    return make, configured(config_type, options, f"{kind} {name!r}")
