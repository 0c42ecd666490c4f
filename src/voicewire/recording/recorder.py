"""Writes what a session leaves behind: ``conversation.wav`` and ``events.jsonl``, and at its end the picture.

A thread of its own does the writing, so that the event loop never waits for the disk. Both files are valid
after every write, so a program that is killed leaves all but the last tenth of a second.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from typing_extensions import Self

from voicewire.audio.files import WavWriter
from voicewire.audio.format import AudioFrame
from voicewire.audio.resample import Resampler
from voicewire.errors import ConfigError
from voicewire.events.base import EventBase
from voicewire.recording.html import page_of
from voicewire.recording.layout import picture_of
from voicewire.recording.log import log_line
from voicewire.recording.marks import Mark
from voicewire.recording.png import write_png
from voicewire.recording.stereo import StereoTrack
from voicewire.recording.timeline import Timeline, TimelineBuilder

RATE_HZ: Final = 24_000
"""Rate of ``conversation.wav``."""
WAV_NAME: Final = "conversation.wav"
EVENTS_NAME: Final = "events.jsonl"
HTML_NAME: Final = "timeline.html"
PNG_NAME: Final = "timeline.png"
_BATCH_SAMPLES: Final = RATE_HZ // 10
_MAX_QUEUED: Final = 20_000
"""Jobs that may wait for the disk, minutes' worth; beyond that the session waits for the disk."""


class SessionRecorder:
    """Records one session into a folder; an observer of ``VoiceSession``.

    Use it as ``with SessionRecorder(folder) as recorder``. Leaving writes what is left, then the pictures.

    Concurrency: one caller at a time; the files are written by a thread that ends with ``close``.

    Args:
        folder: Where the files go; made when it is not there. Files of an earlier run are replaced.
        title: Heading of the picture.
        scale: Pixels of ``timeline.png`` for one of the layout.
    """

    def __init__(self, folder: Path, *, title: str = "Conversation", scale: float = 1.5) -> None:
        self.folder = folder
        self.title = title
        self.timeline: Timeline | None = None
        """The finished timeline, after ``close``."""
        self._scale = scale
        self._builder = TimelineBuilder()
        self._track = StereoTrack(RATE_HZ)
        self._wav = WavWriter(folder / WAV_NAME, RATE_HZ, channels=2)
        self._events: BinaryIO | None = None
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(_MAX_QUEUED)
        self._thread: threading.Thread | None = None
        self._failure: OSError | ValueError | None = None
        self._resampler: Resampler | None = None
        self._user_end_sample = 0

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Makes the folder and the files and starts the writing thread.

        Raises:
            ConfigError: The folder or a file in it cannot be made.
            AudioError: The recording cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in (HTML_NAME, PNG_NAME):
                (self.folder / name).unlink(missing_ok=True)
            self._events = (self.folder / EVENTS_NAME).open("wb")
        except OSError as error:
            raise ConfigError(
                f"cannot write into {str(self.folder)!r}: {error.strerror} "
                f"({Path(error.filename or self.folder).name!r}); choose another folder"
            ) from error
        try:
            self._wav.open()
        except BaseException:
            self._events.close()
            raise
        self._thread = threading.Thread(target=self._write_jobs, name="voicewire-recorder", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Jobs that wait for the disk; for a caller that would rather lose a recording than wait."""
        return self._jobs.qsize()

    def on_start(self, origin_ns: int) -> None:
        """The session begins: moment 0 of its time."""
        self._builder = TimelineBuilder(origin_ns=origin_ns)

    def on_event(self, at_ms: float, what: EventBase | Mark) -> None:
        """Notes an event or mark."""
        self._put(lambda: self._write_event(at_ms, what))

    def on_user_audio(self, start_ms: float, frame: AudioFrame) -> None:
        """Notes what the user said; mono 16-bit of any one rate, in order."""
        self._put(lambda: self._write_user(start_ms, frame))

    def on_agent_audio(self, start_ms: float, pcm16: bytes, sample_rate_hz: int) -> None:
        """Notes what went out of the speaker: 16-bit mono at its place in session time."""
        self._put(lambda: self._write_agent(start_ms, pcm16, sample_rate_hz))

    def on_agent_position(self, until_ms: float) -> None:
        """Notes that nothing else will sound before ``until_ms``."""
        self._put(lambda: self._advance_agent(until_ms))

    def close(self) -> None:
        """Writes everything that is left, closes the files and draws the pictures. Safe to call twice.

        Raises:
            ConfigError: The disk refused something; what was written before is valid.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._jobs.put(None)
        thread.join()
        try:
            if self._failure is None:
                self._wav.write(self._track.finish())
        finally:
            self._wav.close()
            if self._events is not None:
                # Every line was flushed or reported; closing tries once more with what a full disk refused.
                with contextlib.suppress(OSError):
                    self._events.close()
        if self._failure is not None:
            raise self._incomplete(self._failure) from self._failure
        try:
            self._draw()
        except OSError as error:
            raise self._incomplete(error) from error

    def _incomplete(self, error: OSError | ValueError) -> ConfigError:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return ConfigError(
            f"the recording in {str(self.folder)!r} is incomplete: {reason}; make room there and talk again"
        )

    def _draw(self) -> None:
        duration_ms = self._track.written_samples * 1000 / RATE_HZ
        timeline = self.timeline = self._builder.build(duration_ms)
        scene = picture_of(
            timeline,
            user=self._track.envelope("user"),
            agent=self._track.envelope("agent"),
            title=self.title,
        )
        part = self.folder / (HTML_NAME + ".part")
        try:
            part.write_text(page_of(timeline, scene), encoding="utf-8")
            part.replace(self.folder / HTML_NAME)
        finally:
            part.unlink(missing_ok=True)
        write_png(scene, self.folder / PNG_NAME, scale=self._scale)

    def _put(self, job: Callable[[], None]) -> None:
        if self._thread is not None:
            self._jobs.put(job)

    def _write_jobs(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._failure is not None:
                continue
            try:
                job()
            except (OSError, ValueError) as error:
                # A full disk ends the recording, not the conversation; close() reports it.
                self._failure = error

    def _write_event(self, at_ms: float, what: EventBase | Mark) -> None:
        self._builder.add(at_ms, what)
        if self._events is not None:
            self._events.write(log_line(at_ms, what))
            self._events.flush()

    def _write_user(self, start_ms: float, frame: AudioFrame) -> None:
        rate_hz = frame.format.sample_rate_hz
        start = round(start_ms * RATE_HZ / 1000)
        pcm16 = frame.data
        if rate_hz != RATE_HZ:
            if self._resampler is None:
                self._resampler = Resampler(rate_hz, RATE_HZ)
                self._user_end_sample = start
            pcm16 = self._resampler.process(pcm16)
            # Rounding must not tear the stream: only a real gap moves the position.
            if abs(start - self._user_end_sample) < RATE_HZ // 50:
                start = self._user_end_sample
            self._user_end_sample = start + len(pcm16) // 2
        self._track.write("user", start, pcm16)
        self._write_track()

    def _write_agent(self, start_ms: float, pcm16: bytes, sample_rate_hz: int) -> None:
        if sample_rate_hz != RATE_HZ:
            resampler = Resampler(sample_rate_hz, RATE_HZ)
            pcm16 = resampler.process(pcm16) + resampler.flush()
        self._track.write("agent", round(start_ms * RATE_HZ / 1000), pcm16)

    def _advance_agent(self, until_ms: float) -> None:
        self._track.advance("agent", round(until_ms * RATE_HZ / 1000))
        self._write_track()

    def _write_track(self) -> None:
        ready = min(self._track.position("user"), self._track.position("agent")) - self._track.written_samples
        if ready >= _BATCH_SAMPLES:
            self._wav.write(self._track.take())
