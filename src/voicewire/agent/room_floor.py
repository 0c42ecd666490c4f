"""Turn-taking in a room: whose turn it is, until when, and who is next."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.abc

from voicewire.agent.floor import ANYONE, FloorPolicy, TurnTaken
from voicewire.agent.room_member import Member, Speech
from voicewire.agent.room_people import People, Person
from voicewire.agent.room_roster import Roster
from voicewire.agent.room_tracks import MAX_TURN_SAMPLES, RoomTracks
from voicewire.agent.room_turns import RoomHistory, Turn, turn_stream
from voicewire.agent.room_words import RoomWords
from voicewire.clock import NS_PER_S, Clock
from voicewire.events import server as s

_log = logging.getLogger(__name__)

_MUTED_S: Final = 1.0
"""How long somebody who speaks may send nothing, in seconds."""
_TELL_S: Final = 0.1
"""How often it is told how far a speech has been heard, in seconds."""
_WORDS_S: Final = 3.0
"""How long the words of a turn may take where they decide who speaks next, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorRules:
    """How the floor is given."""

    policy: FloorPolicy
    turn_limit: int
    """Turns of agents in a row."""
    answer_timeout_s: float
    """How long an agent that has the floor may give no sign, in seconds."""
    tells_playout: bool = False
    """Whether the front end is told how far each speech has been heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomParts:
    """What a room is made of."""

    roster: Roster
    people: People
    tracks: RoomTracks
    words: RoomWords
    history: RoomHistory
    clock: Clock


class RoomFloor:
    """Gives the floor, to one agent at a time, and takes it.

    An agent holds the floor from when it is asked until its speech has been played; then its turn is over, everybody
    else hears it, and the policy says who is next. Several are asked at once only where the policy leaves it open who
    answers; they hold the floor together until the first of them begins.

    Args:
        rules: How the floor is given.
        parts: The room.
    """

    def __init__(self, rules: FloorRules, parts: RoomParts) -> None:
        self._rules = rules
        self._roster = parts.roster
        self._people = parts.people
        self._tracks = parts.tracks
        self._words = parts.words
        self._history = parts.history
        self._clock = parts.clock
        self._turns = turn_stream()
        self._asked: list[Member] = []
        self._agent_turns = 0
        self._tasks: anyio.abc.TaskGroup | None = None

    @property
    def holder(self) -> str | None:
        """Who speaks or has been asked to; None when the floor is free."""
        person = next((one.name for one in self._people.all() if one.is_speaking), None)
        return person or (self._asked[0].name if self._asked else None)

    async def conduct(self) -> None:
        """Takes the turns as they end and gives the floor, until it is cancelled."""
        async with anyio.create_task_group() as self._tasks:
            async for turn in self._turns:
                await self._conduct_one(turn)

    async def _conduct_one(self, turn: Turn) -> None:
        self._pass_on(turn)
        if not turn.is_person and not self._asked:
            self._agent_turns += 1
        if self._rules.policy.needs_words and not turn.words:
            await self._wait_for_words(turn)
        is_taken = self._asked or self._people.is_anybody_speaking or len(self._turns)
        if is_taken or not turn.is_answered or self._agent_turns >= self._rules.turn_limit:
            return
        self._give(self._next_speaker(turn), turn.speaker)

    def _pass_on(self, turn: Turn) -> None:
        """Everybody else hears what was said."""
        is_heard = False
        for member in self._roster:
            if member.name == turn.speaker:
                continue
            if turn.text:
                member.read(turn.text if len(self._people.names) < 2 else f"{turn.speaker}: {turn.text}")
            elif turn.words and len(turn.audio) > 2 * MAX_TURN_SAMPLES:
                member.read(f"{turn.speaker}: {turn.words}")
            elif turn.audio:
                is_heard = member.hear(turn.audio[-2 * MAX_TURN_SAMPLES :]) or is_heard
        self._words.heard(turn if is_heard else None)
        turn.audio = b""

    async def _wait_for_words(self, turn: Turn) -> None:
        if not self._words.is_awaited(turn):
            return
        async with anyio.create_task_group() as tasks:

            async def give_up() -> None:
                await self._sleep_s(_WORDS_S)
                tasks.cancel_scope.cancel()

            tasks.start_soon(give_up)
            await turn.known.wait()
            tasks.cancel_scope.cancel()

    def _next_speaker(self, turn: Turn) -> str | None:
        taken = TurnTaken(speaker=turn.speaker, is_person=turn.is_person, words=turn.words)
        try:
            return self._rules.policy.next_speaker(taken, self._roster.names)
        # The boundary to the application's own policy: where it fails, the floor is free.
        except Exception:
            _log.exception("the floor policy of a room failed")
            return None

    def _give(self, name: str | None, speaker: str) -> None:
        if name is None:
            return
        self._asked = [one for one in self._roster if one.name != speaker and name in (ANYONE, one.name)]
        for member in self._asked:
            speech = member.answer(self._clock.now_ns())
            if self._tasks is not None:
                self._tasks.start_soon(self._watch, member, speech)

    # ------------------------------------------------------------------ people

    def person_writes(self, person: Person, text: str) -> None:
        """A person wrote something: it is a turn."""
        self._person_takes_it()
        self._end(
            Turn(
                id=self._words.person_writes(person, text),
                speaker=person.name,
                is_person=True,
                start_sample=self._tracks.now_sample,
                words=text,
                text=text,
            )
        )

    def person_begins(self, person: Person) -> None:
        """A person speaks: they have the floor at once."""
        self._words.person_begins(person, self._tracks.now_sample)
        self._person_takes_it()
        if self._tasks is not None:
            self._tasks.start_soon(self._watch_person, person)

    def people_end(self, *, is_answered: bool = True) -> None:
        """The people have finished their turn."""
        name, start_sample, audio = self._people.end_turn()
        turn_id = self._words.people_end(self._tracks.now_sample)
        if audio:
            self._end(
                Turn(
                    id=turn_id,
                    speaker=name,
                    is_person=True,
                    start_sample=start_sample,
                    audio=audio,
                    is_answered=is_answered,
                )
            )

    def ask(self, name: str) -> None:
        """A person wants an answer without saying anything."""
        self._agent_turns = 0
        self._end(Turn(speaker=name, is_person=True))

    def _person_takes_it(self) -> None:
        self._agent_turns = 0
        self.silence()

    # ------------------------------------------------------------------ agents

    def silence(self) -> None:
        """Whoever speaks is cut off here; what was heard of it is a turn."""
        for member in list(self._asked):
            self._take(member, is_answered=False)

    def begins(self, member: Member, response_id: str) -> bool:
        """A response of an agent begins; False when nobody asked for it, and nobody will hear it."""
        speech = member.speech
        if speech is None:
            return False
        speech.response_id = response_id
        speech.is_generated = False
        speech.active_ns = self._clock.now_ns()
        return True

    def shows(self, member: Member, response_id: str) -> bool:
        """There is something of a response: of those who were asked, the first has the floor; False: not heard."""
        speech = member.heard(response_id)
        if speech is None:
            return False
        speech.active_ns = self._clock.now_ns()
        if not speech.has_begun:
            speech.has_begun = True
            for other in [one for one in self._asked if one is not member]:
                self._asked.remove(other)
                other.silence()
        return True

    def sounds(self, member: Member, event: s.AgentResponseAudioDeltaEvent) -> bool:
        """An agent has said more; False when nobody hears it."""
        speech = member.heard(event.response_id)
        if speech is None or not self.shows(member, event.response_id):
            return False
        if speech.is_too_long:
            member.agent.interrupt()
            return False
        if speech.start_sample < 0 and self._rules.tells_playout and self._tasks is not None:
            self._tasks.start_soon(self._tell_playout, member, speech)
        start_sample, pcm16 = speech.add(event, self._tracks.now_sample)
        self._tracks.plays(member.name, start_sample, pcm16)
        return True

    def response_done(self, member: Member, event: s.AgentResponseDoneEvent) -> None:
        """All of a response has come; the turn is over when it has been heard."""
        speech = member.heard(event.response_id)
        if speech is None:
            return
        speech.active_ns = self._clock.now_ns()
        if speech.has_calls and event.status == "completed":
            speech.has_calls = False
            speech.response_id = ""
        elif event.status == "cancelled" and not speech.has_begun:
            # It belongs to what was asked before; what is asked now has not begun.
            speech.response_id = ""
        else:
            speech.is_generated = True
            if self._tasks is not None:
                self._tasks.start_soon(self._play, member, speech)

    def lose(self, member: Member) -> None:
        """An agent is not in the room any more; if it had the floor, somebody else gets it."""
        self._take(member, is_answered=True)

    def close(self) -> None:
        """The room ends: whoever speaks is heard as far as here."""
        self.silence()
        self._turns.close()

    async def _play(self, member: Member, speech: Speech) -> None:
        """Waits until a speech has been heard, then the turn is over."""
        while speech.start_sample >= 0 and self._tracks.now_sample < speech.end_sample:
            await self._clock.sleep_until_ns(self._tracks.at_ns(speech.end_sample))
        if member.speech is not speech or not speech.is_generated:
            return
        member.speech = None
        if member in self._asked:
            self._asked.remove(member)
        self._finish(member, speech, len(speech.audio) // 2, is_answered=True)

    async def _tell_playout(self, member: Member, speech: Speech) -> None:
        """Tells how far a speech has been heard, until its end, which ``_finish`` tells."""
        while member.speech is speech:
            self._words.played(member, speech, self._heard_samples(speech), is_final=False)
            await self._sleep_s(_TELL_S)

    def _heard_samples(self, speech: Speech) -> int:
        if speech.start_sample < 0:
            return 0
        return max(0, min(self._tracks.now_sample, speech.end_sample) - speech.start_sample)

    async def _watch_person(self, person: Person) -> None:
        """Somebody who sends no more audio, as with a muted microphone, has finished."""
        while person.is_speaking:
            if (waited_s := self._since_s(person.active_ns)) >= _MUTED_S:
                person.is_speaking = False
                if not self._people.is_anybody_speaking:
                    self.people_end()
                return
            await self._sleep_s(_MUTED_S - waited_s)

    async def _watch(self, member: Member, speech: Speech) -> None:
        """An agent that gives no sign loses the floor."""
        limit_s = self._rules.answer_timeout_s
        while member.speech is speech and not speech.is_generated:
            if not speech.open_calls and self._since_s(speech.active_ns) >= limit_s:
                self._words.no_answer(member, limit_s)
                self._take(member, is_answered=True)
                return
            await self._sleep_s(limit_s if speech.open_calls else limit_s - self._since_s(speech.active_ns))

    def _take(self, member: Member, *, is_answered: bool) -> None:
        """An agent loses the floor; what was heard of it is a turn."""
        if member not in self._asked:
            return
        self._asked.remove(member)
        speech = member.silence()
        if speech is None:
            return
        heard_samples = self._heard_samples(speech)
        member.cut_id, member.cut_words = speech.response_id, speech.words(heard_samples)
        self._tracks.unplays(member.name, speech.start_sample + heard_samples, speech.end_sample)
        self._finish(member, speech, heard_samples, is_answered=is_answered, is_cut=True)

    def _finish(
        self, member: Member, speech: Speech, heard_samples: int, *, is_answered: bool, is_cut: bool = False
    ) -> None:
        audio = bytes(speech.audio[: 2 * heard_samples])
        words = speech.words(heard_samples)
        if self._rules.tells_playout and speech.item_id:
            self._words.played(member, speech, heard_samples, is_final=True, is_cut=is_cut)
        self._tracks.sounded(member.name, speech.start_sample, audio)
        turn = Turn(
            speaker=member.name,
            is_person=False,
            start_sample=speech.start_sample if audio else self._tracks.now_sample,
            audio=audio,
            words=words,
            text="" if speech.audio else words,
            is_cut=is_cut,
            is_answered=is_answered,
        )
        if turn.is_said or is_answered:
            self._end(turn)

    def _end(self, turn: Turn) -> None:
        if not self._turns.is_closed:
            self._history.add(turn)
            self._turns.put_nowait(turn)

    def _since_s(self, moment_ns: int) -> float:
        return (self._clock.now_ns() - moment_ns) / NS_PER_S

    async def _sleep_s(self, duration_s: float) -> None:
        await self._clock.sleep_until_ns(self._clock.now_ns() + int(duration_s * NS_PER_S))
