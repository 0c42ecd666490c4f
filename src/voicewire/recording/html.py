"""The timeline as one HTML page that needs nothing else: no script, font or picture from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Final

from voicewire.recording.layout import summary_of
from voicewire.recording.scene import PALETTE, Scene, Theme
from voicewire.recording.svg import FONT_FAMILY, palette_css, svg_of
from voicewire.recording.timeline import Timeline, Turn

_STYLE: Final = """
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0;font-family:%(font)s;line-height:1.5;background:var(--background);color:var(--ink)}
main{max-width:1680px;margin:0 auto;padding:0 16px 48px}
svg{width:100%%;height:auto;min-width:1000px;display:block}
.scroll{overflow-x:auto}
h2{font-size:19px;font-weight:600;margin:32px 32px 8px}
table{border-collapse:collapse;margin:0 32px;width:calc(100%% - 64px);font-size:15px}
th{font-weight:600;color:var(--muted);text-align:left;font-size:13px}
td,th{padding:8px 12px 8px 0;border-bottom:1px solid var(--grid);vertical-align:top}
p.note{margin:24px 32px;color:var(--muted);font-size:13px}
td.n{color:var(--muted);font-variant-numeric:tabular-nums;white-space:nowrap}
.user{color:var(--user)}.agent{color:var(--agent)}.tool{color:var(--tool);font-size:13px}
s{color:var(--faint)}
#tip{position:fixed;display:none;max-width:420px;padding:8px 11px;border-radius:7px;background:var(--ink);
color:var(--background);font-size:13px;pointer-events:none;z-index:2;box-shadow:0 4px 18px #0004}
[data-tip]:hover{opacity:.8}
"""
_SCRIPT: Final = """
const tip=document.getElementById('tip');
document.addEventListener('mousemove',e=>{
 const of=e.target.closest?e.target.closest('[data-tip]'):null;
 if(!of){tip.style.display='none';return}
 tip.textContent=of.dataset.tip;tip.style.display='block';
 const w=tip.offsetWidth,h=tip.offsetHeight;
 tip.style.left=Math.min(e.clientX+14,innerWidth-w-8)+'px';
 tip.style.top=(e.clientY+18+h>innerHeight?e.clientY-h-10:e.clientY+18)+'px';
});
"""


def page_of(timeline: Timeline, scene: Scene) -> str:
    """The page.

    Args:
        timeline: What happened, for the table of words.
        scene: The picture of it.
    """
    style = _STYLE % {"font": FONT_FAMILY}
    rows = "\n".join(_row(turn) for turn in timeline.turns)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(scene.title)}</title>
<style>{_colours("light")}@media (prefers-color-scheme:dark){{{_colours("dark")}}}{style}</style>
</head>
<body>
<main>
<div class="scroll">
{svg_of(scene)}
</div>
<h2>Word for word</h2>
<table>
<thead><tr><th>turn</th><th>at</th><th>user</th><th>agent, as heard</th><th>voice to voice</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p class="note">{escape(summary_of(timeline))}. Struck words were
generated and never heard. The recording is conversation.wav (left: user, right: agent), every event is in
events.jsonl.</p>
</main>
<div id="tip"></div>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _colours(theme: Theme) -> str:
    variables = "".join(f"--{role}:{value};" for role, value in PALETTE[theme].items())
    return f":root{{{variables}}}{palette_css(theme)}"


def _row(turn: Turn) -> str:
    utterance = turn.utterance
    at = f"{utterance.start_ms / 1000:.2f} s" if utterance else ""
    said = escape(utterance.text) if utterance else ""
    tools = "".join(
        f'<div class="tool">{escape(call.name)}({escape(call.arguments)}) → {escape(call.output)}</div>'
        for call in turn.tools
    )
    replies = "".join(f"<div>{_reply(speech.text, speech.heard_text)}</div>" for speech in turn.speeches)
    total = f"{turn.waterfall.total_ms:.0f} ms" if turn.waterfall else ""
    return (
        f'<tr><td class="n">{turn.number}</td><td class="n">{at}</td><td class="user">{said}</td>'
        f'<td class="agent">{tools}{replies}</td><td class="n">{total}</td></tr>'
    )


def _reply(text: str, heard_text: str | None) -> str:
    if heard_text is None:
        return escape(text)
    rest = text[len(heard_text) :] if text.startswith(heard_text) else ""
    return f"{escape(heard_text)}<s>{escape(rest)}</s>" if rest else escape(heard_text or text)
