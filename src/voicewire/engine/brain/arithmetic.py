"""Mental arithmetic: a safe parser over spoken and written sums, exact by fractions.

Grammar, loosest first: ``sum := product (("+"|"-") product)*``; ``product := power (("*"|"/"|"mod"|"of")
power)*``; ``power := unary ("^" unary | "squared" | "cubed" | "!")*``; ``unary := "-" unary |
("sqrt"|"cbrt"|"double"|...) unary | number ("%")? | "(" sum ")"``. Nothing is ever evaluated as code, and
every result is bounded in size.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from voicewire.engine.brain.numbers import FRACTIONS, NUMBER_WORDS, ORDINALS, read_number
from voicewire.engine.brain.text import expand

_MAX_TOKENS: Final = 60
_MAX_BITS: Final = 4096
_MAX_SPOKEN_DIGITS: Final = 24

_PREFIX = re.compile(
    r"^(?:(?:um|uh|so|okay|ok|hey|please|and|now|then|well|hello|hi|alright|(?:can|could|would) "
    r"you(?: please)?|tell me|"
    r"do you know|i want to know|what is|what are|what does|what do you get (?:if|when) you|what do "
    r"i get (?:if|when) i|"
    r"how much is|how much are|how many is|how much does|calculate|compute|evaluate|work out|figure "
    r"out|solve|"
    r"(?:what is )?the (?:result|value|answer) (?:of|to)|the|maths?|quick)\s+)+"
)
_SUFFIX = re.compile(
    r"(?:\s+(?:please|thanks|thank you|equals?|equal to|make|makes?|is|be|what|for me|then|give|come to))+$"
)
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"multiplied (?:by|with)|multiply (?:it |that |this )?by|\btimes\b|×|·", " * "),
    (r"divided (?:by|with)|divide (?:it |that |this )?by|\bover\b|÷", " / "),
    (r"(?<=[\d\s)])x(?=[\s\d(])", " * "),
    (
        (
            r"\bto the (?=(?:minus )?\S+ power\b)|\bto the (?=(?:third|fourth|fifth|sixth|seventh|eighth|"
            r"ninth|tenth|\d+th)\b)"
        ),
        " ^ ",
    ),
    (r"\bto the power (?:of )?|\braised to(?: the)?(?: power of)?\b|\*\*", " ^ "),
    (r"\bplus\b|\badded to\b", " + "),
    (r"\bminus\b|\bless\b|\btake away\b|\bsubtract(?:ed)? by\b|\u2212|\u2013", " - "),
    (r"\bnegative\b", " - "),
    (r"\bmodulo\b|\bmodulus\b|\bmod\b", " mod "),
    (r"\bper ?cent\b", " % "),
    (r"\b(?:the )?square root(?: of)?\b|√", " sqrt "),
    (r"\b(?:the )?(?:cube|cubic) root(?: of)?\b", " cbrt "),
    (r"\bfactorial of\b", " factorial "),
    (r"\bdouble\b|\btwice\b", " 2 * "),
    (r"\btriple\b", " 3 * "),
)
_COMMANDS: tuple[tuple[str, str, bool], ...] = (
    (r"^(?:add|(?:the )?sum of) (?P<a>.+?) (?:and|to|with|\+) (?P<b>.+)$", "+", False),
    (r"^subtract (?P<a>.+?) from (?P<b>.+)$", "-", True),
    (r"^take (?P<a>.+?) (?:away )?from (?P<b>.+)$", "-", True),
    (r"^(?:the )?difference (?:between|of) (?P<a>.+?) and (?P<b>.+)$", "-", False),
    (r"^(?:multiply|(?:the )?product of) (?P<a>.+?) (?:by|and|with|\*) (?P<b>.+)$", "*", False),
    (r"^(?:divide|(?:the )?quotient of) (?P<a>.+?) (?:by|and|/) (?P<b>.+)$", "/", False),
    (r"^(?:the )?remainder (?:of|when dividing) (?P<a>.+?) (?:by|/) (?P<b>.+)$", "mod", False),
)
_TOKEN = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+|[a-z]+|[-+*/^%()!]")
_VERBS: Final = {"+": "plus", "-": "minus", "*": "times", "/": "divided by", "mod": "modulo", "of": "of"}


class _NotArithmetic(Exception):
    """The words are not a sum; never leaves this module."""


class _CannotSay(Exception):
    """A sum without an answer that can be spoken; carries what to say instead."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A value with the words that it came from."""

    value: Fraction
    words: str
    is_exact: bool = True
    is_plain: bool = True
    """A lone number, no operation."""
    is_percent: bool = False


def answer(text: str, previous: Fraction | None = None) -> str | None:
    """Answer an arithmetic question in one spoken sentence.

    Args:
        text: What the user said, as a recogniser writes it.
        previous: The result of the last sum, for "times two" and "that plus five".

    Returns:
        The sentence, or None when ``text`` is not (only) a sum.
    """
    try:
        node = _parse(text, previous)
    except _NotArithmetic:
        return None
    except _CannotSay as problem:
        return str(problem)
    try:
        link = "is" if node.is_exact else "is about"
        shown, rounded = spoken(node.value)
    except _CannotSay as problem:
        return str(problem)
    link = "is about" if rounded or not node.is_exact else link
    subject = node.words[:1].upper() + node.words[1:]
    return f"{subject} {link} {shown}."


def result(text: str, previous: Fraction | None = None) -> Fraction | None:
    """The value of a sum, or None when ``text`` is none or has no value."""
    try:
        return _parse(text, previous).value
    except (_NotArithmetic, _CannotSay):
        return None


def spoken(value: Fraction) -> tuple[str, bool]:
    """A value as it is to be said, and whether it had to be rounded."""
    if value.denominator == 1:
        digits = str(abs(value.numerator))
        if len(digits) > _MAX_SPOKEN_DIGITS:
            raise _CannotSay(f"The answer has {len(digits)} digits, which is too long to say.")
        return ("minus " if value < 0 else "") + f"{abs(value.numerator):,}", False
    sign = "minus " if value < 0 else ""
    magnitude = abs(value)
    places = 3 if magnitude >= Fraction(1, 10) else 6
    exact_places = _terminating_places(magnitude)
    if exact_places is not None and exact_places <= 6:
        places, rounded = exact_places, False
    else:
        rounded = True
    scaled = round(magnitude * 10**places)
    whole, decimals = divmod(scaled, 10**places)
    if scaled == 0:
        return "zero", True
    if len(str(whole)) > _MAX_SPOKEN_DIGITS:
        raise _CannotSay(f"The answer has {len(str(whole))} digits, which is too long to say.")
    tail = f"{decimals:0{places}d}".rstrip("0")
    return sign + f"{whole:,}" + (f".{tail}" if tail else ""), rounded


def _terminating_places(value: Fraction) -> int | None:
    denominator, twos, fives = value.denominator, 0, 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    return max(twos, fives) if denominator == 1 else None


def _parse(text: str, previous: Fraction | None) -> _Node:
    line = re.sub(r"(?<!\d)\.|\.(?!\d)|[?;:\"=]|,(?!\d{3})", " ", expand(text))
    line = re.sub(r"\s+", " ", line).strip()
    line = _SUFFIX.sub("", _PREFIX.sub("", line + " ").strip())
    for pattern, operator, is_swapped in _COMMANDS:
        match = re.match(pattern, line)
        if match is not None:
            first, second = ("b", "a") if is_swapped else ("a", "b")
            line = f"( {match[first]} ) {operator} ( {match[second]} )"
            break
    for pattern, replacement in _REWRITES:
        line = re.sub(pattern, replacement, line)
    compact = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", line)
    tokens = _TOKEN.findall(compact)
    if re.sub(r"\s+", "", compact) != "".join(tokens) or not 1 < len(tokens) <= _MAX_TOKENS:
        raise _NotArithmetic
    parser = _Parser(tokens, previous)
    node = parser.sum()
    if not parser.is_at_end or (node.is_plain and not parser.has_operation):
        raise _NotArithmetic
    return replace(node, words="the answer") if parser.has_group else node


class _Parser:
    """Recursive descent over at most ``_MAX_TOKENS`` tokens."""

    def __init__(self, tokens: list[str], previous: Fraction | None) -> None:
        self._tokens = tokens
        self._previous = previous
        self._at = 0
        self.has_operation = False
        self.has_group = False
        """Whether brackets changed the order, so that the sum cannot be read back in plain words."""

    @property
    def is_at_end(self) -> bool:
        """Whether every token was used."""
        return self._at >= len(self._tokens)

    def _peek(self, ahead: int = 0) -> str:
        index = self._at + ahead
        return self._tokens[index] if index < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._peek()
        if token in wanted:
            self._at += 1
            return token
        return ""

    def sum(self) -> _Node:
        """``product (("+" | "-") product)*``."""
        starts_open = self._at == 0 and self._peek() in ("+", "*", "/", "^")
        left = self._previous_node() if starts_open else self.product()
        if starts_open and self._peek() in ("*", "/", "^"):
            left = self._product_of(self._powers(left))
        while operator := self._take("+", "-"):
            right = self.product()
            if right.is_percent and not left.is_percent:
                right = _Node(right.value * left.value, right.words, right.is_exact)
            value = left.value + right.value if operator == "+" else left.value - right.value
            left = self._join(left, operator, right, value)
        return left

    def product(self) -> _Node:
        """``power (("*" | "/" | "mod" | "of") power)*``."""
        return self._product_of(self.power())

    def _product_of(self, left: _Node) -> _Node:
        while operator := self._take("*", "/", "mod", "of"):
            right = self.power()
            if operator in ("/", "mod") and right.value == 0:
                raise _CannotSay("You cannot divide by zero.")
            if operator == "of" and not (left.is_percent or left.value.denominator > 1):
                raise _NotArithmetic
            if operator == "/":
                value = left.value / right.value
            elif operator == "mod":
                value = left.value % right.value
            else:
                value = left.value * right.value
            left = self._join(left, operator, right, value)
        return left

    def power(self) -> _Node:
        """``unary ("^" unary | "squared" | "cubed" | "!" | "factorial")*``."""
        return self._powers(self.unary())

    def _powers(self, base: _Node) -> _Node:
        while operator := self._take("^", "squared", "cubed", "!", "factorial"):
            self.has_operation = True
            if operator in ("!", "factorial"):
                base = _factorial(base)
                continue
            exponent = (
                self._exponent()
                if operator == "^"
                else _Node(Fraction(2 if operator == "squared" else 3), operator)
            )
            words = (
                f"{base.words} {operator}"
                if operator != "^"
                else f"{base.words} to the power of {exponent.words}"
            )
            base = _power(base, exponent, words)
        return base

    def _exponent(self) -> _Node:
        self._take("the")
        ordinal = re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", self._peek())
        if self._peek() in ORDINALS:
            node = _Node(Fraction(ORDINALS[self._peek()]), str(ORDINALS[self._peek()]))
            self._at += 1
        elif ordinal.isdigit() and self._peek(1) in ("st", "nd", "rd", "th"):
            node = _Node(Fraction(int(ordinal)), ordinal)
            self._at += 2
        else:
            node = self.power()
        self._take("power")
        return node

    def unary(self) -> _Node:
        """A signed or prefixed operand."""
        if self._take("-"):
            operand = self.power()
            return _Node(-operand.value, f"minus {operand.words}", operand.is_exact, operand.is_plain)
        if self._take("sqrt"):
            return self._root(2, "the square root of")
        if self._take("cbrt"):
            return self._root(3, "the cube root of")
        if self._take("factorial"):
            self.has_operation = True
            return _factorial(self.unary())
        if self._take("("):
            inner = self.sum()
            if not self._take(")"):
                raise _NotArithmetic
            self.has_group = self.has_group or not inner.is_plain
            return inner
        return self._operand()

    def _root(self, degree: int, words: str) -> _Node:
        self.has_operation = True
        operand = self._powers(self.unary())
        return _root(operand, degree, words)

    def _operand(self) -> _Node:
        if self._peek() in ("that", "it", "this") and self._previous is not None:
            self._at += 1
            return self._previous_node()
        part = self._fraction()
        if part is not None:
            return part
        number = read_number(self._tokens, self._at)
        if number is None:
            raise _NotArithmetic
        value, self._at = number
        denominator = FRACTIONS.get(self._peek())
        if denominator is not None and self._peek(1) in ("of", "", "+", "-", "*", "/"):
            plural = self._peek()
            self._at += 1
            return _Node(value / denominator, f"{spoken(value)[0]} {plural}", is_plain=False)
        if self._peek() == "%" and self._starts_operand(1):
            raise _NotArithmetic
        if self._take("%"):
            return _Node(value / 100, f"{spoken(value)[0]} percent", is_percent=True)
        return _Node(value, spoken(value)[0])

    def _starts_operand(self, ahead: int) -> bool:
        token = self._peek(ahead)
        return token[:1].isdigit() or token in NUMBER_WORDS

    def _fraction(self) -> _Node | None:
        article = 1 if self._peek() in ("a", "an", "one") else 0
        denominator = FRACTIONS.get(self._peek(article))
        if denominator is None or self._peek(article + 1) not in ("of", "+", "-", "*", "/"):
            return None
        words = " ".join(self._tokens[self._at : self._at + article + 1])
        self._at += article + 1
        return _Node(Fraction(1, denominator), words)

    def _previous_node(self) -> _Node:
        if self._previous is None:
            raise _NotArithmetic
        return _Node(self._previous, spoken(self._previous)[0])

    def _join(self, left: _Node, operator: str, right: _Node, value: Fraction) -> _Node:
        self.has_operation = True
        _check_size(value)
        is_exact = left.is_exact and right.is_exact
        return _Node(value, f"{left.words} {_VERBS[operator]} {right.words}", is_exact, is_plain=False)


def _check_size(value: Fraction) -> None:
    if value.numerator.bit_length() > _MAX_BITS or value.denominator.bit_length() > _MAX_BITS:
        raise _CannotSay("That number is too big for me.")


def _power(base: _Node, exponent: _Node, words: str) -> _Node:
    if exponent.value.denominator != 1:
        if exponent.value == Fraction(1, 2):
            return _root(base, 2, "the square root of")
        raise _CannotSay("I can only raise numbers to whole powers.")
    power = exponent.value.numerator
    if base.value == 0 and power < 0:
        raise _CannotSay("You cannot divide by zero.")
    bits = max(base.value.numerator.bit_length(), base.value.denominator.bit_length())
    if abs(power) * bits > _MAX_BITS:
        raise _CannotSay("That number is too big for me.")
    return _Node(Fraction(base.value**power), words, base.is_exact, is_plain=False)


def _root(operand: _Node, degree: int, words: str) -> _Node:
    label = f"{words} {operand.words}"
    value = operand.value
    if value < 0 and degree == 2:
        raise _CannotSay(f"{label[:1].upper()}{label[1:]} is not a real number.")
    sign = -1 if value < 0 else 1
    numerator, denominator = abs(value.numerator), value.denominator
    exact_top, exact_bottom = _integer_root(numerator, degree), _integer_root(denominator, degree)
    if exact_top**degree == numerator and exact_bottom**degree == denominator:
        return _Node(Fraction(sign * exact_top, exact_bottom), label, operand.is_exact, is_plain=False)
    scale = 10**12
    approximate = Fraction(_integer_root(numerator * scale**degree // denominator, degree), scale)
    return _Node(sign * approximate, label, is_exact=False, is_plain=False)


def _integer_root(value: int, degree: int) -> int:
    if degree == 2:
        return math.isqrt(value)
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
    return low


def _factorial(operand: _Node) -> _Node:
    value = operand.value
    if value.denominator != 1 or not 0 <= value.numerator:
        raise _CannotSay("Only whole numbers have a factorial.")
    if value.numerator > 400:
        raise _CannotSay("That number is too big for me.")
    return _Node(
        Fraction(math.factorial(value.numerator)),
        f"{operand.words} factorial",
        operand.is_exact,
        is_plain=False,
    )
