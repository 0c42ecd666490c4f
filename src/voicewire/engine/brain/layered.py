"""The default brain: rules for what is certain, words for the user's tools, a small model for the rest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from voicewire.engine.brain import skills, tool_results, tools
from voicewire.engine.brain.base import (
    BrainDelta,
    BrainDone,
    BrainOutput,
    BrainTimer,
    BrainToolCall,
    BrainTurn,
    Turn,
)
from voicewire.engine.brain.prompt import tokens_in
from voicewire.engine.brain.text import sentences, without_hesitation
from voicewire.errors import EngineError, ModelLoadError

if TYPE_CHECKING:
    from voicewire.engine.brain.llm import LlamaBrain
    from voicewire.engine.brain.skills import SkillAnswer

_log = logging.getLogger("voicewire.engine.brain")

NO_MODEL = "I'm a small demo brain without a language model, so I can't answer that. Ask me what I can do."
"""The answer to everything that no rule covers when there is no model."""
_SOME_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)
_LIKELY = 2.0
"""Without a model to ask, a lone tool with this score and all its arguments is called."""


class LayeredBrain:
    """Skills, tools and a language model, in this order of trust.

    1. Tools that the utterance clearly asks for; 2. skills; 3. tools that it may ask for, chosen by the model
    under a grammar; 4. what cannot be done here, said honestly; 5. the model's own words.

    Args:
        llm: The language model, or None for rules only.
        with_skills: False leaves everything but tools to the model.
        name: Short name for logs.
    """

    def __init__(
        self, llm: LlamaBrain | None = None, *, with_skills: bool = True, name: str = "layered"
    ) -> None:
        self._llm = llm
        self._with_skills = with_skills
        self._name = name
        self._lock = threading.Lock()
        self._has_failed = False

    @property
    def name(self) -> str:
        """Short name for logs and reports."""
        return self._name

    @property
    def has_model(self) -> bool:
        """Whether a language model answers what the rules do not; false once its weights were missing."""
        return self._llm is not None and not self._has_failed

    def respond(self, turn: BrainTurn, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
        """See ``Brain.respond``."""
        turn = replace(turn, history=tuple(map(_fluent, turn.history)))
        outputs = _trailing_results(turn)
        if outputs:
            yield from _say(turn, " ".join(outputs), cancelled)
            return
        plan = tools.plan(turn)
        if plan.calls:
            yield from _call(turn, plan.calls)
            return
        if plan.ask:
            yield from _say(turn, plan.ask, cancelled)
            return
        found = skills.answer(turn) if self._with_skills and not tools.is_forced(turn) else None
        is_limit = found is not None and found.skill.startswith("limit:")
        if found is not None and not (is_limit and plan.rivals):
            yield from _say_skill(turn, found, cancelled)
            return
        call = self._decide(turn, plan, cancelled) if plan.rivals else None
        if cancelled():
            return
        if call is not None:
            yield from _call(turn, (call,))
        elif found is not None:
            yield from _say_skill(turn, found, cancelled)
        else:
            yield from self._talk(turn, cancelled)

    def _decide(self, turn: BrainTurn, plan: tools.Plan, cancelled: Callable[[], bool]) -> tools.Call | None:
        best = plan.rivals[0]
        is_forced = tools.is_forced(turn)
        is_lone = len(plan.rivals) == 1 and best.score >= _LIKELY and not best.filled.missing
        if is_lone and (best.filled.found or not self.has_model):
            return tools.Call(best.tool.name, best.filled.arguments)
        llm = self._usable_llm()
        if llm is not None:
            return llm.decide(turn, plan.rivals, cancelled)
        return tools.complete(best, turn.utterance) if is_forced else None

    def _talk(self, turn: BrainTurn, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
        llm = self._usable_llm()
        if llm is None:
            yield from _say(turn, NO_MODEL, cancelled)
            return
        notice = skills.language_notice(turn) if self._with_skills else ""
        if notice:
            yield BrainDelta(notice)
        yield from llm.respond(turn, cancelled)

    def _usable_llm(self) -> LlamaBrain | None:
        if self._llm is None or self._has_failed:
            return None
        if not self._with_skills:
            return self._llm
        try:
            self._llm.server().load()
        except ModelLoadError as error:
            with self._lock:
                is_first, self._has_failed = not self._has_failed, True
            if is_first:
                _log.warning("answering by rules only, without a language model: %s", error)
            return None
        return self._llm

    def warm_up(self) -> None:
        """Load the model and its prompt cache.

        With skills a missing model is logged once; without them it is an error.

        Raises:
            EngineError: Without skills: the model cannot be loaded or run.
        """
        if self._with_skills:
            # The patterns are compiled on first use, which takes about 0.1 s.
            skills.answer(BrainTurn(history=(Turn("user", "Warm up the engine."),), now=_SOME_DAY))
        llm = self._usable_llm()
        if llm is not None:
            try:
                llm.warm_up()
            except EngineError as error:
                if not self._with_skills:
                    raise
                _log.warning("language model could not be warmed up", extra={"reason": str(error)})

    def close(self) -> None:
        """See ``Brain.close``."""
        if self._llm is not None:
            self._llm.close()


def _fluent(entry: Turn) -> Turn:
    """What a person said, without the sounds of thinking, which no rule and no small model reads past."""
    return replace(entry, text=without_hesitation(entry.text)) if entry.role == "user" else entry


def _trailing_results(turn: BrainTurn) -> list[str]:
    """What the tools returned since the last thing that anyone said, as sentences."""
    spoken: list[str] = []
    for entry in reversed(turn.history):
        if entry.role != "tool":
            break
        spoken.append(tool_results.speak(entry.name or "", entry.text))
    return list(dict.fromkeys(reversed(spoken)))


def _call(turn: BrainTurn, calls: tuple[tools.Call, ...]) -> Iterator[BrainOutput]:
    for call in calls:
        yield BrainToolCall(call.name, call.arguments_json)
    yield BrainDone(_read(turn), sum(tokens_in(call.arguments_json) for call in calls), "tool")


def _say_skill(turn: BrainTurn, found: SkillAnswer, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
    if found.timer_s:
        yield BrainTimer(found.timer_s, found.label)
    is_about_language = found.skill == "language"
    yield from _say(turn, ("" if is_about_language else skills.language_notice(turn)) + found.text, cancelled)


def _say(turn: BrainTurn, text: str, cancelled: Callable[[], bool]) -> Iterator[BrainOutput]:
    """Say a text sentence by sentence, within the turn's limit of tokens (counted as words)."""
    spoken_words = 0
    for index, sentence in enumerate(sentences(text)):
        if cancelled():
            return
        words = sentence.split()
        room = turn.max_tokens - spoken_words
        lead = " " if index else ""
        if len(words) > room:
            if room > 0:
                yield BrainDelta(lead + " ".join(words[:room]))
            yield BrainDone(_read(turn), max(1, spoken_words + max(0, room)), "length")
            return
        spoken_words += len(words)
        yield BrainDelta(lead + sentence)
    if not cancelled():
        yield BrainDone(_read(turn), max(1, spoken_words), "stop")


def _read(turn: BrainTurn) -> int:
    return max(1, len(turn.utterance.split()) + len(turn.instructions.split()))
