"""A file through a live session: how clients without a way of their own recognise files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from voicewire.audio.files import FORMAT_BY_SUFFIX, stream_audio
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.errors import AudioError, SessionClosed, VoicewireError
from voicewire.speech.results import RecognitionEvent, RecognitionResult, Segment

if TYPE_CHECKING:
    from voicewire.speech.asr import AsrClient, Progress

FILE_RATE_HZ: Final = 16_000
_BLOCK_SAMPLES: Final = FILE_RATE_HZ // 5
_TAIL_SAMPLES: Final = FILE_RATE_HZ


async def recognize_through_session(
    client: AsrClient[Any],
    path: str | os.PathLike[str],
    progress: Progress | None,
    segments: list[Segment] | None = None,
    *,
    from_ms: int = 0,
) -> RecognitionResult:
    """Sends a file as fast as the other side takes it, with a second of silence behind it.

    Args:
        client: Whose settings are used.
        path: The file.
        progress: Told how far it is.
        segments: What is recognised is added to this list at once, so that a caller who stops has it.
        from_ms: Where to go on: the end of the last segment of an earlier run.
    """
    frames = await anyio.to_thread.run_sync(open_blocks, path, _BLOCK_SAMPLES)
    segments = [] if segments is None else segments
    sent_samples = offset = from_ms * FILE_RATE_HZ // 1000
    failure: VoicewireError | None = None
    worker = client.for_files()

    async def send() -> None:
        nonlocal sent_samples, failure
        try:
            while (frame := await anyio.to_thread.run_sync(next, frames, None)) is not None:
                if frame.end_sample > offset:
                    await worker.send(frame.data[2 * max(0, offset - frame.start_sample) :])
                    sent_samples = frame.end_sample
            await worker.send(bytes(2 * _TAIL_SAMPLES))
            await worker.finish()
        except SessionClosed:
            return  # the session ended by itself; its events say how
        except VoicewireError as error:
            failure = error
            await worker.aclose()

    async with worker, anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        try:
            async for event in worker:
                if isinstance(event, RecognitionEvent) and event.is_final and event.text:
                    segments.append(event.segment().later(from_ms))
                    if progress is not None:
                        progress(segments[-1].end_ms, None)
        except VoicewireError as error:
            failure = failure or error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    length_ms = sent_samples * 1000 // FILE_RATE_HZ
    if progress is not None:
        progress(length_ms, length_ms)
    return RecognitionResult.of(tuple(segments), duration_ms=length_ms)


def open_blocks(path: str | os.PathLike[str], block_samples: int) -> Iterator[AudioFrame]:
    """The blocks of a file at 16 kHz, mono; bare PCM counts as 16 kHz.

    Raises:
        AudioError: The file is missing, not audio, damaged or empty.
    """
    if not _is_raw(path):
        return stream_audio(path, block_samples, FILE_RATE_HZ)
    try:
        return stream_audio(path, block_samples, FILE_RATE_HZ, raw_format=AudioFormat(FILE_RATE_HZ))
    except AudioError as error:
        if os.fspath(path) in str(error):
            raise
        raise AudioError(f"{os.fspath(path)!r} is no 16-bit PCM: {error}") from error


def duration_ms(path: str | os.PathLike[str]) -> int | None:
    """How long a file says that it is; None when it does not say."""
    if _is_raw(path):
        return os.path.getsize(path) * 1000 // (2 * FILE_RATE_HZ)
    import soundfile

    try:
        info = soundfile.info(os.fspath(path))
    except (RuntimeError, OSError):
        return None
    return int(info.frames) * 1000 // int(info.samplerate)


def _is_raw(path: str | os.PathLike[str]) -> bool:
    return FORMAT_BY_SUFFIX.get(os.path.splitext(path)[1].lower()) == "raw"
