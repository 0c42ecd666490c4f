"""Talks message by message: ``low_level_sample.py <audio file> [azure|openai]``."""

from __future__ import annotations

import asyncio
import base64
import sys

from common import CHUNK_BYTES, audio_of, service

from voicewire.clients import RTLowLevelClient
from voicewire.clients import models as c
from voicewire.clients import server_models as m


async def send_audio(client: RTLowLevelClient, audio: bytes) -> None:
    """The whole file in pieces of 100 ms, and silence that ends the turn."""
    audio += bytes(10 * CHUNK_BYTES)
    for at in range(0, len(audio), CHUNK_BYTES):
        chunk = base64.b64encode(audio[at : at + CHUNK_BYTES]).decode()
        await client.send(c.InputAudioBufferAppendMessage(audio=chunk))


async def receive(client: RTLowLevelClient) -> None:
    """Prints what comes until the first response is done."""
    async for message in client:
        match message:
            case m.SessionCreatedMessage():
                print("Session Created Message")
                print(f"  Model: {message.session.model}")
                print(f"  Session Id: {message.session.id}")
            case m.ErrorMessage():
                print("Error Message")
                print(f"  Error: {message.error.message}")
            case m.InputAudioBufferSpeechStartedMessage():
                print("Input Audio Buffer Speech Started Message")
                print(f"  Audio Start [ms]: {message.audio_start_ms}")
            case m.InputAudioBufferSpeechStoppedMessage():
                print("Input Audio Buffer Speech Stopped Message")
                print(f"  Audio End [ms]: {message.audio_end_ms}")
            case m.ItemInputAudioTranscriptionCompletedMessage():
                print("Input Audio Transcription Completed Message")
                print(f"  Transcript: {message.transcript}")
            case m.ResponseAudioTranscriptDoneMessage():
                print("Response Audio Transcript Done Message")
                print(f"  Transcript: {message.transcript}")
            case m.ResponseDoneMessage():
                print("Response Done Message")
                print(f"  Status: {message.response.status}")
                return
            case _:
                print(f"{message.type}")


async def main(path: str, provider: str) -> None:
    """One turn of a file."""
    audio = audio_of(path)
    async with RTLowLevelClient(**service(provider)) as client:
        session = c.SessionUpdateParams(
            turn_detection=c.ServerVAD(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=200),
            input_audio_transcription=c.InputAudioTranscription(model="whisper-1"),
        )
        await client.send(c.SessionUpdateMessage(session=session))
        await asyncio.gather(send_audio(client, audio), receive(client))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print("Usage: python low_level_sample.py <audio file> [azure|openai]")
        raise SystemExit(1)
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "azure"))
