"""The captions of a room: who speaks, and each utterance once, under the name of who said it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from voicewire.agent.room_member import Member, Speech
from voicewire.agent.room_people import People, Person
from voicewire.agent.room_tracks import ROOM_RATE_HZ
from voicewire.agent.room_turns import Turn
from voicewire.events import server as s
from voicewire.events.base import EventBase


class RoomWords:
    """Tells the front end what is said.

    Every agent transcribes what it hears of people. The first one that does decides what is told; the others are not.
    Of what agents say, only what is heard is told.

    Args:
        people: Who can have spoken.
        emit: Takes the events of the front end.
    """

    def __init__(self, people: People, emit: Callable[[EventBase], None]) -> None:
        self._people = people
        self._emit = emit
        self._spoken: Turn | None = None
        self._transcriber = ""
        self._speaking: dict[str, Person] = {}
        self._number = 1

    @property
    def turn_id(self) -> str:
        """Id of the turn of people that is open, or of the next one."""
        return f"turn_{self._number:04d}"

    # ------------------------------------------------------------------ of people

    def person_begins(self, person: Person, at_sample: int) -> None:
        """Somebody begins to speak."""
        if person.id not in self._speaking:
            self._speaking[person.id] = person
            self._emit(
                s.AgentInputStartedEvent(
                    agent_id=person.id,
                    agent_name=person.name,
                    item_id=self.turn_id,
                    audio_start_ms=at_sample * 1000 // ROOM_RATE_HZ,
                )
            )

    def people_end(self, at_sample: int) -> str:
        """The turn that people spoke is over.

        Returns:
            Its id.
        """
        speaking, self._speaking = self._speaking, {}
        turn_id = self.turn_id
        self._number += 1
        for person in speaking.values():
            self._emit(
                s.AgentInputDoneEvent(
                    agent_id=person.id,
                    agent_name=person.name,
                    item_id=turn_id,
                    audio_end_ms=at_sample * 1000 // ROOM_RATE_HZ,
                )
            )
        return turn_id

    def person_writes(self, person: Person, text: str) -> str:
        """A person has written something; gives the id of the turn."""
        turn_id = self.turn_id
        self._number += 1
        self._emit(
            s.AgentInputTranscriptionDoneEvent(
                agent_id=person.id, agent_name=person.name, item_id=turn_id, transcript=text
            )
        )
        return turn_id

    def heard(self, turn: Turn | None) -> None:
        """The agents have heard this turn, and what they understand now is its words."""
        self._spoken = turn

    def is_awaited(self, turn: Turn) -> bool:
        """Whether the words of this turn may still come."""
        return self._spoken is turn

    def understood(
        self, event: s.AgentInputTranscriptionDeltaEvent | s.AgentInputTranscriptionDoneEvent
    ) -> None:
        """What one agent has understood."""
        turn = self._spoken
        if turn is None or turn.known.is_set() or not turn.is_person:
            return
        person = self._people.named(turn.speaker)
        speaker_id = turn.speaker if person is None else person.id
        if isinstance(event, s.AgentInputTranscriptionDoneEvent):
            turn.words = event.transcript
            turn.known.set()
        elif self._transcriber not in ("", event.agent_id):
            return
        self._transcriber = "" if turn.known.is_set() else event.agent_id
        self._emit(
            msgspec.structs.replace(
                event, agent_id=speaker_id, agent_name=turn.speaker, item_id=turn.id or event.item_id
            )
        )

    # ------------------------------------------------------------------ of agents

    def no_answer(self, member: Member, waited_s: float) -> None:
        """An agent has been asked in vain."""
        self._emit(
            s.AgentErrorEvent(
                agent_id=member.agent.id,
                agent_name=member.name,
                error_type="timeout",
                code="no_answer",
                message=f"the agent had the floor and gave no sign for {waited_s:g} s; it goes to the next one",
            )
        )

    def played(
        self, member: Member, speech: Speech, heard_samples: int, *, is_final: bool, is_cut: bool = False
    ) -> None:
        """How far what an agent says has been heard."""
        self._emit(
            s.AgentPlayoutHeardEvent(
                agent_id=member.agent.id,
                agent_name=member.name,
                item_id=speech.item_id,
                heard_samples=heard_samples,
                generated_samples=len(speech.audio) // 2,
                rate=ROOM_RATE_HZ,
                heard_text=speech.words(heard_samples),
                is_final=is_final,
                is_cut=is_cut,
            )
        )

    def said(
        self,
        member: Member,
        event: s.AgentResponseAudioTranscriptDeltaEvent | s.AgentResponseAudioTranscriptDoneEvent,
    ) -> None:
        """What an agent says; told when it is heard."""
        speech = member.heard(event.response_id)
        if speech is not None:
            if isinstance(event, s.AgentResponseAudioTranscriptDoneEvent):
                speech.add_transcript(event.item_id, event.transcript)
            else:
                speech.add_words(event.item_id, event.delta)
            self._emit(event)
        elif event.response_id == member.cut_id and isinstance(
            event, s.AgentResponseAudioTranscriptDoneEvent
        ):
            member.cut_id = ""
            self._emit(msgspec.structs.replace(event, transcript=member.cut_words))
