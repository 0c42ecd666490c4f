"""Models by name. A provider's module is loaded when its name is asked for, never before."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from voicewire.errors import ConfigError, UnknownModelError
from voicewire.models.model import RealtimeModel


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One kind of model that can be created by name."""

    prefix: str
    """The name, or what stands before the colon."""
    home: str
    """``module:Class``, loaded on demand."""
    argument: str = ""
    """What stands after the colon, empty when nothing may."""
    is_argument_optional: bool = False
    default_setting: str = ""
    """Setting that holds the argument when it is left out."""
    default_argument: str = ""
    """The argument when neither the name nor the setting holds one."""
    needs: str = ""
    """The environment variable that must hold a key, empty for none."""
    summary: str = ""
    """One line for lists."""
    has_capabilities: bool = True
    """Whether its capabilities are known without its argument."""

    @property
    def pattern(self) -> str:
        """The name as the documentation writes it, such as ``openai:MODEL``."""
        return f"{self.prefix}:{self.argument}" if self.argument else self.prefix


_ENTRIES = (
    ModelEntry(
        prefix="local",
        home="voicewire.engine.local:LocalRealtimeModel",
        summary="the embedded engine: no key, no internet, this machine's CPU",
    ),
    ModelEntry(
        prefix="echo",
        home="voicewire.models.echo:EchoRealtimeModel",
        summary="deterministic: says back what it was told",
    ),
    ModelEntry(
        prefix="scripted",
        home="voicewire.models.scripted:ScriptedRealtimeModel",
        argument="FILE",
        summary="plays a conversation from a file",
    ),
    ModelEntry(
        prefix="openai",
        home="voicewire.models.openai:OpenAIRealtimeModel",
        argument="MODEL",
        is_argument_optional=True,
        default_setting="openai_model",
        default_argument="gpt-realtime",
        needs="OPENAI_API_KEY",
        summary="OpenAI, or a server that speaks its wire (OPENAI_BASE_URL)",
    ),
    ModelEntry(
        prefix="azure",
        home="voicewire.models.azure:AzureOpenAIRealtimeModel",
        argument="DEPLOYMENT",
        is_argument_optional=True,
        default_setting="azure_openai_deployment",
        needs="AZURE_OPENAI_API_KEY",
        summary="Azure OpenAI deployment (AZURE_OPENAI_ENDPOINT)",
    ),
    ModelEntry(
        prefix="voicelive",
        home="voicewire.models.voicelive:VoiceLiveRealtimeModel",
        argument="MODEL",
        is_argument_optional=True,
        default_argument="gpt-realtime",
        needs="AZURE_VOICELIVE_API_KEY",
        summary="Azure Voice Live (AZURE_VOICELIVE_ENDPOINT)",
    ),
    ModelEntry(
        prefix="xai",
        home="voicewire.models.xai:XAIRealtimeModel",
        argument="MODEL",
        is_argument_optional=True,
        default_argument="grok-voice-latest",
        needs="XAI_API_KEY",
        summary="xAI's voice models (XAI_BASE_URL)",
    ),
    ModelEntry(
        prefix="gemini",
        home="voicewire.models.gemini:GeminiRealtimeModel",
        argument="MODEL",
        is_argument_optional=True,
        default_argument="gemini-3.8-live",
        needs="GEMINI_API_KEY",
        summary="Gemini Live, or a server that speaks its wire (GEMINI_BASE_URL)",
    ),
    ModelEntry(
        prefix="dashscope",
        home="voicewire.models.dashscope:DashScopeRealtimeModel",
        argument="MODEL",
        is_argument_optional=True,
        default_argument="qwen3.5-omni-plus-realtime",
        needs="DASHSCOPE_API_KEY",
        summary="Qwen models of DashScope (DASHSCOPE_WEBSOCKET_BASE_URL)",
    ),
    ModelEntry(
        prefix="cassette",
        home="voicewire.testing.cassette_model:CassetteRealtimeModel",
        argument="FILE",
        summary="a recorded session, played back as its provider (made with --record)",
        has_capabilities=False,
    ),
)


_LINK_OPTIONS = frozenset({"reconnect", "keepalive", "wrap", "record", "record_audio"})
"""Options of every model behind a wire: see ``LinkedModel.set_link``."""
_RECORD_OPTIONS = frozenset({"record", "record_audio"})
"""Options of every other model as well: see ``RecordedModel``."""


def model_entries() -> tuple[ModelEntry, ...]:
    """Every kind of model that `create_model` knows, in the order of the documentation."""
    return _ENTRIES


def create_model(name: str, **options: Any) -> RealtimeModel:
    """Creates a model by name; nothing is opened or loaded beyond its module.

    Args:
        name: ``local``, ``echo``, ``scripted:FILE``, ``openai:MODEL``, ``azure:DEPLOYMENT``,
            ``voicelive:MODEL``, ``xai:MODEL``, ``gemini:MODEL``, ``dashscope:MODEL``, ``cassette:FILE``.
        options: Keyword arguments of the model's class, such as ``api_key`` or ``base_url``; and, for every model
            behind a wire, those of ``set_link``, such as ``reconnect``, ``keepalive`` and ``record``.

    Raises:
        UnknownModelError: No such model; the message says which there are.
        ConfigError: The name lacks its argument, an option is not one of this model's, or what the model
            needs is not installed.
    """
    entry, argument = _looked_up(name)
    model_class = _loaded(entry)
    arguments = (argument,) if entry.argument else ()
    set_link = getattr(model_class, "set_link", None)
    taken = _LINK_OPTIONS if set_link is not None else _RECORD_OPTIONS
    link = {key: options.pop(key) for key in taken & options.keys()}
    if entry.prefix == "cassette":
        options |= link
        link = {}
    try:
        inspect.signature(model_class).bind(*arguments, **options)
    except TypeError as error:
        raise ConfigError(f"model {name!r}: {error}; see the arguments of {model_class.__name__}") from error
    model = model_class(*arguments, **options)
    if set_link is not None and link:
        set_link(model, **link)
    elif link.get("record") is not None:
        from voicewire.models.recorded import RecordedModel

        return RecordedModel(model, **link)
    return model


def _looked_up(name: str) -> tuple[ModelEntry, str]:
    prefix, colon, argument = name.strip().partition(":")
    entry = next((entry for entry in _ENTRIES if entry.prefix == prefix), None)
    if entry is None:
        raise UnknownModelError(_unknown(name, prefix))
    if not entry.argument:
        if colon:
            raise UnknownModelError(
                f"model {name!r}: {prefix!r} takes nothing after it; write {entry.pattern!r}"
            )
        return entry, ""
    if not argument and entry.default_setting:
        from voicewire.settings import get_settings

        argument = getattr(get_settings(), entry.default_setting) or ""
    argument = argument or entry.default_argument
    if not argument and not entry.is_argument_optional:
        raise ConfigError(f"model {name!r} lacks its {entry.argument.lower()}; write {entry.pattern!r}")
    return entry, argument


def _unknown(name: str, prefix: str) -> str:
    known = ", ".join(entry.pattern for entry in _ENTRIES)
    close = difflib.get_close_matches(prefix.lower(), [entry.prefix for entry in _ENTRIES], n=1, cutoff=0.7)
    if close:
        pattern = next(entry.pattern for entry in _ENTRIES if entry.prefix == close[0])
        hint = f"; did you mean {pattern!r}?"
    elif prefix.lower().startswith(("gpt-", "gpt4")):
        hint = f"; did you mean 'openai:{prefix}'?"
    else:
        hint = ""
    return (
        f"there is no model {name!r}{hint} The models are: {known}"
        if hint
        else (f"there is no model {name!r}; the models are: {known}")
    )


def _loaded(entry: ModelEntry) -> Callable[..., RealtimeModel]:
    module_name, _, class_name = entry.home.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"model {entry.prefix!r} needs the package {error.name!r}, which is not installed; "
            "install voicewire with the extra that brings it (voicewire[all])"
        ) from error
    return cast("Callable[..., RealtimeModel]", getattr(module, class_name))
