"""A scene as SVG text. Pure.

Colours are classes, so that the page around the picture chooses the theme.
"""

from __future__ import annotations

from html import escape
from typing import Final

from voicewire.recording.scene import PALETTE, Line, Primitive, Rect, Scene, Text, Theme

FONT_FAMILY: Final = "Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, sans-serif"
SVG_NAMESPACE: Final = "http://www.w3.org/2000/svg"


def svg_of(scene: Scene, *, is_standalone: bool = False, theme: Theme = "light") -> str:
    """The picture as one ``<svg>`` element.

    Args:
        scene: What to draw.
        is_standalone: True adds the namespace and the colours, for a file of its own.
        theme: The colours of a standalone picture.
    """
    size = f'viewBox="0 0 {_number(scene.width)} {_number(scene.height)}"'
    namespace = f' xmlns="{SVG_NAMESPACE}"' if is_standalone else ""
    style = f"<style>{palette_css(theme)}</style>" if is_standalone else ""
    label = f'role="img" aria-label="{escape(scene.title)}"'
    body = "\n".join(_element(primitive) for primitive in scene.primitives)
    return f'<svg{namespace} {size} {label} font-family="{FONT_FAMILY}">{style}\n{body}\n</svg>'


def palette_css(theme: Theme) -> str:
    """Rules that give every colour role its value, as fill and as stroke."""
    return "".join(
        f".f-{role}{{fill:{value}}}.s-{role}{{stroke:{value}}}" for role, value in PALETTE[theme].items()
    )


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _tip(text: str) -> str:
    return f' data-tip="{escape(text)}"' if text else ""


def _attributes(**values: float | str) -> str:
    """SVG attributes; numbers are shortened, empty ones left out, underscores become hyphens."""
    pairs = (
        (name.replace("_", "-"), value if isinstance(value, str) else _number(value))
        for name, value in values.items()
        if value not in ("", 0)
    )
    return "".join(f' {name}="{value}"' for name, value in pairs)


def _element(primitive: Primitive) -> str:
    tip = _tip(primitive.tip)
    match primitive:
        case Rect(x=x, y=y, width=width, height=height):
            place = _attributes(x=x, y=y, width=width, height=height, rx=primitive.radius)
            return f'<rect{place} class="f-{primitive.fill}"{tip}/>'
        case Line():
            place = _attributes(x1=primitive.x1, y1=primitive.y1, x2=primitive.x2, y2=primitive.y2)
            look = _attributes(stroke_width=primitive.width, stroke_dasharray=primitive.dash)
            return f'<line{place}{look} class="s-{primitive.stroke}"{tip}/>'
        case Text(x=x, y=y, size=size):
            anchor = "" if primitive.anchor == "start" else primitive.anchor
            place = _attributes(x=x, y=y, font_size=size, text_anchor=anchor)
            struck = ""
            if primitive.struck:
                look = _attributes(text_decoration="line-through")
                struck = f'<tspan class="f-faint"{look}>{escape(primitive.struck)}</tspan>'
            return f'<text{place} class="f-{primitive.fill}"{tip}>{escape(primitive.text)}{struck}</text>'
