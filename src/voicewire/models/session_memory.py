"""What a new connection has to be told so that a conversation goes on in it. No clock and no I/O in here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from voicewire.events import commands as c
from voicewire.events import model as m
from voicewire.events.base import EventBase
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import SessionConfig
from voicewire.models.microphone import MicrophoneLog
from voicewire.models.spoken_turns import SpokenTurn, SpokenTurns
from voicewire.models.told_items import ToldItems

_NS_PER_MS = 1_000_000
_COMMIT = "#commit"
"""In place of a turn's item, while that is not known."""
_PREFIX_NS = 300 * _NS_PER_MS
"""Audio from before a detected onset that is said again with it."""


class SessionMemory:
    """Watches commands and events of one session; knows its configuration, its history, and what is not settled.

    The history is kept as it was *heard*: an assistant's words end where its audio, as far as it was delivered, or the
    application's ``TruncateItem`` says so. Audio is kept until the words of its turn are known, or it is answered.

    Args:
        config: The configuration that was asked for.
        max_audio_s: Seconds of unacknowledged audio to keep.
        idle_audio_s: Seconds of audio to keep while nobody speaks.
        max_items: The most items of history to keep.
        takes_calls: Whether a new connection takes calls of the past as such; else they are told in words.
    """

    def __init__(
        self,
        config: SessionConfig,
        *,
        max_audio_s: float,
        idle_audio_s: float,
        max_items: int,
        takes_calls: bool,
    ) -> None:
        self.config = config
        self.items = ToldItems(max_items, takes_calls=takes_calls)
        self.audio = MicrophoneLog(max_audio_s)
        self._idle_ns = int(idle_audio_s * 1e9)
        self._turns = SpokenTurns()
        self._commits: list[int] = []
        self._base_ns = 0
        """Where the present connection's audio begins on the session's timeline."""
        self._request: c.CreateResponse | None = None
        self._request_turn = ""
        """The spoken turn that brought the request about."""
        self._active = ""
        self._is_lost = self._keeps_all = False
        self._trims_from_ns = 0
        """Up to here audio was just given to a new connection, whose speech detection is still to judge it."""
        self._commands = self._command_table()
        self._events = self._event_table()

    def _command_table(self) -> dict[type[object], Callable[[Any], None]]:
        """What each command changes."""
        return {
            c.AppendAudio: self._appended,
            c.CommitAudio: self._commit,
            c.ClearAudio: self._clear,
            c.SendText: self._text,
            c.SendImage: self._image,
            c.CreateItem: lambda command: self.items.add(command.item, after=command.previous_item_id),
            c.DeleteItem: lambda command: self.items.remove(command.item_id),
            c.TruncateItem: lambda command: self.items.cut(
                command.item_id, command.content_index, command.audio_end_ms
            ),
            c.CreateResponse: self._create,
            c.CancelResponse: self._cancel,
            c.SendToolResult: self._result,
            c.UpdateSession: self._update,
        }

    def _event_table(self) -> dict[type[EventBase], Callable[[Any], None]]:
        """What each event changes."""
        return {
            m.ModelInputStartedEvent: self._started,
            m.ModelInputDoneEvent: self._stopped,
            m.ModelInputCommittedEvent: self._committed,
            m.ModelInputTranscriptionDoneEvent: self._transcribed,
            m.ModelInputTranscriptionFailedEvent: lambda event: self._known(event.item_id),
            m.ModelItemAddedEvent: lambda event: self.items.seen(event.item, event.response_id),
            m.ModelItemDoneEvent: lambda event: self.items.done(event.item, event.response_id),
            m.ModelItemDeletedEvent: lambda event: self.items.remove(event.item_id),
            m.ModelResponseCreatedEvent: self._created,
            m.ModelResponseDoneEvent: self._done,
            m.ModelResponseAudioTranscriptDeltaEvent: self._words,
            m.ModelResponseTextDeltaEvent: self._words,
            m.ModelResponseToolUseDoneEvent: self._called,
        }

    # ------------------------------------------------------------------ questions

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is said, asked, answered or waited for."""
        return not (self._active or self._request or self._turns.by_id or self.items.has_open_calls)

    @property
    def open_utterances(self) -> list[tuple[str, int]]:
        """Utterances that began and did not end, with the end of all audio on the session's timeline, in ms."""
        now_ms = self.audio.end_ns // _NS_PER_MS
        return [(item_id, now_ms) for item_id in self._turns.speaking]

    @property
    def unheard_turns(self) -> list[str]:
        """Items of turns that were committed and whose words are not known."""
        return self._turns.committed

    def on_timeline_ms(self, at_ms: int) -> int:
        """A position of the present connection's audio, on the session's timeline."""
        return at_ms + self._base_ns // _NS_PER_MS

    # ------------------------------------------------------------------ what happens

    def sent(self, command: c.Command) -> None:
        """A command of the application, sent or kept for the next connection."""
        if (handler := self._commands.get(type(command))) is not None:
            handler(command)

    def received(self, event: EventBase) -> None:
        """An event of the present connection, but no audio delta."""
        if (handler := self._events.get(type(event))) is not None:
            handler(event)

    def spoke(self, event: m.ModelResponseAudioDeltaEvent) -> None:
        """An audio delta."""
        if self._request is not None and event.response_id == self._active:
            self._answered(event.response_id)
        self.items.spoke(event)

    # ------------------------------------------------------------------ a new connection

    def lost(self) -> None:
        """The present connection is gone; what it still reports is about its own end."""
        self._is_lost = self._keeps_all = True

    def restored(self) -> None:
        """The new connection has been told everything and is in service."""
        self._keeps_all = False
        self._trims_from_ns = self.audio.end_ns + self._idle_ns

    def request_to_repeat(self) -> c.CreateResponse | None:
        """The request that got no answer, unless the audio that is said again brings it about."""
        is_in_audio = self._turns.is_to_be_answered(self._request_turn) or (
            self._request_turn == _COMMIT and bool(self.audio.commits())
        )
        return None if is_in_audio else self._request

    def begin_again(self) -> int:
        """A new connection is about to be told everything; forgets what only the old one knew.

        Returns:
            The nanoseconds of unacknowledged audio that were given up for want of room.
        """
        lost_ns = self.audio.lost_ns
        request = self.request_to_repeat()
        if repeated := self._turns.unanswered:
            start_ns = min(turn.start_ns for turn in repeated.values())
            self.audio.acknowledge(max(self.audio.acknowledged_ns, start_ns - _PREFIX_NS))
        for item_id in repeated:
            self.items.remove(item_id)
        self._turns = SpokenTurns()
        self._request, self._request_turn, self._active = request, "", ""
        self._base_ns = self.audio.start_ns
        self.audio.acknowledge(self._base_ns)
        self._commits = [at for at in self.audio.commits() if at > self._base_ns]
        self._is_lost = False
        return lost_ns

    # ------------------------------------------------------------------ commands

    def _appended(self, command: c.AppendAudio) -> None:
        self.audio.append(command)
        is_idle = not self._turns.by_id and not self._keeps_all and self.audio.end_ns > self._trims_from_ns
        if is_idle and self.config.turn_detection is not None and not self._commits:
            self.audio.acknowledge(self.audio.end_ns - self._idle_ns)

    def _commit(self, command: c.CommitAudio) -> None:
        self.audio.commit(command)
        self._commits.append(self.audio.end_ns)
        if command.respond and not self.config.is_transcription_only:
            self._ask(c.CreateResponse(), _COMMIT)

    def _clear(self, _command: c.ClearAudio) -> None:
        self.audio.clear()
        self._turns.take_back()

    def _text(self, command: c.SendText) -> None:
        part = ContentPart(kind="text", text=command.text)
        self.items.add(Item(id="", role=command.role, content=(part,)))
        if command.respond:
            self._ask(c.CreateResponse())

    def _image(self, command: c.SendImage) -> None:
        self.items.add_image(command)
        if command.respond:
            self._ask(c.CreateResponse())

    def _create(self, command: c.CreateResponse) -> None:
        if not command.is_out_of_band:
            self._ask(command)

    def _cancel(self, command: c.CancelResponse) -> None:
        if command.response_id in (None, self._active):
            self._answered(self._active)

    def _result(self, command: c.SendToolResult) -> None:
        self.items.add(
            Item(id="", kind="function_call_output", call_id=command.call_id, output=command.output)
        )
        if command.respond and not self.items.has_open_calls:
            self._ask(c.CreateResponse())

    def _update(self, command: c.UpdateSession) -> None:
        self.config = self.config.updated(command)

    def _ask(self, request: c.CreateResponse, turn: str = "") -> None:
        self._request, self._request_turn = request, turn

    # ------------------------------------------------------------------ events: the user's turns

    def _started(self, event: m.ModelInputStartedEvent) -> None:
        start_ns = min(self._base_ns + event.audio_start_ms * _NS_PER_MS, self.audio.end_ns)
        self._turns.by_id[event.item_id] = SpokenTurn(start_ns, is_speaking=True)

    def _stopped(self, event: m.ModelInputDoneEvent) -> None:
        turn = self._turns.by_id.get(event.item_id)
        if turn is not None:
            turn.is_speaking = False
            turn.end_ns = min(self._base_ns + event.audio_end_ms * _NS_PER_MS, self.audio.end_ns)
            if turn.is_transcribed:
                self._known(event.item_id)

    def _committed(self, event: m.ModelInputCommittedEvent) -> None:
        turn = self._turns.by_id.get(event.item_id)
        if turn is None:
            turn = self._turns.by_id[event.item_id] = SpokenTurn(self.audio.acknowledged_ns)
        turn.is_committed = True
        turn.is_speaking = False
        if turn.end_ns is None:
            turn.end_ns = self._commits.pop(0) if self._commits else self.audio.end_ns
        self.items.add(
            Item(id=event.item_id, role="user", content=(ContentPart(kind="audio", is_transcribed=False),))
        )
        detection = None if self.config.is_transcription_only else self.config.turn_detection
        if (detection is not None and detection.create_response) or self._request is not None:
            self._ask(self._request or c.CreateResponse(), event.item_id)
        if turn.is_transcribed:
            self._known(event.item_id)

    def _transcribed(self, event: m.ModelInputTranscriptionDoneEvent) -> None:
        self.items.heard_user(event.item_id, event.transcript)
        turn = self._turns.by_id.get(event.item_id)
        if turn is not None:
            turn.is_transcribed = True
            if turn.end_ns is not None:
                self._known(event.item_id)

    def _known(self, item_id: str) -> None:
        """The words of a turn are known, as far as they ever will be."""
        if (end_ns := self._turns.known(item_id)) is not None:
            self.audio.acknowledge(end_ns)

    # ------------------------------------------------------------------ events: responses

    def _created(self, event: m.ModelResponseCreatedEvent) -> None:
        if not event.is_out_of_band:
            self._active = event.response_id
            self._request = self._request or c.CreateResponse()
            self._turns.response_began(event.response_id)

    def _words(self, event: m.ModelResponseAudioTranscriptDeltaEvent | m.ModelResponseTextDeltaEvent) -> None:
        self.items.said(event.item_id, event.content_index, event.delta)
        if isinstance(event, m.ModelResponseTextDeltaEvent):
            self._answered(event.response_id)

    def _called(self, event: m.ModelResponseToolUseDoneEvent) -> None:
        use = event.tool_use
        arguments = use.get("raw_input") or msgspec.json.encode(use["input"]).decode()
        self.items.called(
            Item(
                id=event.item_id,
                kind="function_call",
                call_id=use["id"],
                name=use["name"],
                arguments=arguments,
            )
        )
        self._answered(event.response_id)

    def _answered(self, response_id: str) -> None:
        """Something of a response came: neither its request nor the turns that it answers are said again."""
        if response_id == self._active:
            self._request = None
            self.audio.acknowledge(self._turns.response_came(response_id))

    def _done(self, event: m.ModelResponseDoneEvent) -> None:
        if event.response_id != self._active:
            return
        if not self._is_lost:
            self._settle(event)
        self._active = ""

    def _settle(self, event: m.ModelResponseDoneEvent) -> None:
        """A response is over, and not because of the connection."""
        self._request = None
        if event.status != "cancelled":
            self._answered(event.response_id)
        self._turns.response_failed_to_come(event.response_id)
        if self.config.transcription is None:
            for item_id in self._turns.by_id.keys() - self._turns.unanswered.keys():
                self._known(item_id)
