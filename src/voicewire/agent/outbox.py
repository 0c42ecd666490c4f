"""Commands on their way to the model: in order, never overtaken, bounded in audio."""

from __future__ import annotations

from collections import deque
from typing import Final

import anyio

from voicewire.events.commands import AppendAudio, Command

MAX_AUDIO_MS: Final = 10_000


class Outbox:
    """A queue between those who decide and the one who sends.

    Policy when full: more than ``max_audio_ms`` of unsent microphone audio drops the oldest of it and counts
    the samples; commands are never dropped (there are few, and each answers something that happened).

    Concurrency: one task takes, any number put; one event loop.
    """

    def __init__(self, max_audio_ms: float = MAX_AUDIO_MS) -> None:
        self.dropped_samples = 0
        """Samples of user audio dropped and not yet reported."""
        self._max_audio_ms = max_audio_ms
        self._audio_ms = 0.0
        self._commands: deque[Command] = deque()
        self._filled = anyio.Event()

    def __len__(self) -> int:
        return len(self._commands)

    def put(self, command: Command) -> None:
        """Appends a command."""
        self._commands.append(command)
        if isinstance(command, AppendAudio):
            self._audio_ms += _duration_ms(command)
            while self._audio_ms > self._max_audio_ms:
                self._drop_oldest_audio()
        self._filled.set()

    async def take(self) -> Command:
        """Waits for the next command. Cancellation: safe, nothing is lost."""
        while not self._commands:
            self._filled = anyio.Event()
            await self._filled.wait()
        command = self._commands.popleft()
        if isinstance(command, AppendAudio):
            self._audio_ms -= _duration_ms(command)
        return command

    def _drop_oldest_audio(self) -> None:
        for index, command in enumerate(self._commands):
            if isinstance(command, AppendAudio):
                del self._commands[index]
                self._audio_ms -= _duration_ms(command)
                self.dropped_samples += len(command.pcm) // 2
                return


def _duration_ms(command: AppendAudio) -> float:
    return len(command.pcm) / 2 * 1000 / command.sample_rate_hz
