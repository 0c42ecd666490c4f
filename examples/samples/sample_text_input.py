"""Text in: ``sample_text_input.py <instructions file> <message file> <out folder> [azure|openai]``."""

from __future__ import annotations

import asyncio
import sys

from common import folder, service, text_of
from writing import write_response

from voicewire.clients import RTClient
from voicewire.clients import models as c


async def main(instructions_path: str, message_path: str, out_dir: str, provider: str) -> None:
    """One message."""
    instructions = text_of(instructions_path)
    text, out = text_of(message_path), folder(out_dir)
    async with RTClient(**service(provider)) as client:
        print("Configuring Session...", end="", flush=True)
        await client.configure(instructions=instructions, turn_detection=c.NoTurnDetection())
        print("Done")
        await client.send_item(c.UserMessageItem(content=[c.InputTextContentPart(text=text)]))
        await write_response(await client.generate_response(), out)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print(
            "Usage: python sample_text_input.py <instructions file> <message file> <out folder> [azure|openai]"
        )
        raise SystemExit(1)
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else "azure"))
