"""The page over HTTP: its files, their headers, and who may have them."""

from __future__ import annotations

import re

import httpx
import pytest
from pydantic import SecretStr

from voicewire.gateway import GatewaySettings
from voicewire.gateway.pages import content_security_policy, page_files
from voicewire.testing import serve

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

LOCKED = GatewaySettings(api_keys=(SecretStr("good-key"),), drain_s=0.0)


async def test_every_file_has_its_type_its_policy_and_its_tag() -> None:
    async with serve("echo") as gateway, httpx.AsyncClient(base_url=gateway.http_url) as client:
        for path in ["/", *(f"/page/{name}" for name in page_files())]:
            answer = await client.get(path)
            assert answer.status_code == 200
            suffix = "html" if path == "/" else path.rpartition(".")[2]
            kind = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[
                suffix
            ]
            assert answer.headers["content-type"].startswith(kind)
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "microphone=(self)" in answer.headers["permissions-policy"]
            assert answer.headers["cache-control"] == "no-cache"
            again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")


async def test_the_page_loads_nothing_from_elsewhere_and_holds_no_inline_code() -> None:
    for name, file in page_files().items():
        text = file.body.decode()
        assert not re.search(r"""(?:src|href|import|from|url)\s*[=(]?\s*["']?(?:https?:)?//""", text), name
        assert "innerHTML" not in text
        assert "insertAdjacentHTML" not in text
        if name.endswith(".html"):
            assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=", text)
            for reference in re.findall(r'(?:src|href)="page/([^"]+)"', text):
                assert reference in page_files()


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/none.js",
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/worklets",
        "/page//etc/passwd",
    ],
)
async def test_a_path_that_names_no_file_of_the_page_finds_nothing(path: str) -> None:
    async with serve("echo") as gateway, httpx.AsyncClient(base_url=gateway.http_url) as client:
        assert (await client.get(path)).status_code == 404


async def test_the_configuration_tells_the_models() -> None:
    async with serve("echo") as gateway, httpx.AsyncClient(base_url=gateway.http_url) as client:
        answer = await client.get("/page/config.json")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["models"] == [
            {
                "id": "echo",
                "voices": [],
                "turn_detection": ["server_vad", "semantic_vad", "none"],
                "input_rate_hz": 24000,
                "speaks": True,
                "takes_images": True,
            }
        ]


async def test_with_keys_the_page_is_for_everybody_and_the_models_are_not() -> None:
    async with (
        serve("echo", settings=LOCKED) as gateway,
        httpx.AsyncClient(base_url=gateway.http_url) as client,
    ):
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/page/config.json")).status_code == 401
        bearer = {"authorization": "Bearer good-key"}
        assert (await client.get("/page/config.json", headers=bearer)).status_code == 200


async def test_without_keys_a_rebound_name_gets_no_page() -> None:
    async with serve("echo") as gateway, httpx.AsyncClient(base_url=gateway.http_url) as client:
        for path in ("/", "/page/main.js", "/page/config.json"):
            assert (await client.get(path, headers={"host": "evil.example"})).status_code == 403


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1:8080", "'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080;"),
        ("[::1]:8080", "'self' ws://[::1]:8080 wss://[::1]:8080;"),
        ("voice.example", "'self' ws://voice.example wss://voice.example;"),
        ("a; script-src *", "connect-src 'self';"),
        ("a b", "connect-src 'self';"),
        ("", "connect-src 'self';"),
    ],
)
def test_a_host_cannot_write_its_own_policy(host: str, words: str) -> None:
    policy = content_security_policy(host)
    assert words in policy
    assert policy.count("script-src") == 1
