"""What ``docs/judges.md`` says: one row for each test of an outside judge.

A run with ``VOICEWIRE_WRITE_JUDGES=1`` writes the page from its own results; see ``conftest``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tools.make_docs import ROOT, replaced, table

PAGE = ROOT / "docs" / "judges.md"
HEAD = ("wire", "our side", "judge", "subject", "scenario", "result")
_SERVICES = {
    "test_azure_ws": "Azure OpenAI",
    "test_azure_voice_live_ws": "Azure Voice Live",
    "test_openai_ws": "OpenAI",
    "test_xai_ws": "xAI",
}
"""Folders of recordings, which some test ids begin with."""
_NODE_ID = re.compile(r"(?:.*/)?(?P<module>test_\w+)\.py::(?P<test>test_\w+)(?:\[(?P<case>.+)\])?$")


@dataclass(frozen=True, slots=True)
class OutsideJudge:
    """Who judges in one test module."""

    side: str
    """``server`` when the judge is a client of ours, ``client`` when it is the provider."""
    package: str
    """Name of the package, or what it is."""
    subject: str
    """What of ours is judged."""
    wire: str = "OpenAI GA"
    is_npm: bool = False

    @property
    def name(self) -> str:
        """The package with the version that is pinned."""
        if self.is_npm:
            pinned = json.loads((ROOT / "tools" / "node" / "package.json").read_text(encoding="utf-8"))
            return f"`{self.package}` {pinned['devDependencies'][self.package]} (npm)"
        return self.package if " " in self.package else f"`{self.package}` {version(self.package)} (PyPI)"


JUDGES: Mapping[str, OutsideJudge] = {
    "test_openai_sdk": OutsideJudge("server", "openai", "gateway with `echo`"),
    "test_client_secrets": OutsideJudge("server", "openai", "gateway with `echo`"),
    "test_agents_sdk": OutsideJudge("server", "openai-agents", "gateway with `echo`"),
    "test_node_agents": OutsideJudge("server", "@openai/agents-realtime", "gateway with `echo`", is_npm=True),
    "test_rt_client": OutsideJudge(
        "server", "rt-client", "gateway with `echo`", is_npm=True, wire="OpenAI beta"
    ),
    "test_openai_beta_sdk": OutsideJudge("server", "openai", "gateway with `echo`", wire="OpenAI beta"),
    "test_voicelive_sdk": OutsideJudge(
        "server", "azure-ai-voicelive", "gateway with `echo`", wire="Azure Voice Live"
    ),
    "test_flat_recordings": OutsideJudge(
        "client",
        "recorded sessions of the services",
        "`voicelive:MODEL`, `xai:MODEL`",
        wire="Voice Live, xAI",
    ),
    "test_aimock": OutsideJudge("client", "@copilotkit/aimock", "`openai:MODEL`", is_npm=True),
    "test_aimock_gemini": OutsideJudge(
        "client", "@copilotkit/aimock", "`gemini:MODEL`", is_npm=True, wire="Gemini Live"
    ),
    "test_recordings": OutsideJudge(
        "client", "recorded sessions of the services", "`openai:MODEL`, `azure:DEPLOYMENT`"
    ),
    "test_google_genai": OutsideJudge("server", "google-genai", "gateway with `echo`", wire="Gemini Live"),
    "test_dashscope_sdk.test_the_embedded_engine_satisfies_the_sdk": OutsideJudge(
        "server", "dashscope", "gateway with `local`", wire="DashScope realtime"
    ),
    "test_dashscope_sdk": OutsideJudge(
        "server", "dashscope", "gateway with `echo`", wire="DashScope realtime"
    ),
    "test_dashscope_task.test_the_embedded_engine_recognises": OutsideJudge(
        "server", "dashscope", "gateway with `local`", wire="DashScope task"
    ),
    "test_dashscope_task.test_the_embedded_engine_speaks": OutsideJudge(
        "server", "dashscope", "gateway with `local`", wire="DashScope task"
    ),
    "test_dashscope_task": OutsideJudge("server", "dashscope", "gateway with `echo`", wire="DashScope task"),
    "test_azure_speech.test_the_embedded_engine_recognises": OutsideJudge(
        "server", "azure-cognitiveservices-speech", "gateway with `local`", wire="Azure Speech"
    ),
    "test_azure_speech.test_the_embedded_engine_speaks_text_ssml_and_streamed_text": OutsideJudge(
        "server", "azure-cognitiveservices-speech", "gateway with `local`", wire="Azure Speech"
    ),
    "test_azure_speech": OutsideJudge(
        "server", "azure-cognitiveservices-speech", "gateway with `echo`", wire="Azure Speech"
    ),
    "test_gemini_recordings": OutsideJudge(
        "client", "recorded sessions of the services", "`gemini:MODEL`", wire="Gemini Live"
    ),
    "test_local.test_local_satisfies_the_sdk": OutsideJudge("server", "openai", "gateway with `local`"),
    "test_local.test_local_satisfies_the_agents_sdk": OutsideJudge(
        "server", "openai-agents", "gateway with `local`"
    ),
    "test_local.test_local_satisfies_the_npm_sdk": OutsideJudge(
        "server", "@openai/agents-realtime", "gateway with `local`", is_npm=True
    ),
}
"""By test module, or by module and test where one module has several judges."""


def row_of(node_id: str) -> tuple[str, ...]:
    """The row of a test, without its result.

    Raises:
        LookupError: The test belongs to no judge that is listed here.
    """
    found = _NODE_ID.match(node_id)
    if found is None:
        raise LookupError(f"{node_id!r} is not the id of a judge's test")
    module, test = found["module"], found["test"]
    judge = JUDGES.get(f"{module}.{test}") or JUDGES.get(module)
    if judge is None:
        raise LookupError(f"{module} is not in tests/judges/table.py; add its judge to JUDGES")
    case = found["case"] or ""
    service = next((name for folder, name in _SERVICES.items() if case.startswith(folder)), "")
    scenario = case if test.startswith(("test_echo_", "test_local_")) else test.removeprefix("test_")
    if scenario != case and case:
        scenario += f" ({service or case.rpartition('-')[2]})"
    return (judge.wire, judge.side, judge.name, judge.subject, scenario.replace("_", " "))


def page_with(results: Mapping[str, str], page: str) -> str:
    """The page with the table of these results, by node id."""
    rows = sorted((*row_of(node_id), result) for node_id, result in results.items())
    return replaced(page, lambda name, _: table(HEAD, rows) if name == "judges" else None)


def rows_in(page: Path = PAGE) -> list[tuple[str, ...]]:
    """The rows of the page as it is, results included."""
    part = page.read_text(encoding="utf-8").partition("<!-- begin generated: judges -->")[2]
    lines: Iterable[str] = part.partition("<!-- end generated -->")[0].strip().splitlines()[2:]
    return [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines]
