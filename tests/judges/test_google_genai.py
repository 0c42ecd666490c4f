"""The ``google-genai`` Python SDK judges the gateway, over TLS as it insists."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
from google.genai import errors

from voicewire.gateway.tls import TlsFiles, self_signed
from voicewire.testing import serve

from .google_sdk import SCENARIOS, judging, words_of

pytestmark = [
    pytest.mark.anyio,
    # The SDK's own: what it imports and inherits from is deprecated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:google"),
]


@dataclass(frozen=True)
class Served:
    """A gateway that speaks TLS."""

    url: str
    files: TlsFiles
    trust: ssl.SSLContext


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def served(files: TlsFiles) -> AsyncGenerator[Served, None]:
    async with serve(model="echo", tls=files) as gateway:
        yield Served(gateway.http_url, files, ssl.create_default_context(cafile=files.certificate))


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.judge
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_echo_satisfies_the_sdk(served: Served, scenario: str) -> None:
    await SCENARIOS[scenario](served.url, served.trust, "echo")


@pytest.mark.judge
async def test_the_certificate_is_trusted_through_the_environment(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(served.files.certificate))
    async with judging(served.url, None, "echo") as judge:
        await judge.say("over TLS")
        assert words_of(await judge.turn()) == "You said: over TLS"


@pytest.mark.judge
async def test_a_base_address_with_a_slash(served: Served) -> None:
    async with judging(f"{served.url}/", served.trust, "echo") as judge:
        await judge.say("slash")
        assert words_of(await judge.turn()) == "You said: slash"


@pytest.mark.judge
async def test_a_failed_response_is_an_error_and_the_session_goes_on(served: Served) -> None:
    async with judging(served.url, served.trust, "echo") as judge:
        await judge.say("fail overloaded")
        with pytest.raises(errors.ServerError, match="overloaded"):
            await judge.turn()
        assert [message.server_content for message in await judge.turn()][-1]
        await judge.say("hello")
        assert words_of(await judge.turn()) == "You said: hello"


@pytest.mark.judge
async def test_an_abrupt_drop(served: Served) -> None:
    async with judging(served.url, served.trust, "echo") as judge:
        await judge.say("drop")
        with pytest.raises(errors.APIError) as dropped:
            await judge.turn()
    assert dropped.value.code == 1006


@pytest.mark.judge
async def test_a_python_function_as_a_tool(served: Served) -> None:
    def get_weather(city: str) -> str:
        """Tells the weather in a city."""
        return city

    async with judging(served.url, served.trust, "echo", tools=[get_weather]) as judge:
        await judge.say('call get_weather {"city": "Oslo"}')
        async for message in judge.sdk.receive():
            if message.tool_call is not None:
                assert message.tool_call.function_calls is not None
                assert message.tool_call.function_calls[0].args == {"city": "Oslo"}
                return
    pytest.fail("the function was not called")


@pytest.mark.parametrize("scenario", ["audio with manual turns", "audio with server VAD", "tool round trip"])
@pytest.mark.engine
async def test_the_embedded_engine_satisfies_the_sdk(files: TlsFiles, scenario: str) -> None:
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    async with serve(model="local", tls=files) as gateway:
        trust = ssl.create_default_context(cafile=files.certificate)
        await SCENARIOS[scenario](gateway.http_url, trust, "local")
