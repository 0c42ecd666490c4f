"""Answer a function call of the model. The echo model calls what it is told to call."""

from __future__ import annotations

import anyio

from voicewire import ModelEvents, create_model
from voicewire.events import SendText, SendToolResult, ToolSpec

WEATHER = ToolSpec(
    name="get_weather",
    description="The weather in a city right now.",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
)


async def main() -> None:
    async with create_model("echo").open(tools=[WEATHER]) as connection:
        await connection.send(SendText('call get_weather {"city": "Paris"}'))
        async for event in connection:
            match event:
                case ModelEvents.ModelResponseToolUseDoneEvent(tool_use=call):
                    print(f"{call['name']} is called with {call['input']}")
                    await connection.send(SendToolResult(call["id"], f"sunny in {call['input']['city']}"))
                case ModelEvents.ModelResponseAudioTranscriptDoneEvent():
                    print(event.transcript)
                    break
                case _:
                    pass


if __name__ == "__main__":
    anyio.run(main)
