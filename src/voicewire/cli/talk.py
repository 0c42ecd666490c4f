"""``voicewire talk``: a spoken conversation."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicewire.cli.common import command, console
from voicewire.cli.opening import Record, RecordAudio, make_model, name_cassette
from voicewire.errors import AudioError

if TYPE_CHECKING:
    from voicewire.agent.edges import AudioSink, AudioSource, SessionObserver
    from voicewire.clock import Clock
    from voicewire.models.model import RealtimeModel
    from voicewire.recording.recorder import SessionRecorder

DeviceName = Annotated[str | None, typer.Option(help="Number or part of the name; see `voicewire doctor`.")]
EchoCancellation = Annotated[
    bool,
    typer.Option(
        "--echo-cancellation/--no-echo-cancellation",
        help="Whether the speaker's sound is taken out of the microphone's.",
    ),
]


@command
def talk(
    model: Annotated[
        str, typer.Option("--model", "-m", help="Whom to talk with; see `voicewire models`.")
    ] = "local",
    input_file: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="A sound file, heard in real time in place of the microphone."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A folder for conversation.wav, timeline.html, timeline.png, events.jsonl."
        ),
    ] = None,
    voice: Annotated[str | None, typer.Option(help="A voice of `voicewire voices`.")] = None,
    instructions: Annotated[str, typer.Option(help="What the agent is to be.")] = "",
    brain: Annotated[
        str | None,
        typer.Option(help="Another brain for the local model: a GGUF file, or BASE_URL#MODEL of a server."),
    ] = None,
    microphone: DeviceName = None,
    speaker: DeviceName = None,
    echo_cancellation: EchoCancellation = True,
    record: Record = None,
    record_audio: RecordAudio = True,
) -> None:
    """Talk with a model: microphone and speaker, or a file."""
    from voicewire.agent.session import VoiceSession
    from voicewire.cli.outcome import ResponseOutcome
    from voicewire.cli.signals import Interrupts
    from voicewire.cli.terminal import TerminalView
    from voicewire.clock import MonotonicClock
    from voicewire.events.session import SessionConfig

    _check_input(input_file)
    chosen = make_model(model, brain=brain, voice=voice, record=record, record_audio=record_audio)
    clock = MonotonicClock()
    source, sink = _edges(chosen, clock, input_file, microphone, speaker, echo_cancellation)
    with Interrupts() as interrupts, ExitStack() as stack:
        observers: list[SessionObserver] = []
        if output is not None:
            observers.append(_opened_recorder(stack, output, f"Conversation with {chosen.name}"))
        invitation = "Speak when you like; Ctrl-C ends the conversation." if input_file is None else ""
        view = TerminalView(console(), chosen.name, invitation=invitation)
        outcome = ResponseOutcome()
        observers += [stack.enter_context(view), outcome]
        session = VoiceSession(
            chosen,
            source=source,
            sink=sink,
            instructions=instructions,
            config=SessionConfig(voice=voice) if voice else None,
            observers=observers,
            clock=clock,
            ends_after_input=input_file is not None,
        )
        interrupts.run(session.run)
    _name_files(output, record)
    if input_file is not None:
        outcome.check()


def _name_files(folder: Path | None, record: Path | None) -> None:
    if folder is not None:
        files = "conversation.wav, timeline.html, timeline.png, events.jsonl"
        console().print(f"Written to {folder}: {files}", soft_wrap=True)
    name_cassette(record)


def _check_input(path: Path | None) -> None:
    """Refuses what is no sound file before a folder is made or a model is loaded for it."""
    from voicewire.audio.files import stream_audio

    if path is None:
        return
    if not _is_file(path):
        raise AudioError(f"{str(path)!r} is not a file; give a WAV, FLAC, MP3 or OGG file to --input")
    stream_audio(path, 1)  # opens it and looks at its header; the blocks are read later, by the source


def _opened_recorder(stack: ExitStack, folder: Path, title: str) -> SessionRecorder:
    """A recorder that is open, and closed with the stack."""
    from voicewire.recording.recorder import SessionRecorder

    recorder = SessionRecorder(folder, title=title)
    return stack.enter_context(recorder)


def _edges(
    model: RealtimeModel,
    clock: Clock,
    input_file: Path | None,
    microphone: str | None,
    speaker: str | None,
    echo_cancellation: bool,
) -> tuple[AudioSource, AudioSink]:
    from voicewire.agent.edges import FRAME_MS, DeviceSink, DeviceSource, FileSource, VirtualSpeaker
    from voicewire.audio.devices import Microphone, Speaker
    from voicewire.audio.devices.echo_path import EchoPath

    input_hz = model.capabilities.input_rates_hz[0]
    output_hz = model.capabilities.output_rate_hz
    if input_file is not None:
        return FileSource(input_file, clock, input_hz), VirtualSpeaker(clock, output_hz)
    echo = EchoPath(input_hz) if echo_cancellation else None
    frame_samples = input_hz * FRAME_MS // 1000
    source = DeviceSource(Microphone(input_hz, frame_samples, _device(microphone), echo=echo), clock)
    return source, DeviceSink(Speaker(output_hz, _device(speaker), echo=echo), clock)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # a name too long for the system, or a folder that may not be looked into


def _device(name: str | None) -> int | str | None:
    return int(name) if name is not None and name.isdecimal() else name
