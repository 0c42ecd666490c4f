"""``voicewire say``: speaks a text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicewire.cli.common import command, console
from voicewire.cli.opening import Record, RecordAudio, name_cassette
from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from voicewire.speech.tts import TtsClient

_WRITABLE: Final = (".wav", ".wave", ".mp3", ".ogg", ".oga", ".opus", ".flac", ".pcm", ".raw")

_AHEAD_S: Final = 20


@command
def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write a WAV, MP3, OGG, FLAC or PCM file instead of playing."),
    ] = None,
    voice: Annotated[str | None, typer.Option(help="A voice of `voicewire voices`.")] = None,
    speed: Annotated[float, typer.Option(min=0.5, max=2.0, help="1 is normal.")] = 1.0,
    provider: Annotated[str, typer.Option(help="Who speaks: local, modelstudio or azure.")] = "local",
    record: Record = None,
    record_audio: RecordAudio = True,
    rate: Annotated[int, typer.Option(min=8000, max=48000, help="Sample rate of the audio, in Hz.")] = 24000,
) -> None:
    """Speak a text through the speaker or into a file."""
    if output is not None and output.suffix.lower() not in _WRITABLE:
        raise ConfigError(
            f"cannot tell what kind of file {str(output)!r} shall be: let its name end in "
            f"one of {', '.join(_WRITABLE)}"
        )
    words = sys.stdin.read() if text == "-" else text
    if not words.strip():
        raise ConfigError("there is nothing to say; give a text with at least one word")
    import anyio

    from voicewire.speech.create import create_tts

    options: dict[str, Any] = {"speech_rate": speed, "sample_rate": rate, "format": "pcm"}
    if voice is not None:
        options["voice"] = voice
    client = create_tts(provider, **options, record=record, record_audio=record_audio)
    if output is None:
        anyio.run(_play, client, words, rate)
    else:
        length_ms = anyio.run(client.synthesize_file, words, output)
        console().print(f"{output}: {length_ms / 1000:.2f} s", soft_wrap=True)
    name_cassette(record)


async def _play(client: TtsClient[Any], text: str, rate_hz: int) -> None:
    """Plays the audio while it is made; no more than a little is made ahead of what is heard."""
    import anyio

    from voicewire.audio.devices import Speaker
    from voicewire.speech.results import SynthesizedAudio
    from voicewire.speech.tts import saying

    async with Speaker(rate_hz) as speaker, saying(client, text):
        async for event in client:
            if isinstance(event, SynthesizedAudio):
                speaker.enqueue("say", event.data)
            while speaker.queued_samples > _AHEAD_S * rate_hz:
                with anyio.move_on_after(1):  # a speaker that stopped by itself raises here
                    await speaker.drained()
        await speaker.drained()
