"""The official clients judge the gateway with the embedded engine: the same scenarios, real speech."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from voicewire.testing import serve

from . import agents_sdk, node_agents, openai_sdk

pytestmark = [pytest.mark.engine, pytest.mark.anyio]


@pytest.fixture
async def local_url() -> AsyncGenerator[str, None]:
    """Root of a gateway that serves the embedded engine."""
    from voicewire.engine import weights

    if missing := [item.weights.name for item in weights.plan().missing]:
        pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    async with serve(model="local") as gateway:
        yield gateway.ws_url


@pytest.mark.parametrize("scenario", openai_sdk.SCENARIOS)
async def test_local_satisfies_the_sdk(local_url: str, scenario: str) -> None:
    await openai_sdk.SCENARIOS[scenario](local_url, "local")


@pytest.mark.parametrize("scenario", agents_sdk.SCENARIOS)
async def test_local_satisfies_the_agents_sdk(local_url: str, scenario: str) -> None:
    await agents_sdk.SCENARIOS[scenario](local_url, "local")


@pytest.mark.parametrize("scenario", node_agents.SCENARIOS)
async def test_local_satisfies_the_npm_sdk(local_url: str, tmp_path: Path, scenario: str) -> None:
    await node_agents.SCENARIOS[scenario](local_url, "local", tmp_path)
