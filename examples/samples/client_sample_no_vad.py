"""Turns by hand: ``client_sample_no_vad.py <audio file> <instructions file> <out folder> [azure|openai]``."""

from __future__ import annotations

import asyncio
import sys

from common import CHUNK_BYTES, audio_of, folder, service, text_of
from writing import write_response

from voicewire.clients import RTClient
from voicewire.clients import models as c


async def main(path: str, instructions_path: str, out_dir: str, provider: str) -> None:
    """One turn of a file."""
    audio, out = audio_of(path), folder(out_dir)
    instructions = text_of(instructions_path)
    async with RTClient(**service(provider)) as client:
        print("Configuring Session...", end="", flush=True)
        await client.configure(
            instructions=instructions,
            turn_detection=c.NoTurnDetection(),
            input_audio_transcription=c.InputAudioTranscription(model="whisper-1"),
        )
        print("Done")
        for at in range(0, len(audio), CHUNK_BYTES):
            await client.send_audio(audio[at : at + CHUNK_BYTES])
        turn = await client.commit_audio()
        response = await client.generate_response()
        await write_response(response, out)
        await turn
        print(f"[input_item={turn.id}] Transcript: {turn.transcript}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print(
            "Usage: python client_sample_no_vad.py <audio file> <instructions file> <out folder> [azure|openai]"
        )
        raise SystemExit(1)
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else "azure"))
