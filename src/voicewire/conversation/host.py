"""The provider's side of a conversation: commands and the model's facts in, events and work orders out.

Pure and single-writer: no clock, no I/O. Whoever owns a host calls it from one task, emits the events in the
order given and carries out the orders. Used by ``echo``, ``scripted`` and the embedded engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voicewire.conversation import checks
from voicewire.conversation.heard import WordSpan
from voicewire.conversation.host_commands import CommandDesk
from voicewire.conversation.host_core import HostCore
from voicewire.conversation.host_floor import Floor
from voicewire.conversation.host_input import InputSide
from voicewire.conversation.host_reply import ReplySide
from voicewire.conversation.orders import HostOutput
from voicewire.events.commands import Command
from voicewire.events.items import Item
from voicewire.events.model import ResponseStatus, TokenUsage
from voicewire.events.session import SessionConfig


class ConversationHost:
    """One conversation, seen from the model.

    Every input returns the events to emit, in order, with the work orders at the place where they became due.
    Facts of a response carry its generation and are dropped when that response is over. The rule for when a
    response starts is written down once, in ``voicewire.conversation.responses.AskRule``.

    Concurrency: one caller at a time; ``is_open_generation`` may be read from any thread.

    Args:
        session_id: Id of the session.
        config: The configuration to begin with.
        ids: Makes a new id from a prefix (``item``, ``resp``, ``call``).
        input_rate_hz: Rate in which input positions are counted; may change while no audio has come.
        now_ms arguments: milliseconds of any clock that only moves forward.
    """

    def __init__(
        self, *, session_id: str, config: SessionConfig, ids: Callable[[str], str], input_rate_hz: int = 24000
    ) -> None:
        self._core = HostCore(session_id=session_id, config=config, ids=ids)
        self._reply = ReplySide(self._core)
        self._floor = Floor(self._core, self._reply)
        self._input = InputSide(self._core, self._floor, input_rate_hz)
        self._desk = CommandDesk(self._core, self._input, self._floor)

    # ------------------------------------------------------------------ what is known

    @property
    def session_id(self) -> str:
        """Id of the session."""
        return self._core.session_id

    @property
    def config(self) -> SessionConfig:
        """The configuration in force for the next turn."""
        return self._core.config

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called; nothing has an effect after it."""
        return self._core.is_closed

    @property
    def input_rate_hz(self) -> int:
        """Rate in which input positions are counted."""
        return self._input.rate_hz

    @property
    def input_end_sample(self) -> int:
        """How much audio has come, in samples at the input rate."""
        return self._input.end_sample

    @property
    def input_start_sample(self) -> int:
        """Where the audio begins that no turn has taken yet; earlier audio may be forgotten."""
        return self._input.keep_from_sample

    @property
    def is_speech_open(self) -> bool:
        """Whether the user is speaking."""
        return self._core.turns.is_speaking

    @property
    def active_generation(self) -> int | None:
        """Generation of the active response, None when there is none."""
        return self._reply.active.generation if self._reply.active else None

    @property
    def items(self) -> tuple[Item, ...]:
        """Every item of the conversation, in order."""
        return tuple(self._core.items)

    def history(self) -> tuple[Item, ...]:
        """What the next request would be given: valid input, only what was heard."""
        return self._core.history()

    def heard_samples(self, item_id: str, content_index: int = 0) -> int | None:
        """What was heard of an item's audio, as far as it was cut; None when it was not."""
        stretch = self._core.ledger.get(item_id, content_index)
        return None if stretch is None else stretch.cut

    def is_open_generation(self, generation: int) -> bool:
        """Whether facts of this generation still count. Safe from any thread."""
        return self._reply.get(generation) is not None

    # ------------------------------------------------------------------ life

    def open(self) -> list[HostOutput]:
        """Begins the session: the session-created event."""
        self._core.open()
        return self._done()

    def receive(self, command: Command, *, now_ms: int) -> list[HostOutput]:
        """Takes one command. Whatever it does wrong is answered by a ``ModelErrorEvent`` that names it.

        An ``AppendAudio`` only moves the input position; its bytes are the caller's to keep.
        """
        self._desk.receive(command, now_ms)
        return self._done()

    def response_seen(self, response_id: str) -> None:
        """The consumer has taken this response's terminal event (see ``responses.AskRule``)."""
        self._floor.rule.seen(response_id)

    def close(self, *, code: int, reason: str, is_expected: bool, now_ms: int) -> list[HostOutput]:
        """Ends the session: terminal events for everything open, then the one session-ended event.

        Calling it again gives nothing.
        """
        if self._core.is_closed:
            return []
        self._input.close()
        self._floor.close(reason=reason, is_expected=is_expected, now_ms=now_ms)
        self._core.close(code=code, reason=reason, is_expected=is_expected)
        return self._done()

    # ------------------------------------------------------------------ the user's audio

    def set_input_rate(self, rate_hz: int) -> None:
        """Fixes the rate of input positions.

        Raises:
            LocalProtocolError: Audio has come already, at another rate.
        """
        self._input.set_rate(rate_hz)

    def audio_appended(self, samples: int) -> list[HostOutput]:
        """So many samples (at the input rate) were appended to the input buffer."""
        self._input.appended(samples)
        return self._done()

    def input_dropped(self, samples: int, *, reason: str) -> list[HostOutput]:
        """The oldest audio that no turn has taken was given up: declares it dropped."""
        self._input.dropped(samples, reason)
        return self._done()

    def input_forgotten(self, until_sample: int) -> None:
        """Audio before ``until_sample`` is silence that the detector has passed over; a commit cannot take it."""
        self._input.forget(until_sample)

    def speech_started(self, at_sample: int, *, now_ms: int) -> list[HostOutput]:
        """The user began to speak, prefix padding included; interrupts the active response when configured.

        Ignored while speech is open already.
        """
        self._input.speech_started(at_sample, now_ms)
        return self._done()

    def speech_stopped(self, at_sample: int) -> list[HostOutput]:
        """The user stopped speaking; ignored when no speech is open."""
        self._input.speech_stopped(at_sample)
        return self._done()

    def end_turn(self) -> list[HostOutput]:
        """The detector ends the turn: commits what lies between start and stop, and starts a response if configured.

        Closes speech that is still open at the end of the input. Nothing happens when there is no turn.
        """
        self._input.end_turn()
        return self._done()

    def discard_turn(self) -> list[HostOutput]:
        """The detector takes its turn back (it was noise): speech that is open stops, nothing is committed."""
        self._input.discard_turn()
        return self._done()

    def transcription_partial(self, item_id: str, text: str) -> list[HostOutput]:
        """The whole text recognised so far of a turn (open or committed)."""
        self._input.transcription_partial(item_id, text)
        return self._done()

    def transcription_final(
        self,
        item_id: str,
        text: str,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        duration_s: float | None = None,
    ) -> list[HostOutput]:
        """The final text of a committed turn; once, later ones are dropped."""
        usage = (input_tokens, output_tokens, duration_s)
        self._input.transcription_final(item_id, text, usage)
        return self._done()

    def transcription_failed(self, item_id: str, *, code: str, message: str) -> list[HostOutput]:
        """The turn could not be transcribed."""
        self._input.transcription_failed(item_id, code, message)
        return self._done()

    # ------------------------------------------------------------------ facts of a response

    def response_text(
        self, generation: int, delta: str, *, audio_start_sample: int | None = None
    ) -> list[HostOutput]:
        """A piece of the answer's text (text modality), or of what its audio says (audio modality).

        Args:
            generation: The response.
            delta: The words.
            audio_start_sample: Where in the response's audio they begin, at the output rate, when known.
        """
        self._reply.text(generation, delta, audio_start_sample)
        return self._done()

    def response_audio(
        self, generation: int, pcm: bytes, words: Sequence[WordSpan] | None = None, *, now_ms: int
    ) -> list[HostOutput]:
        """A piece of the answer's audio.

        Args:
            generation: The response.
            pcm: Bytes in the ``output_format`` of the response's configuration, whole samples.
            words: Where words lie in the response's audio (from its first sample, at the output rate). They give
                positions to the words of ``response_text``, they are not a transcript of their own.
            now_ms: When it was made.
        """
        self._reply.audio(generation, pcm, words or (), now_ms)
        return self._done()

    def response_tool_call(
        self, generation: int, name: str, arguments: str, *, call_id: str | None = None
    ) -> list[HostOutput]:
        """The response calls a function; ``arguments`` is JSON text."""
        self._reply.tool_call(generation, name, arguments, call_id)
        return self._done()

    def response_usage(self, generation: int, usage: TokenUsage) -> None:
        """Usage so far, reported if the response is cancelled."""
        self._reply.usage(generation, usage)

    def response_finished(
        self,
        generation: int,
        usage: TokenUsage,
        *,
        status: ResponseStatus = "completed",
        reason: str = "",
        message: str = "",
        now_ms: int,
    ) -> list[HostOutput]:
        """The response is over: closes its items, then its one terminal event."""
        self._floor.finished(generation, usage, status, reason, message, now_ms)
        return self._done()

    def response_failed(self, generation: int, *, code: str, message: str, now_ms: int) -> list[HostOutput]:
        """The response cannot be made."""
        self._floor.finished(generation, None, "failed", code, message, now_ms)
        return self._done()

    # ------------------------------------------------------------------

    def _done(self) -> list[HostOutput]:
        if __debug__ and checks.enabled:
            self._core.verify()
            self._reply.verify()
        return self._core.take()
