"""A picture as primitives: rectangles, lines and texts. Pure; ``svg`` and ``png`` draw the same scene.

Colours are names of roles; each of the two themes gives them values. Lengths are pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Role = Literal[
    "background", "panel", "grid", "ink", "muted", "faint",
    "user", "user_soft", "agent", "agent_soft", "unheard", "alert", "tool", "tool_soft", "wait",
    "stage_endpoint", "stage_asr", "stage_token", "stage_clause", "stage_sent", "stage_audible",
]  # fmt: skip
Theme = Literal["light", "dark"]
Anchor = Literal["start", "middle", "end"]

PALETTE: Final[dict[Theme, dict[Role, str]]] = {
    "light": {
        "background": "#ffffff", "panel": "#f6f7f9", "grid": "#e3e6eb", "ink": "#1b2430",
        "muted": "#667180", "faint": "#a7b0bc", "user": "#2563c9", "user_soft": "#dfe9fa",
        "agent": "#0f8a6c", "agent_soft": "#d9f1ea", "unheard": "#c3c9d2", "alert": "#d1342f",
        "tool": "#8a4fbf", "tool_soft": "#efe4f8", "wait": "#fdf0d3", "stage_endpoint": "#9aa5b4",
        "stage_asr": "#2563c9", "stage_token": "#8a4fbf", "stage_clause": "#c2571a", "stage_sent": "#c99a10",
        "stage_audible": "#0f8a6c",
    },
    "dark": {
        "background": "#11161d", "panel": "#19202a", "grid": "#2a3340", "ink": "#e8edf3",
        "muted": "#96a2b2", "faint": "#5d6979", "user": "#6ea8ff", "user_soft": "#1d3050",
        "agent": "#45cfa8", "agent_soft": "#173b33", "unheard": "#4a5565", "alert": "#ff6b63",
        "tool": "#c394f0", "tool_soft": "#35244a", "wait": "#3a301a", "stage_endpoint": "#78859a",
        "stage_asr": "#6ea8ff", "stage_token": "#c394f0", "stage_clause": "#f0935a", "stage_sent": "#e6be4b",
        "stage_audible": "#45cfa8",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """A filled rectangle, with rounded corners where ``radius`` is not 0."""

    x: float
    y: float
    width: float
    height: float
    fill: Role
    radius: float = 0.0
    tip: str = ""
    """What the reader sees on pointing at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    stroke: Role
    width: float = 1.0
    dash: float = 0.0
    """Length of the dashes and of the gaps; 0 for a solid line."""
    tip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One line of text; ``y`` is its baseline."""

    x: float
    y: float
    text: str
    size: float
    fill: Role
    anchor: Anchor = "start"
    struck: str = ""
    """More of the line, faint and struck through; only after an anchor at the start."""
    tip: str = ""


Primitive: TypeAlias = Rect | Line | Text


@dataclass(slots=True)
class Scene:
    """A picture; later primitives lie over earlier ones."""

    width: float
    height: float = 0.0
    title: str = ""
    primitives: list[Primitive] = field(default_factory=list[Primitive])

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: Role,
        *,
        radius: float = 0.0,
        tip: str = "",
    ) -> None:
        """Adds a rectangle."""
        self.primitives.append(Rect(x=x, y=y, width=width, height=height, fill=fill, radius=radius, tip=tip))

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        stroke: Role,
        *,
        width: float = 1.0,
        dash: float = 0.0,
    ) -> None:
        """Adds a line."""
        self.primitives.append(Line(x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, width=width, dash=dash))

    def text(
        self, x: float, y: float, text: str, size: float, fill: Role, *, anchor: Anchor = "start",
        struck: str = "", tip: str = "",
    ) -> None:  # fmt: skip
        """Adds a line of text."""
        if text or struck:
            self.primitives.append(
                Text(x=x, y=y, text=text, size=size, fill=fill, anchor=anchor, struck=struck, tip=tip)
            )


_ASCII_WIDTHS: Final = (
    22, 25, 34, 58, 58, 74, 65, 18, 31, 32, 55, 58, 22, 27, 23, 30, 58, 58, 58, 58, 58, 58, 58, 58,
    58, 58, 23, 23, 58, 58, 58, 50, 84, 64, 63, 70, 71, 59, 57, 71, 73, 27, 55, 61, 58, 87, 72, 74,
    60, 73, 62, 58, 61, 68, 62, 95, 63, 58, 59, 31, 30, 30, 58, 50, 30, 54, 60, 53, 62, 55, 29, 62,
    59, 24, 24, 52, 25, 85, 59, 58, 60, 62, 33, 45, 32, 60, 51, 79, 48, 51, 46, 30, 26, 30, 59,
)  # fmt: skip
"""Hundredths of the font size for the characters 32 to 126, of the font that ``png`` draws with."""
_OTHER_WIDTH: Final = 63
_WIDE_FROM: Final = 0x1100
"""Characters from here on are mostly as wide as high."""


def text_width(text: str, size: float) -> float:
    """About how wide a line of text is, in pixels."""
    hundredths = 0
    for character in text:
        code = ord(character)
        if 32 <= code < 127:
            hundredths += _ASCII_WIDTHS[code - 32]
        else:
            hundredths += 100 if code >= _WIDE_FROM else _OTHER_WIDTH
    return hundredths * size / 100


def fitted(text: str, size: float, width: float) -> str:
    """The text, or its beginning and an ellipsis where it is too wide."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrapped(text: str, size: float, width: float, max_lines: int) -> list[str]:
    """The text in lines no wider than ``width``; what does not fit into ``max_lines`` becomes an ellipsis."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < max_lines:
        line = words.pop(0)
        while words and text_width(f"{line} {words[0]}", size) <= width:
            line = f"{line} {words.pop(0)}"
        if words and len(lines) == max_lines - 1:
            line = fitted(" ".join([line, *words]), size, width)
            words.clear()
        lines.append(fitted(line, size, width))
    return lines
