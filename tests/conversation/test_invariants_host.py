"""The thirteen invariants of the conversation core (design, section 4), held by a host whatever comes.

One machine does everything that a client and a model can do; each invariant is a test of its own that runs
the machine with only its own assertions.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.conversation.profiles import chosen
from tests.conversation.watch import ALL, Watch
from voicewire.conversation import checks
from voicewire.conversation.heard import Word
from voicewire.conversation.host import ConversationHost
from voicewire.conversation.orders import HostOutput, StartResponse, StopGeneration, TranscribeInput
from voicewire.events import commands as c
from voicewire.events import model as m
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import SessionConfig, Transcription, TurnDetection

pytestmark = pytest.mark.unit

RATE_HZ = 24000
WORDS = ("well ", "I think ", "so. ", "Yes! ", "forty-two ", "今日は ")


@pytest.fixture(autouse=True)
def _checked() -> Iterator[None]:
    checks.enabled = True
    yield
    checks.enabled = False


def valid(history: tuple[Item, ...]) -> None:
    """Invariant 7, as a model that refuses bad input would put it."""
    assert len({item.id for item in history}) == len(history)
    for at, item in enumerate(history):
        assert item.status != "in_progress"
        if item.kind == "function_call":
            assert at + 1 < len(history), f"call {item.call_id} without a result"
            assert history[at + 1].kind == "function_call_output"
            assert history[at + 1].call_id == item.call_id
            assert history[at + 1].output is not None
        elif item.kind == "function_call_output":
            assert at > 0
            assert history[at - 1].call_id == item.call_id, "a result without its call"
        elif item.role == "assistant":
            assert any(part.text or part.audio for part in item.content), (
                "an assistant item of which nothing was heard"
            )


class HostMachine(RuleBasedStateMachine):
    watched = ALL
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        numbers = count(1)
        self.now_ms = 0
        self.watch = Watch(self.watched)
        self.host = ConversationHost(
            session_id="sess", config=SessionConfig(), ids=lambda prefix: f"{prefix}_{next(numbers)}"
        )
        self.started: dict[int, StartResponse] = {}
        self.stopped: set[int] = set()
        self.generated: dict[str, int] = {}
        self.full_texts: dict[str, str] = {}
        self.truncated: dict[str, int] = {}
        self.calls: list[str] = []
        self.appended = 0
        self.dropped = 0
        self.declared = 0
        self.taken_until = 0
        self.turn_config: SessionConfig | None = None
        self.turn_configs: dict[str, SessionConfig] = {}
        self.vad_configs: list[SessionConfig] = []
        # The reference of the rule for asking, kept as plainly as the rule is written.
        self.is_owed = False
        self.may_start = 0
        self.absorbs = False
        self.asked_id: str | None = None
        self.is_deferred = False
        self.open_calls: dict[str, str] = {}
        self.take(self.host.open())

    def take(self, outputs: list[HostOutput]) -> list[HostOutput]:
        type(self).steps += 1
        for output in outputs:
            if isinstance(output, EventBase):
                self.watch.see(output)
                self.note_event(output)
            elif isinstance(output, StartResponse):
                self.note_start(output)
            elif isinstance(output, StopGeneration):
                self.stopped.add(output.generation)
            elif isinstance(output, TranscribeInput):
                self.note_turn(output)
        return outputs

    def note_event(self, event: EventBase) -> None:
        match event:
            case m.ModelInputStartedEvent():
                if self.turn_config is None:
                    self.turn_config = self.host.config
                self.turn_configs[event.item_id] = self.turn_config
            case m.ModelInputClearedEvent():
                self.turn_config = None
            case m.ModelAudioDroppedEvent():
                self.declared += event.samples
            case m.ModelResponseToolUseDoneEvent():
                if event.response_id in self.watch.open and not self.watch.open[event.response_id]:
                    self.open_calls[event.tool_use["id"]] = event.response_id
                    self.calls.append(event.tool_use["id"])
            case m.ModelResponseAudioDeltaEvent():
                if 9 in self.watched:
                    start = next(s for s in self.started.values() if s.response_id == event.response_id)
                    assert event.format == start.config.output_format
            case m.ModelItemTruncatedEvent():
                if 8 in self.watched:
                    assert 0 <= event.audio_end_ms <= self.generated.get(event.item_id, 0) * 1000 // RATE_HZ
                self.truncated[event.item_id] = event.audio_end_ms
            case m.ModelItemDoneEvent() if event.item.role == "assistant":
                self.full_texts[event.item.id] = event.item.text
            case _:
                pass

    def note_start(self, order: StartResponse) -> None:
        assert order.generation not in self.started
        assert order.generation > max(self.started, default=0)
        self.started[order.generation] = order
        if 7 in self.watched and order.params.input_items is None:
            valid(order.history)
        if order.params.is_out_of_band:
            return
        if 6 in self.watched:
            assert self.is_owed or self.may_start, "a response that nobody asked for"
        if 9 in self.watched and self.vad_configs:
            assert order.config.instructions == self.vad_configs[-1].instructions
        self.vad_configs.clear()
        self.is_owed = False
        self.is_deferred = False
        self.may_start = 0
        if self.absorbs and self.asked_id is None:
            self.asked_id = order.response_id

    def note_turn(self, order: TranscribeInput) -> None:
        if 10 in self.watched:
            assert self.taken_until <= order.start_sample <= order.end_sample <= self.host.input_end_sample
        if 9 in self.watched and order.item_id in self.turn_configs:
            assert order.settings == self.turn_configs[order.item_id].transcription
        self.taken_until = order.end_sample
        self.turn_config = None

    # ------------------------------------------------------------------ the client

    def command(self, command: c.Command) -> list[HostOutput]:
        if not isinstance(command, (c.AppendAudio, c.CreateResponse)):
            self.absorbs = False
        return self.take(self.host.receive(command, now_ms=self.now_ms))

    def ask(self, command: c.Command, *, deferred: bool = False) -> list[HostOutput]:
        """Sends a command that asks; the host may refuse it, and then it asked for nothing."""
        self.absorbs = False
        outputs = self.host.receive(command, now_ms=self.now_ms)
        if any(isinstance(output, m.ModelErrorEvent) for output in outputs):
            return self.take(outputs)
        self.absorbs, self.asked_id = True, None
        if deferred:
            self.is_deferred = False
        else:
            self.is_owed = True
            self.vad_configs.clear()
        return self.take(outputs)

    @rule(role=st.sampled_from(["user", "system"]), respond=st.booleans(), text=st.sampled_from(WORDS))
    def send_text(self, role: Any, respond: bool, text: str) -> None:
        command = c.SendText(text, role=role, respond=respond)
        if respond:
            self.ask(command)
        else:
            self.command(command)

    @rule(respond=st.booleans(), between=st.booleans())
    def send_text_and_create(self, respond: bool, between: bool) -> None:
        """What a program does that does not know whether asking is needed."""
        self.send_text("user", respond, "Yes! ")
        if between:
            self.append_by_command(480, 24000)
        self.create_response(False, None)

    @rule(samples=st.sampled_from([0, 1, 480, 2400, 2401, 24000]))
    def append(self, samples: int) -> None:
        self.appended += samples
        self.take(self.host.audio_appended(samples))

    @rule(samples=st.sampled_from([1, 480, 5000]), rate_hz=st.sampled_from([8000, 16000, 24000]))
    def append_by_command(self, samples: int, rate_hz: int) -> None:
        before = self.host.input_end_sample
        self.command(c.AppendAudio(bytes(2 * samples), rate_hz))
        self.appended += self.host.input_end_sample - before

    @rule(respond=st.booleans())
    def commit(self, respond: bool) -> None:
        if respond:
            self.ask(c.CommitAudio())
        else:
            self.command(c.CommitAudio(respond=False))

    def clear(self) -> None:
        self.command(c.ClearAudio())
        self.turn_config = None
        if 10 in self.watched:
            assert self.host.input_start_sample == self.host.input_end_sample

    @rule(aside=st.booleans(), voice=st.sampled_from([None, "v1"]))
    def create_response(self, aside: bool, voice: str | None) -> None:
        command = c.CreateResponse(is_out_of_band=aside, voice=voice, command_id="create")
        is_plain = not aside and voice is None
        was_active, was_absorbing = self.watch.active, self.absorbs
        if is_plain and was_absorbing:
            self.absorbs = False
            outputs = self.take(self.host.receive(command, now_ms=self.now_ms))
            if 6 in self.watched:
                assert not outputs, "an absorbed create had an effect"
            if self.asked_id is None and not self.is_owed:
                self.is_deferred = True
            return
        self.absorbs = False
        self.may_start = 0 if aside else 1
        if not aside and was_active is None:
            self.vad_configs.clear()
        outputs = self.take(self.host.receive(command, now_ms=self.now_ms))
        refusals = [o for o in outputs if isinstance(o, m.ModelErrorEvent)]
        if 6 in self.watched:
            if was_active and not aside:
                assert [(e.code, e.command_id) for e in refusals] == [
                    ("conversation_already_has_active_response", "create")
                ]
                assert len(outputs) == 1
            else:
                assert any(isinstance(o, StartResponse) for o in outputs), "a create was lost"
        self.may_start = 0

    def cancel(self, named: bool) -> None:
        active = self.watch.active
        outputs = self.command(c.CancelResponse(active if named else None, command_id="cancel"))
        if 2 in self.watched and active is None:
            assert [o.code for o in outputs if isinstance(o, m.ModelErrorEvent)] == [
                "response_cancel_not_active"
            ]

    @precondition(lambda self: any(item.role == "assistant" for item in self.host.items))
    @rule(
        pick=st.integers(0, 20), ms=st.sampled_from([-1, 0, 1, 50]), off=st.sampled_from([-60, 0, 1, 20, 21])
    )
    def truncate(self, pick: int, ms: int, off: int) -> None:
        items = [item.id for item in self.host.items if item.role == "assistant"]
        item_id = items[pick % len(items)]
        if pick % 2:
            ms = self.generated.get(item_id, 0) * 1000 // RATE_HZ + off
        outputs = self.command(c.TruncateItem(item_id, ms, command_id="cut"))
        if 8 in self.watched:
            assert len(outputs) == 1, "one answer, an acknowledgement or an error"
            is_cut = isinstance(outputs[0], m.ModelItemTruncatedEvent)
            assert is_cut or isinstance(outputs[0], m.ModelErrorEvent)
            if is_cut and ms == 0:
                assert item_id not in [item.id for item in self.host.history()]

    def create_item(self, pick: int, where: str | None) -> None:
        made = Item(
            id="" if pick % 2 else f"mine_{pick}", role="user", content=(ContentPart(kind="text", text="x"),)
        )
        outputs = self.command(c.CreateItem(item=made, previous_item_id=where, command_id="add"))
        if 4 in self.watched and where == "nowhere":
            assert isinstance(outputs[0], m.ModelErrorEvent)

    def delete_item(self, pick: int) -> None:
        items = list(self.host.items) or [Item(id="nothing")]
        item = items[pick % len(items)]
        outputs = self.command(c.DeleteItem(item.id))
        if any(isinstance(o, m.ModelItemDeletedEvent) for o in outputs):
            if item.kind == "function_call":
                self.open_calls.pop(item.call_id or "", None)
            elif item.kind == "function_call_output":
                self.open_calls.setdefault(item.call_id or "", "")

    def retrieve_item(self, pick: int) -> None:
        items = [item.id for item in self.host.items] or ["nothing"]
        outputs = self.command(c.RetrieveItem(items[pick % len(items)]))
        if 4 in self.watched:
            assert len(outputs) == 1

    @precondition(lambda self: self.calls)
    @rule(pick=st.integers(0, 5), respond=st.booleans())
    def tool_result(self, pick: int, respond: bool) -> None:
        call_id = self.calls[pick % len(self.calls)] if self.calls else "no_call"
        command = c.SendToolResult(call_id, "42", respond=respond)
        response_id = self.open_calls.pop(call_id, None)
        if response_id is None:
            outputs = self.command(command)
            if 7 in self.watched:
                assert [o.code for o in outputs if isinstance(o, m.ModelErrorEvent)] == [
                    "invalid_tool_call_id"
                ]
            return
        others = [other for other in self.open_calls.values() if other == response_id]
        if others:
            if respond:
                was_deferred = self.is_deferred
                self.ask(command, deferred=True)
                self.is_deferred = was_deferred
            else:
                self.command(command)
        elif respond or self.is_deferred:
            self.ask(command)
        else:
            self.command(command)

    @rule(number=st.integers(0, 9), interrupts=st.booleans(), creates=st.booleans(), words=st.booleans())
    def update(self, number: int, interrupts: bool, creates: bool, words: bool) -> None:
        self.command(
            c.UpdateSession(
                instructions=f"be number {number}",
                turn_detection=TurnDetection(interrupt_response=interrupts, create_response=creates),
                transcription=Transcription() if words else None,
                output_format=MediaFormat("audio/pcm", RATE_HZ)
                if number % 2
                else MediaFormat("audio/pcmu", 8000),
            )
        )

    @rule(kind=st.integers(0, 8), pick=st.integers(0, 20), flag=st.booleans())
    def odd(self, kind: int, pick: int, flag: bool) -> None:
        """What is rare in life, in one rule, so that most steps are conversation."""
        match kind:
            case 0:
                self.clear()
            case 1:
                self.cancel(flag)
            case 2:
                self.create_item(pick, (None, "root", "item_2", "nowhere")[pick % 4])
            case 3:
                self.delete_item(pick)
            case 4:
                self.retrieve_item(pick)
            case 5:
                self.drop_input((0, 100, 48000)[pick % 3])
            case 6:
                self.forget_input(0 if flag else 24000)
            case 7:
                self.discard_turn()
            case _:
                self.consumer_sees_end(pick)

    # ------------------------------------------------------------------ the user's voice

    @rule(ms=st.sampled_from([20, 400, 3000]), ends=st.booleans())
    def user_says(self, ms: int, ends: bool) -> None:
        self.append(2400)
        self.speech_started(2400)
        self.now_ms += ms
        self.append(RATE_HZ * ms // 1000)
        if ends:
            self.speech_stopped(0)
            self.end_turn()

    @rule(back=st.sampled_from([0, 100, 7200]))
    def speech_started(self, back: int) -> None:
        self.take(self.host.speech_started(self.host.input_end_sample - back, now_ms=self.now_ms))
        if 5 in self.watched:
            assert self.host.is_speech_open

    @rule(back=st.sampled_from([0, 480, 9999]))
    def speech_stopped(self, back: int) -> None:
        self.take(self.host.speech_stopped(self.host.input_end_sample - back))
        if 5 in self.watched:
            assert not self.host.is_speech_open

    @rule()
    def end_turn(self) -> None:
        config = self.turn_config
        detection = config.turn_detection if config is not None else None
        if config is not None and detection is not None and detection.create_response:
            self.is_owed = True
            self.vad_configs[:] = [config]
        self.take(self.host.end_turn())

    def discard_turn(self) -> None:
        self.turn_config = None
        self.take(self.host.discard_turn())

    def drop_input(self, samples: int) -> None:
        held = self.host.input_end_sample - self.host.input_start_sample
        self.dropped += min(samples, held)
        self.take(self.host.input_dropped(samples, reason="full"))
        self.taken_until = max(self.taken_until, self.host.input_start_sample)

    def forget_input(self, back: int) -> None:
        before = self.host.input_start_sample
        self.host.input_forgotten(self.host.input_end_sample - back)
        if 10 in self.watched:
            assert before <= self.host.input_start_sample <= self.host.input_end_sample

    @rule(pick=st.integers(0, 30), text=st.sampled_from(["he", "hello", "yellow"]), is_final=st.booleans())
    def transcribe(self, pick: int, text: str, is_final: bool) -> None:
        ids = [*self.turn_configs, *(item.id for item in self.host.items)] or ["nothing"]
        item_id = ids[pick % len(ids)]
        if is_final:
            self.take(self.host.transcription_final(item_id, text, input_tokens=1, output_tokens=1))
        else:
            self.take(self.host.transcription_partial(item_id, text))

    # ------------------------------------------------------------------ the model

    def generation(self, pick: int) -> int:
        """An open generation as a rule, a stale or unknown one now and then."""
        known = [g for g in self.started if self.host.is_open_generation(g)]
        if pick % 5 == 0 or not known:
            return pick
        return known[pick % len(known)]

    def fact(self, generation: int, outputs: list[HostOutput]) -> None:
        is_open = generation in self.started and self.started[generation].response_id in self.watch.open
        if 3 in self.watched and not is_open:
            assert not outputs, "a fact of a generation that is over had an effect"
        self.take(outputs)

    @precondition(lambda self: self.started)
    @rule(pick=st.integers(0, 30), delta=st.sampled_from(WORDS), at=st.sampled_from([None, 0, 2400, 50000]))
    def model_text(self, pick: int, delta: str, at: int | None) -> None:
        generation = self.generation(pick)
        self.fact(generation, self.host.response_text(generation, delta, audio_start_sample=at))

    @precondition(lambda self: self.started)
    @rule(pick=st.integers(0, 30), samples=st.sampled_from([0, 1, 480, 2400]), placed=st.booleans())
    def model_audio(self, pick: int, samples: int, placed: bool) -> None:
        self.sound(self.generation(pick), samples, [Word("think", 100, 300)] if placed else None)

    def sound(self, generation: int, samples: int, words: list[Word] | None) -> None:
        before = dict(self.watch.audio_bytes)
        outputs = self.host.response_audio(generation, bytes(2 * samples), words, now_ms=self.now_ms)
        self.fact(generation, outputs)
        for item_id, total in self.watch.audio_bytes.items():
            if total != before.get(item_id, 0):
                event = next(o for o in outputs if isinstance(o, m.ModelResponseAudioDeltaEvent))
                width = 2 if event.format.type == "audio/pcm" else 1
                # Counted at 24 kHz whatever the format, so that truncations can be compared in milliseconds.
                self.generated[item_id] = total // width * RATE_HZ // event.format.rate
                if 10 in self.watched:
                    assert total - before.get(item_id, 0) == 2 * samples, "output audio was lost"

    @precondition(lambda self: self.started)
    @rule(pick=st.integers(0, 30), name=st.sampled_from(["weather", "time"]))
    def model_call(self, pick: int, name: str) -> None:
        generation = self.generation(pick)
        self.fact(generation, self.host.response_tool_call(generation, name, "{}"))

    @precondition(lambda self: self.started)
    @rule(pick=st.integers(0, 30), status=st.sampled_from(["completed", "completed", "incomplete", "failed"]))
    def model_finished(self, pick: int, status: Any) -> None:
        generation = self.generation(pick)
        usage = m.TokenUsage(input_text_tokens=1)
        outputs = self.host.response_finished(generation, usage, status=status, now_ms=self.now_ms)
        self.fact(generation, outputs)

    @precondition(lambda self: self.watch.active is not None)
    @rule(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), ms=st.sampled_from([0, 20, 200]))
    def model_speaks(self, words: list[str], ms: int) -> None:
        generation = self.host.active_generation or 0
        for word in words:
            self.fact(generation, self.host.response_text(generation, word))
            self.sound(generation, 2400, None)
            self.now_ms += ms

    @precondition(lambda self: self.watch.active is not None)
    @rule(calls=st.booleans())
    def model_ends(self, calls: bool) -> None:
        generation = self.host.active_generation or 0
        if calls:
            self.fact(generation, self.host.response_tool_call(generation, "weather", "{}"))
        usage = m.TokenUsage(input_text_tokens=1)
        self.fact(generation, self.host.response_finished(generation, usage, now_ms=self.now_ms))

    @rule(pick=st.integers(0, 30))
    def consumer_sees_end(self, pick: int) -> None:
        ended = sorted(self.watch.ended)
        if ended:
            response_id = ended[-1 - pick % min(3, len(ended))]
            self.host.response_seen(response_id)
            if response_id == self.asked_id:
                self.absorbs = False

    @rule(ms=st.sampled_from([1, 20, 100, 1000]))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    # ------------------------------------------------------------------ after every step

    def check_always(self) -> None:
        host = self.host
        if 1 in self.watched:
            open_in_band = [r for r, aside in self.watch.open.items() if not aside]
            assert len(open_in_band) <= 1
            assert (host.active_generation is None) == (not open_in_band)
        if 4 in self.watched:
            assert [item.id for item in host.items] == self.watch.order
        if 5 in self.watched:
            assert host.is_speech_open == self.watch.is_speaking
        if 6 in self.watched and self.turn_config is None and self.watch.active is None:
            assert not self.is_owed, "a response that was asked for was lost"
        if 7 in self.watched:
            valid(host.history())
        if 8 in self.watched:
            self.check_heard()
        if 10 in self.watched:
            assert host.input_end_sample == self.appended
            assert self.declared == self.dropped
            assert 0 <= host.input_start_sample <= host.input_end_sample

    def check_heard(self) -> None:
        for item in self.host.history():
            if item.role == "assistant" and item.id in self.full_texts:
                full = self.full_texts[item.id]
                assert full.startswith(item.text), f"{item.text!r} is not the beginning of {full!r}"
            heard = self.host.heard_samples(item.id)
            if heard is not None:
                assert heard > 0, "an item of which nothing was heard is still there"
        assert not {i for i, ms in self.truncated.items() if ms == 0} & {i.id for i in self.host.history()}

    def teardown(self) -> None:
        close: dict[str, Any] = {"code": 1006, "reason": "cut", "is_expected": False, "now_ms": self.now_ms}
        self.take(self.host.close(**close))
        self.watch.at_the_end()
        if 13 in self.watched:
            end = self.watch.session_ends[0]
            assert (end.code, end.reason, end.is_expected) == (1006, "cut", False)
        if 12 in self.watched:
            assert self.host.close(**close) == []
            self.check_silence_after_close()
        if 7 in self.watched:
            valid(self.host.history())

    def check_silence_after_close(self) -> None:
        host, now_ms = self.host, self.now_ms
        assert host.receive(c.SendText("hello?"), now_ms=now_ms) == []
        assert host.receive(c.CreateResponse(), now_ms=now_ms) == []
        assert host.audio_appended(2400) == []
        assert host.speech_started(0, now_ms=now_ms) == []
        assert host.speech_stopped(0) == []
        assert host.end_turn() == []
        assert host.input_dropped(10, reason="full") == []
        for generation in self.started:
            assert host.response_text(generation, "more") == []
            assert host.response_audio(generation, b"\0\0", now_ms=now_ms) == []
        for item in host.items:
            assert host.transcription_partial(item.id, "more") == []
            assert host.transcription_final(item.id, "more") == []
            assert host.transcription_failed(item.id, code="x", message="y") == []


def run(invariant: int) -> None:
    from hypothesis.stateful import invariant as after_each_step

    members: dict[str, Any] = {
        "watched": frozenset({invariant}),
        "always": after_each_step()(lambda self: self.check_always()),
    }
    machine = type(f"HostInvariant{invariant}", (HostMachine,), members)
    run_state_machine_as_test(machine, settings=chosen())


def test_01_at_most_one_response_is_active() -> None:
    run(1)


def test_02_every_response_ends_exactly_once() -> None:
    run(2)


def test_03_nothing_of_a_response_follows_its_end() -> None:
    run(3)


def test_04_every_item_is_finished_ids_are_unique_order_is_total() -> None:
    run(4)


def test_05_speech_starts_and_stops_alternate() -> None:
    run(5)


def test_06_a_response_that_was_asked_for_is_never_lost_never_doubled() -> None:
    run(6)


def test_07_history_is_always_valid_input() -> None:
    run(7)


def test_08_truncation_is_clamped_to_what_was_generated() -> None:
    run(8)


def test_09_configuration_is_snapshotted_per_turn() -> None:
    run(9)


def test_10_positions_only_grow_and_samples_are_conserved() -> None:
    run(10)


def test_11_deltas_keep_their_order_and_end_before_their_item() -> None:
    run(11)


def test_12_close_is_idempotent_and_silence_follows() -> None:
    run(12)


def test_13_the_end_is_reported_exactly_once() -> None:
    run(13)
