"""``python -m voicewire.compat``: unmodified programs of the five libraries."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from voicewire.compat import hook

pytestmark = pytest.mark.loopback

SCRIPT = """
import asyncio
import sys
from agentscope.agent import RealtimeAgent
from agentscope.pipeline import ChatRoom
from agentscope.realtime import ClientEvents, OpenAIRealtimeModel
from ai_infra import RealtimeVoice
from ai_infra.llm.realtime import RealtimeError
from ai_infra.llm.realtime.utils import resample_pcm16
from rtclient import RTClient, RTLowLevelClient, ServerVAD
from rtclient.models import SessionUpdateMessage

assert __name__ == "__main__"

async def main():
    async with RealtimeVoice(provider="echo").connect() as session:
        response = await session.send_text(sys.argv[1], wait=True)
        print(response.transcript)

asyncio.run(main())
if len(sys.argv) > 2:
    raise SystemExit(int(sys.argv[2]))
"""


@pytest.fixture
def hooked() -> Generator[None, None, None]:
    hook.install()
    yield
    hook.uninstall()


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_script_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    ran = run("-m", "voicewire.compat", "script.py", "hello", "3", cwd=tmp_path)
    assert ran.stdout == "You said: hello\n", ran.stderr
    assert ran.returncode == 3


def test_a_module_runs_unchanged_and_nothing_leaks_into_its_children(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("", encoding="utf-8")
    child = "import subprocess, sys\nimport rtclient\n" + (
        "sys.exit(subprocess.run([sys.executable, '-c', 'import rtclient'], capture_output=True).returncode)\n"
    )
    (tmp_path / "package" / "__main__.py").write_text(child, encoding="utf-8")
    ran = run("-m", "voicewire.compat", "-m", "package", cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == ""


def test_wrong_use_says_what_is_right(tmp_path: Path) -> None:
    nothing = run("-m", "voicewire.compat", cwd=tmp_path)
    assert (nothing.returncode, nothing.stderr.splitlines()[0]) == (
        2,
        "usage: python -m voicewire.compat script.py [args]",
    )
    missing = run("-m", "voicewire.compat", "no_such.py", cwd=tmp_path)
    assert missing.returncode == 2
    assert "there is no file 'no_such.py'" in missing.stderr
    assert run("-m", "voicewire.compat", "--help", cwd=tmp_path).returncode == 0


def test_both_names_are_one_module(hooked: None) -> None:
    original = importlib.import_module("ai_infra.llm.realtime.utils")
    ours = importlib.import_module("voicewire.compat.ai_infra.llm.realtime.utils")
    assert original is ours
    assert ours.__name__ == "voicewire.compat.ai_infra.llm.realtime.utils"
    assert importlib.reload(ours) is ours
    assert hook.install() is hook.install()


def test_names_that_we_do_not_have_are_not_found(hooked: None) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"rtclient\.nothing"):
        importlib.import_module("rtclient.nothing")
    with pytest.raises(ImportError):
        exec("from agentscope.realtime import Nothing")


def test_without_the_hook_nothing_answers() -> None:
    hook.install()
    importlib.import_module("ai_infra")
    hook.uninstall()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ai_infra")


@pytest.mark.parametrize(
    "module",
    [
        "agentscope.realtime",
        "agentscope.agent",
        "agentscope.pipeline",
        "agentscope.message",
        "agentscope.tool",
        "ai_infra",
        "ai_infra.llm",
        "ai_infra.llm.realtime",
        "ai_infra.llm.realtime.utils",
        "rtclient",
        "rtclient.models",
        "rtclient.low_level_client",
    ],
)
def test_every_name_that_is_exported_is_there(module: str) -> None:
    found = importlib.import_module(f"voicewire.compat.{module}")
    names: list[str] = found.__all__
    assert names
    missing = [name for name in names if not hasattr(found, name)]
    assert missing == []
