"""The picture of a conversation: a timeline into a scene. Pure.

Read like a score: each row is a stretch of session time with the user's voice above the agent's. A row
begins where a turn begins, and never while the agent is speaking, so that an interruption is seen whole.
Below the rows stands one waterfall for each turn, all on one scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Final

from voicewire.recording.scene import Role, Scene, fitted, text_width, wrapped
from voicewire.recording.timeline import Span, Speech, Timeline, ToolCall, Turn, Utterance

WIDTH: Final = 1600.0
_MARGIN: Final = 48.0
_LEFT: Final = 116.0
_RIGHT: Final = WIDTH - _MARGIN
_ROW_MIN_MS: Final = 12_000.0
_ROW_MAX_MS: Final = 24_000.0
_LEAD_MS: Final = 250.0
"""Shown before the onset that begins a row."""

_AXIS: Final = 20.0
_PARTIAL_LINES: Final = 3
_PARTIAL_STEP: Final = 15.0
_TEXT_SIZE: Final = 16.0
_TEXT_STEP: Final = 21.0
_SMALL: Final = 12.0
_HALF_WAVE: Final = 26.0
_TOOL_GAP: Final = 34.0
_PLAIN_GAP: Final = 10.0
_AGENT_LINES: Final = 4
_ROW_GAP: Final = 26.0
_BAR_STEP: Final = 2.5
_MIN_TEXT_WIDTH: Final = 240.0

_CARD_COLUMNS: Final = 4
_CARD_GAP: Final = 16.0
_CARD_LINE: Final = 22.0
_STAGE_ROLES: Final[dict[str, Role]] = {
    "endpoint_ms": "stage_endpoint",
    "asr_final_ms": "stage_asr",
    "first_token_ms": "stage_token",
    "first_clause_ms": "stage_clause",
    "audio_sent_ms": "stage_sent",
    "audible_ms": "stage_audible",
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """How loud a channel was, step by step."""

    step_ms: float
    peaks: tuple[float, ...]
    """Highest absolute value in each step, 0 to 1."""

    def peak(self, start_ms: float, end_ms: float) -> float:
        """The highest value between two moments."""
        first = int(start_ms // self.step_ms)
        last = max(first + 1, int(-(-end_ms // self.step_ms)))
        return max(self.peaks[first:last], default=0.0)


SILENT: Final = Envelope(20.0, ())


@dataclass(frozen=True, slots=True)
class _Row:
    """One row: a stretch of time and where its parts lie."""

    start_ms: float
    end_ms: float
    ms_per_pixel: float
    top: float
    has_tools: bool
    agent_lines: int

    @property
    def partial_y(self) -> float:
        return self.top + _AXIS + 14

    @property
    def user_text_y(self) -> float:
        return self.partial_y + _PARTIAL_LINES * _PARTIAL_STEP + 4

    @property
    def user_y(self) -> float:
        return self.user_text_y + 12 + _HALF_WAVE

    @property
    def gap(self) -> float:
        return _TOOL_GAP if self.has_tools else _PLAIN_GAP

    @property
    def agent_y(self) -> float:
        return self.user_y + 2 * _HALF_WAVE + self.gap

    @property
    def agent_text_y(self) -> float:
        return self.agent_y + _HALF_WAVE + 24

    @property
    def bottom(self) -> float:
        return self.agent_text_y + (self.agent_lines - 1) * _TEXT_STEP + 10

    def x(self, at_ms: float) -> float:
        return min(max(_LEFT + (at_ms - self.start_ms) / self.ms_per_pixel, _LEFT), _RIGHT)

    def holds(self, at_ms: float) -> bool:
        return self.start_ms <= at_ms < self.end_ms

    def clipped(self, span: Span) -> Span | None:
        start, end = max(span.start_ms, self.start_ms), min(span.end_ms, self.end_ms)
        return Span(start, end) if end > start else None


def picture_of(
    timeline: Timeline, *, user: Envelope = SILENT, agent: Envelope = SILENT, title: str = "Conversation"
) -> Scene:
    """Draws a conversation.

    Args:
        timeline: What happened.
        user: Loudness of the user's channel.
        agent: Loudness of the agent's channel, as it sounded.
        title: Stands above the picture.
    """
    scene = Scene(WIDTH, title=title)
    scene.rect(0, 0, WIDTH, 0, "background")
    y = _draw_header(scene, timeline, title)
    for row in _rows(timeline, y):
        _draw_row(scene, timeline, row, user, agent)
        y = row.bottom + _ROW_GAP
    y = _draw_waterfalls(scene, timeline, y)
    scene.height = y + _MARGIN / 2
    scene.rect(0, 0, WIDTH, scene.height, "background")
    scene.primitives[0] = scene.primitives.pop()
    return scene


def summary_of(timeline: Timeline) -> str:
    """One line about the whole conversation."""
    totals = [turn.waterfall.total_ms for turn in timeline.turns if turn.waterfall]
    parts = [f"{timeline.duration_ms / 1000:.1f} s", f"{len(timeline.turns)} turns"]
    if totals:
        parts.append(f"voice to voice median {median(totals):.0f} ms, longest {max(totals):.0f} ms")
    cuts = sum(1 for speech in timeline.speeches if speech.is_interrupted)
    if cuts:
        parts.append(f"{cuts} interruption{'s' if cuts > 1 else ''}")
    if timeline.tools:
        parts.append(f"{len(timeline.tools)} tool call{'s' if len(timeline.tools) > 1 else ''}")
    return "  ·  ".join(parts)


def _draw_header(scene: Scene, timeline: Timeline, title: str) -> float:
    scene.text(_MARGIN, 56, fitted(title, 30, 700), 30, "ink")
    scene.text(_MARGIN, 84, summary_of(timeline), 15, "muted")
    x = _RIGHT
    entries: tuple[tuple[Role, str], ...] = (
        ("unheard", "generated, not heard"), ("tool", "tool call"), ("wait", "waiting for the agent"),
        ("agent", "agent"), ("user", "user"),
    )  # fmt: skip
    for role, name in entries:
        x -= text_width(name, 13)
        scene.text(x, 52, name, 13, "muted")
        x -= 20
        scene.rect(x, 41, 13, 13, role, radius=3)
        x -= 18
    return 108.0


def _rows(timeline: Timeline, top: float) -> list[_Row]:
    blocks = _blocks(timeline)
    longest = max((block.duration_ms for block in blocks), default=0.0)
    row_ms = min(max(longest, _ROW_MIN_MS), _ROW_MAX_MS)
    rows: list[_Row] = []
    for span in _packed(blocks, row_ms):
        has_tools = any(span.start_ms <= call.start_ms < span.end_ms for call in timeline.tools)
        row = _Row(span.start_ms, span.end_ms, row_ms / (_RIGHT - _LEFT), top, has_tools, _AGENT_LINES)
        lines = [len(_agent_lines(timeline, row, speech)) for speech in _told_in(timeline, row)]
        row = _Row(span.start_ms, span.end_ms, row.ms_per_pixel, top, has_tools, max(lines, default=1) or 1)
        rows.append(row)
        top = row.bottom + _ROW_GAP
    return rows


def _blocks(timeline: Timeline) -> list[Span]:
    """The stretches that must not be broken: from an onset to the next one at which the agent is silent."""
    spoken = [span for speech in timeline.speeches for span in speech.spans]
    edges = [0.0]
    for utterance in timeline.utterances[1:]:
        edge = utterance.start_ms - _LEAD_MS
        if edge > edges[-1] and not any(
            span.start_ms < edge + _LEAD_MS and edge < span.end_ms for span in spoken
        ):
            edges.append(edge)
    edges.append(max(timeline.duration_ms, edges[-1] + 1.0))
    return [Span(start, end) for start, end in zip(edges, edges[1:], strict=False)]


def _packed(blocks: list[Span], row_ms: float) -> list[Span]:
    rows: list[Span] = []
    for block in blocks:
        if rows and block.end_ms - rows[-1].start_ms <= row_ms:
            rows[-1] = Span(rows[-1].start_ms, block.end_ms)
            continue
        start = block.start_ms
        while start < block.end_ms:
            end = min(start + row_ms, block.end_ms)
            rows.append(Span(start, end))
            start = end
    return rows


def _draw_row(scene: Scene, timeline: Timeline, row: _Row, user: Envelope, agent: Envelope) -> None:
    width = row.x(row.end_ms) - _LEFT
    for y in (row.user_y, row.agent_y):
        scene.rect(_LEFT, y - _HALF_WAVE, width, 2 * _HALF_WAVE, "panel", radius=4)
    scene.text(_LEFT - 14, row.user_y + 5, "user", 15, "user", anchor="end")
    scene.text(_LEFT - 14, row.agent_y + 5, "agent", 15, "agent", anchor="end")
    _draw_axis(scene, row)
    for turn in timeline.turns:
        _draw_wait(scene, row, turn)
    for utterance in timeline.utterances:
        span = row.clipped(Span(utterance.start_ms, utterance.end_ms or row.end_ms))
        if span:
            tip = f"user: {utterance.text} ({utterance.start_ms / 1000:.2f} s to {span.end_ms / 1000:.2f} s)"
            _draw_block(scene, row, span, row.user_y, "user_soft", tip)
    for speech in timeline.speeches:
        for piece in speech.spans:
            span = row.clipped(piece)
            if span:
                _draw_block(scene, row, span, row.agent_y, "agent_soft", f"agent: {speech.text}")
    _draw_wave(scene, row, row.user_y, user, "user")
    _draw_wave(scene, row, row.agent_y, agent, "agent")
    _draw_words(scene, timeline, row)


def _draw_words(scene: Scene, timeline: Timeline, row: _Row) -> None:
    shown = [utterance for utterance in timeline.utterances if row.holds(utterance.start_ms)]
    for index, utterance in enumerate(shown):
        limit = row.x(shown[index + 1].start_ms) - 12 if index + 1 < len(shown) else _RIGHT
        _draw_utterance(scene, row, utterance, limit)
    for speech in _told_in(timeline, row):
        _draw_speech_text(scene, timeline, row, speech)
    for speech in timeline.speeches:
        if speech.cut_ms is not None and row.holds(speech.cut_ms):
            _draw_cut(scene, row, speech, speech.cut_ms)
    for call in timeline.tools:
        if row.holds(call.start_ms):
            _draw_tool(scene, row, call)


def _draw_axis(scene: Scene, row: _Row) -> None:
    second = -(-int(row.start_ms) // 1000)
    while second * 1000 < row.end_ms:
        x = row.x(second * 1000)
        scene.line(x, row.user_y - _HALF_WAVE, x, row.agent_y + _HALF_WAVE, "grid")
        scene.text(x, row.top + 12, f"{second // 60}:{second % 60:02d}", 11, "faint", anchor="middle")
        second += 1


def _draw_block(scene: Scene, row: _Row, span: Span, y: float, fill: Role, tip: str) -> None:
    x = row.x(span.start_ms)
    width = max(row.x(span.end_ms) - x, 2.0)
    scene.rect(x, y - _HALF_WAVE, width, 2 * _HALF_WAVE, fill, radius=4, tip=tip)


def _draw_wave(scene: Scene, row: _Row, y: float, envelope: Envelope, fill: Role) -> None:
    x = _LEFT
    step_ms = _BAR_STEP * row.ms_per_pixel
    at_ms = row.start_ms
    while at_ms < row.end_ms:
        # The square root lifts soft consonants to where they can be seen.
        half = envelope.peak(at_ms, at_ms + step_ms) ** 0.5 * (_HALF_WAVE - 2)
        if half >= 1.0:
            scene.rect(x, y - half, _BAR_STEP - 0.9, 2 * half, fill)
        x += _BAR_STEP
        at_ms += step_ms


def _draw_wait(scene: Scene, row: _Row, turn: Turn) -> None:
    """The band between the user's last word and the agent's first sound."""
    if turn.waterfall is None:
        return
    start_ms = turn.waterfall.speech_end_ms
    end_ms = start_ms + turn.waterfall.total_ms
    span = row.clipped(Span(start_ms, end_ms))
    if span is None:
        return
    x, width = row.x(span.start_ms), row.x(span.end_ms) - row.x(span.start_ms)
    top = row.user_y - _HALF_WAVE
    stages = ", ".join(f"{bar.name} {bar.end_ms:.0f} ms" for bar in turn.waterfall.bars)
    scene.rect(
        x, top, width, row.agent_y + _HALF_WAVE - top, "wait", tip=f"after the end of speech: {stages}"
    )
    label = f"{turn.waterfall.total_ms:.0f} ms"
    y = row.user_y + _HALF_WAVE - 6
    if width > text_width(label, 13):
        scene.text(x + width / 2, y, label, 13, "ink", anchor="middle")
    else:
        scene.text(x + width + 5, y, label, 13, "ink")


def _draw_utterance(scene: Scene, row: _Row, utterance: Utterance, limit: float) -> None:
    partials = [p for p in utterance.partials if p.text.strip(" .?!") != utterance.text.strip(" .?!")]
    shown = partials[-_PARTIAL_LINES:]
    # The last partial stands just above the final text, so that the staircase ends there.
    first_y = row.partial_y + (_PARTIAL_LINES - len(shown)) * _PARTIAL_STEP
    for index, partial in enumerate(shown):
        x = row.x(partial.at_ms)
        text = fitted(partial.text, _SMALL, max(limit - x, 40.0))
        tip = f"partial at {partial.at_ms / 1000:.2f} s: {partial.text}"
        scene.text(x, first_y + index * _PARTIAL_STEP, text, _SMALL, "faint", tip=tip)
    for partial in utterance.partials:
        x = row.x(partial.at_ms)
        scene.line(x, row.user_y - _HALF_WAVE, x, row.user_y - _HALF_WAVE + 6, "user")
    x = row.x(utterance.start_ms)
    text = utterance.text or "(no words recognised)"
    width = max(limit - x, _MIN_TEXT_WIDTH)
    x = min(x, max(_RIGHT - text_width(text, _TEXT_SIZE), _LEFT))
    scene.text(x, row.user_text_y, fitted(text, _TEXT_SIZE, width), _TEXT_SIZE, "user", tip=text)
    if utterance.end_detected_ms is not None and row.holds(utterance.end_detected_ms):
        x = row.x(utterance.end_detected_ms)
        scene.line(x, row.user_y - _HALF_WAVE, x, row.user_y + 4, "user", width=1.5, dash=4)


def _told_in(timeline: Timeline, row: _Row) -> list[Speech]:
    """The speeches whose words stand in this row: where most of their sound is, or where they were made."""

    def home_ms(speech: Speech) -> float:
        if not speech.spans:
            return speech.created_ms
        longest = max(speech.spans, key=lambda span: span.duration_ms)
        middle = (longest.start_ms + longest.end_ms) / 2
        return longest.start_ms if row.holds(longest.start_ms) and middle >= row.end_ms else middle

    return [speech for speech in timeline.speeches if speech.text and row.holds(home_ms(speech))]


def _text_box(timeline: Timeline, row: _Row, speech: Speech) -> tuple[float, float]:
    """Left edge and width of the words of a speech."""
    start_ms = max(speech.audible_ms if speech.audible_ms is not None else speech.created_ms, row.start_ms)
    later = [
        other.audible_ms
        for other in _told_in(timeline, row)
        if other.audible_ms is not None and other.audible_ms > start_ms
    ]
    right = row.x(min(later)) - 16 if later else _RIGHT
    x = min(row.x(start_ms), _RIGHT - _MIN_TEXT_WIDTH)
    return x, max(right - x, 60.0)


def _agent_lines(timeline: Timeline, row: _Row, speech: Speech) -> list[str]:
    return wrapped(speech.text, _TEXT_SIZE, _text_box(timeline, row, speech)[1], _AGENT_LINES)


def _draw_speech_text(scene: Scene, timeline: Timeline, row: _Row, speech: Speech) -> None:
    x = _text_box(timeline, row, speech)[0]
    heard_letters = _heard_letters(speech)
    y = row.agent_text_y
    for line in _agent_lines(timeline, row, speech):
        letters = line.replace(" ", "")
        heard, unheard = _split_line(line, heard_letters)
        heard_letters = max(0, heard_letters - len(letters))
        scene.text(x, y, heard, _TEXT_SIZE, "agent", struck=unheard, tip=speech.text)
        y += _TEXT_STEP


def _heard_letters(speech: Speech) -> int:
    """How many letters, blanks not counted, were heard."""
    heard = speech.text if speech.heard_text is None else speech.heard_text
    return len("".join(heard.split()))


def _split_line(line: str, letters: int) -> tuple[str, str]:
    """The line up to its ``letters``-th letter, whole words, and the rest."""
    kept = 0
    for index, word in enumerate(line.split(" ")):
        if letters < len(word.rstrip("…")):
            break
        letters -= len(word)
        kept += len(word) + (1 if index else 0)
    return line[:kept], line[kept:]


def _draw_cut(scene: Scene, row: _Row, speech: Speech, cut_ms: float) -> None:
    x = row.x(cut_ms)
    unheard_ms = max(speech.generated_ms - speech.heard_ms, 0.0)
    ghost = row.clipped(Span(cut_ms, cut_ms + unheard_ms))
    if ghost:
        width = row.x(ghost.end_ms) - x
        tip = f"{unheard_ms / 1000:.1f} s of speech were generated and not heard"
        scene.rect(x, row.agent_y + _HALF_WAVE - 5, width, 5, "unheard", tip=tip)
    scene.line(x, row.user_y - _HALF_WAVE, x, row.agent_y + _HALF_WAVE, "alert", width=2)
    label = f"interrupted: heard {speech.heard_ms / 1000:.1f} s of {speech.generated_ms / 1000:.1f} s"
    is_left = x + text_width(label, 13) + 8 > _RIGHT
    edge = x - 7 if is_left else x + 7
    scene.text(edge, row.agent_y - _HALF_WAVE + 15, label, 13, "alert", anchor="end" if is_left else "start")


def _draw_tool(scene: Scene, row: _Row, call: ToolCall) -> None:
    text = f"{call.name}({call.arguments})"
    if call.end_ms is not None:
        text += f"  →  {call.output if call.outcome == 'completed' else call.outcome.replace('_', ' ')}"
    x = row.x(call.start_ms)
    text = fitted(text, 13, min(760.0, _RIGHT - _LEFT - 40))
    width = text_width(text, 13) + 20
    top = row.user_y + _HALF_WAVE + (row.gap - 22) / 2
    scene.line(x, row.user_y + _HALF_WAVE - 4, x, top + 11, "tool", width=1.5)
    x = min(x, _RIGHT - width)
    scene.rect(
        x, top, width, 22, "tool_soft", radius=11, tip=f"{call.name}({call.arguments}) gave {call.output}"
    )
    scene.text(x + 10, top + 15.5, text, 13, "tool")


def _draw_waterfalls(scene: Scene, timeline: Timeline, y: float) -> float:
    turns = [turn for turn in timeline.turns if turn.waterfall is not None]
    if not turns:
        return y
    scene.text(_MARGIN, y + 16, "From the end of speech to the first sound of the answer", 19, "ink")
    y += 34
    scale_ms = max(turn.waterfall.total_ms for turn in turns if turn.waterfall)
    width = (_RIGHT - _MARGIN - (_CARD_COLUMNS - 1) * _CARD_GAP) / _CARD_COLUMNS
    height = 50 + 6 * _CARD_LINE
    for index, turn in enumerate(turns):
        column, line = index % _CARD_COLUMNS, index // _CARD_COLUMNS
        x = _MARGIN + column * (width + _CARD_GAP)
        _draw_card(scene, turn, x, y + line * (height + _CARD_GAP), width, height, scale_ms)
    lines = -(-len(turns) // _CARD_COLUMNS)
    return y + lines * (height + _CARD_GAP)


def _draw_card(
    scene: Scene, turn: Turn, x: float, y: float, width: float, height: float, scale_ms: float
) -> None:
    waterfall = turn.waterfall
    if waterfall is None:
        return
    scene.rect(x, y, width, height, "panel", radius=8)
    total = f"{waterfall.total_ms:.0f} ms"
    scene.text(x + width - 14, y + 26, total, 16, "ink", anchor="end")
    said = turn.utterance.text if turn.utterance else ""
    title = fitted(f"{turn.number}  {said}", 14, width - 42 - text_width(total, 16))
    scene.text(x + 14, y + 26, title, 14, "ink", tip=said)
    left, right = x + 92, x + width - 62
    scale = (right - left) / max(scale_ms, 1.0)
    for index, bar in enumerate(waterfall.bars):
        top = y + 40 + index * _CARD_LINE
        scene.text(x + 14, top + 13, bar.name, _SMALL, "muted")
        scene.rect(left, top + 3, right - left, 12, "grid", radius=3)
        start = left + bar.start_ms * scale
        tip = f"{bar.name}: {bar.duration_ms:.0f} ms, over at {bar.end_ms:.0f} ms"
        scene.rect(
            start, top + 3, max(bar.duration_ms * scale, 2.0), 12, _STAGE_ROLES[bar.key], radius=3, tip=tip
        )
        scene.text(x + width - 14, top + 13, f"{bar.end_ms:.0f} ms", _SMALL, "muted", anchor="end")
