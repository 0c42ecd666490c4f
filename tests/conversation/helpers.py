"""Short hands for the scenario tests of the conversation core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import TypeVar

import pytest

from voicewire.conversation import checks
from voicewire.conversation.host import ConversationHost
from voicewire.conversation.orders import HostOutput
from voicewire.events import commands as c
from voicewire.events.model import TokenUsage
from voicewire.events.session import SessionConfig

T = TypeVar("T")
RATE_HZ = 24000
USAGE = TokenUsage(input_text_tokens=3, output_text_tokens=5)


def names(outputs: Iterable[object]) -> list[str]:
    """The classes of outputs, without the words that all of them share."""
    return [type(o).__name__.removeprefix("Model").removesuffix("Event") for o in outputs]


def only(outputs: Iterable[object], kind: type[T]) -> T:
    """The one output of a kind."""
    found = [output for output in outputs if isinstance(output, kind)]
    assert len(found) == 1, f"{len(found)} of {kind.__name__} in {list(outputs)}"
    return found[0]


def every(outputs: Iterable[object], kind: type[T]) -> list[T]:
    return [output for output in outputs if isinstance(output, kind)]


class Desk:
    """A host with a clock, and everything it ever gave."""

    def __init__(self, config: SessionConfig | None = None) -> None:
        numbers = count(1)
        self.now_ms = 0
        self.outputs: list[HostOutput] = []
        self.host = ConversationHost(
            session_id="sess",
            config=config or SessionConfig(),
            ids=lambda prefix: f"{prefix}_{next(numbers)}",
        )

    def send(self, command: c.Command) -> list[HostOutput]:
        return self.keep(self.host.receive(command, now_ms=self.now_ms))

    def keep(self, outputs: list[HostOutput]) -> list[HostOutput]:
        self.outputs += outputs
        return outputs

    @property
    def generation(self) -> int:
        generation = self.host.active_generation
        assert generation is not None
        return generation

    def say(self, text: str, ms: int = 100) -> list[HostOutput]:
        outputs = self.host.response_text(self.generation, text)
        pcm = bytes(2 * RATE_HZ * ms // 1000)
        return self.keep(outputs + self.host.response_audio(self.generation, pcm, now_ms=self.now_ms))

    def finish(self) -> list[HostOutput]:
        return self.keep(self.host.response_finished(self.generation, USAGE, now_ms=self.now_ms))

    def hear(self, ms: int) -> None:
        self.keep(self.host.audio_appended(RATE_HZ * ms // 1000))

    def turn(self, ms: int = 500) -> list[HostOutput]:
        start = self.host.input_end_sample
        outputs = self.host.audio_appended(RATE_HZ * ms // 1000)
        outputs += self.host.speech_started(start, now_ms=self.now_ms)
        outputs += self.host.speech_stopped(self.host.input_end_sample)
        return self.keep(outputs + self.host.end_turn())

    def history(self) -> list[tuple[str, str]]:
        return [(item.role or item.kind, item.text or item.output or "") for item in self.host.history()]


@pytest.fixture(autouse=True)
def checked() -> Iterator[None]:
    checks.enabled = True
    yield
    checks.enabled = False
