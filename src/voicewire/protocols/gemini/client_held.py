"""Commands that wait, in order: bounded by the audio among them."""

from __future__ import annotations

from collections import deque
from typing import Final

from voicewire.errors import UnsupportedError
from voicewire.events.commands import AppendAudio, Command, SendImage, SendText
from voicewire.protocols.gemini.codes import INPUT_RATE_HZ

MAX_HELD_AUDIO_S: Final = 60
"""Audio that waits at most; of more, the oldest is dropped and declared."""
_MAX_AUDIO_BYTES: Final = MAX_HELD_AUDIO_S * INPUT_RATE_HZ * 2
_MAX_COMMANDS: Final = 20_000


class HeldCommands:
    """A queue of commands. When it is full, the oldest audio is dropped; without audio, the newest is refused."""

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()
        self._audio_bytes = 0
        self._audio_count = 0

    def __bool__(self) -> bool:
        return bool(self._commands)

    @property
    def has_audio(self) -> bool:
        """Whether audio waits."""
        return self._audio_count > 0

    def add(self, command: Command) -> int:
        """Adds a command; gives the samples that were dropped for it.

        Raises:
            UnsupportedError: Too many commands wait.
        """
        if isinstance(command, AppendAudio):
            self._audio_bytes += size_bytes(command)
            self._audio_count += 1
        elif len(self._commands) >= _MAX_COMMANDS and not self.has_audio:
            raise UnsupportedError(
                f"{_MAX_COMMANDS} commands wait for the model already; wait for its answer"
            )
        self._commands.append(command)
        dropped_bytes = 0
        while self.has_audio and (
            self._audio_bytes > _MAX_AUDIO_BYTES or len(self._commands) > _MAX_COMMANDS
        ):
            dropped_bytes += self._drop_oldest_audio()
        return dropped_bytes // 2

    def take(self) -> deque[Command]:
        """Everything, oldest first; nothing waits any more."""
        taken, self._commands = self._commands, deque()
        self._audio_bytes = self._audio_count = 0
        return taken

    def _drop_oldest_audio(self) -> int:
        for index, command in enumerate(self._commands):
            if isinstance(command, AppendAudio):
                del self._commands[index]
                self._audio_bytes -= size_bytes(command)
                self._audio_count -= 1
                return size_bytes(command)
        return 0


def merged(command: Command, waiting: deque[Command]) -> Command:
    """All requests that wait are one: the text of an earlier one is said, the last one is answered."""
    if isinstance(command, SendText) and command.respond:
        for later in waiting:
            if isinstance(later, (SendText, SendImage)) and later.respond:
                return SendText(command.text, command.role, respond=False, command_id=command.command_id)
    return command


def size_bytes(command: AppendAudio) -> int:
    """Bytes of its audio; nothing is decoded for it."""
    text = command.base64
    return len(text) * 3 // 4 - text.count("=", -2)
