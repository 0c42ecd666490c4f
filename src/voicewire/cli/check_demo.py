"""Checks a recorded demo by listening to it: what a person would notice is what is measured.

Reads only what the run left behind, ``conversation.wav`` and ``events.jsonl``, and the scenario.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from voicewire.audio.files import read_audio
from voicewire.audio.pcm import int16_to_pcm16, pcm16_to_float32, pcm16_to_int16
from voicewire.audio.resample import resample_whole
from voicewire.cli.scenario import Scenario, ScriptTurn
from voicewire.errors import ConfigError
from voicewire.recording.marks import AudioPlayed, PlayoutCut, ScriptSpoke, ToolFinished, TruncationOrdered
from voicewire.recording.recorder import EVENTS_NAME, HTML_NAME, PNG_NAME, WAV_NAME
from voicewire.recording.wording import contains_phrase, word_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voicewire.engine.stages import FloatArray

MAX_WORD_ERROR_RATE: Final = 0.10
MAX_SILENCE_DELAY_MS: Final = 300.0
MAX_CUT_DIFFERENCE_MS: Final = 20.0
_LISTEN_RATE_HZ: Final = 16_000
_MARGIN_MS: Final = 150.0
_ONSET_LEVEL: Final = 0.02 * 32768
_SILENT_LEVEL: Final = 2
"""Highest sample value that counts as silence: rounding, nothing anybody hears."""

Listen = Callable[["FloatArray"], str]
"""Turns speech at 16 kHz into text."""


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One thing that was checked."""

    is_good: bool
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class DemoFacts:
    """What the files of a run say."""

    user: NDArray[np.int16]
    agent: NDArray[np.int16]
    sample_rate_hz: int
    spoken: dict[int, ScriptSpoke]
    played: list[AudioPlayed]
    cuts: list[PlayoutCut]
    truncations: list[TruncationOrdered]
    tools: list[ToolFinished]

    def sample(self, at_ms: float) -> int:
        """The sample at a moment."""
        return max(0, round(at_ms * self.sample_rate_hz / 1000))

    @property
    def duration_ms(self) -> float:
        """Length of the recording."""
        return len(self.user) * 1000 / self.sample_rate_hz


_Known = AudioPlayed | PlayoutCut | TruncationOrdered | ToolFinished | ScriptSpoke
_KNOWN_TYPES: Final = {
    "voicewire.audio_played": AudioPlayed,
    "voicewire.playout_cut": PlayoutCut,
    "voicewire.truncation_ordered": TruncationOrdered,
    "voicewire.tool_finished": ToolFinished,
    "voicewire.script_spoke": ScriptSpoke,
}


def read_facts(folder: Path) -> DemoFacts:
    """Reads the files of a run.

    Raises:
        ConfigError: One is missing or not readable.
        AudioError: The recording is not audio.
    """
    audio = read_audio(folder / WAV_NAME, mono=False)
    if audio.format.channels != 2:
        raise ConfigError(f"{str(folder / WAV_NAME)!r} is not stereo; run `voicewire demo` again")
    import numpy as np

    samples = np.reshape(pcm16_to_int16(audio.data), (-1, 2))
    marks: list[_Known] = []
    try:
        for line in (folder / EVENTS_NAME).read_bytes().splitlines():
            fields = msgspec.json.decode(line, type=dict[str, object])
            if kind := _KNOWN_TYPES.get(str(fields.get("type"))):
                marks.append(msgspec.convert(fields, kind))
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"cannot read {str(folder / EVENTS_NAME)!r}: {error}; run `voicewire demo` again"
        ) from error
    return DemoFacts(
        user=samples[:, 0],
        agent=samples[:, 1],
        sample_rate_hz=audio.format.sample_rate_hz,
        spoken={mark.turn: mark for mark in marks if isinstance(mark, ScriptSpoke)},
        played=[mark for mark in marks if isinstance(mark, AudioPlayed)],
        cuts=[mark for mark in marks if isinstance(mark, PlayoutCut)],
        truncations=[mark for mark in marks if isinstance(mark, TruncationOrdered)],
        tools=[mark for mark in marks if isinstance(mark, ToolFinished)],
    )


def check_demo(folder: Path, scenario: Scenario, listen: Listen) -> list[CheckLine]:
    """Checks a run.

    Args:
        folder: What it wrote.
        scenario: What it was to say.
        listen: The recogniser.

    Raises:
        ConfigError: A file of the run is missing or not readable.
        AudioError: The recording is not audio.
    """
    facts = read_facts(folder)
    lines = [_check_files(folder)]
    lines += _check_user(facts, scenario, listen)
    for number, turn in enumerate(scenario.turns):
        if number in facts.spoken:
            lines.append(_check_reply(facts, scenario, number, listen))
        if turn.tool:
            names = [call.name for call in facts.tools if call.outcome == "completed"]
            lines.append(
                CheckLine(turn.tool in names, "tool call", f"{turn.tool}: {names.count(turn.tool)} completed")
            )
        if turn.into_reply_ms is not None and number in facts.spoken:
            lines += _check_interruption(facts, number)
    return lines


def _check_files(folder: Path) -> CheckLine:
    missing = [name for name in (HTML_NAME, PNG_NAME) if not (folder / name).is_file()]
    return CheckLine(
        not missing, "files", f"missing: {', '.join(missing)}" if missing else f"complete in {folder}"
    )


def _heard(
    facts: DemoFacts, channel: NDArray[np.int16], start_ms: float, end_ms: float, listen: Listen
) -> str:
    piece = int16_to_pcm16(channel[facts.sample(start_ms) : facts.sample(end_ms)])
    return listen(pcm16_to_float32(resample_whole(piece, facts.sample_rate_hz, _LISTEN_RATE_HZ)))


def _check_user(facts: DemoFacts, scenario: Scenario, listen: Listen) -> list[CheckLine]:
    wrong = total = 0
    misheard: list[str] = []
    for number, turn in enumerate(scenario.turns):
        spoken = facts.spoken.get(number)
        heard = ""
        if spoken is not None:
            heard = _heard(
                facts, facts.user, spoken.start_ms - _MARGIN_MS, spoken.end_ms + _MARGIN_MS, listen
            )
        errors, words = word_errors(turn.text, heard)
        wrong, total = wrong + errors, total + words
        if errors:
            misheard.append(f"{turn.text!r} as {heard!r}")
    rate = wrong / max(total, 1)
    detail = f"word error rate {rate:.1%} over {total} words"
    if misheard:
        detail += f"; heard {'; '.join(misheard)}"
    return [CheckLine(rate <= MAX_WORD_ERROR_RATE, "user channel", detail)]


def _check_reply(facts: DemoFacts, scenario: Scenario, number: int, listen: Listen) -> CheckLine:
    turn: ScriptTurn = scenario.turns[number]
    start_ms = facts.spoken[number].end_ms
    following = facts.spoken.get(number + 1)
    end_ms = facts.duration_ms
    if following is not None:
        is_cut = scenario.turns[number + 1].into_reply_ms is not None
        end_ms = following.start_ms + (MAX_SILENCE_DELAY_MS if is_cut else 0.0)
    # Nothing of the answer before: a reply that was interrupted still sounds when the user begins.
    heard = _heard(facts, facts.agent, start_ms, end_ms, listen)
    lacking = [group for group in turn.expect if not any(contains_phrase(heard, phrase) for phrase in group)]
    detail = f"{heard!r}"
    if lacking:
        detail += f" lacks {' and '.join('/'.join(group) for group in lacking)}"
    return CheckLine(bool(heard) and not lacking, f"reply {number + 1}", detail)


def _check_interruption(facts: DemoFacts, number: int) -> list[CheckLine]:
    import numpy as np

    spoken = facts.spoken[number]
    start, end = facts.sample(spoken.start_ms), facts.sample(spoken.end_ms)
    loud = np.flatnonzero(np.abs(facts.user[start:end].astype(np.int32)) > _ONSET_LEVEL)
    onset = start + (int(loud[0]) if loud.size else 0)
    item_id = next((mark.item_id for mark in reversed(facts.cuts) if mark.cut_ms >= spoken.start_ms), "")
    spans = [mark for mark in facts.played if mark.item_id == item_id]
    if not spans:
        return [CheckLine(False, "interruption", "no reply was cut")]
    first = facts.sample(spans[0].start_ms)
    sounding = np.flatnonzero(np.abs(facts.agent[first:end].astype(np.int32)) > _SILENT_LEVEL)
    last = first + (int(sounding[-1]) + 1 if sounding.size else 0)
    delay_ms = (last - onset) * 1000 / facts.sample_rate_hz
    lines = [
        CheckLine(
            delay_ms <= MAX_SILENCE_DELAY_MS,
            "barge-in",
            f"the agent is silent {delay_ms:.0f} ms after the user's onset "
            f"(at most {MAX_SILENCE_DELAY_MS:.0f})",
        )
    ]
    return [*lines, _check_ledger(facts, item_id, spans, last)]


def _check_ledger(facts: DemoFacts, item_id: str, spans: list[AudioPlayed], last: int) -> CheckLine:
    """Compares what the model was told with what is in the recording."""
    ordered = next((mark.audio_end_ms for mark in facts.truncations if mark.item_id == item_id), None)
    if ordered is None:
        return CheckLine(False, "ledger", "the model was not told how much was heard")
    gaps_ms = sum(
        max(0.0, later.start_ms - earlier.end_ms) for earlier, later in zip(spans, spans[1:], strict=False)
    )
    in_wav_ms = last * 1000 / facts.sample_rate_hz - spans[0].start_ms - gaps_ms
    difference_ms = abs(ordered - in_wav_ms)
    return CheckLine(
        difference_ms <= MAX_CUT_DIFFERENCE_MS,
        "ledger",
        f"heard {ordered} ms by the ledger, {in_wav_ms:.1f} ms in the recording "
        f"(difference {difference_ms:.1f} ms, at most {MAX_CUT_DIFFERENCE_MS:.0f})",
    )
