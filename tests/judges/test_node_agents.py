"""``@openai/agents-realtime`` (npm), with its stock WebSocket transport, judges the gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from . import node_agents

pytestmark = [pytest.mark.judge, pytest.mark.anyio]


@pytest.mark.parametrize("scenario", node_agents.ECHO_SCENARIOS)
async def test_echo_satisfies_the_npm_sdk(echo_url: str, tmp_path: Path, scenario: str) -> None:
    judge: Callable[[str, str, Path], Awaitable[None]] = node_agents.ECHO_SCENARIOS[scenario]
    await judge(echo_url, "echo", tmp_path)
