"""Hints for the endpointer: does the turn sound complete?

Two weak judges, neither of them trusted alone. The words: a text that trails off ("and", "um", "...") asks
for more time, one that ends like a sentence may be done. The tone: Smart Turn, a small network over the
last 8 s of the turn. Only when both say done is the silence wait shortened; either may stretch it, the tone
alone less than the words, for it hears many a plain question as unfinished. Both may be switched off, and
then the plain silence timer decides.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from voicewire.engine import weights
from voicewire.engine.mel import log_mel
from voicewire.engine.onnx import open_session, run_session
from voicewire.engine.stages import LISTEN_RATE_HZ, TurnHint

if TYPE_CHECKING:
    from voicewire.engine.stages import FloatArray

DONE_PROBABILITY: Final = 0.9
"""Smart Turn is believed to say *done* from here: 4 of 5 complete turns and 1 of 4 cut ones reach it."""
HOLD_PROBABILITY: Final = 0.1
"""Smart Turn is believed to say *not done* up to here; the middle says nothing."""

_TURN_SAMPLES: Final = 8 * LISTEN_RATE_HZ
_VARIANCE_FLOOR: Final = 1e-7

_FILLERS: Final = frozenset("um uh uhm umm er erm ehm hm hmm mm mmm ah eh".split())
_FILLER_PHRASES: Final = (
    "let me think",
    "let me see",
    "let me check",
    "let's see",
    "hold on",
    "give me a second",
    "give me a moment",
    "one moment",
    "just a moment",
    "you know",
    "i mean",
)
# Words that can end a sentence only seldom. "on", "in", "off", "up" are not here: "turn the light on".
_UNFINISHED: Final = frozenset(
    "and or but because if when while although though unless until whether nor plus "
    "a an the my your our their its every "
    "to of for with from at by into onto between than as via per "
    "i'm i'd i've i'll you're we're they're there's it's he's she's let's "
    "is am are was were be gonna wanna".split()
)
_MAY_END_A_QUESTION: Final = frozenset("to of for with from at by into than as is am are was were be".split())
_TAKES_OF: Final = frozenset(
    "made think thought thinking dream dreamt dreaming afraid scared consist consists composed out heard hear tired "
    "proud kind sort full capable fond aware sure care".split()
)
"""Words after which a question may end in "of"; "What is the capital of?" is not over."""
_SHORT_ANSWERS: Final = frozenset(
    "yes no yeah yep nope okay ok sure thanks stop cancel hello hi hey bye goodbye correct right exactly "
    "never great perfect continue repeat again nothing help".split()
)
_WORD: Final = re.compile(r"[\w']+(?:-[\w']+)*")
_DIGITS_AT_END: Final = re.compile(r"(?:\+?\d[\d]*[\s,.\-–/]*)+$")
_SPOKEN_DIGITS: Final = frozenset("zero one two three four five six seven eight nine oh double".split())
_COMPLETE_DIGIT_COUNTS: Final = frozenset((7, 10, 11, 12, 13, 16))
"""Telephone and card numbers."""
_LONGEST_PLAIN_NUMBER: Final = 6
"""Years, amounts, post codes: written in one group, they are complete at any length up to this."""


def text_hint(text: str) -> TurnHint:
    """What the words of a speculative transcript say about the end of the turn.

    Args:
        text: A final-quality transcript of the turn so far; a partial has no full stop, so it is never done.
    """
    text = text.strip()
    words = [word.casefold() for word in _WORD.findall(text)]
    if not words:
        return TurnHint.UNSURE
    last = words[-1]
    if text.endswith(("...", "…", ",", "-", "–", "—", ":", ";")):
        return TurnHint.HOLD
    if last in _FILLERS or " ".join(words).endswith(_FILLER_PHRASES):
        return TurnHint.HOLD
    if last in _UNFINISHED:
        asks = text.endswith("?") and len(words) > 2 and (last != "of" or words[-2] in _TAKES_OF)
        return TurnHint.UNSURE if asks and last in _MAY_END_A_QUESTION else TurnHint.HOLD
    if _is_dictating(text, words):
        return TurnHint.HOLD
    if text.endswith(("?", "!")):
        return TurnHint.DONE
    if text.endswith(".") and (len(words) >= 2 or last in _SHORT_ANSWERS):
        return TurnHint.DONE
    return TurnHint.UNSURE


def _is_dictating(text: str, words: list[str]) -> bool:
    """Whether a row of digits is being read out and is not yet as long as such numbers are."""
    if text.endswith("?"):
        return False
    if match := _DIGITS_AT_END.search(text.rstrip(".!")):
        groups = re.findall(r"\d+", match.group())
        count = sum(len(group) for group in groups)
        return (len(groups) > 1 or count > _LONGEST_PLAIN_NUMBER) and count not in _COMPLETE_DIGIT_COUNTS
    spoken = 0
    for word in reversed(words):
        if word not in _SPOKEN_DIGITS:
            break
        spoken += 1
    return spoken >= 2 and spoken not in _COMPLETE_DIGIT_COUNTS


def tone_hint(probability: float) -> TurnHint:
    """What Smart Turn's probability says: done at the top, not done at the very bottom."""
    if probability >= DONE_PROBABILITY:
        return TurnHint.DONE
    return TurnHint.HOLD if probability <= HOLD_PROBABILITY else TurnHint.UNSURE


def combine_hints(words: TurnHint, tone: TurnHint | None) -> TurnHint:
    """One hint of two: done only when both agree; hold for words that trail off, doubt for the tone alone.

    Args:
        words: From ``text_hint``.
        tone: From ``tone_hint``; None when Smart Turn is off, and then nothing shortens the wait.
    """
    if tone is None:
        return TurnHint.HOLD if words is TurnHint.HOLD else TurnHint.UNSURE
    if words is tone:
        return words
    if TurnHint.DONE in (words, tone):
        # Trailing words weigh more than a confident tone: people think aloud with falling pitch.
        return TurnHint.HOLD if words is TurnHint.HOLD else TurnHint.UNSURE
    return TurnHint.HOLD if words is TurnHint.HOLD else TurnHint.DOUBT


class SmartTurn:
    """Smart Turn v3.2. One for a process; see ``TurnModel``.

    Args:
        path: The ONNX file; None to look it up (see ``weights.locate``).

    Raises:
        ModelLoadError: The file is missing or damaged, or the runtime is not installed.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._session = open_session(weights.locate(weights.SMART_TURN, path), inputs=("input_features",))

    def probability(self, samples: FloatArray) -> float:
        """How complete the turn sounds, 0 to 1; about 40 ms."""
        import numpy as np

        turn = samples[-_TURN_SAMPLES:].astype(np.float32, copy=False)
        # The end of the turn must be at the end of the window, so silence goes to the left.
        wave = np.pad(turn, (_TURN_SAMPLES - len(turn), 0))
        wave = (wave - wave.mean()) / np.sqrt(wave.var() + np.float32(_VARIANCE_FLOOR))
        features = log_mel(wave, total_samples=_TURN_SAMPLES)
        outputs = run_session(self._session, {"input_features": features[np.newaxis]}, what="end-of-turn")
        return float(np.reshape(outputs[0], -1)[0])
