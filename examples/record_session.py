"""Play a sound file to a model in real time and record the conversation into a folder.

Run it as ``python examples/record_session.py FILE [FOLDER] [MODEL]``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from voicewire import create_model
from voicewire.agent.edges import FileSource, VirtualSpeaker
from voicewire.agent.session import VoiceSession
from voicewire.clock import MonotonicClock
from voicewire.recording.recorder import SessionRecorder


async def main(file: Path, folder: Path, model_name: str) -> None:
    model = create_model(model_name)
    clock = MonotonicClock()
    with SessionRecorder(folder, title=f"{file.name} and {model.name}") as recorder:
        session = VoiceSession(
            model,
            source=FileSource(file, clock, model.capabilities.input_rates_hz[0]),
            sink=VirtualSpeaker(clock, model.capabilities.output_rate_hz),
            observers=[recorder],
            clock=clock,
            ends_after_input=True,
        )
        await session.run()
    for item in session.history():
        print(f"{item.role}: {item.text}")
    print(f"written to {folder}: conversation.wav, events.jsonl, timeline.html, timeline.png")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} FILE [FOLDER] [MODEL]")
    file, folder, name, *_ = [*sys.argv[1:], *["recording", "echo"][len(sys.argv) - 2 :]]
    anyio.run(main, Path(file), Path(folder), name)
