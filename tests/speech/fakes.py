"""Clients whose other side is a script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from voicewire.speech.asr import AsrClient, AsrSession
from voicewire.speech.callbacks import AsrCallbacks
from voicewire.speech.config import AsrConfig
from voicewire.speech.results import RecognitionEvent

STAGES = {
    "vad": "tests.engine.fakes:FakeVad",
    "recognizer": "tests.engine.fakes:FakeRecognizer",
    "synthesizer": "tests.engine.fakes:FakeSynthesizer",
}
Work = Callable[["ScriptedAsr", AsrSession], Awaitable[None]]


async def count_bytes(client: ScriptedAsr, session: AsrSession) -> None:
    """Opens, counts what it is sent, and says the number at the end."""
    await client._opened(session)
    total = 0
    while (data := await client._receive(session)) is not None:
        total += len(data)
    await client._tell(session, RecognitionEvent(text=str(total), is_final=True))


class ScriptedAsr(AsrClient[AsrConfig]):
    """Does what its script says."""

    def __init__(self, work: Work = count_bytes, callbacks: AsrCallbacks | None = None) -> None:
        super().__init__(AsrConfig(), callbacks)
        self._work = work

    def for_files(self) -> ScriptedAsr:
        return ScriptedAsr(self._work)

    async def _run(self, session: AsrSession) -> None:
        await self._work(self, session)


class Diary:
    """Notes every callback, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def callbacks(self) -> AsrCallbacks:
        note = self.lines.append
        return AsrCallbacks(
            on_open=lambda: note("open"),
            on_event=lambda is_final, text: note(f"{'final' if is_final else 'partial'} {text}"),
            on_complete=lambda: note("complete"),
            on_error=lambda message: note(f"error {message}"),
            on_close=lambda: note("close"),
            on_overflow=lambda dropped: note(f"overflow {dropped}"),
        )
