"""The event loop of sessions that are started outside of one: a thread of its own, one for the process.

Callback programs have no event loop, or hold it up. Their sessions run in this thread; it begins with the first of
them and ends with the process. See docs/adr/0022-speech-clients.md.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Final

_START_TIMEOUT_S: Final = 10.0


class Portal:
    """A thread that runs an event loop; made by the first session that needs it."""

    _lock = threading.Lock()
    _running: Portal | None = None

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="voicewire-speech", daemon=True)
        self._is_up = threading.Event()

    @classmethod
    def get(cls) -> asyncio.AbstractEventLoop:
        """The loop, running."""
        with cls._lock:
            if cls._running is None or not cls._running._thread.is_alive():
                cls._running = cls()
                cls._running._thread.start()
                cls._running._is_up.wait(_START_TIMEOUT_S)
            return cls._running.loop

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._is_up.set)
        self.loop.run_forever()
