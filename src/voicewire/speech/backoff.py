"""The wait before a connection is tried again."""

from __future__ import annotations

from typing import Final

import anyio

_FIRST_S: Final = 0.2


async def wait_before(attempt: int) -> None:
    """Waits before an attempt to connect again: 0.2 s, 0.4 s, 0.8 s, ... at most 6.4 s."""
    await anyio.sleep(_FIRST_S * 2 ** min(attempt - 1, 5))
