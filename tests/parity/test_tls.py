"""The same over TLS: a text turn with each provider's model, whose server has a certificate of its own making."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import pytest

from tests.judges.subjects import ECHO
from voicewire.errors import ConnectFailed
from voicewire.gateway.tls import self_signed
from voicewire.testing import serve
from voicewire.transport.options import WebSocketOptions
from voicewire.transport.policies import NO_RECONNECT

from .models import ROWS, Row
from .normal import check_rules, normal_form
from .scenarios import DONE, SPOKEN_REPLY, TEXT_ITEM
from .talk import Say, Talk, Until, run_steps

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

WIRES = [
    row
    for row in ROWS
    if row.name in ("openai", "azure", "voicelive", "gemini 3.8", "dashscope qwen3.5-omni")
]


@dataclass(frozen=True)
class Secured:
    """A gateway with a certificate, and what trusts it."""

    url: str
    trust: ssl.SSLContext


@pytest.fixture(scope="module")
async def secured(
    anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Secured, None]:
    files = self_signed(tmp_path_factory.mktemp("tls"))
    async with serve("echo", tls=files) as gateway:
        yield Secured(gateway.ws_url, ssl.create_default_context(cafile=files.certificate))


def trusting(row: Row, trust: ssl.SSLContext, **options: object) -> Row:
    """The same model, which trusts what this context does."""
    chosen = {"options": WebSocketOptions(ssl_context=trust), **options}
    return replace(row, options=(*row.options, *chosen.items()))


@pytest.mark.parametrize("row", WIRES, ids=lambda row: row.name)
async def test_a_text_turn(row: Row, secured: Secured) -> None:
    assert secured.url.startswith("wss://")
    model = trusting(row, secured.trust).make(secured.url)
    async with model.open() as connection:
        talk = Talk(connection, ECHO)
        await run_steps(talk, (Say("text_prompt"), Until(DONE)))
    check_rules(talk.events)
    assert normal_form(talk.events) == (TEXT_ITEM, SPOKEN_REPLY)


@pytest.mark.parametrize("row", WIRES, ids=lambda row: row.name)
async def test_a_certificate_that_nobody_trusts_is_refused(row: Row, secured: Secured) -> None:
    model = trusting(row, ssl.create_default_context(), reconnect=NO_RECONNECT).make(secured.url)
    with pytest.raises(ConnectFailed, match="certificate"):
        async with model.open():
            pytest.fail("it opened")
