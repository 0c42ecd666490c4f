"""The normal form of a conversation's events: what happened, in one spelling for every provider.

Events of one turn or one response make a block, in lanes; a lane is what must come in order. Lanes run beside each
other (words and audio, a transcript and the answer), so their order among themselves is left out. A run of like
events is one. What may differ from provider to provider does not show: ids, times, the number of deltas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from voicewire.events import model as m
from voicewire.events.base import EventBase
from voicewire.events.items import Item

_LANES = ("turn", "response", "item", "words", "text", "audio", "call")


@dataclass
class _Block:
    title: str
    lanes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, lane: str, step: str) -> None:
        steps = self.lanes.setdefault(lane, [])
        if not steps or steps[-1] != step:
            steps.append(step)

    def __str__(self) -> str:
        shown = [f"{lane} {' > '.join(self.lanes[lane])}" for lane in _LANES if lane in self.lanes]
        return f"{self.title}: {', '.join(shown)}"


class _Blocks:
    """Blocks by id, in the order in which they began."""

    def __init__(self) -> None:
        self._by_id: dict[str, _Block] = {}

    def of(self, block_id: str, title: str) -> _Block:
        """The block of this id."""
        return self._by_id.setdefault(block_id, _Block(title))

    def shown(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(str(block) for block in self._by_id.values())


def normal_form(events: Sequence[EventBase]) -> tuple[str, ...]:
    """One line for each turn, response and other happening."""
    blocks = _Blocks()
    for number, event in enumerate(events):
        _add_user(blocks, event)
        _add_agent(blocks, event)
        _add_other(blocks, event, number)
    return blocks.shown()


def _add_user(blocks: _Blocks, event: EventBase) -> None:
    match event:
        case m.ModelInputStartedEvent():
            blocks.of(event.item_id, "user").add("turn", "began")
        case m.ModelInputDoneEvent():
            blocks.of(event.item_id, "user").add("turn", "ended")
        case m.ModelInputCommittedEvent():
            blocks.of(event.item_id, "user").add("turn", "committed")
        case m.ModelInputTranscriptionDeltaEvent():
            blocks.of(event.item_id, "user").add("words", "partial")
        case m.ModelInputTranscriptionDoneEvent():
            blocks.of(event.item_id, "user").add("words", "final")
        case m.ModelInputTranscriptionFailedEvent():
            blocks.of(event.item_id, "user").add("words", "failed")
        case _:
            return


def _add_agent(blocks: _Blocks, event: EventBase) -> None:
    match event:
        case m.ModelResponseCreatedEvent():
            beside = " out of band" if event.is_out_of_band else ""
            blocks.of(event.response_id, "agent").add("response", f"began{beside}")
        case m.ModelResponseDoneEvent():
            why = f" ({event.reason})" if event.reason else ""
            blocks.of(event.response_id, "agent").add("response", f"{event.status}{why}")
        case m.ModelResponseAudioTranscriptDeltaEvent():
            blocks.of(event.response_id, "agent").add("words", "partial")
        case m.ModelResponseAudioTranscriptDoneEvent():
            blocks.of(event.response_id, "agent").add("words", "final")
        case m.ModelResponseTextDeltaEvent():
            blocks.of(event.response_id, "agent").add("text", "partial")
        case m.ModelResponseTextDoneEvent():
            blocks.of(event.response_id, "agent").add("text", "final")
        case m.ModelResponseAudioDeltaEvent():
            blocks.of(event.response_id, "agent").add("audio", "sound")
        case m.ModelResponseAudioDoneEvent():
            blocks.of(event.response_id, "agent").add("audio", "done")
        case m.ModelResponseToolUseDeltaEvent():
            blocks.of(event.response_id, "agent").add("call", "partial")
        case m.ModelResponseToolUseDoneEvent():
            blocks.of(event.response_id, "agent").add("call", event.tool_use["name"])
        case _:
            return


def _add_other(blocks: _Blocks, event: EventBase, number: int) -> None:
    match event:
        case m.ModelItemAddedEvent():
            block, who = _place(blocks, event.item, event.response_id)
            block.add("item", f"{who} added")
        case m.ModelItemDoneEvent():
            block, _ = _place(blocks, event.item, event.response_id)
            block.add("item", "done" if event.item.status == "completed" else event.item.status)
        case m.ModelItemRetrievedEvent():
            blocks.of(f"retrieved {number}", "history").add("item", f"{event.item.role} retrieved")
        case m.ModelItemTruncatedEvent():
            blocks.of(f"truncated {number}", "history").add("item", "truncated")
        case m.ModelItemDeletedEvent():
            blocks.of(f"deleted {number}", "history").add("item", "deleted")
        case m.ModelErrorEvent():
            blocks.of(f"error {number}", "error").add("response", event.code)
        case m.ModelInputClearedEvent():
            blocks.of(f"cleared {number}", "user").add("turn", "cleared")
        case _:
            return


def _place(blocks: _Blocks, item: Item, response_id: str | None) -> tuple[_Block, str]:
    """Where an item belongs, and whose it is."""
    if item.kind == "message":
        who = str(item.role)
    else:
        who = {"function_call": "call", "function_call_output": "result"}.get(item.kind, item.kind)
    if response_id:
        return blocks.of(response_id, "agent"), who
    return blocks.of(item.id, "user" if who == "user" else who), who


# ---------------------------------------------------------------------- rules


class _Rules:
    """What holds in every conversation, whoever the provider is. See `check_rules`."""

    def __init__(self) -> None:
        self._open: dict[str, m.ModelResponseCreatedEvent] = {}
        self._over: set[str] = set()
        self._agent_words: dict[str, str] = {}
        self._user_words: dict[str, str] = {}
        self._final: set[str] = set()
        self._said: dict[str, str] = {}
        self._calls: dict[str, list[str]] = {}

    def take(self, event: EventBase) -> None:
        """Checks one event."""
        match event:
            case m.ModelResponseCreatedEvent():
                assert event.response_id not in self._over, "a response begins once"
                self._open[event.response_id] = event
            case m.ModelResponseDoneEvent():
                self._done(event)
            case (
                m.ModelResponseAudioTranscriptDeltaEvent()
                | m.ModelResponseTextDeltaEvent()
                | m.ModelResponseAudioDeltaEvent()
                | m.ModelResponseAudioDoneEvent()
                | m.ModelResponseToolUseDeltaEvent()
            ):
                assert event.response_id in self._open, f"{event.type} outside of its response"
                if isinstance(
                    event, (m.ModelResponseAudioTranscriptDeltaEvent, m.ModelResponseTextDeltaEvent)
                ):
                    words = self._agent_words.get(event.item_id, "")
                    self._agent_words[event.item_id] = words + event.delta
            case m.ModelResponseAudioTranscriptDoneEvent(item_id=item_id, transcript=text):
                self._agent_final(event.response_id, item_id, text)
            case m.ModelResponseTextDoneEvent(item_id=item_id, text=text):
                self._agent_final(event.response_id, item_id, text)
            case m.ModelResponseToolUseDoneEvent():
                assert event.response_id in self._open, "a call outside of its response"
                self._calls.setdefault(event.response_id, []).append(event.tool_use["id"])
            case m.ModelInputTranscriptionDeltaEvent():
                assert event.item_id not in self._final, "a partial transcript after the final one"
                before = "" if event.is_revision else self._user_words.get(event.item_id, "")
                self._user_words[event.item_id] = before + event.delta
            case m.ModelInputTranscriptionDoneEvent():
                assert event.item_id not in self._final, "one final transcript for a turn"
                self._final.add(event.item_id)
                assert event.transcript, "a final transcript has words"
                assert event.transcript.startswith(self._user_words.get(event.item_id, "").strip()[:1])
            case _:
                return

    def _agent_final(self, response_id: str, item_id: str, text: str) -> None:
        assert response_id in self._open, "final words outside of their response"
        assert text == self._agent_words.get(item_id, ""), "the final words are the sum of the partial ones"
        self._said[response_id] = self._said.get(response_id, "") + text

    def _done(self, event: m.ModelResponseDoneEvent) -> None:
        assert self._open.pop(event.response_id, None) is not None, "a response ends once, after it began"
        self._over.add(event.response_id)
        assert event.input_tokens >= 0
        if event.status == "completed":
            assert event.input_tokens > 0 and event.output_tokens > 0, "a completed response has its usage"
            used = event.usage
            heard = used.input_text_tokens + used.input_audio_tokens + used.input_image_tokens
            spoken = used.output_text_tokens + used.output_audio_tokens
            # Qwen-TTS names no kinds.
            assert (heard, spoken) in ((event.input_tokens, event.output_tokens), (0, 0)), "usage adds up"
            said = "".join(item.text for item in event.output if item.kind == "message")
            # Qwen-TTS tells no words while it speaks.
            assert self._said.get(event.response_id, said) == said, "the output holds what was said"
            calls = [item.call_id for item in event.output if item.kind == "function_call"]
            assert calls == self._calls.get(event.response_id, []), "the output holds the calls"

    def finish(self) -> None:
        """Nothing was left open."""
        assert not self._open, "a response never ended"


def check_rules(events: Sequence[EventBase]) -> None:
    """Asserts what holds in every conversation.

    Everything of a response lies between its begin and its end; partial words add up to the final ones; a completed
    response has usage that adds up, and its output holds what was said and called.
    """
    rules = _Rules()
    for event in events:
        rules.take(event)
    rules.finish()
