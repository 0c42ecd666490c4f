"""Client secrets: what they open, for how long, and what is none."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.speech.door_frames import AZURE_TTS, TASK, run_task, ssml
from voicewire.errors import AuthError, ConfigError, InvalidEventError
from voicewire.gateway import GatewaySettings
from voicewire.gateway.auth import KeyRing
from voicewire.gateway.bound_session import bound_config
from voicewire.gateway.client_secrets import MAX_SECRET_CHARS, SecretMint, looks_like_one
from voicewire.gateway.secret_door import MAX_BODY_BYTES, SECRETS_PATH
from voicewire.gateway.visitors import Lock, Visitor
from voicewire.models import create_model
from voicewire.testing import ServedGateway, serve

from .fakes import FakeConnection, FakeModel

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

KEY = "a-real-key"
SIGNING_KEY = "0123456789abcdef0123456789abcdef"
SESSION = {
    "type": "realtime",
    "model": "echo",
    "instructions": "Be brief.",
    "audio": {"output": {"voice": "ash"}},
}


def locked(**limits: Any) -> GatewaySettings:
    return GatewaySettings(
        api_keys=(SecretStr(KEY),), signing_key=SecretStr(SIGNING_KEY), drain_s=0.0, **limits
    )


async def post(gateway: ServedGateway, body: object, *, key: str = KEY, raw: bytes = b"") -> httpx.Response:
    content = raw or json.dumps(body).encode()
    async with httpx.AsyncClient() as client:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        return await client.post(gateway.http_url + SECRETS_PATH, content=content, headers=headers)


async def session_created(url: str, **options: Any) -> dict[str, Any]:
    """The session that a connection begins with."""
    async with connect(url, **options) as socket:
        with anyio.fail_after(10):
            event: dict[str, Any] = json.loads(await socket.recv())
        assert event["type"] == "session.created"
        session: dict[str, Any] = event["session"]
        return session


async def test_a_secret_opens_sessions_that_are_configured_by_it_wherever_it_is_shown() -> None:
    async with serve("echo", settings=locked()) as gateway:
        answer = await post(
            gateway, {"session": SESSION, "expires_after": {"anchor": "created_at", "seconds": 10}}
        )
        made = answer.json()
        assert answer.status_code == 200 and made["value"].startswith("ek_")
        assert made["session"]["instructions"] == "Be brief."
        url, secret = f"{gateway.ws_url}/v1/realtime", made["value"]
        for options in (
            {"additional_headers": {"Authorization": f"Bearer {secret}"}},
            {"additional_headers": {"api-key": secret}},
            {"subprotocols": [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{secret}")]},
        ):
            session = await session_created(url, **options)
            assert (session["instructions"], session["audio"]["output"]["voice"]) == ("Be brief.", "ash")
            assert session["model"] == "echo"
        assert (await session_created(f"{url}?api-key={secret}"))["instructions"] == "Be brief."


async def test_the_model_of_the_secret_counts_for_more_than_the_address() -> None:
    expensive = FakeModel(FakeConnection(), name="expensive")
    async with serve([create_model("echo"), expensive], settings=locked()) as gateway:
        secret = (await post(gateway, {"session": SESSION})).json()["value"]
        headers = {"Authorization": f"Bearer {secret}"}
        session = await session_created(
            f"{gateway.ws_url}/v1/realtime?model=expensive", additional_headers=headers
        )
        assert session["model"] == "echo"
        async with connect(f"{gateway.ws_url}/ws/u/s", additional_headers=headers) as socket:
            await socket.send('{"type": "client_session_create", "config": {"model": "expensive"}}')
            with anyio.fail_after(10):
                assert json.loads(await socket.recv())["type"] == "agent_ready"
        async with connect(f"{gateway.ws_url}/voice?model=expensive", additional_headers=headers) as socket:
            await socket.send('{"text": "hi"}')
            with anyio.fail_after(10):
                words: dict[str, Any] = {}
                while not (words.get("final") and words["role"] == "assistant"):
                    frame = await socket.recv()
                    words = json.loads(frame) if isinstance(frame, str) else {}
            assert words["text"] == "You said: hi"
        for path, begin in (
            (TASK, run_task("tts", model="expensive")),
            (f"{AZURE_TTS}?deploymentId=expensive", ssml("<speak>hi</speak>")),
        ):
            async with connect(gateway.ws_url + path, additional_headers=headers) as socket:
                await socket.send(begin)
                with anyio.fail_after(10):
                    first = str(await socket.recv())
            assert "task-started" in first or "Path:turn.start" in first, first


async def test_a_transcription_session() -> None:
    async with serve("echo", settings=locked()) as gateway:
        made = (await post(gateway, {"session": {"type": "transcription"}})).json()
        assert made["session"]["object"] == "realtime.transcription_session"
        headers = {"Authorization": f"Bearer {made['value']}"}
        session = await session_created(f"{gateway.ws_url}/v1/realtime", additional_headers=headers)
        assert session["type"] == "transcription"


async def test_every_process_with_the_signing_key_accepts_the_secret() -> None:
    async with serve("echo", settings=locked()) as one, serve("echo", settings=locked()) as other:
        secret = (await post(one, {})).json()["value"]
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await session_created(f"{other.ws_url}/v1/realtime", additional_headers=headers))["id"]


def _forged() -> str:
    claims = {"iss": "voicewire", "aud": "voicewire.realtime", "iat": 0, "exp": 2**40, "jti": "x", "key": "k"}
    return "ek_" + jwt.encode(
        {**claims, "session": "e30="}, "another key of thirty-two bytes..", algorithm="HS256"
    )


BAD_SECRETS: dict[str, Callable[[str], str]] = {
    "expired": lambda key_id: SecretMint(SIGNING_KEY, now_s=lambda: 0).make({}, key_id=key_id, lifetime_s=10)[
        0
    ],
    "forged": lambda _: _forged(),
    "another server's": lambda key_id: SecretMint().make({}, key_id=key_id, lifetime_s=600)[0],
    "of a key that is gone": lambda _: SecretMint(SIGNING_KEY).make({}, key_id="gone", lifetime_s=600)[0],
    "of a server without keys": lambda _: SecretMint(SIGNING_KEY).make({}, key_id="", lifetime_s=600)[0],
    "nonsense": lambda _: "ek_nonsense",
    "empty": lambda _: "ek_",
    "a huge one": lambda _: "ek_" + "x" * 5000,
}


@pytest.mark.parametrize("bad", BAD_SECRETS)
async def test_what_is_no_valid_secret_opens_nothing_and_is_logged_once(
    bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    key_id = KeyRing([KEY]).key_id_of([KEY])
    assert key_id is not None
    secret = BAD_SECRETS[bad](key_id)
    with caplog.at_level(logging.DEBUG, "voicewire"):
        async with serve("echo", settings=locked()) as gateway:
            with pytest.raises(InvalidStatus) as refused:
                await session_created(
                    f"{gateway.ws_url}/v1/realtime", additional_headers={"Authorization": f"Bearer {secret}"}
                )
    response = refused.value.response
    assert response.status_code == 401
    assert json.loads(response.body or b"")["error"]["code"] == "invalid_api_key"
    lines = [record for record in caplog.records if record.name.startswith("voicewire")]
    assert [record.message for record in lines] == ["connection refused"]
    assert not [record for record in lines if len(secret) > 3 and secret in str(vars(record))]


def _tampered(part: int) -> str:
    parts = SecretMint(SIGNING_KEY).make({"type": "realtime"}, key_id="", lifetime_s=600)[0].split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    return ".".join(parts)


@pytest.mark.parametrize(
    "claims", [{"aud": "other"}, {"iss": "other"}, {"aud": None}, {"exp": "soon"}, {"session": 7}]
)
def test_a_token_of_ours_for_something_else_is_none(claims: dict[str, Any]) -> None:
    mint = SecretMint(SIGNING_KEY)
    good = mint.make({}, key_id="", lifetime_s=600)[0]
    known = jwt.decode(good[3:], options={"verify_signature": False})
    other = {name: value for name, value in {**known, **claims}.items() if value is not None}
    with pytest.raises(AuthError):
        mint.read("ek_" + jwt.encode(other, mint._key, algorithm="HS256"))  # pyright: ignore[reportPrivateUsage]


def test_a_token_without_a_signature_is_none() -> None:
    mint = SecretMint(SIGNING_KEY)
    known = jwt.decode(mint.make({}, key_id="", lifetime_s=600)[0][3:], options={"verify_signature": False})
    with pytest.raises(AuthError):
        mint.read("ek_" + jwt.encode(known, "", algorithm="none"))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_character_anywhere_is_a_forgery(part: int) -> None:
    with pytest.raises(AuthError, match="not one of this server's"):
        SecretMint(SIGNING_KEY).read(_tampered(part))


@given(st.text(max_size=300))
def test_any_text_at_all_is_refused_and_nothing_else_happens(text: str) -> None:
    for secret in (text, f"ek_{text}", f"ek_{text}.{text}.{text}"):
        with pytest.raises(AuthError):
            SecretMint(SIGNING_KEY).read(secret)


def test_a_secret_lasts_as_long_as_it_says() -> None:
    now_s = [1000.0]
    mint = SecretMint(now_s=lambda: now_s[0])
    secret, expires_at = mint.make(SESSION, key_id="k", lifetime_s=10)
    assert (expires_at, looks_like_one(secret)) == (1010, True)
    for now_s[0] in (1000.0, 1009.9):
        found = mint.read(secret)
        assert (found.session, found.key_id, found.expires_at) == (SESSION, "k", 1010)
        assert "brief" not in repr(found)
    now_s[0] = 1010.0
    with pytest.raises(AuthError, match="expired"):
        mint.read(secret)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"expires_after": {"anchor": "created_at", "seconds": 9}}, "invalid_value"),
        ({"expires_after": {"anchor": "created_at", "seconds": 7201}}, "invalid_value"),
        ({"expires_after": {"anchor": "now", "seconds": 60}}, "invalid_value"),
        ({"session": {"type": "realtime", "bogus": 1}}, "unknown_parameter"),
        ({"session": {"instructions": "hi"}}, "missing_required_parameter"),
        ({"session": []}, "invalid_value"),
        ({"bogus": 1}, "invalid_value"),
        ([], "invalid_value"),
        (
            {"session": {"type": "realtime", "instructions": "".join(map(chr, range(33, 20_000)))}},
            "invalid_value",
        ),
    ],
)
async def test_a_wrong_wish_is_refused_in_the_words_of_the_wire(body: object, code: str) -> None:
    async with serve("echo", settings=locked()) as gateway:
        answer = await post(gateway, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_broken_and_huge_bodies_are_refused() -> None:
    async with serve("echo", settings=locked()) as gateway:
        assert (await post(gateway, None, raw=b"{")).json()["error"]["code"] == "invalid_json"
        assert (await post(gateway, None, raw=b'{"session":' * 20_000)).json()["error"][
            "code"
        ] == "invalid_json"
        assert (await post(gateway, None, raw=b" " * (MAX_BODY_BYTES + 1))).status_code == 413
        assert (await post(gateway, {"session": None, "expires_after": None})).status_code == 200


async def test_only_a_key_makes_secrets() -> None:
    async with serve("echo", settings=locked()) as gateway:
        secret = (await post(gateway, {})).json()["value"]
        for key in ("wrong", secret):
            answer = await post(gateway, {}, key=key)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        async with httpx.AsyncClient() as client:
            assert (await client.post(gateway.http_url + SECRETS_PATH, json={})).status_code == 401


async def test_an_open_gateway_makes_secrets_and_knows_a_forged_one() -> None:
    async with serve("echo") as gateway:
        made = (await post(gateway, {"session": SESSION}, key="whatever")).json()
        url = f"{gateway.ws_url}/v1/realtime"
        headers = {"Authorization": f"Bearer {made['value']}"}
        assert (await session_created(url, additional_headers=headers))["instructions"] == "Be brief."
        with pytest.raises(InvalidStatus) as refused:
            await session_created(url, additional_headers={"Authorization": f"Bearer {_forged()}"})
        assert refused.value.response.status_code == 401
        # What other programs call their keys is theirs; without keys nobody is asked for one.
        assert await session_created(url, additional_headers={"Authorization": "Bearer ek_somebody"})


def test_a_secret_goes_with_the_key_that_made_it() -> None:
    mint, ring = SecretMint(), KeyRing(["one", "two"])
    key_id = ring.key_id_of(["two"])
    assert key_id is not None
    secret = mint.make({}, key_id=key_id, lifetime_s=600)[0]
    scope = {"headers": [(b"authorization", f"Bearer {secret}".encode())]}
    found = Lock(ring, mint=mint).visitor(scope)
    assert isinstance(found, Visitor) and found.key_id == key_id
    refused = Lock(KeyRing(["one"]), mint=mint).visitor(scope)
    assert isinstance(refused, tuple) and refused[0] == 401


def test_a_secret_fits_into_a_header_or_is_refused() -> None:
    words = " ".join(f"word{number}" for number in range(400))
    secret, _ = SecretMint().make({"type": "realtime", "instructions": words}, key_id="k", lifetime_s=600)
    assert len(secret) <= MAX_SECRET_CHARS
    with pytest.raises(InvalidEventError, match="too large"):
        noise = "".join(map(chr, range(33, 20_000)))
        SecretMint().make({"type": "realtime", "instructions": noise}, key_id="k", lifetime_s=600)


def test_a_weak_signing_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="VOICEWIRE_SECRET_KEY"):
        SecretMint("short")


def test_the_session_object_becomes_the_configuration() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    config = bound_config({**SESSION, "tools": tools, "output_modalities": ["text"]}, "echo")
    assert (config.model, config.voice, config.modality) == ("echo", "ash", "text")
    assert [tool.name for tool in config.tools] == ["f"]
