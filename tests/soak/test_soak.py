"""The short form of ``python -m benchmarks.soak``: many sessions, and clients that vanish, leave nothing behind."""

from __future__ import annotations

import pytest
from benchmarks.soak import Gateway, soak

pytestmark = pytest.mark.loopback


@pytest.mark.anyio
@pytest.mark.timeout(60)
async def test_sessions_and_vanishing_clients_leave_no_task_thread_or_descriptor() -> None:
    with Gateway() as gateway:
        assert await soak(gateway, sessions=80, vanishing=80) == []
