"""The application: pages, models, who is let in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from voicewire.errors import ConfigError, OutOfCapacity
from voicewire.gateway import GatewaySettings, create_app
from voicewire.gateway.admission import Admission

from .fakes import FakeModel

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


def models(*names: str) -> list[FakeModel]:
    return [FakeModel(name=name) for name in names]


async def get(app: Any, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(path, headers=headers)


async def test_models_are_listed_in_the_shape_of_the_wire() -> None:
    listed = (await get(create_app(models("local", "echo")), "/v1/models")).json()
    assert listed["object"] == "list"
    assert [(entry["id"], entry["object"]) for entry in listed["data"]] == [
        ("local", "model"),
        ("echo", "model"),
    ]


async def test_health_needs_no_key_and_models_do() -> None:
    app = create_app(models("echo"), settings=GatewaySettings(api_keys=(SecretStr("secret"),)))
    assert (await get(app, "/healthz")).status_code == 200
    refused = await get(app, "/v1/models")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert (await get(app, "/v1/models", authorization="Bearer secret")).status_code == 200


async def test_a_foreign_page_is_refused_where_there_are_no_keys() -> None:
    refused = await get(create_app(models("echo")), "/v1/models", origin="https://evil.example")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")


async def test_readiness_ends_with_the_drain() -> None:
    app = create_app(models("echo"), settings=GatewaySettings(max_sessions=3))
    ready = await get(app, "/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "sessions": 0, "max_sessions": 3})
    app.state.admission.draining.set()
    draining = await get(app, "/readyz")
    assert (draining.status_code, draining.json()["status"]) == (503, "draining")


@pytest.mark.parametrize("names", [(), ("echo", "echo")])
def test_a_gateway_needs_models_with_names_of_their_own(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="each with its own name"):
        create_app(models(*names))


def test_the_settings_show_no_key() -> None:
    assert "secret" not in repr(GatewaySettings(api_keys=(SecretStr("secret"),)))


async def test_admission_counts_and_refuses() -> None:
    admission = Admission(2)
    with admission.session(), admission.session():
        assert admission.session_count == 2
        with pytest.raises(OutOfCapacity, match="all 2 sessions"), admission.session():
            pass
    assert admission.session_count == 0
    await admission.wait_until_empty()
    admission.draining.set()
    with pytest.raises(OutOfCapacity, match="shutting down"), admission.session():
        pass
