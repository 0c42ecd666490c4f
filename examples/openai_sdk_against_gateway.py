"""The unmodified ``openai`` SDK talks to a gateway of ours. Needs ``pip install openai`` and the gateway extra."""

from __future__ import annotations

import anyio
from openai import AsyncOpenAI

from voicewire.testing import serve


async def main() -> None:
    # `voicewire serve --model echo` is the same gateway as a program of its own, on port 8080.
    async with serve(model="echo") as gateway:
        client = AsyncOpenAI(api_key="any", base_url=f"{gateway.http_url}/v1")
        async with client, client.realtime.connect(model="echo") as connection:
            await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            await connection.conversation.item.create(
                item={
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "hello from the SDK"}],
                }
            )
            await connection.response.create()
            async for event in connection:
                if event.type == "response.output_text.delta":
                    print(event.delta, end="", flush=True)
                elif event.type == "response.done":
                    print(f"\n{event.response.status}")
                    break


if __name__ == "__main__":
    anyio.run(main)
