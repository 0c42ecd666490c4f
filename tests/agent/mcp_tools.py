"""An MCP server, made with the official package: a program for standard input and output, or an ASGI application."""

from __future__ import annotations

import os

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("tools of a test")


@server.tool()
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Always fails."""
    raise ToolError("no luck today")


@server.tool(name="a.dotted.name")
def dotted() -> str:
    """Has a name that models do not take."""
    return "dots"


@server.tool()
async def hang() -> str:
    """Never returns."""
    await anyio.sleep_forever()
    return ""


@server.tool()
async def climb(steps: int, context: Context) -> str:
    """Says how far it is."""
    for step in range(1, steps + 1):
        await context.report_progress(step, steps, f"step {step}")
    return "on top"


@server.tool()
def whereabouts() -> dict[str, str]:
    """Tells a variable of its environment."""
    return {"place": os.environ.get("PLACE", "nowhere")}


@server.tool()
def die() -> str:
    """Ends the program."""
    os._exit(3)


if __name__ == "__main__":
    server.run("stdio")
