"""Writes what a response holds into a folder, as it comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from common import RATE_HZ

from voicewire.audio import AudioFormat, AudioFrame, write_audio
from voicewire.clients import RTAudioContent, RTMessageItem, RTResponse, RTTextContent
from voicewire.clients.rt_items import RTContent


async def write_response(response: RTResponse, out: Path) -> None:
    """All items of a response."""
    prefix = f"[response={response.id}]"
    async for item in response:
        print(f"{prefix} Received item {item.id}")
        if isinstance(item, RTMessageItem):
            async for part in item:
                await write_part(part, f"{prefix}[item={item.id}]", out)
        else:
            await item
            (out / f"{item.id}.function_call.json").write_text(item.arguments, encoding="utf-8")
            print(f"[function_call_item={item.id}] Function call arguments: {item.arguments}")
    print(f"{prefix} Response completed ({response.status})")


async def write_part(part: RTContent, prefix: str, out: Path) -> None:
    """One part: its audio and its words at once, or its text."""
    path = out / f"{part.item_id}_{part.content_index}"
    if isinstance(part, RTTextContent):
        text = "".join([chunk async for chunk in part.text_chunks()])
        path.with_suffix(".text.txt").write_text(text, encoding="utf-8")
        print(f"{prefix} Text: {text}")
        return
    audio, words = await asyncio.gather(audio_of_part(part), words_of_part(part))
    write_audio(path.with_suffix(".wav"), AudioFrame(AudioFormat(RATE_HZ), audio, 0))
    path.with_suffix(".audio_transcript.txt").write_text(words, encoding="utf-8")
    print(f"{prefix} Audio received with length: {len(audio)}")
    print(f"{prefix} Audio Transcript: {words}")


async def audio_of_part(part: RTAudioContent) -> bytes:
    """All audio of a part."""
    return b"".join([chunk async for chunk in part.audio_chunks()])


async def words_of_part(part: RTAudioContent) -> str:
    """All words of a part."""
    return "".join([chunk async for chunk in part.transcript_chunks()])
