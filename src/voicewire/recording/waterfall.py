"""Where the time between the user's last word and the agent's first sound went. Pure.

The stages are not one after the other: recognition, the brain and the voice work while the endpointer still
waits. So each bar begins where its cause ended, and what the wait hides is seen to lie beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimes:
    """When each stage was through, in milliseconds of session time; None where it is not known."""

    speech_end_ms: float | None = None
    endpoint_ms: float | None = None
    asr_final_ms: float | None = None
    first_token_ms: float | None = None
    first_clause_ms: float | None = None
    audio_sent_ms: float | None = None
    audible_ms: float | None = None


def merged_times(reported: StageTimes | None, derived: StageTimes) -> StageTimes:
    """The reported times, filled up with derived ones where nothing was reported."""
    if reported is None:
        return derived
    known = {field.name: getattr(reported, field.name) for field in fields(reported)}
    return replace(derived, **{name: value for name, value in known.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Bar:
    """One stage; both ends in milliseconds after the end of speech."""

    name: str
    key: str
    start_ms: float
    end_ms: float

    @property
    def duration_ms(self) -> float:
        """How long the stage took, waiting for its cause not included."""
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The stages of one turn."""

    bars: tuple[Bar, ...]
    speech_end_ms: float
    """End of speech, in session time."""

    @property
    def total_ms(self) -> float:
        """Voice to voice: end of speech to the first audible sample, or to the last stage that is known."""
        return max((bar.end_ms for bar in self.bars), default=0.0)


_STAGES: Final = (
    ("endpoint_ms", "endpoint", ()),
    ("asr_final_ms", "ASR final", ()),
    ("first_token_ms", "first token", ("asr_final_ms",)),
    ("first_clause_ms", "first clause", ("first_token_ms", "asr_final_ms")),
    ("audio_sent_ms", "audio sent", ("first_clause_ms", "first_token_ms", "endpoint_ms")),
    ("audible_ms", "audible", ("audio_sent_ms", "endpoint_ms")),
)
"""Field, name, and the fields of the stages that must be through before this one can begin."""


def waterfall_of(times: StageTimes) -> Waterfall:
    """The bars of one turn, in causal order; stages that are not known have none.

    Every bar lies at or after the end of speech, and no bar ends before it starts.

    Raises:
        ValueError: The end of speech is not known, so there is nothing to measure from.
    """
    if times.speech_end_ms is None:
        raise ValueError("a waterfall needs the end of speech")
    ends: dict[str, float] = {}
    bars: list[Bar] = []
    for key, name, causes in _STAGES:
        value: float | None = getattr(times, key)
        if value is None:
            continue
        end_ms = max(value - times.speech_end_ms, 0.0)
        start_ms = min(max((ends[cause] for cause in causes if cause in ends), default=0.0), end_ms)
        ends[key] = end_ms
        bars.append(Bar(name, key, start_ms, end_ms))
    return Waterfall(tuple(bars), times.speech_end_ms)


def bar_text(bar: Bar, total_ms: float, columns: int) -> str:
    """A bar as text: blanks up to its start, then blocks; at least one block, ``columns`` wide at most.

    Args:
        bar: The bar.
        total_ms: What the full width stands for.
        columns: The full width in characters, 1 or more.
    """
    scale = columns / max(total_ms, 1.0)
    start = min(round(bar.start_ms * scale), columns - 1)
    end = max(start + 1, min(round(bar.end_ms * scale), columns))
    return " " * start + "█" * (end - start)
