"""Tools of real MCP servers, made with the official package: a program, and an address on loopback."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import uvicorn

from voicewire.agent import McpServer, ProgressReport, RealtimeAgent, Toolkit
from voicewire.errors import ConfigError, ConnectFailed, ConnectTimeout, LocalProtocolError
from voicewire.events import ServerEvents
from voicewire.models.echo import EchoRealtimeModel

from .test_agent import Ears, text

pytestmark = [pytest.mark.loopback, pytest.mark.anyio]

PROGRAM = Path(__file__).with_name("mcp_tools.py")


def program() -> McpServer:
    return McpServer.stdio(sys.executable, str(PROGRAM), env={"PLACE": "here"})


@asynccontextmanager
async def address() -> AsyncGenerator[str, None]:
    """The same tools behind HTTP, in this process."""
    from .mcp_tools import server

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(server.streamable_http_app(), log_level="critical", lifespan="on")
        http = uvicorn.Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(http.serve, [listener])
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
            http.should_exit = True


async def check(server: McpServer) -> None:
    """What holds for both ways to a server."""
    toolkit = Toolkit(timeout_s=20)
    names = toolkit.add_mcp(server, prefix="t-")
    assert names == ["t-add", "t-fail", "t-a_dotted_name", "t-hang", "t-climb", "t-whereabouts", "t-die"]
    spec = toolkit.specs[0]
    assert spec.description == "Adds two numbers."
    assert spec.parameters["required"] == ["a"]
    assert (await toolkit.call("t-add", {"a": 2, "b": 3})).output == "5"
    assert (await toolkit.call("t-a_dotted_name")).output == "dots"
    failed = await toolkit.call("t-fail")
    assert failed.outcome == "failed"
    assert "no luck today" in json.loads(failed.output)["error"]
    wrong = await toolkit.call("t-add", {"a": "two"})
    assert (wrong.outcome, "a" in json.loads(wrong.output)["error"]) == ("failed", True)
    assert toolkit.add_mcp(server, only=["hang"], timeout_s=0.05) == ["hang"]
    assert (await toolkit.call("hang")).outcome == "timed_out"
    assert (await toolkit.call("t-add", {"a": 4})).output == "5"
    reports: list[ProgressReport] = []
    answer = await toolkit.call("t-climb", {"steps": 3}, on_progress=reports.append)
    assert (answer.output, reports[-1]) == ("on top", ProgressReport("step 3", 3.0, 3.0))
    assert (await toolkit.call("t-climb", {"steps": 3})).output == "on top"


async def test_a_program_is_a_server() -> None:
    with anyio.fail_after(60):
        async with program() as server:
            await check(server)
            toolkit = Toolkit()
            toolkit.add_mcp(server)
            assert json.loads((await toolkit.call("whereabouts")).output) == {"place": "here"}
            # It dies in the middle of a call; the next call finds a new one.
            died = await toolkit.call("die")
            assert died.outcome == "failed"
            assert "the next call restores it" in died.output
            assert (await toolkit.call("add", {"a": 1})).output == "2"
            ears = Ears()
            async with RealtimeAgent("Friday", "", EchoRealtimeModel(), toolkit) as agent:
                await agent.start(ears.queue)
                await agent.handle_input(text('call add {"a": 40, "b": 2}'))
                said = await ears.until(ServerEvents.AgentResponseAudioTranscriptDoneEvent)
                assert said.transcript == "add returned: 42"
            with pytest.raises(LocalProtocolError, match="connected already"):
                await server.__aenter__()
        after = await toolkit.call("add", {"a": 1})
        assert (after.outcome, "inside `async with`" in after.output) == ("failed", True)


async def test_an_address_is_a_server() -> None:
    with anyio.fail_after(60):
        async with (
            address() as url,
            McpServer.http(url, headers={"Authorization": "Bearer s3cret"}) as server,
        ):
            await check(server)
            assert "s3cret" not in repr(server)
            toolkit = Toolkit()
            toolkit.add_mcp(server, only=["add"])
            with pytest.raises(ConfigError, match="give prefix="):
                toolkit.add_mcp(server)
            assert len(toolkit) == 1


async def test_what_is_no_server_is_said() -> None:
    with pytest.raises(ConnectFailed, match="no-such-program"):
        async with McpServer.stdio("no-such-program"):
            pass
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1:9") as refused:
        async with McpServer.http("http://user:s3cret@127.0.0.1:9/mcp?key=s3cret"):
            pass
    assert "s3cret" not in str(refused.value)
    silent = McpServer.stdio(sys.executable, "-c", "import time; time.sleep(60)", connect_timeout_s=0.2)
    with pytest.raises(ConnectTimeout, match=r"within 0\.2 s"):
        async with silent:
            pass
    with pytest.raises(ConfigError, match="has no tool 'add'"):
        Toolkit().add_mcp(silent, only=["add"])


async def test_no_error_tells_a_key_that_is_in_the_address() -> None:
    with anyio.fail_after(60):
        async with address() as url:
            with pytest.raises(ConnectFailed) as refused:
                async with McpServer.http(url.replace("//", "//user:s3cret@") + "/nothing?key=s3cret"):
                    pass
    assert "s3cret" not in str(refused.value)


async def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ConfigError, match=r"install voicewire\[mcp\]"):
        async with program():
            pass
