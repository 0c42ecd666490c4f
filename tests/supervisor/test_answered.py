"""A turn that was answered before its words were known is not answered twice when the connection is lost."""

from __future__ import annotations

import anyio
import pytest

from tests.faults.leaks import ASYNC
from tests.supervisor.providers import PROVIDERS, SILENCE, SPEECH, Witness, model_of, speak, watched
from voicewire.events import model as m
from voicewire.events.commands import AppendAudio, SendText
from voicewire.models.told_items import WORDS_NOT_KNOWN
from voicewire.testing import serve
from voicewire.testing.faults import FaultInjector
from voicewire.testing.transport import Faults, FaultyTransport
from voicewire.transport.frames import Frame
from voicewire.transport.options import Connect

pytestmark = [pytest.mark.loopback, *ASYNC]

ANSWERED = [name for name, row in PROVIDERS.items() if row.tells_starts]
"""On Gemini's wire a turn is only known by its words."""


class _WithoutWords(FaultyTransport):
    """A provider whose transcripts never come in time."""

    def on_message(self, message: memoryview | Frame) -> None:
        text = str(message, "utf-8") if isinstance(message, memoryview) else message
        if isinstance(text, str) and "input_audio_transcription." in text:
            return
        super().on_message(message)


def without_words(connect: Connect) -> Connect:
    return _WithoutWords.around(connect, Faults())


@pytest.mark.parametrize("provider", ANSWERED)
async def test_a_turn_that_was_answered_is_not_answered_again(provider: str) -> None:
    faults, witness = FaultInjector(), Witness()
    async with serve(witness) as gateway:
        model = model_of(provider, gateway).set_link(wrap=without_words).set_link(wrap=faults.wrap)
        async with model.open() as connection, watched(connection) as seen:
            faults.inject("cut", after=PROVIDERS[provider].sounding)
            await speak(connection, SPEECH + SILENCE)
            await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
            await connection.send(SendText("and now"))
            await seen.until(lambda s: any("and now" in text for text in s.answers))
    first, second = (e for e in seen.events if isinstance(e, m.ModelResponseDoneEvent))
    assert (first.status, first.reason, second.status) == ("failed", "connection_lost", "completed")
    (failed,) = seen.of(m.ModelInputTranscriptionFailedEvent)
    assert isinstance(failed, m.ModelInputTranscriptionFailedEvent) and failed.code == "connection_lost"
    assert witness.texts == [WORDS_NOT_KNOWN, "and now"]
    assert len(seen.of(m.ModelInputCommittedEvent)) == 1
    audible = [c for c in witness.sessions[-1] if isinstance(c, AppendAudio) and any(c.pcm)]
    assert not audible, "what was answered is not said again"


@pytest.mark.parametrize("provider", ANSWERED)
async def test_a_turn_whose_answer_had_not_begun_to_come_is_said_again(provider: str) -> None:
    faults, witness = FaultInjector(), Witness()
    async with serve(witness) as gateway:
        model = model_of(provider, gateway).set_link(wrap=without_words).set_link(wrap=faults.wrap)
        async with model.open() as connection, watched(connection) as seen:
            faults.inject("cut", after=PROVIDERS[provider].started)
            await speak(connection, SPEECH + SILENCE)
            await seen.until(lambda s: any("of audio" in text for text in s.answers))
            with anyio.fail_after(20):
                await connection.aclose()
    assert witness.texts == []
    assert sum(isinstance(c, AppendAudio) and any(c.pcm) for c in witness.sessions[-1]) >= 30
