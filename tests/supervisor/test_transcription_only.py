"""A session that only transcribes is restored with its audio alone: it takes no items and makes no responses."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.faults.leaks import ASYNC
from tests.supervisor.providers import SILENCE, SPEECH, Witness, model_of, speak, watched
from voicewire.events import model as m
from voicewire.events.commands import AppendAudio, CommitAudio, CreateItem, CreateResponse
from voicewire.events.session import SessionConfig, Transcription, TurnDetection
from voicewire.testing import serve
from voicewire.testing.faults import FaultInjector

pytestmark = [pytest.mark.loopback, *ASYNC]

WRITES = SessionConfig(transcription=Transcription(), is_transcription_only=True)


@pytest.mark.parametrize("creates_response", [True, False])
async def test_it_is_told_no_items_and_asked_for_no_response(creates_response: bool) -> None:
    faults, witness = FaultInjector(), Witness()
    config = replace(WRITES, turn_detection=TurnDetection(create_response=creates_response))
    async with serve(witness) as gateway:
        model = model_of("openai", gateway).set_link(wrap=faults.wrap)
        async with model.open(config=config) as connection, watched(connection) as seen:
            await speak(connection, SPEECH + SILENCE)
            await seen.until(lambda s: len(s.of(m.ModelInputTranscriptionDoneEvent)) == 1)
            faults.inject("cut")
            await seen.until(lambda s: bool(s.of(m.WebsocketConnectEvent)))
            await speak(connection, SPEECH + SILENCE)
            await seen.until(lambda s: len(s.of(m.ModelInputTranscriptionDoneEvent)) == 2)
    (restored,) = seen.of(m.WebsocketConnectEvent)
    assert isinstance(restored, m.WebsocketConnectEvent)
    assert restored.items_told == 0
    assert not any(isinstance(command, (CreateItem, CreateResponse)) for command in witness.sessions[-1])
    assert any(isinstance(command, AppendAudio) for command in witness.sessions[-1])
    assert seen.of(m.ModelErrorEvent) == []


async def test_a_turn_committed_by_hand_before_the_loss_is_heard_again() -> None:
    faults, witness = FaultInjector(), Witness()
    async with serve(witness) as gateway:
        model = model_of("openai", gateway).set_link(wrap=faults.wrap)
        config = replace(WRITES, turn_detection=None)
        async with model.open(config=config) as connection, watched(connection) as seen:
            faults.inject("cut")
            await seen.until(lambda s: bool(s.of(m.WebsocketDisconnectEvent)))
            await speak(connection, SPEECH)
            await connection.send(CommitAudio())
            await seen.until(lambda s: len(s.of(m.ModelInputTranscriptionDoneEvent)) == 1)
    assert not any(isinstance(command, CreateResponse) for command in witness.sessions[-1])
