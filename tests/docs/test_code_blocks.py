"""Every Python block of the readme and the documentation runs; see ``pages`` for how."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.docs.pages import MODES, Block, blocks
from voicewire.testing import serve

_MARKS = {
    "": pytest.mark.unit,
    "compile": pytest.mark.unit,
    "gateway": pytest.mark.loopback,
    "engine": pytest.mark.engine,
}
_KEYS = {"OPENAI_API_KEY": "any", "AZURE_OPENAI_API_KEY": "any"}


def _parameters() -> list[Any]:
    return [
        pytest.param(block, id=block.id, marks=_MARKS.get(block.mode, pytest.mark.unit))
        for block in blocks("python")
    ]


@contextmanager
def gateway() -> Generator[str, None, None]:
    """A gateway of the echo model in a thread of its own; gives its host and port."""
    ready, leave = threading.Event(), threading.Event()
    addresses: list[str] = []

    async def run() -> None:
        async with serve(model="echo") as served:
            addresses.append(served.http_url.removeprefix("http://"))
            ready.set()
            await anyio.to_thread.run_sync(leave.wait)

    thread = threading.Thread(target=anyio.run, args=(run,))
    thread.start()
    try:
        assert ready.wait(timeout=20)
        yield addresses[0]
    finally:
        leave.set()
        thread.join()


def _run(code: str, block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    # Blank lines in front, so that a traceback names the line of the page.
    exec(compile("\n" * (block.line - 1) + code, str(block.page), "exec"), vars(main))


@pytest.mark.parametrize("block", _parameters())
def test_python_blocks_run(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert block.mode in MODES, f"{block.id}: no way to run a block is called {block.mode!r}"
    monkeypatch.chdir(tmp_path)
    if block.mode == "compile":
        assert compile(block.code, block.id, "exec")
        return
    if block.mode == "engine":
        from voicewire.engine import weights

        if missing := [item.weights.name for item in weights.plan().missing]:
            pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")
    if block.mode == "gateway":
        for name, value in _KEYS.items():
            monkeypatch.setenv(name, value)
        assert "127.0.0.1:8080" in block.code, f"{block.id}: the block names no gateway at 127.0.0.1:8080"
        with gateway() as address:
            _run(block.code.replace("127.0.0.1:8080", address), block, monkeypatch)
    else:
        for name in _KEYS:
            monkeypatch.delenv(name, raising=False)
        _run(block.code, block, monkeypatch)
    # A block whose comment promises output keeps its promise.
    promised = [line.partition("# prints: ")[2] for line in block.code.splitlines() if "# prints: " in line]
    printed = capsys.readouterr().out
    for text in promised:
        assert text in printed, f"{block.id}: printed {printed!r}"
