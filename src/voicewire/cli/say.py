"""``voicewire say``: speaks a text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from voicewire.cli.common import command, console
from voicewire.errors import ConfigError, UnsupportedError

if TYPE_CHECKING:
    from voicewire.audio.format import AudioFrame

_WRITABLE: Final = (".wav", ".wave", ".mp3", ".ogg", ".oga", ".flac", ".pcm", ".raw")


@command
def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write a WAV, MP3, OGG, FLAC or PCM file instead of playing."),
    ] = None,
    voice: Annotated[str | None, typer.Option(help="A voice of `voicewire voices`.")] = None,
    speed: Annotated[float, typer.Option(min=0.5, max=2.0, help="1 is normal.")] = 1.0,
) -> None:
    """Speak a text with the embedded engine."""
    if output is not None and output.suffix.lower() not in _WRITABLE:
        raise ConfigError(
            f"cannot tell what kind of file {str(output)!r} shall be: let its name end in "
            f"one of {', '.join(_WRITABLE)}"
        )
    frame = _spoken(sys.stdin.read() if text == "-" else text, voice, speed)
    if output is None:
        _play(frame)
        return
    from voicewire.audio.files import write_audio

    write_audio(output, frame)
    console().print(f"{output}: {frame.duration_ms / 1000:.2f} s", soft_wrap=True)


def _spoken(text: str, voice: str | None, speed: float) -> AudioFrame:
    from voicewire.audio.format import AudioFormat, AudioFrame
    from voicewire.audio.pcm import float32_to_pcm16
    from voicewire.engine.text import for_speech
    from voicewire.engine.tts import create_synthesizer

    if not text.strip():
        raise ConfigError("there is nothing to say; give a text with at least one word")
    synthesizer = create_synthesizer(voice)
    spoken = for_speech(text)
    check = synthesizer.speakable(spoken)
    if not check.is_speakable:
        raise UnsupportedError(check.reason)
    speech = synthesizer.synthesize(spoken, speed=speed)
    return AudioFrame(AudioFormat(speech.sample_rate_hz), float32_to_pcm16(speech.samples))


def _play(frame: AudioFrame) -> None:
    import anyio

    from voicewire.audio.devices import Speaker

    async def play() -> None:
        async with Speaker(frame.format.sample_rate_hz) as speaker:
            speaker.enqueue("say", frame.data)
            await speaker.drained()

    anyio.run(play)
