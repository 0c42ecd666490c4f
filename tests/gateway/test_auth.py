"""Keys wherever clients put them, and who may come in without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voicewire.errors import ConfigError
from voicewire.gateway.auth import KeyRing, is_from_this_machine, is_loopback, presented_keys, read_api_keys

pytestmark = pytest.mark.unit


def scope(
    *headers: tuple[str, str], query: str = "", subprotocols: tuple[str, ...] = (), client: str = "127.0.0.1"
) -> dict[str, Any]:
    return {
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "query_string": query.encode(),
        "subprotocols": list(subprotocols),
        "client": (client, 5000),
    }


@pytest.mark.parametrize(
    "request_scope",
    [
        scope(("Authorization", "Bearer secret")),
        scope(("authorization", "bearer secret")),
        scope(("api-key", "secret")),
        scope(("x-goog-api-key", "secret")),
        scope(("Ocp-Apim-Subscription-Key", "secret")),
        scope(query="model=echo&key=secret"),
        scope(query="api-key=secret"),
        scope(query="Authorization=Bearer%20secret"),
        scope(subprotocols=("realtime", "openai-insecure-api-key.secret", "openai-beta.realtime-v1")),
    ],
)
def test_a_key_is_found_wherever_clients_put_theirs(request_scope: dict[str, Any]) -> None:
    assert presented_keys(request_scope) == ["secret"]
    assert KeyRing(["other", "secret"]).accepts(presented_keys(request_scope))
    assert not KeyRing(["Secret"]).accepts(presented_keys(request_scope))


@pytest.mark.parametrize("header", ["Basic secret", "Bearer", "secret", ""])
def test_what_is_no_bearer_token_opens_nothing(header: str) -> None:
    assert not KeyRing(["secret", " "]).accepts(presented_keys(scope(("authorization", header))))


def test_a_key_ring_shows_no_key() -> None:
    ring = KeyRing(["secret"])
    assert "secret" not in repr(ring)
    assert not KeyRing([])
    assert not KeyRing([]).accepts(["", "secret"])


def test_a_key_file_has_one_key_a_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# team\nfirst\n\n  second  \n")
    assert read_api_keys(path) == ("first", "second")


def test_a_key_file_without_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing\n")
    with pytest.raises(ConfigError, match="holds no API key"):
        read_api_keys(tmp_path / "empty")
    with pytest.raises(ConfigError, match="cannot read"):
        read_api_keys(tmp_path / "absent")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "::1", "[::1]", "127.8.8.8", "a.localhost"]
)
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.org", "localhost.example.org"])
def test_other_hosts(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("request_scope", "is_trusted"),
    [
        (scope(("host", "127.0.0.1:8080")), True),
        (scope(("host", "[::1]:8080"), client="::1"), True),
        (scope(("host", "rebound.example:8080")), False),
        (scope(("host", "127.0.0.1:8080"), client="10.0.0.2"), False),
        (scope(("host", "[oops")), False),
    ],
)
def test_without_keys_only_this_machine_is_served(request_scope: dict[str, Any], is_trusted: bool) -> None:
    assert is_from_this_machine(request_scope) is is_trusted
