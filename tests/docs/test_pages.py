"""The pages tell the truth: generated parts are fresh, links lead somewhere, commands exist."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from tools.make_docs import ROOT, made_again, pages

from tests.docs.pages import Block, blocks
from tests.judges.table import row_of, rows_in
from voicewire.cli.main import app

pytestmark = pytest.mark.unit

_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#([^)\s]+))?\)")
_COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # the app is a group
_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_generated_parts_are_fresh(page: Path) -> None:
    stale = made_again(page) != page.read_text(encoding="utf-8")
    assert not stale, f"{_name(page)} is out of date; run `.venv/bin/python tools/make_docs.py`"


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, heading in _LINK.findall(page.read_text(encoding="utf-8")):
        found = (page.parent / target).resolve()
        assert found.exists(), f"{_name(page)} links to {target!r}, which is not there"
        if heading:
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", text).strip().lower().replace(" ", "-") for text in headings}
            assert heading in anchors, f"{_name(page)} links to {target}#{heading}, which is not there"


def test_every_page_can_be_found_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / target).resolve() for target, _ in _LINK.findall(index.read_text(encoding="utf-8"))
    }
    records = ROOT / "docs" / "adr"
    lost = [_name(page) for page in pages()[1:] if page not in linked and records not in page.parents]
    assert lost == [_name(index)]


@pytest.mark.parametrize("block", [pytest.param(block, id=block.id) for block in blocks("sh")])
def test_commands_in_the_pages_exist(block: Block) -> None:
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words[:1] == ["make"]:
            assert set(words[1:]) <= _TARGETS, f"{block.id}: {line}"
        if not words or words[0] not in ("voicewire", ".venv/bin/voicewire") or words[1].startswith("-"):
            continue
        assert words[1] in _COMMANDS, f"{block.id}: {line}"
        known = {option for one in _COMMANDS[words[1]].params for option in one.opts}
        used = {word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)}
        assert used <= known, f"{block.id}: {line}"


def test_every_variable_of_ours_is_in_the_environment_page() -> None:
    page = (ROOT / "docs" / "reference" / "environment.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "src").rglob("*.py")):
        for name in re.findall(r"VOICEWIRE_[A-Z][A-Z_0-9]+", path.read_text(encoding="utf-8")):
            assert f"`{name}`" in page, f"{path.name} reads {name}, which the environment page lacks"


def test_every_error_is_explained_where_users_look() -> None:
    from voicewire import errors

    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    tree = (ROOT / "docs" / "topics" / "errors.md").read_text(encoding="utf-8")
    bases = {
        "VoicewireError",
        "TransportError",
        "ProtocolError",
        "ProviderError",
        "BackpressureError",
        "EngineError",
    }
    for name, value in vars(errors).items():
        if isinstance(value, type):
            assert name in tree
            assert name in bases or f"`{name}`" in page, f"troubleshooting.md does not mention {name}"


def test_the_judges_page_lists_every_judged_scenario() -> None:
    """Its results are written by a run of the judges; which rows there are is checked here."""
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "tests/judges"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    node_ids = [line for line in listed.stdout.splitlines() if "::" in line]
    assert node_ids, listed.stdout + listed.stderr
    wanted = [row_of(node_id) for node_id in node_ids]
    hint = "write it again: VOICEWIRE_WRITE_JUDGES=1 .venv/bin/python -m pytest tests/judges"
    assert sorted(row[:-1] for row in rows_in()) == sorted(wanted), hint
    assert {row[-1] for row in rows_in()} == {"passed"}, hint


def _texts_of_the_code() -> list[str]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")]
    constants = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [node.value for node in constants if isinstance(node.value, str)]


def test_quoted_messages_are_those_of_the_code() -> None:
    texts = _texts_of_the_code()
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    for line in page.splitlines():
        cells = line.split(" | ")
        if not line.startswith("| ") or len(cells) < 2:
            continue
        for message in re.findall(r"`([^`]*(?:…|: | )[^`]*)`", cells[0]):
            for piece in message.split("…"):
                part = piece.strip(" ;:,")
                assert any(part in text for text in texts), f"no message of the code holds {part!r}"
