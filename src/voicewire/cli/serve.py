"""``voicewire serve``: the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from voicewire.cli.common import command, console
from voicewire.errors import ConfigError

KEYS_VARIABLE: Final = "VOICEWIRE_API_KEYS"


@command
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than this machine's own needs keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8080,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model to serve; may be given several times. Default: local."),
    ] = None,
    api_keys: Annotated[
        str | None, typer.Option("--api-keys", help=f"A file with one key a line (or {KEYS_VARIABLE}).")
    ] = None,
    tls_self_signed: Annotated[
        str | None,
        typer.Option(help="Serve over TLS, with a certificate that is made and kept in this folder."),
    ] = None,
    brain: Annotated[
        str | None, typer.Option(help="Brain of the local model: a GGUF file, or BASE_URL#MODEL.")
    ] = None,
) -> None:
    """Serve models on the protocols of OpenAI and Gemini."""
    from voicewire.cli.opening import make_model
    from voicewire.settings import get_settings

    models = [make_model(name, brain=brain if name == "local" else None) for name in model or ["local"]]
    if brain and "local" not in (model or ["local"]):
        raise ConfigError("--brain belongs to the model 'local'; add --model local or leave it out")
    try:
        from voicewire.gateway.auth import read_api_keys
        from voicewire.gateway.server import serve as serve_models
        from voicewire.gateway.settings import GatewaySettings
        from voicewire.gateway.tls import self_signed
    except ImportError as error:
        raise ConfigError(
            f"the gateway is not installed ({error}); run `pip install 'voicewire[gateway]'`"
        ) from error
    keys: tuple[str, ...] = ()
    if api_keys:
        keys = read_api_keys(Path(api_keys))
    elif listed := get_settings().secret("api_keys"):
        keys = tuple(key.strip() for key in listed.split(",") if key.strip())

    tls = self_signed(tls_self_signed, host) if tls_self_signed else None

    def announce(url: str) -> None:
        console().print(f"listening on {url}", soft_wrap=True)
        console().print(f"models: {', '.join(served.name for served in models)}", soft_wrap=True)
        console().print(f"OpenAI clients: base URL {url}/v1", soft_wrap=True)
        if tls is None:
            console().print(
                f"Gemini clients: base URL {url} (official ones need --tls-self-signed)", soft_wrap=True
            )
        else:
            shown = f"GOOGLE_GEMINI_BASE_URL={url} SSL_CERT_FILE={tls.certificate}"
            console().print(f"Gemini clients: {shown}", soft_wrap=True)

    settings = GatewaySettings.model_validate({"api_keys": keys})
    serve_models(models, host=host, port=port, settings=settings, on_ready=announce, tls=tls)
