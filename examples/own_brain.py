"""A brain of your own in the local engine: ears and voice stay, the words are yours. Needs `voicewire setup`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import anyio

from voicewire import ModelEvents, create_model
from voicewire.engine.brain import BrainDelta, BrainDone, BrainOutput, BrainTurn
from voicewire.events import SendText


class Backwards:
    """Says the words of the user in reverse order."""

    name = "backwards"

    def respond(self, turn: BrainTurn, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
        words = turn.utterance.split()
        for word in reversed(words):
            if cancelled():
                return
            yield BrainDelta(f"{word} ")
        yield BrainDone(input_tokens=len(words), output_tokens=len(words))

    def warm_up(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to free."""


async def main() -> None:
    # "module:factory"; a package can also name its factory in the entry point group "voicewire.brain".
    model = create_model("local", brain=f"{__name__}:Backwards")
    async with model.open() as connection:
        await connection.send(SendText("tomorrow home come"))
        async for event in connection:
            if isinstance(event, ModelEvents.ModelResponseAudioTranscriptDoneEvent):
                print(event.transcript)
                break


if __name__ == "__main__":
    anyio.run(main)
