"""The ``openai`` Python SDK makes client secrets at the gateway and connects with them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import pytest
from openai import AsyncOpenAI, AuthenticationError, BadRequestError, OpenAI
from openai.types.realtime import (
    RealtimeSessionCreateRequest,
    RealtimeSessionCreateRequestParam,
    RealtimeTranscriptionSessionCreateRequestParam,
    SessionCreatedEvent,
)
from openai.types.realtime.client_secret_create_response import ClientSecretCreateResponse
from openai.types.realtime.realtime_session_create_response import RealtimeSessionCreateResponse
from pydantic import SecretStr
from websockets.exceptions import InvalidStatus

from voicewire.gateway import GatewaySettings
from voicewire.testing import serve

from .openai_sdk import unknown_fields

pytestmark = [pytest.mark.judge, pytest.mark.anyio]

KEY = "a-real-key"
INSTRUCTIONS = "Answer in one sentence."
SESSION: RealtimeSessionCreateRequestParam = {
    "type": "realtime",
    "model": "echo",
    "instructions": INSTRUCTIONS,
    "audio": {
        "output": {"voice": "ash"},
        "input": {"turn_detection": {"type": "server_vad", "threshold": 0.6}},
    },
    "tools": [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}],
}


@pytest.fixture
async def base_url() -> AsyncGenerator[str, None]:
    """A gateway that asks for keys."""
    settings = GatewaySettings(api_keys=(SecretStr(KEY),), drain_s=0.0)
    async with serve("echo", settings=settings) as gateway:
        yield f"{gateway.http_url}/v1"


async def first_session(base_url: str, secret: str) -> RealtimeSessionCreateRequest:
    """What a connection with this secret, and nothing else, begins with."""
    client = AsyncOpenAI(api_key=secret, base_url=base_url)
    async with client, client.realtime.connect(model="echo") as connection:
        with anyio.fail_after(20):
            event = await connection.recv()
        assert isinstance(event, SessionCreatedEvent)
        # The SDK's own type of what may be asked for is also that of what is in force.
        assert isinstance(event.session, RealtimeSessionCreateRequest)
        return event.session


async def test_a_secret_is_made_and_configures_the_session(base_url: str) -> None:
    async with AsyncOpenAI(api_key=KEY, base_url=base_url) as client:
        raw = await client.realtime.client_secrets.with_raw_response.create(
            expires_after={"anchor": "created_at", "seconds": 60}, session=SESSION
        )
    made = ClientSecretCreateResponse.model_validate_json(raw.content, strict=True)
    assert not list(unknown_fields(made))
    assert made.value.startswith("ek_")
    assert isinstance(made.session, RealtimeSessionCreateResponse)
    assert made.session.instructions == INSTRUCTIONS
    begun = await first_session(base_url, made.value)
    assert begun.instructions == INSTRUCTIONS
    assert begun.audio is not None and begun.audio.output is not None
    assert begun.audio.output.voice == "ash"
    assert [tool.name for tool in begun.tools or () if tool.type == "function"] == ["get_weather"]
    assert (await first_session(base_url, made.value)).instructions == INSTRUCTIONS


async def test_a_secret_for_transcription(base_url: str) -> None:
    session: RealtimeTranscriptionSessionCreateRequestParam = {"type": "transcription"}
    async with AsyncOpenAI(api_key=KEY, base_url=base_url) as client:
        raw = await client.realtime.client_secrets.with_raw_response.create(session=session)
    made = ClientSecretCreateResponse.model_validate_json(raw.content, strict=True)
    assert not list(unknown_fields(made))
    assert made.session.type == "transcription"
    async with AsyncOpenAI(api_key=made.value, base_url=base_url) as client:
        async with client.realtime.connect(model="echo") as connection:
            with anyio.fail_after(20):
                event = await connection.recv()
            assert isinstance(event, SessionCreatedEvent)
            assert event.session.type == "transcription"


async def test_refusals_are_the_errors_of_the_sdk(base_url: str) -> None:
    async with AsyncOpenAI(api_key="wrong", base_url=base_url, max_retries=0) as client:
        with pytest.raises(AuthenticationError) as refused:
            await client.realtime.client_secrets.create()
        assert refused.value.code == "invalid_api_key"
    async with AsyncOpenAI(api_key=KEY, base_url=base_url, max_retries=0) as client:
        with pytest.raises(BadRequestError) as wrong:
            await client.realtime.client_secrets.create(expires_after={"seconds": 5})
        assert wrong.value.code == "invalid_value"
    with pytest.raises(InvalidStatus) as forged:
        await first_session(base_url, "ek_forged.by.somebody")
    assert forged.value.response.status_code == 401


async def test_the_synchronous_client_makes_one_too(base_url: str) -> None:
    with OpenAI(api_key=KEY, base_url=base_url) as client:
        made = await anyio.to_thread.run_sync(client.realtime.client_secrets.create)
    assert made.value.startswith("ek_") and made.session.type == "realtime"
