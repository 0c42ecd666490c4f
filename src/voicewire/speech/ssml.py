"""SSML in and out: what a voice without SSML says of it, and SSML around plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from voicewire.errors import InvalidRequest

_PERCENT: Final = re.compile(r"[+-]\d{1,3}(\.\d+)?%")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenDocument:
    """The words of an SSML document."""

    text: str
    voice: str = ""
    """The first voice that it names."""
    rate: float = 1.0
    """Of the first prosody that tells one in percent, such as ``+20%``; within 0.5 to 2."""


def read_ssml(source: str) -> SpokenDocument:
    """Takes the words out of SSML; plain text is its own words. Breaks and paragraphs become ends of sentences.

    Raises:
        InvalidRequest: It begins like XML and is not well formed.
    """
    if not source.lstrip().startswith("<"):
        return SpokenDocument(text=source)
    if "<!" in source:
        raise InvalidRequest("SSML may hold neither declarations nor comments", code="InvalidSsml")
    try:
        root = ElementTree.fromstring(source)
    except ElementTree.ParseError as error:
        raise InvalidRequest(f"the SSML is not well formed: {error}", code="InvalidSsml") from error
    pieces: list[str] = []
    voices: list[str] = []
    _collect(root, pieces, voices)
    text = " ".join("".join(pieces).split())
    rates = [
        node.attrib["rate"]
        for node in root.iter()
        if node.tag.rpartition("}")[2] == "prosody" and _PERCENT.fullmatch(node.attrib.get("rate", ""))
    ]
    rate = 1.0 + float(rates[0].rstrip("%")) / 100 if rates else 1.0
    return SpokenDocument(text=text, voice=voices[0] if voices else "", rate=min(max(rate, 0.5), 2.0))


def _collect(node: ElementTree.Element, pieces: list[str], voices: list[str]) -> None:
    name = node.tag.rpartition("}")[2]
    if name == "voice" and "name" in node.attrib:
        voices.append(node.attrib["name"])
    if name == "sub" and "alias" in node.attrib:
        pieces.append(node.attrib["alias"])
    else:
        pieces.append(node.text or "")
        for child in node:
            _collect(child, pieces, voices)
            pieces.append(child.tail or "")
    if name in ("p", "s", "break"):
        pieces.append(" ")


def wrap_ssml(
    text: str,
    *,
    voice: str,
    language: str,
    style: str | None = None,
    style_degree: float | None = None,
    speech_rate: float = 1.0,
    pitch_rate: float = 1.0,
    volume: int = 100,
) -> str:
    """Azure's SSML around plain text.

    Args:
        text: Plain text; it is escaped.
        voice: Name of the voice.
        language: BCP 47 tag of the document.
        style: Expressive style of the voice.
        style_degree: How strong the style is, 0.01 to 2.
        speech_rate: 1 is normal.
        pitch_rate: 1 is normal.
        volume: 0 to 100.
    """
    body = escape(text)
    prosody = "".join(
        f" {name}={quoteattr(value)}"
        for name, value, is_set in (
            ("rate", f"{(speech_rate - 1) * 100:+.0f}%", speech_rate != 1.0),
            ("pitch", f"{(pitch_rate - 1) * 100:+.0f}%", pitch_rate != 1.0),
            ("volume", str(volume), volume != 100),
        )
        if is_set
    )
    if prosody:
        body = f"<prosody{prosody}>{body}</prosody>"
    if style:
        degree = f' styledegree="{style_degree:g}"' if style_degree is not None else ""
        body = f"<mstts:express-as style={quoteattr(style)}{degree}>{body}</mstts:express-as>"
    return (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" '
        f'xmlns:mstts="http://www.w3.org/2001/mstts" xml:lang={quoteattr(language)}>'
        f"<voice name={quoteattr(voice)}>{body}</voice></speak>"
    )
