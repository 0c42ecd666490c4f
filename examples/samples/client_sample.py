"""The server finds the turns: ``client_sample.py <audio file> <out folder> [azure|openai]``."""

from __future__ import annotations

import asyncio
import sys

from common import CHUNK_BYTES, audio_of, folder, service
from writing import write_response

from voicewire.clients import RTClient, RTInputAudioItem
from voicewire.clients import models as c


async def main(path: str, out_dir: str, provider: str) -> None:
    """One turn of a file."""
    audio, out = audio_of(path) + bytes(10 * CHUNK_BYTES), folder(out_dir)
    async with RTClient(**service(provider)) as client:
        print("Configuring Session...", end="", flush=True)
        await client.configure(
            turn_detection=c.ServerVAD(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=200),
            input_audio_transcription=c.InputAudioTranscription(model="whisper-1"),
        )
        print("Done")
        for at in range(0, len(audio), CHUNK_BYTES):
            await client.send_audio(audio[at : at + CHUNK_BYTES])
        async for event in client.events():
            if isinstance(event, RTInputAudioItem):
                await event
                print(f"[input_item={event.id}] Transcript: {event.transcript}")
                print(f"[input_item={event.id}] Audio Start [ms]: {event.audio_start_ms}")
                print(f"[input_item={event.id}] Audio End [ms]: {event.audio_end_ms}")
                continue
            await write_response(event, out)
            if event.status == "completed":
                return


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print("Usage: python client_sample.py <audio file> <out folder> [azure|openai]")
        raise SystemExit(1)
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "azure"))
