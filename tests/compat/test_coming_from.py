"""The pages for those who come from another library name tests: all of them are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


def known() -> set[str]:
    names: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        names |= {path.stem, *re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))}
    return names


@pytest.mark.parametrize(
    "page", ["realtime-clients", "agentscope", "rtclient", "realtime-voice", "azure-realtime-audio"]
)
def test_every_weak_point_has_its_test(page: str) -> None:
    text = (ROOT / "docs" / "coming-from" / f"{page}.md").read_text(encoding="utf-8")
    rows = [
        line for line in text.partition("weak point of the original")[2].splitlines()[2:] if line[:1] == "|"
    ]
    assert len(rows) >= 15
    named = set(re.findall(r"`(test_\w+)(?:\.py)?`", "".join(rows)))
    assert named - known() == set()
    assert all(row.count("|") == 3 and row.split("|")[2].strip() for row in rows)
