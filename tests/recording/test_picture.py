"""The picture: everything that must be seen is in it, inside its frame, in SVG, HTML and PNG alike."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.recording.samples import timeline
from voicewire.recording.html import page_of
from voicewire.recording.layout import Envelope, picture_of, summary_of
from voicewire.recording.png import write_png
from voicewire.recording.scene import PALETTE, Line, Rect, Scene, Text, fitted, text_width, wrapped
from voicewire.recording.svg import svg_of
from voicewire.recording.timeline import Span, Speech, Timeline, Utterance

pytestmark = pytest.mark.unit

LOUD = Envelope(20.0, (0.4,) * 300)


def _texts(scene: Scene) -> list[Text]:
    return [primitive for primitive in scene.primitives if isinstance(primitive, Text)]


def test_all_that_was_said_heard_called_and_measured_is_shown() -> None:
    scene = picture_of(timeline(), user=LOUD, agent=LOUD)
    shown = " | ".join(text.text for text in _texts(scene))
    for expected in (
        "Tell me a story.", "Tell me a stork", "Stop, the weather?", "Once upon a time", "Rain.",
        "interrupted: heard 1.0 s of 4.0 s", "425 ms", "465 ms", "get_weather",
    ):  # fmt: skip
        assert expected in shown
    struck = " ".join(text.struck for text in _texts(scene))
    assert "there was a sea." in struck


def test_nothing_lies_outside_the_picture() -> None:
    scene = picture_of(timeline(), user=LOUD, agent=LOUD)
    for primitive in scene.primitives:
        match primitive:
            case Rect(x=x, y=y, width=width, height=height):
                assert 0 <= x <= x + width <= scene.width
                assert 0 <= y <= y + height <= scene.height
            case Line():
                assert 0 <= min(primitive.x1, primitive.x2) <= max(primitive.x1, primitive.x2) <= scene.width
                assert 0 <= min(primitive.y1, primitive.y2) <= max(primitive.y1, primitive.y2) <= scene.height
            case Text(x=x, y=y):
                assert 0 <= x <= scene.width
                assert 0 <= y <= scene.height


def test_an_empty_conversation_has_a_picture(tmp_path: Path) -> None:
    scene = picture_of(Timeline(0.0))
    write_png(scene, tmp_path / "empty.png")
    with Image.open(tmp_path / "empty.png") as image:
        assert image.size == (round(scene.width * 2), round(scene.height * 2))


def _utterance(start_ms: float) -> Utterance:
    return Utterance(f"u{start_ms}", start_ms, start_ms + 1000, text="words", end_detected_ms=start_ms + 1400)


def test_a_row_never_breaks_an_interruption_apart() -> None:
    cut = Speech("r1", 2000, text="A story.", spans=[Span(2500, 12_500)], cut_ms=12_500, heard_ms=10_000)
    answer = Speech("r2", 14_000, text="Yes.", spans=[Span(14_100, 15_000)])
    utterances = (_utterance(500), _utterance(12_300), _utterance(17_000))
    scene = picture_of(Timeline(20_000, utterances, (cut, answer)))
    rows = [text.y for text in _texts(scene) if text.text == "agent" and text.anchor == "end"]
    told = {text.text.split(":")[0]: text.y for text in _texts(scene) if "interrupted" in text.text}
    assert len(rows) == 2
    assert told["interrupted"] < rows[0]


def test_the_summary_counts() -> None:
    assert summary_of(timeline()) == (
        "6.0 s  ·  2 turns  ·  voice to voice median 445 ms, longest 465 ms  ·  1 interruption"
        "  ·  1 tool call"
    )


def test_svg_is_well_formed_and_escapes_what_was_said() -> None:
    root = ElementTree.fromstring(svg_of(picture_of(timeline()), is_standalone=True))
    texts = "".join(element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}tspan"))
    assert "<blue>" in texts


class _Audit(HTMLParser):
    """Collects what a browser would load, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "rect", "line", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "rect", "line", "br"):
            assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_has_both_themes() -> None:
    page = page_of(timeline(), picture_of(timeline(), user=LOUD))
    audit = _Audit()
    audit.feed(page)
    assert (audit.loads, audit.open) == ([], [])
    assert not re.search(r"https?://|@import|url\(", page)
    assert "prefers-color-scheme:dark" in page
    assert PALETTE["dark"]["background"] in page and PALETTE["light"]["background"] in page
    assert "<blue>" not in page
    assert "data-tip" in page


def _drawn(path: Path) -> Image.Image:
    with Image.open(path) as image:
        converted: Image.Image = image.convert("RGB")
        return converted


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_png_is_drawn_in_the_colours_of_its_theme(tmp_path: Path, theme: str) -> None:
    assert theme in PALETTE
    scene = picture_of(timeline(), user=LOUD, agent=LOUD)
    write_png(scene, tmp_path / "t.png", scale=1, theme="dark" if theme == "dark" else "light")
    colours = {
        f"#{pixel[0]:02x}{pixel[1]:02x}{pixel[2]:02x}"
        for _, pixel in _drawn(tmp_path / "t.png").getcolors(1 << 24) or []
        if isinstance(pixel, tuple)
    }
    palette = PALETTE["dark" if theme == "dark" else "light"]
    assert {palette[role] for role in ("background", "user", "agent", "alert", "unheard", "wait")} <= colours


def test_png_draws_what_its_font_lacks_as_something(tmp_path: Path) -> None:
    scene = Scene(200, 40)
    scene.text(5, 20, "café → 東 ×", 12, "ink", struck=" gone")
    write_png(scene, tmp_path / "t.png")
    assert (tmp_path / "t.png").stat().st_size > 0


@given(st.text(max_size=80), st.floats(40, 400))
def test_fitted_text_fits(text: str, width: float) -> None:
    found = fitted(text, 12, width)
    assert text_width(found, 12) <= width or found == "…"
    assert found == text or found.endswith("…")


@given(st.text(st.sampled_from("ab c"), max_size=200), st.floats(40, 300), st.integers(1, 4))
def test_wrapped_text_keeps_its_words_in_order(text: str, width: float, max_lines: int) -> None:
    lines = wrapped(text, 12, width, max_lines)
    assert len(lines) <= max_lines
    assert all(text_width(line, 12) <= width for line in lines)
    joined = " ".join(lines)
    if "…" not in joined:
        assert joined.split() == text.split()
    else:
        assert " ".join(text.split()).startswith(joined.split("…")[0].rstrip())
