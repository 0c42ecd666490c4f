"""Two conversations at once with one model. Each has its own state; loaded models are shared."""

from __future__ import annotations

import anyio

from voicewire import ModelEvents, RealtimeModel, create_model
from voicewire.events import SendText


async def talk(model: RealtimeModel, name: str, texts: list[str]) -> None:
    async with model.open() as connection:
        for text in texts:
            await connection.send(SendText(text))
            async for event in connection:
                if isinstance(event, ModelEvents.ModelResponseAudioTranscriptDoneEvent):
                    print(f"{name}: {event.transcript}")
                if isinstance(event, ModelEvents.ModelResponseDoneEvent):
                    break


async def main() -> None:
    model = create_model("echo")  # "local" shares one set of loaded models between both conversations
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(talk, model, "first", ["one", "two"])
        tasks.start_soon(talk, model, "second", ["uno", "dos"])


if __name__ == "__main__":
    anyio.run(main)
