"""The people in a room: their voices on the room's timeline, and the turn that they speak together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from voicewire.agent.room_tracks import LEAD_SAMPLES, MAX_TURN_SAMPLES, ROOM_RATE_HZ, RoomTracks
from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.audio.mixer import Mixer
from voicewire.audio.resample import Resampler
from voicewire.models.energy_vad import EnergyVad, LevelFall, LevelRise

_PREFIX_MS: Final = 300
_SILENCE_MS: Final = 500
_MAX_LAG_SAMPLES: Final = ROOM_RATE_HZ // 5
"""A voice that is further behind the clock than this paused; it goes on from now."""
_FORMAT: Final = AudioFormat(ROOM_RATE_HZ)


@dataclass(slots=True, eq=False)
class Person:
    """Somebody in the room.

    Args:
        id: How events name them: the session they come from.
        name: What they are called.
    """

    id: str
    name: str
    vad: EnergyVad = field(default_factory=lambda: EnergyVad(ROOM_RATE_HZ, _SILENCE_MS))
    is_speaking: bool = False
    active_ns: int = 0
    """When they last sent audio."""
    next_sample: int = -1
    heard_until_sample: int = 0
    """Where what the others hear of them ends."""
    recent: bytearray = field(default_factory=bytearray)
    """What was said last, while it is no turn yet."""
    odd: bytes = b""
    rate_hz: int = ROOM_RATE_HZ
    resampler: Resampler | None = None

    def fitted(self, pcm16: bytes, rate_hz: int) -> bytes:
        """Their audio, cut anywhere, at the room's rate."""
        data = self.odd + pcm16
        whole = len(data) // 2 * 2
        self.odd = data[whole:]
        if rate_hz != self.rate_hz:
            self.rate_hz = rate_hz
            self.resampler = None if rate_hz == ROOM_RATE_HZ else Resampler(rate_hz, ROOM_RATE_HZ)
        return data[:whole] if self.resampler is None else self.resampler.process(data[:whole])


class People:
    """Hears the people of one room.

    Args:
        tracks: Their voices are put on it.
    """

    def __init__(self, tracks: RoomTracks) -> None:
        self._tracks = tracks
        self._all: dict[str, Person] = {}
        self._turn: list[tuple[Person, int, bytes]] = []

    def all(self) -> list[Person]:
        """Everybody, in the order in which they came."""
        return list(self._all.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Who is there."""
        return tuple(person.name for person in self._all.values())

    @property
    def is_turn_full(self) -> bool:
        """Whether the open turn is so long that the others must hear it now."""
        return sum(len(audio) for _, _, audio in self._turn) >= 2 * MAX_TURN_SAMPLES

    @property
    def is_anybody_speaking(self) -> bool:
        """Whether a turn of theirs is open."""
        return any(person.is_speaking for person in self._all.values())

    def get(self, person_id: str) -> Person | None:
        """Somebody by id."""
        return self._all.get(person_id)

    def named(self, name: str) -> Person | None:
        """Somebody by name."""
        return next((person for person in self._all.values() if person.name == name), None)

    def add(self, person_id: str, name: str) -> Person:
        """Somebody comes."""
        person = self._all[person_id] = Person(person_id, name)
        self._tracks.add_speaker(name)
        self._tracks.add_listener(name)
        return person

    def remove(self, person_id: str) -> None:
        """Somebody leaves."""
        person = self._all.pop(person_id, None)
        if person is not None:
            self._tracks.remove_listener(person.name)

    def hear(self, person: Person, pcm16: bytes, rate_hz: int) -> tuple[bool, bool]:
        """Takes the next audio of somebody, who has just said it.

        Returns:
            Whether they began to speak in it, and whether a turn ended in it.
        """
        audio = person.fitted(pcm16, rate_hz)
        changes = self._place(person, max(0, self._tracks.now_sample - len(audio) // 2))
        start = onset = person.next_sample
        person.next_sample += len(audio) // 2
        was_speaking, began, ended = person.is_speaking, False, False
        for change in (*changes, *person.vad.feed(AudioFrame(_FORMAT, audio, start))):
            is_start = isinstance(change, LevelRise)
            onset = change.at_sample if is_start and not was_speaking else onset
            began = began or (is_start and not was_speaking)
            ended = ended or not is_start
            person.is_speaking = is_start
        self._keep(person, start, audio, is_turn=was_speaking or began, onset=onset)
        return began, ended and not self.is_anybody_speaking

    def _place(self, person: Person, earliest: int) -> list[LevelRise | LevelFall]:
        """Finds where on the timeline somebody goes on; a pause in what they send is silence."""
        pause = earliest - person.next_sample
        if person.next_sample >= 0 and pause <= _MAX_LAG_SAMPLES:
            return []
        changes: list[LevelRise | LevelFall] = []
        if person.is_speaking:
            quiet = bytes(2 * min(pause, ROOM_RATE_HZ))
            changes = person.vad.feed(AudioFrame(_FORMAT, quiet, person.next_sample))
        if changes or not person.is_speaking:
            # What is left of an unfinished frame, and of the quiet before a voice, lies before the pause.
            person.vad = EnergyVad(ROOM_RATE_HZ, _SILENCE_MS)
            person.recent.clear()
        person.next_sample = earliest
        return changes

    def _keep(self, person: Person, start: int, audio: bytes, *, is_turn: bool, onset: int) -> None:
        if not is_turn:
            person.recent += audio
            del person.recent[: max(0, len(person.recent) - 2 * _FORMAT.samples_of_ms(_PREFIX_MS))]
            return
        if person.recent:
            audio, start = bytes(person.recent) + audio, start - len(person.recent) // 2
            person.recent.clear()
        start = max(0, start)
        self._turn.append((person, start, audio))
        self._play(person, audio[2 * max(0, onset - start) :])
        self._tracks.sounded(person.name, start, audio, quiet_samples=max(0, onset - start))

    def _play(self, person: Person, audio: bytes) -> None:
        """The others hear it a little later than it was said, so that what comes unevenly is heard whole."""
        now_sample = self._tracks.now_sample
        if person.heard_until_sample < now_sample:
            person.heard_until_sample = now_sample + LEAD_SAMPLES
        self._tracks.plays(person.name, person.heard_until_sample, audio)
        person.heard_until_sample += len(audio) // 2

    def end_turn(self) -> tuple[str, int, bytes]:
        """What was said since the last turn: by whom, from where on the timeline, and mixed where several spoke."""
        turn, self._turn = self._turn, []
        for person in self._all.values():
            person.is_speaking = False
            person.vad.reset()
        if not turn:
            return "", 0, b""
        begin = min(start for _, start, _ in turn)
        end = max(start + len(audio) // 2 for _, start, audio in turn)
        mixer = Mixer(ROOM_RATE_HZ, limit="soft", max_ahead_samples=max(1, end - begin))
        said: dict[str, int] = {}
        for person, start, audio in turn:
            if person.name not in mixer.sources:
                mixer.add(person.name)
            mixer.write(person.name, audio, start_sample=start - begin)
            said[person.name] = said.get(person.name, 0) + len(audio)
        return max(said, key=lambda name: said[name]), begin, mixer.read(end - begin).data
