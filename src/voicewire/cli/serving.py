"""What ``voicewire serve`` is told of limits and web pages, from the command line and the environment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from voicewire.gateway.room_plan import RoomPlan
    from voicewire.gateway.settings import GatewaySettings
    from voicewire.models.model import RealtimeModel

KEYS_VARIABLE: Final = "VOICEWIRE_API_KEYS"

Host = Annotated[str, typer.Option(help="Address to listen on; other than this machine's own needs keys.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="A model to serve; may be given several times. Default: local."),
]
ApiKeys = Annotated[
    str | None, typer.Option("--api-keys", help=f"A file with one key a line (or {KEYS_VARIABLE}).")
]
AllowOrigin = Annotated[
    list[str] | None,
    typer.Option("--allow-origin", help="Origin of web pages that may use the gateway; several times."),
]
Limit = Annotated[
    list[str] | None,
    typer.Option("--limit", help="NAME=VALUE, such as max_session_s=600; several times."),
]
TlsSelfSigned = Annotated[
    str | None,
    typer.Option(help="Serve over TLS, with a certificate that is made and kept in this folder."),
]
RoomAgents = Annotated[
    list[str] | None,
    typer.Option("--room-agent", help="NAME=INSTRUCTIONS of an agent that is in every room; several times."),
]
Brain = Annotated[str | None, typer.Option(help="Brain of the local model: a GGUF file, or BASE_URL#MODEL.")]


def given_keys(file: str | None) -> tuple[str, ...]:
    """The API keys of this file, or else those of the environment.

    Raises:
        ConfigError: The file cannot be read, or holds no key.
    """
    from voicewire.gateway.auth import read_api_keys
    from voicewire.settings import get_settings

    if file:
        return read_api_keys(Path(file))
    return tuple(_listed(get_settings().secret("api_keys")))


def warm_up(models: Sequence[RealtimeModel]) -> list[Future[None]]:
    """Starts to load those of the models that run in this process."""
    if not any(model.name == "local" for model in models):
        return []
    from voicewire.engine.local import LocalRealtimeModel

    return [model.preload() for model in models if isinstance(model, LocalRealtimeModel)]


def room_plan(agents: Sequence[str]) -> RoomPlan | None:
    """The rooms with these agents; None for the gateway's own.

    Args:
        agents: Of the form ``NAME=INSTRUCTIONS``.

    Raises:
        ConfigError: One has no name, or two have the same.
    """
    from voicewire.gateway.room_plan import RoomAgent, RoomPlan

    return RoomPlan(agents=tuple(RoomAgent.parsed(text) for text in agents)) if agents else None


def gateway_settings(
    keys: Iterable[str], *, limits: Iterable[str] = (), origins: Iterable[str] = ()
) -> GatewaySettings:
    """The settings of a gateway; the command line counts for more than the environment.

    Args:
        keys: API keys.
        limits: Of the form ``NAME=VALUE``, with the names of `GatewaySettings`.
        origins: Origins of web pages.

    Raises:
        ConfigError: A name that is no limit, or a value that it cannot have.
    """
    from pydantic import ValidationError

    from voicewire.gateway.settings import GatewaySettings, limit_names
    from voicewire.settings import get_settings

    settings = get_settings()
    named = limit_names()
    given: dict[str, Any] = {}
    for entry in (*_listed(settings.limits), *limits):
        name, equals, value = entry.partition("=")
        if not equals or name.strip() not in named:
            raise ConfigError(f"{entry!r} is not a limit; write NAME=VALUE, with one of {', '.join(named)}")
        given[name.strip()] = value.strip()
    try:
        return GatewaySettings.model_validate(
            {
                **given,
                "api_keys": tuple(keys),
                "allowed_origins": tuple(origins) or tuple(_listed(settings.allowed_origins)),
                "signing_key": settings.secret("secret_key"),
            }
        )
    except ValidationError as error:
        # The values stay out: one of them may be a key in the wrong place.
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigError(f"wrong limit: {faults}") from None


def _listed(text: str | None) -> list[str]:
    return [entry.strip() for entry in (text or "").split(",") if entry.strip()]
