"""What the language model reads, and how much of what it writes is let through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from voicewire.engine.brain.memory import recall
from voicewire.engine.brain.text import asks_other_language, sentences

if TYPE_CHECKING:
    from voicewire.engine.brain.base import BrainTurn, Turn

Message: TypeAlias = "dict[str, str]"
"""One message of a chat completion: ``role`` and ``content``."""

Style: TypeAlias = Literal["tiny", "plain"]
"""``tiny``: five examples and one or two guarded sentences, for models that wander; ``plain``: the model as
it is.
"""

TINY_SYSTEM: Final = "You are a friendly voice assistant. Answer in one short sentence."
PLAIN_SYSTEM: Final = (
    "You are a voice assistant. Your words are spoken aloud: answer in one to three short sentences "
    "of plain text, "
    "without lists, markup or emoji."
)
SHOTS: Final = (
    ("What do bees make?", "Bees make honey."),
    ("I feel a bit tired today.", "I'm sorry to hear that. A short walk or some rest may help."),
    ("Why do we need sleep?", "We need sleep so that the body and the mind can recover."),
    ("Do you like rain?", "I'm a program, but I like the sound of it."),
    ("What should I eat for breakfast?", "Oatmeal with fruit is quick and healthy."),
)
"""Fixed, so that the prompt cache pays for them once; they teach brevity more than facts."""

_CHARS_PER_TOKEN: Final = 3
_TOKENS_PER_MESSAGE: Final = 6
_TINY_GUIDE_TOKENS: Final = 150
"""A tiny model reads 250 tokens a second and follows no long instructions: only their start is given."""
_LONG_SENTENCE_WORDS: Final = 12
_LONGEST_HELD: Final = 160
_ABBREVIATED: Final = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|[A-Z])\.$")
_SENTENCE_END: Final = re.compile(r"[.!?][\"')]*(?=\s|$)")


def tokens_in(text: str) -> int:
    """An upper estimate of the tokens of a text, its message frame included."""
    return len(text) // _CHARS_PER_TOKEN + _TOKENS_PER_MESSAGE


def prefix(style: Style) -> list[Message]:
    """The messages that begin every prompt of a style, the same for all sessions."""
    if style == "plain":
        return [_message("system", PLAIN_SYSTEM)]
    messages = [_message("system", TINY_SYSTEM)]
    for question, reply in SHOTS:
        messages += [_message("user", question), _message("assistant", reply)]
    return messages


def build(turn: BrainTurn, style: Style, context_tokens: int) -> list[Message]:
    """The prompt of a turn: prefix, instructions, what is known of the user, the newest part of the history.

    Args:
        turn: The turn.
        style: How much the model has to be led.
        context_tokens: Room for prompt and answer together.
    """
    messages = prefix(style)
    room = (
        context_tokens
        - sum(tokens_in(message["content"]) for message in messages)
        - min(turn.max_tokens, context_tokens // 4)
    )
    guide = _guide(turn, style, min(room // 2, _TINY_GUIDE_TOKENS) if style == "tiny" else room // 2)
    if guide:
        # Instructions follow the examples: so the cached prefix is shared by sessions with different
        # instructions.
        messages.append(_message("system", guide))
        room -= tokens_in(guide)
    return messages + _recent(turn.history, room, most=8 if style == "tiny" else 200)


def _guide(turn: BrainTurn, style: Style, room_tokens: int) -> str:
    instructions = turn.instructions.strip()
    if style == "tiny":
        # A tiny model that is told to speak another language speaks none.
        instructions = " ".join(part for part in sentences(instructions) if not asks_other_language(part))
    parts = [instructions]
    name = recall(turn.history).name
    if style == "tiny" and name:
        parts.append(f"The user's name is {name}.")
    return " ".join(part for part in parts if part)[: max(0, room_tokens) * _CHARS_PER_TOKEN]


def _recent(history: tuple[Turn, ...], room_tokens: int, most: int) -> list[Message]:
    kept: list[Message] = []
    for entry in reversed(history):
        text = entry.text.strip()
        if entry.role == "tool" or not text:
            continue
        cost = tokens_in(text)
        if kept and (cost > room_tokens or len(kept) >= most):
            break
        if cost > room_tokens:
            text = text[-max(30, room_tokens * _CHARS_PER_TOKEN) :]
        room_tokens -= cost
        kept.append(_message(entry.role, text))
    kept.reverse()
    # A history that begins with an answer, or ends with one, would make the model continue it instead of
    # answering.
    while kept and kept[0]["role"] == "assistant":
        kept.pop(0)
    if not kept or kept[-1]["role"] == "assistant":
        kept.append(_message("user", "Please go on."))
    return kept


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


@dataclass(slots=True)
class StreamGuard:
    """Lets a small model's words through until it has said enough or begins to loop.

    The first sentence passes word by word. A second one is held until it is whole and repeats nothing, so
    that a loop is never heard; after a long first sentence there is none. With ``is_guarding`` false
    everything passes.
    """

    is_guarding: bool
    is_finished: bool = False
    """No further text is wanted."""
    _said: str = ""
    _held: str = ""
    _word: str = ""
    """The word under way; a word counts when a space follows it."""
    _is_first_over: bool = False
    _is_closed: bool = False

    def push(self, text: str) -> str:
        """Take the next piece; return what may be said now."""
        if self.is_finished:
            return ""
        if not self.is_guarding:
            return text
        self._word += re.sub(r"[*_`#]+", "", text)
        if not self._said and not self._held:
            self._word = self._word.lstrip()
        line, newline, _ = self._word.partition("\n")
        if newline:
            return self._drain(line + " ") + self.close()
        return self._drain(self._word)

    def close(self) -> str:
        """The end of the stream: the last word, and the full stop if it is missing. Idempotent."""
        if not self.is_guarding or self._is_closed:
            return ""
        self._is_closed = True
        passed = ""
        if not self.is_finished and self._word.strip():
            passed = self._take(self._word.rstrip())
        self.is_finished, self._word = True, ""
        if not self._said.strip() or _SENTENCE_END.search(self._said.rstrip()[-3:]):
            return passed
        bare = self._said.rstrip()
        return passed + ("." if bare[-1].isalnum() else "")

    def _drain(self, text: str) -> str:
        passed = ""
        while not self.is_finished and (match := re.match(r"\s*\S+(?=\s)", text)):
            passed += self._take(match[0])
            text = text[match.end() :]
        self._word = text
        return passed

    def _take(self, word: str) -> str:
        is_end = _SENTENCE_END.search(word) is not None and not _ABBREVIATED.search(word)
        if self._is_first_over:
            return self._hold(word, is_end)
        if _loops(self._said + word):
            self.is_finished = True
            return ""
        self._said += word
        self._is_first_over = is_end
        # A model that made a long sentence has said what it knows; the next one would be padding.
        self.is_finished = is_end and len(self._said.split()) >= _LONG_SENTENCE_WORDS
        return word

    def _hold(self, word: str, is_end: bool) -> str:
        self._held += word
        if not is_end:
            self.is_finished = len(self._held) > _LONGEST_HELD
            return ""
        self.is_finished = True
        before = set(_grams(self._said, 3))
        if any(gram in before for gram in _grams(self._held, 3)) or _loops(self._held):
            return ""
        self._said += self._held
        return self._held


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def _grams(text: str, size: int) -> list[tuple[str, ...]]:
    words = _words(text)
    return [tuple(words[index : index + size]) for index in range(len(words) - size + 1)]


def _loops(text: str) -> bool:
    """Whether the last words repeat: one word three times over, or three words that were said before."""
    words = _words(text)
    if len(words) >= 3 and words[-1] == words[-2] == words[-3]:
        return True
    last = _grams(text, 4)
    return bool(last) and last[-1] in last[:-1]
