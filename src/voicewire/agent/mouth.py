"""The agent's side of the sound: plays what the core allows and tells it what was heard."""

from __future__ import annotations

from collections.abc import Iterable

from voicewire.agent.edges import AudioSink, SessionObserver
from voicewire.agent.speech import SpeechStore
from voicewire.audio.format import AudioFrame
from voicewire.audio.playout import Cut, Played
from voicewire.conversation.session import ConversationSession
from voicewire.conversation.session_outputs import PlayAudio, SessionOutput
from voicewire.events.base import EventBase
from voicewire.recording import marks


class Observers:
    """All observers of a session as one.

    Args:
        observers: Told in this order.
    """

    def __init__(self, observers: Iterable[SessionObserver]) -> None:
        self._all = tuple(observers)

    def start(self, origin_ns: int) -> None:
        """The session begins."""
        for observer in self._all:
            observer.on_start(origin_ns)

    def event(self, at_ms: float, what: EventBase | marks.Mark) -> None:
        """A model event or a mark."""
        for observer in self._all:
            observer.on_event(at_ms, what)

    def user_audio(self, start_ms: float, frame: AudioFrame) -> None:
        """A frame of the user's audio."""
        for observer in self._all:
            observer.on_user_audio(start_ms, frame)

    def agent_audio(self, start_ms: float, pcm16: bytes, sample_rate_hz: int) -> None:
        """Audio that sounded."""
        for observer in self._all:
            observer.on_agent_audio(start_ms, pcm16, sample_rate_hz)

    def agent_position(self, until_ms: float) -> None:
        """Everything before this has been reported."""
        for observer in self._all:
            observer.on_agent_position(until_ms)


class Mouth:
    """The sink, with what is on its way through it.

    Args:
        sink: Where the voice goes.
        observers: Told what sounded and what was cut.
    """

    def __init__(self, sink: AudioSink, observers: Observers) -> None:
        self._sink = sink
        self._observers = observers
        self._speech = SpeechStore(sink.sample_rate_hz)

    def play(self, order: PlayAudio) -> None:
        """Plays the audio of an order after what is queued."""
        rate_hz = order.event.format.rate
        pcm16 = self._speech.add(order.item_id, order.content_index, order.event.pcm, rate_hz)
        self._sink.enqueue(order.item_id, pcm16, order.content_index, order.generation)

    def report(self, core: ConversationSession, now_ms: float) -> list[SessionOutput]:
        """Tells the core and the observers what has sounded since the last time.

        Returns:
            What the core orders because of it.
        """
        rate_hz = self._sink.sample_rate_hz
        outputs: list[SessionOutput] = []
        for heard in self._sink.heard():
            played = heard.played
            self._observers.agent_audio(heard.start_ms, self._speech.take(played), rate_hz)
            self._observers.event(now_ms, _played_mark(played, heard.start_ms, rate_hz))
            samples = self._speech.own_samples(played.item_id, played.content_index, played.end_sample)
            outputs += core.played(played.item_id, played.content_index, samples, now_ms=int(now_ms))
        self._observers.agent_position(self._sink.position_ms)
        return outputs

    def flush(self, core: ConversationSession, generation: int, now_ms: float) -> list[SessionOutput]:
        """Falls silent, and tells the core how far it came.

        Returns:
            What the core orders because of it: the truncations.
        """
        cuts = self._sink.flush(generation)
        outputs = self.report(core, now_ms)
        for cut in cuts:
            # A device counts what it has taken and cannot give back, which is a little more than was heard.
            samples = self._speech.own_samples(cut.item_id, cut.content_index, cut.played_samples)
            outputs += core.played(cut.item_id, cut.content_index, samples, now_ms=int(now_ms))
        outputs += core.flushed(generation, now_ms=int(now_ms))
        for cut in cuts:
            self._speech.cut(cut.item_id, cut.content_index, cut.played_samples)
            heard_text = core.heard_text(cut.item_id, cut.content_index)
            self._observers.event(now_ms, _cut_mark(cut, now_ms, heard_text, self._sink.sample_rate_hz))
        return outputs


def _played_mark(played: Played, start_ms: float, rate_hz: int) -> marks.AudioPlayed:
    return marks.AudioPlayed(
        item_id=played.item_id,
        content_index=played.content_index,
        item_start_ms=played.start_sample * 1000 / rate_hz,
        start_ms=start_ms,
        end_ms=start_ms + played.samples * 1000 / rate_hz,
    )


def _cut_mark(cut: Cut, cut_ms: float, heard_text: str, rate_hz: int) -> marks.PlayoutCut:
    return marks.PlayoutCut(
        item_id=cut.item_id,
        content_index=cut.content_index,
        cut_ms=cut_ms,
        heard_ms=cut.played_samples * 1000 / rate_hz,
        dropped_ms=cut.dropped_samples * 1000 / rate_hz,
        heard_text=heard_text,
    )
