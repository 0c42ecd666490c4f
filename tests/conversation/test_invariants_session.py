"""The thirteen invariants, held by a session against a provider that says anything in any order.

The machine mixes realistic turns with events that are repeated, late, unknown or missing, drawn from so few
ids that they collide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.stateful import invariant as after_each_step

from tests.conversation.profiles import chosen
from tests.conversation.test_invariants_host import valid
from tests.conversation.watch import ALL, Watch
from voicewire.conversation import checks
from voicewire.conversation import session_outputs as out
from voicewire.conversation.session import ConversationSession
from voicewire.errors import SessionClosed
from voicewire.events import commands as c
from voicewire.events import model as m
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import SessionConfig, TurnDetection

pytestmark = pytest.mark.unit

RATE_HZ = 24000
FORMAT = MediaFormat("audio/pcm", RATE_HZ)
RESPONSES = st.sampled_from([f"resp_{n}" for n in range(6)])
ITEMS = st.sampled_from([f"item_{n}" for n in range(9)])
CALLS = st.sampled_from([f"call_{n}" for n in range(4)])
STATUSES = st.sampled_from(["completed", "completed", "cancelled", "incomplete", "failed"])


@pytest.fixture(autouse=True)
def _checked() -> Iterator[None]:
    checks.enabled = True
    yield
    checks.enabled = False


class SessionMachine(RuleBasedStateMachine):
    watched = ALL
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        # What a careless provider says of its text is its own affair; the host is held to invariant 11.
        self.watch = Watch(self.watched - {11})
        self.session = ConversationSession(SessionConfig())
        self.now_ms = 0
        self.received: dict[str, int] = {}
        self.played: dict[str, int] = {}
        self.flushes: list[int] = []
        self.unconfirmed: list[int] = []
        self.run_tools: list[str] = []
        self.results: list[str] = []
        self.cancelled: list[str] = []
        self.turn_config: SessionConfig | None = None
        self.turn_item = ""
        self.begun: dict[str, int] = {}
        self.numbers = 0

    @initialize(
        playout=st.booleans(), by_itself=st.booleans(), truncates=st.booleans(), cancels=st.booleans()
    )
    def begin(self, playout: bool, by_itself: bool, truncates: bool, cancels: bool) -> None:
        self.has_playout, self.truncates = playout, truncates
        self.session = ConversationSession(
            SessionConfig(),
            has_playout=playout,
            interrupts_by_itself=by_itself,
            supports_truncation=truncates,
            cancels_tools=cancels,
        )
        self.receive(m.ModelSessionCreatedEvent(session_id="sess", config=SessionConfig()))

    def take(self, outputs: list[out.SessionOutput]) -> list[out.SessionOutput]:
        type(self).steps += 1
        for output in outputs:
            match output:
                case out.PlayAudio():
                    self.watch.see(output.event)
                    self.note_audio(output)
                case out.FlushPlayout(generation=generation):
                    if 3 in self.watched:
                        assert generation == self.session.generation
                        assert generation > max(self.flushes, default=0)
                    self.flushes.append(generation)
                    self.unconfirmed.append(generation)
                case out.SendCommand(command=command):
                    self.note_command(command)
                case out.RunTool(call_id=call_id):
                    if 7 in self.watched:
                        assert call_id not in self.run_tools, "a tool was run twice"
                    self.run_tools.append(call_id)
                case out.CancelTool(call_id=call_id):
                    self.cancelled.append(call_id)
                case m.ModelResponseCreatedEvent():
                    self.watch.see(output)
                    self.begun[output.response_id] = self.session.generation
                case m.ModelResponseAudioTranscriptDeltaEvent() | m.ModelResponseTextDeltaEvent():
                    self.watch.see(output)
                    if 3 in self.watched and not self.watch.open[output.response_id]:
                        assert self.begun[output.response_id] == self.session.generation, "late words"
                case EventBase():
                    self.watch.see(output)
                case _:
                    pass
        return outputs

    def note_audio(self, output: out.PlayAudio) -> None:
        event = output.event
        if 3 in self.watched:
            assert event.response_id in self.watch.open, "audio of a response that is over"
            assert output.generation == self.session.generation, "audio of an interrupted generation"
            assert output.generation >= max(self.flushes, default=0)
        self.received[event.item_id] = self.received.get(event.item_id, 0) + event.payload.size_bytes // 2

    def note_command(self, command: c.Command) -> None:
        match command:
            case c.TruncateItem() if command.item_id in self.received:
                if 8 in self.watched:
                    assert self.truncates
                    assert command.audio_end_ms <= self.received.get(command.item_id, 0) * 1000 // RATE_HZ
                    if self.has_playout:
                        assert command.audio_end_ms <= self.played.get(command.item_id, 0) * 1000 // RATE_HZ
            case c.SendToolResult():
                if 7 in self.watched:
                    assert command.call_id not in self.results, "a second result for one call"
                self.results.append(command.call_id)
            case _:
                pass

    # ------------------------------------------------------------------ from the provider

    def receive(self, event: EventBase) -> list[out.SessionOutput]:
        session = self.session
        before = session.dropped_deltas + session.dropped_events
        outputs = session.receive(event, now_ms=self.now_ms)
        if 11 in self.watched or 10 in self.watched:
            dropped = session.dropped_deltas + session.dropped_events - before
            passed = [o for o in outputs if o is event or (isinstance(o, out.PlayAudio) and o.event is event)]
            amended = [
                o
                for o in outputs
                if type(o) is type(event)
                and isinstance(o, (m.ModelItemAddedEvent, m.ModelItemDoneEvent))
                and isinstance(event, (m.ModelItemAddedEvent, m.ModelItemDoneEvent))
                and o.item.id == event.item.id
                and o is not event
            ]
            assert (len(passed) or len(amended)) + dropped == 1, f"{event!r} was lost or doubled: {outputs}"
        return self.take(outputs)

    @rule(response=RESPONSES, aside=st.sampled_from([False, False, True]))
    def created(self, response: str, aside: bool) -> None:
        self.receive(m.ModelResponseCreatedEvent(response_id=response, is_out_of_band=aside))

    @rule(response=RESPONSES, status=STATUSES, detected=st.booleans())
    def done(self, response: str, status: Any, detected: bool) -> None:
        reason = "turn_detected" if detected and status == "cancelled" else ""
        self.receive(
            m.ModelResponseDoneEvent(
                response_id=response, input_tokens=1, output_tokens=1, status=status, reason=reason
            )
        )

    @rule(response=RESPONSES, item=ITEMS, samples=st.sampled_from([0, 1, 480, 2400]), decoded=st.booleans())
    def audio(self, response: str, item: str, samples: int, decoded: bool) -> None:
        event = m.ModelResponseAudioDeltaEvent(
            response_id=response, item_id=item, format=FORMAT, pcm=bytes(2 * samples)
        )
        if not decoded:
            event = m.ModelResponseAudioDeltaEvent(
                response_id=response, item_id=item, format=FORMAT, delta=event.delta
            )
        self.receive(event)

    @rule(
        response=RESPONSES,
        item=ITEMS,
        text=st.sampled_from(["so ", "well, ", "yes. "]),
        kind=st.integers(0, 4),
    )
    def text(self, response: str, item: str, text: str, kind: int) -> None:
        ids: dict[str, Any] = {"response_id": response, "item_id": item}
        match kind:
            case 0:
                self.receive(m.ModelResponseTextDeltaEvent(**ids, delta=text))
            case 1:
                self.receive(m.ModelResponseAudioTranscriptDoneEvent(**ids, transcript=text))
            case 2:
                self.receive(m.ModelResponseAudioDoneEvent(**ids))
            case _:
                self.receive(m.ModelResponseAudioTranscriptDeltaEvent(**ids, delta=text, audio_start_ms=None))

    @rule(response=RESPONSES, item=ITEMS, call=CALLS)
    def tool_call(self, response: str, item: str, call: str) -> None:
        use: Any = {"type": "tool_use", "id": call, "name": "f", "input": {}, "raw_input": "{}"}
        ids: dict[str, Any] = {"response_id": response, "item_id": item, "tool_use": use}
        self.receive(m.ModelResponseToolUseDeltaEvent(**ids, delta="{}"))
        self.receive(m.ModelResponseToolUseDoneEvent(**ids))

    @rule(
        item=ITEMS,
        response=st.one_of(st.none(), RESPONSES),
        kind=st.integers(0, 3),
        open_=st.booleans(),
        n=ITEMS,
    )
    def item_added(self, item: str, response: str | None, kind: int, open_: bool, n: str) -> None:
        made = _item(item, kind, "in_progress" if open_ else "completed")
        self.receive(m.ModelItemAddedEvent(item=made, response_id=response, previous_item_id=n))

    @rule(item=ITEMS, response=st.one_of(st.none(), RESPONSES), kind=st.integers(0, 3), whole=st.booleans())
    def item_done(self, item: str, response: str | None, kind: int, whole: bool) -> None:
        made = _item(item, kind, "completed" if whole else "incomplete")
        self.receive(m.ModelItemDoneEvent(item=made, response_id=response))

    @rule(item=ITEMS, ms=st.sampled_from([0, 20, 1000]), kind=st.integers(0, 2))
    def item_changed(self, item: str, ms: int, kind: int) -> None:
        if kind == 0:
            self.receive(m.ModelItemTruncatedEvent(item_id=item, audio_end_ms=ms))
        elif kind == 1:
            self.receive(m.ModelItemDeletedEvent(item_id=item))
        else:
            self.receive(m.ModelInputTranscriptionDoneEvent(item_id=item, transcript="hello"))

    @rule(item=ITEMS, later_ms=st.sampled_from([0, 100, 900]))
    def speech_started(self, item: str, later_ms: int) -> None:
        was_speaking = self.watch.is_speaking
        config = self.session.config
        self.receive(
            m.ModelInputStartedEvent(item_id=item, audio_start_ms=self.watch.last_input_ms + later_ms)
        )
        if not was_speaking or item != self.turn_item:
            self.turn_config = config
        self.turn_item = item

    @rule(item=ITEMS, later_ms=st.sampled_from([0, 100, 900]))
    def speech_stopped(self, item: str, later_ms: int) -> None:
        was_speaking = self.watch.is_speaking
        self.receive(m.ModelInputDoneEvent(item_id=item, audio_end_ms=self.watch.last_input_ms + later_ms))
        is_quiet = not self.watch.open and not self.session.open_tools and not self.has_playout
        detection = None if self.turn_config is None else self.turn_config.turn_detection
        if 9 in self.watched and was_speaking and is_quiet and detection is not None:
            assert self.session.state == ("thinking" if detection.create_response else "idle")

    @rule(kind=st.integers(0, 5), creates=st.booleans(), interrupts=st.booleans())
    def odd(self, kind: int, creates: bool, interrupts: bool) -> None:
        match kind:
            case 0:
                self.receive(m.ModelInputClearedEvent())
            case 1:
                self.receive(m.ModelErrorEvent(error_type="x", code="y", message="z"))
            case 2:
                self.receive(m.WebsocketDisconnectEvent())
            case 3:
                self.receive(m.ModelProviderEvent(name="news", is_known=False))
            case 4:
                self.receive(m.ModelInputCommittedEvent(item_id="item_1"))
            case _:
                turns = TurnDetection(create_response=creates, interrupt_response=interrupts)
                config = SessionConfig(turn_detection=turns)
                self.receive(m.ModelSessionUpdatedEvent(session_id="sess", config=config))

    # ------------------------------------------------------------------ as it should be

    @rule(words=st.lists(st.sampled_from(["so ", "well, "]), min_size=1, max_size=3), whole=st.booleans())
    def answer(self, words: list[str], whole: bool) -> None:
        self.numbers += 1
        response, item = f"good_resp_{self.numbers}", f"good_item_{self.numbers}"
        self.created(response, False)
        self.receive(m.ModelItemAddedEvent(item=_item(item, 1, "in_progress"), response_id=response))
        for word in words:
            self.text(response, item, word, 4)
            self.audio(response, item, 2400, False)
        if whole:
            made = Item(id=item, role="assistant", content=(ContentPart(kind="audio", text="".join(words)),))
            self.receive(m.ModelResponseAudioDoneEvent(response_id=response, item_id=item))
            self.receive(m.ModelItemDoneEvent(item=made, response_id=response))
            self.done(response, "completed", False)

    @rule(name=st.sampled_from(["a", "b"]))
    def call(self, name: str) -> None:
        self.numbers += 1
        response, item = f"good_resp_{self.numbers}", f"good_item_{self.numbers}"
        self.created(response, False)
        self.tool_call(response, item, f"good_call_{self.numbers}")
        self.done(response, "completed", False)

    @precondition(lambda self: self.numbers)
    @rule(kind=st.integers(0, 4), call=CALLS, interrupts=st.booleans())
    def goes_on(self, kind: int, call: str, interrupts: bool) -> None:
        """The newest response goes on, interrupted or not, over or not."""
        response, item = f"good_resp_{self.numbers}", f"good_item_{self.numbers}"
        if interrupts:
            self.take(self.session.interrupt(now_ms=self.now_ms))
        match kind:
            case 0 | 1:
                self.audio(response, item, 480, False)
            case 2:
                self.text(response, item, "so ", 4)
            case 3:
                self.tool_call(response, "item_of_call", call)
            case _:
                self.done(response, "completed", False)

    @rule(kinds=st.lists(st.integers(0, 3), min_size=1, max_size=3), call=CALLS, by_voice=st.booleans())
    def answer_that_is_interrupted(self, kinds: list[int], call: str, by_voice: bool) -> None:
        """Barge-in, while the provider has not noticed yet."""
        self.answer(["so ", "well, "], whole=False)
        self.tool_call(f"good_resp_{self.numbers}", "item_of_call", call)
        if by_voice:
            self.speech_started("item_7", 100)
        for kind in kinds:
            self.goes_on(kind, call, interrupts=not by_voice)
        if by_voice:
            self.speech_stopped("item_7", 100)

    @rule(creates=st.booleans(), ms=st.sampled_from([100, 900]))
    def turn_with_news(self, creates: bool, ms: int) -> None:
        """The configuration changes while the user speaks."""
        self.odd(5, not creates, True)
        self.numbers += 1
        self.speech_started(f"turn_{self.numbers}", ms)
        self.odd(5, creates, True)
        self.speech_stopped(f"turn_{self.numbers}", ms)

    # ------------------------------------------------------------------ playout

    @precondition(lambda self: self.received)
    @rule(pick=st.integers(0, 9), samples=st.sampled_from([1, 480, 2400, 10**6]))
    def plays(self, pick: int, samples: int) -> None:
        """The speaker goes on with something it was given and that was not flushed."""
        item = sorted(self.received)[pick % len(self.received)]
        if self.has_playout and not self.unconfirmed:
            reached = min(self.played.get(item, 0) + samples, self.received[item])
            self.played[item] = max(reached, self.played.get(item, 0))
            self.take(self.session.played(item, 0, reached, now_ms=self.now_ms))

    @rule(late=st.booleans())
    def confirms_flush(self, late: bool) -> None:
        while self.unconfirmed:
            self.take(self.session.flushed(self.unconfirmed.pop(0), now_ms=self.now_ms))
            if late:
                break

    @rule(ms=st.sampled_from([1, 20, 500]))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    # ------------------------------------------------------------------ the application

    @rule(kind=st.integers(0, 6), item=ITEMS, ms=st.sampled_from([0, 40, 5000]))
    def commands(self, kind: int, item: str, ms: int) -> None:
        truncates = self.truncates or kind == 2
        command: c.Command = (
            c.SendText("hi"),
            c.CreateResponse(),
            c.TruncateItem(item, ms),
            c.CancelResponse(),
            c.AppendAudio(b"\0\0"),
            c.CommitAudio(),
            c.CreateItem(item=Item(id="mine", role="user")),
        )[kind]
        kept, self.truncates = self.truncates, truncates
        outputs = self.take(self.session.command(command, now_ms=self.now_ms))
        self.truncates = kept
        if 6 in self.watched:
            sent = [o.command for o in outputs if isinstance(o, out.SendCommand)]
            same = [s for s in sent if type(s) is type(command)]
            assert same.count(command) == 1 if kind != 2 else len(same) >= 1, "a command was lost or doubled"

    @rule()
    def interrupts(self) -> None:
        before = self.session.generation
        self.take(self.session.interrupt(now_ms=self.now_ms))
        if 3 in self.watched:
            assert self.session.generation - before in (0, 1)

    @precondition(lambda self: self.run_tools)
    @rule(pick=st.integers(0, 3), known=st.booleans())
    def tool_finishes(self, pick: int, known: bool) -> None:
        call_id = self.run_tools[pick % len(self.run_tools)] if known else "call_unknown"
        outputs = self.take(self.session.tool_finished(call_id, "42", now_ms=self.now_ms))
        if 7 in self.watched and not known:
            assert not outputs

    # ------------------------------------------------------------------ after every step

    def check_always(self) -> None:
        session = self.session
        if 1 in self.watched:
            assert sum(not aside for aside in self.watch.open.values()) <= 1
        if 5 in self.watched:
            assert (session.state == "listening") == self.watch.is_speaking
        if 7 in self.watched:
            valid(session.history())
            waiting = set(self.run_tools) - set(self.results) - set(self.cancelled)
            assert waiting <= set(session.open_tools) | self.answered_by_provider()
        if 8 in self.watched:
            for item in session.history():
                if item.role == "assistant" and self.has_playout and item.id.startswith("good"):
                    assert self.played.get(item.id, 0) > 0, "words in the history that nobody heard"

    def answered_by_provider(self) -> set[str]:
        """Calls whose output item, or whose deletion, the provider reported by itself."""
        return {f"call_{n}" for n in range(4)}

    def teardown(self) -> None:
        self.take(self.session.connection_lost(code=1006, reason="gone", now_ms=self.now_ms))
        self.watch.at_the_end()
        if 13 in self.watched:
            end = self.watch.session_ends[0]
            assert (end.code, end.reason, end.is_expected) == (1006, "gone", False)
        if 12 in self.watched:
            assert self.session.connection_lost(code=1000, reason="again") == []
            self.check_silence()
        if 7 in self.watched:
            valid(self.session.history())
            assert not self.session.open_tools
            left = set(self.run_tools) - set(self.results) - set(self.cancelled)
            assert left <= self.answered_by_provider()

    def check_silence(self) -> None:
        session = self.session
        assert session.receive(m.ModelResponseCreatedEvent(response_id="late")) == []
        late = m.ModelResponseAudioDeltaEvent(response_id="late", item_id="x", format=FORMAT, pcm=b"\0\0")
        assert session.receive(late) == []
        assert session.interrupt() == []
        assert session.flushed(10**6) == []
        for item in self.received:
            assert session.played(item, 0, 10**6) == []
        for call_id in self.run_tools:
            assert session.tool_finished(call_id, "late") == []
        with pytest.raises(SessionClosed):
            session.command(c.SendText("late"))


def _item(item_id: str, kind: int, status: Any) -> Item:
    match kind:
        case 0:
            return Item(
                id=item_id, role="user", status=status, content=(ContentPart(kind="text", text="hi"),)
            )
        case 1:
            return Item(id=item_id, role="assistant", status=status)
        case 2:
            return Item(
                id=item_id, kind="function_call", status=status, call_id=f"call_{item_id[-1]}", name="f"
            )
        case _:
            return Item(id=item_id, kind="function_call_output", call_id=f"call_{item_id[-1]}", output="1")


def run(invariant: int) -> None:
    members: dict[str, Any] = {
        "watched": frozenset({invariant}),
        "always": after_each_step()(lambda self: self.check_always()),
    }
    machine = type(f"SessionInvariant{invariant}", (SessionMachine,), members)
    run_state_machine_as_test(machine, settings=chosen())


def test_01_at_most_one_response_is_active() -> None:
    run(1)


def test_02_every_response_ends_exactly_once() -> None:
    run(2)


def test_03_nothing_of_an_ended_or_interrupted_response_reaches_playout() -> None:
    run(3)


def test_04_every_item_is_finished_and_ids_are_unique() -> None:
    run(4)


def test_05_speech_starts_and_stops_alternate() -> None:
    run(5)


def test_06_commands_are_never_lost_never_doubled() -> None:
    run(6)


def test_07_history_is_valid_and_no_call_is_left_without_a_result() -> None:
    run(7)


def test_08_truncation_uses_samples_that_were_played() -> None:
    run(8)


def test_09_a_turn_keeps_the_configuration_it_began_under() -> None:
    run(9)


def test_10_every_delta_is_played_or_counted_as_dropped() -> None:
    run(10)


def test_11_every_event_is_passed_on_once_or_counted_as_dropped() -> None:
    run(11)


def test_12_close_is_idempotent_and_silence_follows() -> None:
    run(12)


def test_13_the_end_is_reported_exactly_once() -> None:
    run(13)


def test_the_walk_is_long_enough() -> None:
    settings = chosen()
    machines, invariants = 2, 13
    if settings.max_examples >= 100:  # any profile but the quick one
        assert settings.max_examples * settings.stateful_step_count * machines * invariants >= 10**5
