"""Web pages: those of the gateway itself and those on its list; no others."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from voicewire.errors import ConfigError
from voicewire.gateway import GatewaySettings, create_app
from voicewire.gateway.origins import OriginRule
from voicewire.models import create_model
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

APP = "https://app.example.org"
KEYS: tuple[tuple[SecretStr, ...], ...] = ((), (SecretStr("secret"),))


def scope(origin: str | None, host: str = "127.0.0.1:8080") -> dict[str, Any]:
    headers = [(b"host", host.encode())]
    return {"headers": headers if origin is None else [*headers, (b"origin", origin.encode("latin-1"))]}


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        (None, "127.0.0.1:8080", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://LOCALHOST:8080", "localhost:8080", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("https://voice.example.org", "voice.example.org", True),
        ("https://voice.example.org", "voice.example.org:443", True),
        ("http://localhost:3000", "localhost:8080", False),
        ("http://localhost:8080", "127.0.0.1:8080", False),
        ("https://evil.example", "127.0.0.1:8080", False),
        ("https://127.0.0.1:8080.evil.example", "127.0.0.1:8080", False),
        ("http://127.0.0.1:8080@evil.example", "127.0.0.1:8080", False),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080", False),
        ("http://127.0.0.1:99999", "127.0.0.1:99999", False),
        ("null", "127.0.0.1:8080", False),
        ("", "", False),
        ("file://", "", False),
        ("http://[oops", "[oops", False),
    ],
)
def test_the_same_origin_and_no_other(origin: str | None, host: str, is_allowed: bool) -> None:
    assert OriginRule().allows(scope(origin, host)) is is_allowed


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (APP, True),
        ("https://APP.example.org", True),
        ("https://app.example.org:443", True),
        ("http://app.example.org", False),
        ("https://app.example.org:8443", False),
        ("https://app.example.org.evil.example", False),
        ("null", False),
    ],
)
def test_the_list(origin: str, is_allowed: bool) -> None:
    assert OriginRule([f"{APP}/"]).allows(scope(origin)) is is_allowed


@pytest.mark.parametrize("entry", ["app.example.org", "https://", "https://app.example.org/page", "null", ""])
def test_an_entry_that_is_no_origin_is_refused(entry: str) -> None:
    with pytest.raises(ConfigError, match="not an origin"):
        OriginRule([entry])


def test_every_page_of_the_world_needs_a_key() -> None:
    with pytest.raises(ConfigError, match="without API keys"):
        create_app(create_model("echo"), settings=GatewaySettings(allowed_origins=("*",)))
    assert OriginRule(["*"]).allows(scope("https://evil.example"))


@pytest.mark.parametrize("keys", KEYS, ids=["open", "with keys"])
@pytest.mark.parametrize("path", ["/v1/realtime", "/ws/user1/session1", "/voice"])
async def test_every_door_looks_at_the_origin_with_and_without_keys(
    path: str, keys: tuple[SecretStr, ...]
) -> None:
    settings = GatewaySettings(api_keys=keys, allowed_origins=(APP,), drain_s=0.0)
    async with serve("echo", settings=settings) as gateway:
        for origin, is_allowed in (
            (APP, True), (gateway.http_url, True), ("https://evil.example", False), ("null", False),
        ):  # fmt: skip
            headers = {"Authorization": "Bearer secret", "Origin": origin}
            if is_allowed:
                async with connect(gateway.ws_url + path, additional_headers=headers):
                    pass
                continue
            with pytest.raises(InvalidStatus) as refused:
                async with connect(gateway.ws_url + path, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 403


async def test_cors_headers_are_for_listed_origins_only() -> None:
    settings = GatewaySettings(api_keys=(SecretStr("secret"),), allowed_origins=(APP,), drain_s=0.0)
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    async with serve("echo", settings=settings) as gateway, httpx.AsyncClient() as client:
        url, key = f"{gateway.http_url}/v1/realtime/client_secrets", {"authorization": "Bearer secret"}
        preflight = await client.options(url, headers={**asks, "origin": APP})
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, APP)
        made = await client.post(url, headers={**key, "origin": APP}, json={})
        assert (made.status_code, made.headers["access-control-allow-origin"]) == (200, APP)
        foreign = await client.options(url, headers={**asks, "origin": "https://evil.example"})
        assert foreign.status_code == 400 and "access-control-allow-origin" not in foreign.headers
        refused = await client.post(url, headers={**key, "origin": "https://evil.example"}, json={})
        assert refused.status_code == 403 and "access-control-allow-origin" not in refused.headers
    async with serve("echo") as gateway, httpx.AsyncClient() as client:
        plain = await client.get(f"{gateway.http_url}/v1/models", headers={"origin": gateway.http_url})
        assert plain.status_code == 200 and "access-control-allow-origin" not in plain.headers


async def test_a_rebound_name_is_refused_even_for_its_own_page() -> None:
    async with serve("echo") as gateway, httpx.AsyncClient() as client:
        headers = {"host": "rebound.example:8080", "origin": "http://rebound.example:8080"}
        assert (await client.get(f"{gateway.http_url}/v1/models", headers=headers)).status_code == 403
