"""``voicewire serve``: the gateway."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicewire.cli.common import command, console
from voicewire.cli.serving import (
    AllowOrigin,
    ApiKeys,
    Brain,
    Host,
    Limit,
    Models,
    Port,
    RoomAgents,
    TlsSelfSigned,
    gateway_settings,
    given_keys,
    room_plan,
    warm_up,
)
from voicewire.cli.watching import (
    CassetteAudio,
    CassetteFolder,
    DrainS,
    Otel,
    Record,
    RecordDays,
    RecordMaxGb,
    keepers,
    watchers,
)
from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from voicewire.models.model import RealtimeModel


class Style(str, Enum):
    """How the log is written."""

    text = "text"
    json = "json"


@command
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    model: Models = None,
    api_keys: ApiKeys = None,
    allow_origin: AllowOrigin = None,
    limit: Limit = None,
    log_format: Annotated[
        Style, typer.Option("--log-format", help="How the log is written to standard error.")
    ] = Style.text,
    record: Record = None,
    cassettes: CassetteFolder = None,
    cassette_audio: CassetteAudio = True,
    record_days: RecordDays = None,
    record_max_gb: RecordMaxGb = None,
    drain_s: DrainS = None,
    otel: Otel = False,
    tls_self_signed: TlsSelfSigned = None,
    brain: Brain = None,
    room_agent: RoomAgents = None,
) -> None:
    """Serve models on the protocols of OpenAI and Gemini."""
    from voicewire.cli.opening import make_model

    models = [make_model(name, brain=brain if name == "local" else None) for name in model or ["local"]]
    if brain and "local" not in (model or ["local"]):
        raise ConfigError("--brain belongs to the model 'local'; add --model local or leave it out")
    try:
        from voicewire.gateway.logs import log_to
        from voicewire.gateway.server import serve as serve_models
        from voicewire.gateway.tls import self_signed
    except ImportError as error:
        raise ConfigError(
            f"the gateway is not installed ({error}); run `pip install 'voicewire[gateway]'`"
        ) from error
    tls = self_signed(tls_self_signed, host) if tls_self_signed else None
    limits = [*(limit or ()), *([] if drain_s is None else [f"drain_s={drain_s}"])]
    settings = gateway_settings(given_keys(api_keys), limits=limits, origins=allow_origin or ())
    recordings, tapes = keepers(
        record, cassettes, keeps_audio=cassette_audio, days=record_days, max_gb=record_max_gb
    )
    with log_to(sys.stderr, log_format.value):
        serve_models(
            models,
            host=host,
            port=port,
            settings=settings,
            on_ready=lambda url: _announce(url, models, None if tls is None else tls.certificate),
            tls=tls,
            observers=watchers(is_traced=otel),
            recordings=recordings,
            cassettes=tapes,
            rooms=room_plan(room_agent or ()),
            warm_up=lambda: warm_up(models),
        )


def _announce(url: str, models: list[RealtimeModel], certificate: Path | None) -> None:
    console().print(f"listening on {url}", soft_wrap=True)
    console().print(f"models: {', '.join(served.name for served in models)}", soft_wrap=True)
    console().print(f"OpenAI clients: base URL {url}/v1", soft_wrap=True)
    shown = f"base URL {url} (official ones need --tls-self-signed)"
    if certificate is not None:
        shown = f"GOOGLE_GEMINI_BASE_URL={url} SSL_CERT_FILE={certificate}"
    console().print(f"Gemini clients: {shown}", soft_wrap=True)
