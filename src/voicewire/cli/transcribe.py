"""``voicewire transcribe``: writes down what files, or the microphone, say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicewire.cli.common import command, error_console
from voicewire.cli.opening import Record, RecordAudio, name_cassette
from voicewire.errors import ConfigError
from voicewire.speech.captions import TranscriptFormat, render

if TYPE_CHECKING:
    from voicewire.speech.asr import AsrClient
    from voicewire.speech.results import RecognitionResult, Segment

__all__ = ["TranscriptFormat", "render", "transcribe"]

_SUFFIXES: Final = {
    TranscriptFormat.TEXT: ".txt",
    TranscriptFormat.JSON: ".json",
    TranscriptFormat.SRT: ".srt",
    TranscriptFormat.VTT: ".vtt",
}
_NOTE_EVERY_MS: Final = 5000
"""A stretch of silence is noted in the journal this often; segments are noted at once."""

Show = Callable[[int], None]
"""Told how far a file is, in ms."""


@command
def transcribe(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="WAV, FLAC, MP3 or OGG files.")
    ] = None,
    format: Annotated[
        TranscriptFormat, typer.Option("--format", "-f", help="How to write it down.")
    ] = TranscriptFormat.TEXT,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file instead of standard output; a folder for several files."),
    ] = None,
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code, such as en.")] = None,
    provider: Annotated[
        str, typer.Option(help="Who recognises: local, modelstudio, azure or openai.")
    ] = "local",
    live: Annotated[bool, typer.Option("--live", help="Captions of the microphone until Ctrl-C.")] = False,
    device: Annotated[str | None, typer.Option(help="A microphone, by index or a part of its name.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on where a run that was stopped left off.")
    ] = True,
    progress: Annotated[
        bool | None,
        typer.Option("--progress/--no-progress", help="Show how far it is. [default: in a terminal]"),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Leave out stammers, um and uh.")] = False,
    numbers: Annotated[bool, typer.Option("--numbers", help="Write twenty-five as 25.")] = False,
    record: Record = None,
    record_audio: RecordAudio = True,
) -> None:
    """Write down what sound files, or the microphone, say."""
    if live == bool(files):
        raise typer.BadParameter("give one or more files, or --live for the microphone")
    shows_progress = sys.stderr.isatty() if progress is None else progress
    tidy = _tidied(clean=clean, numbers=numbers)
    options: dict[str, Any] = {"language": language} if language else {}
    if record is not None:
        options |= {"record": record, "record_audio": record_audio}
    # Made once for all files, which share the cassette; the engine reads files without one, and records nothing.
    client = _client(provider, options) if live or record or provider != "local" else None
    if live and client is not None:
        from voicewire.cli.captions import caption_microphone

        result = caption_microphone(client, device)
        if output is not None:
            _write(output, render(tidy(result), format))
        name_cassette(record)
        return
    from voicewire.speech.journal import options_key

    paths = files or []
    _check_output(output, len(paths))
    for path in paths:
        write = _writer(path, output, format, is_one=len(paths) == 1, tidy=tidy)
        if client is None:
            _transcribe_locally(path, language, write, resume=resume, shows_progress=shows_progress)
        else:
            key = options_key(provider=provider, language=language, model=client.config.model)
            _transcribe_remotely(path, client, write, key=key, resume=resume, shows_progress=shows_progress)
    name_cassette(record)


def _transcribe_locally(
    path: Path,
    language: str | None,
    write: Callable[[RecognitionResult], None],
    *,
    resume: bool,
    shows_progress: bool,
) -> None:
    """Recognises one file; what is done is written, and kept for the next run, when it is stopped."""
    from voicewire.speech import local_stages
    from voicewire.speech.file_stream import duration_ms, open_blocks
    from voicewire.speech.journal import Journal, default_folder, options_key
    from voicewire.speech.local_files import read_file

    open_blocks(path, 1)  # a file that cannot be read is refused before the models load
    journal = Journal(default_folder(), path, options_key(language=language))
    settled_ms, segments = journal.read() if resume else (0, [])
    journal.restart(settled_ms, segments)
    total_ms = duration_ms(path)
    vad, recognizer = local_stages.vad(), local_stages.recognizer()
    position_ms = settled_ms
    try:
        with _progress(path.name, total_ms, shows_progress) as show:
            for step in read_file(path, vad, recognizer, language=language, from_ms=settled_ms):
                position_ms = step.position_ms
                segments += step.segments
                if step.segments or step.settled_ms - settled_ms >= _NOTE_EVERY_MS:
                    settled_ms = step.settled_ms
                    journal.add(settled_ms, step.segments)
                show(position_ms)
    except KeyboardInterrupt:
        write(_result(segments, position_ms))
        _say_stopped(settled_ms, total_ms or position_ms)
        raise
    write(_result(segments, position_ms))
    journal.forget()


def _transcribe_remotely(
    path: Path,
    client: AsrClient[Any],
    write: Callable[[RecognitionResult], None],
    *,
    key: str,
    resume: bool,
    shows_progress: bool,
) -> None:
    """Recognises one file at a provider; what has its final result is written, and kept, when it is stopped."""
    import anyio

    from voicewire.speech.file_stream import duration_ms, recognize_through_session
    from voicewire.speech.journal import Journal, default_folder

    total_ms = duration_ms(path)
    journal = Journal(default_folder(), path, key)
    settled_ms, segments = journal.read() if resume else (0, [])
    journal.restart(settled_ms, segments)
    noted = len(segments)

    def note(done_ms: int, _: int | None) -> None:
        nonlocal noted
        if noted < len(segments):
            journal.add(done_ms, tuple(segments[noted:]))
            noted = len(segments)
        show(done_ms)

    try:
        with _progress(path.name, total_ms, shows_progress) as show:
            result = anyio.run(
                lambda: recognize_through_session(client, path, note, segments, from_ms=settled_ms)
            )
    except KeyboardInterrupt:
        done_ms = segments[-1].end_ms if segments else 0
        write(_result(segments, done_ms))
        _say_stopped(done_ms, total_ms or done_ms)
        raise
    write(result)
    journal.forget()


def _say_stopped(at_ms: int, of_ms: int) -> None:
    error_console().print(
        f"stopped at {_clock(at_ms)} of {_clock(of_ms)}; what is done is written, "
        "and the same command goes on from there",
        soft_wrap=True,
    )


def _client(provider: str, options: dict[str, Any]) -> AsrClient[Any]:
    from voicewire.speech.create import create_asr

    return create_asr(provider, **options)


def _result(segments: list[Segment], duration_ms: int) -> RecognitionResult:
    from voicewire.speech.results import RecognitionResult

    language = next((segment.language for segment in segments), "")
    return RecognitionResult.of(tuple(segments), duration_ms=duration_ms, language=language)


def _tidied(*, clean: bool, numbers: bool) -> Callable[[RecognitionResult], RecognitionResult]:
    """What is done with the text of a transcript before it is written."""
    from voicewire.speech import captions
    from voicewire.speech.figures import numerals
    from voicewire.speech.results import RecognitionResult

    steps: list[Callable[[str], str]] = []
    if clean:
        steps.append(captions.clean)
    if numbers:
        steps.append(numerals)

    def tidy(result: RecognitionResult) -> RecognitionResult:
        segments = result.segments
        for step in steps:
            segments = tuple(segment.with_text(step(segment.text)) for segment in segments)
        return RecognitionResult.of(segments, duration_ms=result.duration_ms, language=result.language)

    return tidy if steps else lambda result: result


def _writer(
    path: Path,
    output: Path | None,
    format: TranscriptFormat,
    *,
    is_one: bool,
    tidy: Callable[[RecognitionResult], RecognitionResult],
) -> Callable[[RecognitionResult], None]:
    """Where the transcript of this file goes."""

    def write(result: RecognitionResult) -> None:
        text = render(tidy(result), format)
        if output is not None:
            is_folder = not is_one or output.is_dir()
            _write(output / f"{path.stem}{_SUFFIXES[format]}" if is_folder else output, text)
            return
        if not is_one:
            typer.echo(f"== {path}")
        typer.echo(text)

    return write


def _check_output(output: Path | None, file_count: int) -> None:
    if output is None:
        return
    if file_count > 1 and output.is_file():
        raise ConfigError(f"{str(output)!r} is a file; name a folder for several transcripts")
    if file_count > 1:
        output.mkdir(parents=True, exist_ok=True)
    elif not output.parent.is_dir():
        raise ConfigError(f"there is no folder {str(output.parent)!r}; make it, or name another one")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {str(path)!r}: {error.strerror}; name another file") from error


def _progress(name: str, total_ms: int | None, is_shown: bool) -> AbstractContextManager[Show]:
    """A bar in a terminal, a line for each tenth elsewhere."""
    if not is_shown:
        return nullcontext(lambda _: None)
    from voicewire.cli.progress import FileProgress

    return FileProgress(error_console(), name, total_ms)


def _clock(at_ms: int) -> str:
    minutes, seconds = divmod(at_ms // 1000, 60)
    return f"{minutes:02d}:{seconds:02d}"
