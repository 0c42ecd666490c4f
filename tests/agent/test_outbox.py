"""The queue to the model: order is kept, old audio gives way, commands never do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.agent.outbox import Outbox
from voicewire.events.commands import AppendAudio, Command, CommitAudio

pytestmark = pytest.mark.unit


def _drain(box: Outbox, count: int) -> list[Command]:
    import anyio

    async def take() -> list[Command]:
        return [await box.take() for _ in range(count)]

    return anyio.run(take)


@given(st.lists(st.one_of(st.none(), st.integers(1, 40)), max_size=60))
def test_audio_is_bounded_commands_are_kept_and_order_holds(puts: list[int | None]) -> None:
    box = Outbox(max_audio_ms=100)
    commands: list[Command] = []
    for number, duration_ms in enumerate(puts):
        command: Command = CommitAudio(command_id=str(number))
        if duration_ms is not None:
            command = AppendAudio(bytes([number % 256, 0]) * (duration_ms * 8), 8000, command_id=str(number))
        commands.append(command)
        box.put(command)
    size = len(box)
    left = _drain(box, size)
    audio_in = sum(len(c.pcm) // 2 for c in commands if isinstance(c, AppendAudio))
    audio_out = sum(len(c.pcm) // 2 for c in left if isinstance(c, AppendAudio))
    assert audio_out + box.dropped_samples == audio_in
    assert audio_out <= 100 * 8
    assert [c for c in left if isinstance(c, CommitAudio)] == [
        c for c in commands if isinstance(c, CommitAudio)
    ]
    numbers = [int(c.command_id) for c in left]
    assert numbers == sorted(numbers)
