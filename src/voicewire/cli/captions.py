"""Live captions of the microphone."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, Final

import anyio

from voicewire.audio.devices import Microphone
from voicewire.cli.signals import Interrupts
from voicewire.errors import SessionClosed
from voicewire.speech.asr import AsrClient
from voicewire.speech.results import RecognitionEvent, RecognitionResult, Segment

_FRAME_MS: Final = 40
_LINE_CHARS: Final = 100
_LAST_WORDS_S: Final = 5.0
"""For what was said just before Ctrl-C."""


def caption_microphone(client: AsrClient[Any], device: str | None) -> RecognitionResult:
    """Shows what is said until Ctrl-C; a partial is overwritten by the next in a terminal, and left out elsewhere.

    Raises:
        AudioDeviceError: There is no microphone.
        VoicewireError: The recogniser failed.
    """
    segments: list[Segment] = []
    rate_hz = client.config.sample_rate or 16000
    chosen: int | str | None = int(device) if device and device.isdigit() else device

    async def caption() -> None:
        async for event in client:
            if isinstance(event, RecognitionEvent):
                _show(event)
                if event.is_final:
                    segments.append(event.segment())

    async def run() -> None:
        async with (
            Microphone(rate_hz, rate_hz * _FRAME_MS // 1000, chosen) as microphone,
            client,
            anyio.create_task_group() as tasks,
        ):

            async def listen() -> None:
                with suppress(SessionClosed):  # the frame that was on its way when it ended
                    async for frame in microphone:
                        client.send_audio_data(frame.data)

            tasks.start_soon(listen)
            try:
                await caption()
            except anyio.get_cancelled_exc_class():
                with anyio.move_on_after(_LAST_WORDS_S, shield=True):
                    await client.finish()
                    await caption()
                raise
            tasks.cancel_scope.cancel()

    interrupts = Interrupts()
    try:
        with interrupts:
            interrupts.run(run)
    except KeyboardInterrupt:
        # Ctrl-C is how captions end; what was said is the result.
        _clear()
    return RecognitionResult.of(tuple(segments), duration_ms=segments[-1].end_ms if segments else 0)


def _show(event: RecognitionEvent) -> None:
    if event.is_final:
        _clear()
        sys.stdout.write(f"{event.text}\n")
    elif sys.stdout.isatty():
        _clear()
        sys.stdout.write(event.text[-_LINE_CHARS:])
    sys.stdout.flush()


def _clear() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\r\x1b[K")
