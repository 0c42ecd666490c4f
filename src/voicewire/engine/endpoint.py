"""Endpointing: where a turn begins and where it ends.

A pure policy over speech probabilities, in samples at 16 kHz. Four phases with hysteresis::

            speech                 min_speech reached
    QUIET ---------> STARTING ----------------------> SPEAKING <------------.
      ^  <---------     |                                |  silence          | speech:
      |    silence                                       v                   | SpeculationRevoked
      |                                               STOPPING --------------'
      `------ silence limit reached: SpeechStopped ------'
                 (on the way, after speculate_after: SpeculateNow)

Speech begins at ``threshold`` and goes on down to ``threshold - release_below``; once a silence has begun it
takes ``threshold`` again to break it. Limits are compared in samples and decisions carry the exact sample
at which a limit was crossed, so it does not matter how the audio was cut into frames.
"""

from __future__ import annotations

from voicewire.engine.stages import (
    Decision,
    EndpointPhase,
    EndpointSettings,
    Observation,
    SpeculateNow,
    SpeculationRevoked,
    SpeechStarted,
    SpeechStopped,
    TurnHint,
    ms_to_samples,
)


class SilenceEndpointer:
    """Ends a turn after enough silence, a little sooner or later on a hint. See ``Endpointer``.

    Args:
        settings: The waits and the threshold; None for the stock ones.

    Concurrency: one thread at a time.
    """

    def __init__(self, settings: EndpointSettings | None = None) -> None:
        self._settings = settings or EndpointSettings()
        self._next_settings: EndpointSettings | None = None
        self._phase = EndpointPhase.QUIET
        self._hint = TurnHint.UNSURE
        self._position = 0
        self._onset = 0
        self._voiced = 0
        self._speech_end = 0
        self._last_stop = 0
        self._has_speculated = False

    @property
    def phase(self) -> EndpointPhase:
        """Where the policy stands."""
        return self._phase

    @property
    def settings(self) -> EndpointSettings:
        """The settings in force."""
        return self._settings

    @property
    def position_sample(self) -> int:
        """The end of the last observation."""
        return self._position

    def step(self, observation: Observation) -> list[Decision]:
        """Take the next frame in."""
        start, end = self._position, observation.end_sample
        if end <= start:
            raise ValueError(f"the observation ends at sample {end!r}, not beyond the one before ({start!r})")
        if observation.hint is not None:
            self.set_hint(observation.hint)
        self._position = end
        match self._phase:
            case EndpointPhase.QUIET:
                return self._in_quiet(observation.probability, start, end)
            case EndpointPhase.STARTING:
                return self._in_starting(observation.probability, start, end)
            case EndpointPhase.SPEAKING:
                return self._in_speaking(observation.probability, start, end)
            case EndpointPhase.STOPPING:
                return self._in_stopping(observation.probability, start, end)

    def set_hint(self, hint: TurnHint) -> None:
        """Shorten or stretch the silence that is going on; ignored when none is."""
        if self._phase is EndpointPhase.STOPPING:
            self._hint = hint

    def configure(self, settings: EndpointSettings) -> None:
        """Use other settings: at once when no turn is open, else from the next turn on."""
        if self._phase in (EndpointPhase.QUIET, EndpointPhase.STARTING):
            self._settings = settings
            self._next_settings = None
        else:
            self._next_settings = settings

    def stop(self) -> list[Decision]:
        """End an open turn here and be quiet."""
        match self._phase:
            case EndpointPhase.SPEAKING:
                return [self._stopped(self._position)]
            case EndpointPhase.STOPPING:
                return [self._stopped(self._position)]
            case EndpointPhase.QUIET | EndpointPhase.STARTING:
                self._phase = EndpointPhase.QUIET
                return []

    def _in_quiet(self, probability: float, start: int, end: int) -> list[Decision]:
        if probability < self._settings.threshold:
            return []
        self._phase = EndpointPhase.STARTING
        self._onset = start
        return self._in_starting(probability, start, end)

    def _in_starting(self, probability: float, start: int, end: int) -> list[Decision]:
        if probability < self._settings.release_threshold:
            self._phase = EndpointPhase.QUIET
            return []
        if end - self._onset < ms_to_samples(self._settings.min_speech_ms):
            return []
        self._phase = EndpointPhase.SPEAKING
        self._voiced = end - self._onset
        self._speech_end = end
        padded = self._onset - ms_to_samples(self._settings.prefix_padding_ms)
        return [SpeechStarted(at_sample=max(padded, self._last_stop, 0), onset_sample=self._onset)]

    def _in_speaking(self, probability: float, start: int, end: int) -> list[Decision]:
        if probability >= self._settings.release_threshold:
            self._voiced += end - start
            self._speech_end = end
            return []
        self._phase = EndpointPhase.STOPPING
        self._hint = TurnHint.UNSURE
        self._has_speculated = False
        return self._in_stopping(probability, start, end)

    def _in_stopping(self, probability: float, start: int, end: int) -> list[Decision]:
        decisions: list[Decision] = []
        if probability >= self._settings.threshold:
            self._phase = EndpointPhase.SPEAKING
            self._voiced += end - start
            self._speech_end = end
            if self._has_speculated:
                decisions.append(SpeculationRevoked(at_sample=start))
            return decisions
        limit = self._crossing(self._settings.silence_limit_ms(self._hint), start)
        trial = self._crossing(self._settings.speculate_after_ms, start)
        # A limit at or below the trial wait makes a trial pointless: the turn is over at once.
        if not self._has_speculated and trial <= end and trial < limit:
            self._has_speculated = True
            decisions.append(SpeculateNow(at_sample=trial, speech_end_sample=self._speech_end))
        if limit <= end:
            decisions.append(self._stopped(limit))
        return decisions

    def _crossing(self, silence_ms: int, start: int) -> int:
        """Where the silence reaches a length; not before ``start``, for a limit may shrink under a hint."""
        return max(self._speech_end + ms_to_samples(silence_ms), start)

    def _stopped(self, decided_at: int) -> SpeechStopped:
        stopped = SpeechStopped(
            at_sample=self._speech_end, decided_at_sample=decided_at, voiced_samples=self._voiced
        )
        self._phase = EndpointPhase.QUIET
        self._last_stop = self._speech_end
        self._hint = TurnHint.UNSURE
        self._has_speculated = False
        if self._next_settings is not None:
            self._settings, self._next_settings = self._next_settings, None
        return stopped
