"""A scene as a PNG file, drawn with Pillow and the font that it carries."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voicewire.errors import ConfigError
from voicewire.recording.scene import PALETTE, Line, Rect, Scene, Text, Theme

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

_KNOWN_BEYOND_ASCII: Final = frozenset("…–—·‘’“”•")
_FOLDED: Final = {"→": "->", "×": "x", "−": "-"}


def write_png(scene: Scene, path: Path, *, scale: float = 2.0, theme: Theme = "light") -> None:
    """Draws the scene into a file.

    Args:
        scene: What to draw.
        path: The file to write, replaced as a whole.
        scale: Pixels of the file for one of the scene; 2 is sharp on dense screens.
        theme: Which colours.

    Raises:
        ConfigError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ConfigError(
            "drawing timeline.png needs Pillow; install voicewire[embedded] or pillow"
        ) from error
    size = (round(scene.width * scale), round(scene.height * scale))
    image = Image.new("RGB", size, PALETTE[theme]["background"])
    draw = ImageDraw.Draw(image)
    for primitive in scene.primitives:
        match primitive:
            case Rect():
                _draw_rect(draw, primitive, scale, theme)
            case Line():
                _draw_line(draw, primitive, scale, theme)
            case Text():
                _draw_text(draw, primitive, scale, theme)
    part = path.with_name(path.name + ".part")
    try:
        image.save(part, format="PNG", optimize=True)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@cache
def _font(size: float) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _draw_rect(draw: ImageDraw, rect: Rect, scale: float, theme: Theme) -> None:
    left, top = rect.x * scale, rect.y * scale
    # Pillow counts both corners in; a rectangle thinner than a pixel must still be seen.
    right = max(left, (rect.x + rect.width) * scale - 1)
    bottom = max(top, (rect.y + rect.height) * scale - 1)
    fill = PALETTE[theme][rect.fill]
    if rect.radius:
        draw.rounded_rectangle((left, top, right, bottom), radius=rect.radius * scale, fill=fill)
    else:
        draw.rectangle((left, top, right, bottom), fill=fill)


def _draw_line(draw: ImageDraw, line: Line, scale: float, theme: Theme) -> None:
    fill = PALETTE[theme][line.stroke]
    width = max(1, round(line.width * scale))
    start, end = (line.x1 * scale, line.y1 * scale), (line.x2 * scale, line.y2 * scale)
    if not line.dash:
        draw.line((*start, *end), fill=fill, width=width)
        return
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    step = line.dash * scale
    for index in range(0, max(1, int(length / step)), 2):
        here, there = index * step / length, min(1.0, (index + 1) * step / length)
        draw.line(
            (
                start[0] + (end[0] - start[0]) * here, start[1] + (end[1] - start[1]) * here,
                start[0] + (end[0] - start[0]) * there, start[1] + (end[1] - start[1]) * there,
            ),
            fill=fill, width=width,
        )  # fmt: skip


def _draw_text(draw: ImageDraw, text: Text, scale: float, theme: Theme) -> None:
    font = _font(text.size * scale)
    drawable = _drawable(text.text)
    fill = PALETTE[theme][text.fill]
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[text.anchor]
    x, y = text.x * scale, text.y * scale
    draw.text((x, y), drawable, font=font, fill=fill, anchor=anchor)
    if text.struck:
        x += font.getlength(drawable)
        struck = _drawable(text.struck)
        faint = PALETTE[theme]["faint"]
        draw.text((x, y), struck, font=font, fill=faint, anchor=anchor)
        height = y - text.size * scale * 0.3
        start = x + font.getlength(struck) - font.getlength(struck.lstrip())
        draw.line((start, height, x + font.getlength(struck), height), fill=faint, width=max(1, round(scale)))


def _drawable(text: str) -> str:
    """The text in characters that the font has: without accents, a question mark for what it lacks."""
    found: list[str] = []
    for character in text:
        if character.isascii() or character in _KNOWN_BEYOND_ASCII:
            found.append(character)
        elif character in _FOLDED:
            found.append(_FOLDED[character])
        else:
            plain = "".join(c for c in unicodedata.normalize("NFKD", character) if c.isascii())
            found.append(plain or "?")
    return "".join(found)
