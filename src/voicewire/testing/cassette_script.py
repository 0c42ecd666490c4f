"""One connection of a cassette as a provider: when the client has sent what it sent then, the answers come. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from voicewire.errors import CassetteMismatch
from voicewire.transport.cassette import Closed, Entry, Received, Sent
from voicewire.transport.frame_kinds import BINARY, TEXT, FrameFacts, facts_of, members_of
from voicewire.transport.frames import Frame

Pace = Literal["fast", "real-time"]
"""``fast``: answers come as soon as their cause; ``real-time``: as long after it as they did then."""

OPTIONAL_KINDS: Final = frozenset({
    TEXT, "response.cancel", "conversation.item.truncate", "output_audio_buffer.clear", "input_image_buffer.append",
    "realtimeInput.video",
})  # fmt: skip
"""What a client sends, or not, by how fast it plays: neither demanded nor refused."""
_CONFIGURE: Final = "session.update"
_CONFIRMED: Final = "session.updated"
_ID_PATHS: Final = (
    ("event_id",),
    ("item", "id"),
    ("header", "task_id"),
    ("response", "metadata", "voicewire_request"),  # of ``RTClient``, which knows its response by it
)
_AUDIO_KINDS: Final = frozenset({BINARY, "input_audio_buffer.append", "realtimeInput.audio"})


@dataclass(frozen=True, slots=True)
class _Control:
    """A frame of the recorded client that is no audio."""

    facts: FrameFacts
    is_optional: bool


@dataclass(frozen=True, slots=True)
class _Step:
    """Something the recorded provider did, and what of the client's came before it."""

    entry: Received | Closed
    delay_ms: float
    """After what came before it in the recording."""
    controls: int
    """Control frames up to the last one that is demanded."""
    audio: int
    """Audio after that one."""
    is_confirmation: bool
    """Whether it confirms a configuration."""


class ReplayScript:
    """Plays one connection. Time and frames come in, steps go out.

    Frames are matched by their kind, in order. Audio is matched by its amount: an answer that came after a second of
    audio comes after a second of audio, in however many frames, or when the client has gone on to its next command.
    A client that configures its session more often than the recorded one gets the recorded confirmation again.

    Args:
        entries: What happened on the connection.
        name: What the recording is called, for errors.
        pace: How fast.
        counts_frames: Audio is matched by frames; for recordings without the lengths.
    """

    def __init__(
        self, entries: Iterable[Entry], *, name: str, pace: Pace = "fast", counts_frames: bool = False
    ) -> None:
        self._name = name
        self._is_fast = pace == "fast"
        self._counts_frames = counts_frames
        self._controls: list[_Control] = []
        self._steps: list[_Step] = []
        self._slack = 0
        self._read(entries)
        self._next_control = 0
        self._passed = 0
        self._next_step = 0
        self._audio = 0
        self._ready_ms: float | None = None
        self._ids: dict[str, str] = {}
        self._confirmation: Received | None = None
        self._repeated: deque[Received] = deque()
        self.extra: Counter[str] = Counter()
        """Kinds of optional frames that came though they were not recorded there, and how often."""

    @property
    def is_over(self) -> bool:
        """Whether everything that the provider did is done."""
        return self._next_step >= len(self._steps)

    @property
    def expected(self) -> str:
        """Kind of the frame that the recording waits for; empty when there is none."""
        return next(
            (found.facts.kind for found in self._controls[self._next_control :] if not found.is_optional), ""
        )

    def received(self, frame: Frame) -> None:
        """The client sent a frame.

        Raises:
            CassetteMismatch: The recorded client sent another kind of frame here.
        """
        facts = facts_of(frame)
        if facts.kind in _AUDIO_KINDS:
            self._audio += self._amount(facts)
            return
        position = self._position_of(facts.kind)
        if position is not None:
            control = self._controls[position]
            self._learn(control.facts.value, facts.value)
            self._next_control = position + 1
            if not control.is_optional:
                self._passed = position + 1
                self._audio = 0
        elif facts.kind in OPTIONAL_KINDS:
            self.extra[facts.kind] += 1
        elif facts.kind == _CONFIGURE and self._confirmation is not None:
            self.extra[facts.kind] += 1
            self._repeated.append(self._confirmation)
        else:
            expected = self.expected
            there = (
                f"the recorded client sent {expected!r} here"
                if expected
                else "the recorded client sent nothing more"
            )
            raise CassetteMismatch(
                f"the cassette {self._name!r}: {there}, this one {facts.kind!r} (frame "
                f"{self._next_control + 1} that is no audio); send what was recorded, or record the session again",
                expected=expected,
                got=facts.kind,
            )

    def poll(self, now_ms: float) -> tuple[Received | Closed | None, float | None]:
        """What the provider does now.

        Args:
            now_ms: The present moment.

        Returns:
            The step that is due, which is then done; else None and, when only time is missing, how many milliseconds.
        """
        if self._repeated:
            return self._repeated.popleft(), None
        if self.is_over:
            return None, None
        step = self._steps[self._next_step]
        if not self._is_open(step):
            self._ready_ms = None
            return None, None
        if self._ready_ms is None:
            self._ready_ms = now_ms
        due_ms = self._ready_ms + (0.0 if self._is_fast else step.delay_ms)
        if now_ms < due_ms:
            return None, due_ms - now_ms
        self._next_step += 1
        self._ready_ms = due_ms
        if step.is_confirmation and isinstance(step.entry, Received):
            self._confirmation = step.entry
        return step.entry, None

    def frame_of(self, entry: Received) -> Frame:
        """The frame to send: the recorded one, with the ids of this client in place of those of the recorded one."""
        frame = entry.frame
        if isinstance(frame, str):
            for recorded, own in self._ids.items():
                frame = frame.replace(f'"{recorded}"', f'"{own}"')
        return frame

    def _read(self, entries: Iterable[Entry]) -> None:
        before_ms, demanded, audio = 0.0, 0, 0
        for entry in entries:
            if isinstance(entry, Sent):
                facts = facts_of(entry.frame)
                if facts.kind in _AUDIO_KINDS:
                    audio += self._amount(facts)
                    # Another microphone's last frame may be shorter.
                    self._slack = max(self._slack, 0 if self._counts_frames else facts.audio_bytes)
                else:
                    is_optional = facts.kind in OPTIONAL_KINDS
                    self._controls.append(_Control(facts, is_optional))
                    if not is_optional:
                        demanded, audio = len(self._controls), 0
            elif isinstance(entry, Received) or (
                isinstance(entry, Closed) and entry.by in ("server", "lost")
            ):
                delay_ms = max(0.0, entry.at_ms - before_ms)
                self._steps.append(_Step(entry, delay_ms, demanded, audio, _confirms(entry)))
            before_ms = entry.at_ms

    def _amount(self, facts: FrameFacts) -> int:
        return 1 if self._counts_frames else facts.audio_bytes

    def _is_open(self, step: _Step) -> bool:
        if self._passed != step.controls:
            return self._passed > step.controls
        return self._audio >= min(step.audio, max(1, step.audio - self._slack))

    def _position_of(self, kind: str) -> int | None:
        """Where the recorded client sent this kind next, past nothing that is demanded."""
        for position in range(self._next_control, len(self._controls)):
            control = self._controls[position]
            if control.facts.kind == kind:
                return position
            if not control.is_optional:
                return None
        return None

    def _learn(self, recorded: Mapping[str, Any] | None, own: Mapping[str, Any] | None) -> None:
        for before, now in zip(_ids_in(recorded), _ids_in(own), strict=True):
            if before and now and before != now:
                self._ids[before] = now


def _confirms(entry: Received | Closed) -> bool:
    return isinstance(entry, Received) and facts_of(entry.frame).kind == _CONFIRMED


def _ids_in(frame: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The ids that a client gives."""
    return tuple("" if frame is None else _text_at(frame, *path) for path in _ID_PATHS)


def _text_at(frame: Mapping[str, Any], *path: str) -> str:
    value: object = frame
    for key in path:
        value = members_of(value).get(key)
    return (
        value
        if isinstance(value, str) and value.isprintable() and '"' not in value and "\\" not in value
        else ""
    )
