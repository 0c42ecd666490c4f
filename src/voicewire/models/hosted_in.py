"""The way into a hosted conversation: appended audio at the model's rate, kept as long as a turn may want it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from voicewire.audio.format import AudioFormat, AudioFrame
from voicewire.conversation.host import ConversationHost
from voicewire.conversation.orders import HostOutput, TranscribeInput
from voicewire.events.base import MediaFormat
from voicewire.events.commands import AppendAudio
from voicewire.models.hosted_audio import InputBuffer, OutputAudio
from voicewire.models.hosted_out import HostedLimits
from voicewire.models.input_audio import InputAudio

_SLICE_MS = 200
"""Input is handed on in slices of at most this length, so that a long append does not hold the loop."""


class AudioIn:
    """Converts input to one rate, counts it in the host, keeps what a turn may still take.

    The rate is settled by the first audio: its own, if the model takes it, else the model's preferred one.

    Args:
        host: The conversation.
        rates_hz: Rates that the model takes, the preferred one first.
        limits: How much is kept.
        hear: Takes each frame once it is counted.
        apply: Takes what the host answers.
    """

    def __init__(
        self,
        host: ConversationHost,
        rates_hz: tuple[int, ...],
        limits: HostedLimits,
        *,
        hear: Callable[[AudioFrame], None],
        apply: Callable[[list[HostOutput]], None],
    ) -> None:
        self._host = host
        self._rates_hz = rates_hz
        self._limits = limits
        self._hear = hear
        self._apply = apply
        self._converter: InputAudio | None = None
        self._buffer = InputBuffer()

    def slices(self, command: AppendAudio) -> Iterator[AppendAudio]:
        """An append in pieces that are quickly done."""
        step = max(1, command.sample_rate_hz * _SLICE_MS // 1000) * (2 if command.encoding == "pcm16" else 1)
        pcm = command.pcm
        if len(pcm) <= step:
            yield command
            return
        for at in range(0, len(pcm), step):
            yield AppendAudio(pcm[at : at + step], command.sample_rate_hz, encoding=command.encoding)

    def append(self, command: AppendAudio) -> None:
        """Takes one slice.

        Raises:
            AudioError: The rate cannot be converted.
        """
        if self._converter is None:
            taken = command.sample_rate_hz in self._rates_hz
            rate_hz = command.sample_rate_hz if taken else self._rates_hz[0]
            self._host.set_input_rate(rate_hz)
            self._converter = InputAudio(MediaFormat("audio/pcm", rate_hz))
        self._enter(self._converter.fit(command))

    def finish(self) -> None:
        """A turn ends by hand: what the conversion still holds belongs to it."""
        if self._converter is not None:
            self._enter(self._converter.finish())

    def clear(self) -> None:
        """The input is thrown away, with what the conversion still holds."""
        if self._converter is not None:
            self._converter.clear()

    def take(self, start_sample: int, end_sample: int) -> bytes:
        """Input audio, 16-bit mono at the input rate, as far as it is still kept."""
        return self._buffer.take(start_sample, end_sample)

    def take_turn(self, order: TranscribeInput, wanted: MediaFormat) -> bytes:
        """The audio of a committed turn in another format."""
        output = OutputAudio(wanted)
        pcm = output.fit(self.take(order.start_sample, order.end_sample), self._host.input_rate_hz)
        return pcm + output.finish()

    def forget(self) -> None:
        """Lets go of what no turn can take any more."""
        self._buffer.forget(self._host.input_start_sample)

    def _enter(self, heard: AppendAudio | None) -> None:
        if heard is None:
            return
        host, pcm = self._host, heard.pcm
        frame = AudioFrame(AudioFormat(host.input_rate_hz), pcm, self._buffer.end_sample)
        self._buffer.append(pcm)
        self._apply(host.audio_appended(len(pcm) // 2))
        self._hear(frame)
        held_samples = host.input_end_sample - host.input_start_sample
        surplus = held_samples - int(self._limits.max_input_s * host.input_rate_hz)
        if surplus > 0:
            self._apply(host.input_dropped(surplus, reason="the input buffer is full"))
        elif host.config.turn_detection is not None and not host.is_speech_open:
            quiet_samples = int(self._limits.max_quiet_s * host.input_rate_hz)
            host.input_forgotten(host.input_end_sample - quiet_samples)
        self.forget()
