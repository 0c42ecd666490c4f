"""Say something to the echo model and print what it answers. No key, no model file, no network."""

from __future__ import annotations

import anyio

from voicewire import ModelEvents, create_model
from voicewire.events import SendText


async def main() -> None:
    model = create_model("echo")
    audio = bytearray()
    async with model.open(instructions="Be brief.") as connection:
        await connection.send(SendText("hello"))
        async for event in connection:
            match event:
                case ModelEvents.ModelResponseAudioTranscriptDeltaEvent():
                    print(event.delta, end="", flush=True)
                case ModelEvents.ModelResponseAudioDeltaEvent():
                    audio += event.pcm
                case ModelEvents.ModelResponseDoneEvent():
                    print()
                    break
                case _:
                    pass
    seconds = len(audio) / 2 / model.capabilities.output_rate_hz
    print(f"{seconds:.2f} s of speech")


if __name__ == "__main__":
    anyio.run(main)
