"""A gateway with ``echo`` for clients to talk with."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from voicewire.testing import serve
from voicewire.testing.serve import ServedGateway


@pytest.fixture
async def gateway() -> AsyncGenerator[ServedGateway, None]:
    async with serve("echo") as served:
        yield served
