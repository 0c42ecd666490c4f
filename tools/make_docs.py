"""Write the generated parts of the documentation again, from the code itself.

A generated part stands between two comments, ``<!-- begin generated: NAME [ARGUMENT] -->`` and
``<!-- end generated -->``. What is outside of them is never touched.

    .venv/bin/python tools/make_docs.py            # writes
    .venv/bin/python tools/make_docs.py --check    # only says what is out of date
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicewire.models.registry import ModelEntry

ROOT = Path(__file__).resolve().parent.parent
REGION = re.compile(
    r"(?P<begin><!-- begin generated: (?P<name>\S+)(?: (?P<argument>\S+))? -->\n).*?(?P<end><!-- end generated -->)",
    re.DOTALL,
)
OTHERS_WRITE = frozenset({"judges", "parity-claims", "parity-pairs", "parity-refusals"})
"""Parts that are not made from code: runs of the judges and of the parity tests write them."""


def pages() -> list[Path]:
    """The readme and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """A name in code type; nothing for an empty one."""
    return f"`{text}`" if text else ""


def prose(text: str) -> str:
    """A docstring's first paragraph on one line, in Markdown."""
    first = inspect.cleandoc(text).split("\n\n")[0]
    return re.sub(r"``([^`]+)``", r"`\1`", " ".join(first.split()))


def _class_node(owner: type[Any]) -> ast.ClassDef:
    node = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    assert isinstance(node, ast.ClassDef)
    return node


def _default(node: ast.AnnAssign) -> str:
    value = node.value
    if value is None:
        return "required"
    if isinstance(value, ast.Call) and ast.unparse(value.func) in ("msgspec.field", "Field", "field"):
        for keyword in value.keywords:
            if keyword.arg == "default":
                return ast.unparse(keyword.value)
        return "empty"
    return ast.unparse(value)


def fields_of(owner: type[Any]) -> list[tuple[str, str, str, str]]:
    """Name, type, default and meaning of each field that the class itself declares."""
    body = _class_node(owner).body
    found: list[tuple[str, str, str, str]] = []
    for index, node in enumerate(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        kind = ast.unparse(node.annotation)
        if node.target.id.startswith("_") or kind.startswith("ClassVar"):
            continue
        after = body[index + 1] if index + 1 < len(body) else None
        text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = str(after.value.value)
        found.append((node.target.id, kind, _default(node), prose(text)))
    return found


def make_fields(argument: str) -> str:
    """The fields of a class: ``module:Class``."""
    module, _, name = argument.partition(":")
    owner: type[Any] = getattr(import_module(module), name)
    rows = [(code(name), code(kind), code(value), text) for name, kind, value, text in fields_of(owner)]
    return table(("field", "type", "default", "meaning"), rows)


def _arguments_of(owner: type[Any]) -> str:
    if "__init__" in vars(owner):
        names = [name for name in inspect.signature(owner).parameters if name not in ("self", "payload")]
    else:
        names = [name for name, *_ in fields_of(owner)]
    return ", ".join(code(name) for name in names if name != "command_id")


def make_events(argument: str) -> str:
    """Every event of a family: the module that has it."""
    by_type: dict[str, type[Any]] = import_module(argument).BY_TYPE
    rows = [
        (
            code(owner.__name__),
            code(getattr(name, "value", name)),
            prose(owner.__doc__ or ""),
            _arguments_of(owner),
        )
        for name, owner in by_type.items()
    ]
    return table(("event", "JSON `type`", "meaning", "fields"), rows)


def make_commands(_argument: str) -> str:
    """Every command of a conversation."""
    from typing import get_args

    from voicewire.events import Command, SessionChange

    rows = [
        (
            code(owner.__name__),
            prose(owner.__doc__ or ""),
            "those of `SessionConfig`" if issubclass(owner, SessionChange) else _arguments_of(owner),
        )
        for owner in get_args(Command)
    ]
    return table(("command", "meaning", "fields"), rows)


def make_environment(_argument: str) -> str:
    """The environment table."""
    from voicewire.settings import describe

    rows = [
        (
            " or ".join(code(name) for name in setting.names),
            setting.help,
            code(setting.default),
            "yes" if setting.is_secret else "",
        )
        for setting in describe()
    ]
    return table(("variable", "what it is", "default", "secret"), rows)


def make_program(_argument: str) -> str:
    """Every command of the program, with its options."""
    import typer

    from voicewire.cli.main import app

    group: Any = typer.main.get_command(app)
    parts: list[str] = []
    for name, command in group.commands.items():
        if command.hidden:
            continue
        parameters = [one for one in command.params if "--help" not in one.opts]
        names = " ".join(one.name.upper() for one in parameters if not one.opts[0].startswith("-"))
        parts.append(f"### voicewire {name}{' ' + names if names else ''}\n\n{prose(command.help)}")
        rows = [
            (
                code(", ".join(one.opts) if one.opts[0].startswith("-") else one.name.upper()),
                one.help or "",
                ""
                if one.default in (None, "", False)
                else code(str(getattr(one.default, "value", one.default))),
            )
            for one in parameters
        ]
        if rows:
            parts.append(table(("option", "meaning", "default"), rows))
    return "\n\n".join(parts)


def make_models(_argument: str) -> str:
    """Every model name."""
    from voicewire.models import model_entries

    rows = [
        (code(entry.pattern), entry.summary, code(entry.needs) or "nothing", _leaves_out(entry))
        for entry in model_entries()
    ]
    return table(("name", "what it is", "needs", "without the argument"), rows)


def _leaves_out(entry: ModelEntry) -> str:
    if not entry.argument:
        return ""
    if not entry.is_argument_optional:
        return "refused"
    default = code(entry.default_argument) or "refused"
    return f"`{entry.default_setting.upper()}`, else {default}" if entry.default_setting else default


def make_capabilities(_argument: str) -> str:
    """What each model can do, one column a model."""
    from voicewire.models import Capabilities, create_model, model_entries

    entries = [entry for entry in model_entries() if entry.has_capabilities]
    models = [create_model(entry.pattern) for entry in entries]
    rows = [
        (code(name), *(_shown(getattr(model.capabilities, name)) for model in models))
        for name in Capabilities.__dataclass_fields__
    ]
    return table(("", *(code(entry.prefix) for entry in entries)), rows)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (frozenset, tuple)):
        items = [str(item) for item in value]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        return ", ".join(sorted(items) if isinstance(value, frozenset) else items) or "any"
    return "none" if value is None else str(value)


def make_gateway(_argument: str) -> str:
    """The URLs of the gateway as it is today."""
    from voicewire.gateway.app import create_app
    from voicewire.gateway.recordings import Recordings
    from voicewire.models import create_model

    speaks = {
        "/": "the page",
        "/room": "its view of rooms; `?id=ROOM`",
        "/page/config.json": "what the page is told: models, voices, turn-taking, who is in the rooms",
        "/page/{name:path}": "files of the page",
        "/healthz": "whether the process lives",
        "/metrics": "figures for Prometheus; for keys, not for client secrets",
        "/readyz": "whether it takes sessions, how many run; 503 while models are loaded and while it drains",
        "/v1/models": "the models that are served, in OpenAI's form",
        "/v1/realtime/client_secrets": "makes a [client secret](../adr/0011-keys-and-client-secrets.md), for keys",
        "/recordings/{user_id}/{session_id}": "deletes what was recorded, with `--record` or `--cassettes`; for keys",
        "/v1/realtime": "OpenAI realtime, GA or beta as the handshake says; `?model=NAME`, `?intent=transcription`",
        "/openai/v1/realtime": "the same, at Azure OpenAI's GA path",
        "/openai/realtime": "the beta dialect, at the Azure preview's path; `?api-version=&deployment=NAME`",
        "/voice-live/realtime": "Azure Voice Live; `?api-version=&model=NAME`",
        "/api-ws/v1/realtime": "DashScope realtime (Qwen-Omni, Qwen-ASR, Qwen-TTS); `?model=NAME`",
        "/api-ws/v1/realtime/": "the same",
        "/api-ws/v1/inference": "DashScope tasks: Paraformer, Fun-ASR, Gummy, CosyVoice, Sambert",
        "/api-ws/v1/inference/": "the same",
        "/speech/recognition/{mode}/cognitiveservices/v1": "Azure Speech, recognition; `?language=&cid=MODEL`",
        "/speech/universal/v2": "the same, for the conversation transcriber",
        "/stt/speech/universal/v2": "the same, for clients with an endpoint",
        "/cognitiveservices/websocket/v1": "Azure Speech, synthesis; `?deploymentId=MODEL`",
        "/cognitiveservices/websocket/v2": "the same, with text that is streamed in",
        "/tts/cognitiveservices/websocket/v1": "the same, for clients with an endpoint",
        "/tts/cognitiveservices/websocket/v2": "the same",
        "/cognitiveservices/voices/list": "Azure Speech's list of voices",
        "/tts/cognitiveservices/voices/list": "the same",
        "/ws/{user_id}/{session_id}": "client events in, server events out (seed 002)",
        "/ws/room/{room_id}/{user_id}": "the same in a [room](../topics/rooms.md) of several people and agents",
        "/voice": "binary PCM16 at 24 kHz in and out, transcripts as JSON (seed 003)",
    }
    rows: list[tuple[str, str]] = []
    for route in create_app(create_model("echo"), recordings=Recordings(Path())).router.routes:
        path = str(getattr(route, "path", ""))
        is_socket = type(route).__name__.endswith("WebSocketRoute")
        methods = sorted(getattr(route, "methods", None) or {"GET"} - {"HEAD"})
        rows.append(
            (
                code(f"{'WS' if is_socket else methods[0]} {path}"),
                speaks.get(path, "Gemini Live" if "Bidi" in path else ""),
            )
        )
    return table(("URL", "what it speaks"), rows)


def make_errors(_argument: str) -> str:
    """The tree of errors."""
    from voicewire import errors

    text = inspect.cleandoc(errors.__doc__ or "")
    tree = text.split("::\n\n", 1)[1].split("\n\n", 1)[0]
    return f"```text\n{inspect.cleandoc(tree)}\n```"


def make_retryable(_argument: str) -> str:
    """The errors after which the same call may succeed."""
    from voicewire import errors

    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    return ", ".join(
        code(kind.__name__) for kind in kinds if issubclass(kind, errors.VoicewireError) and kind.retryable
    )


def make_echo(_argument: str) -> str:
    """What the echo model answers."""
    from voicewire.models import echo

    lines = (echo.__doc__ or "").splitlines()
    borders = [index for index, line in enumerate(lines) if line.startswith("====")]
    width = lines[borders[0]].index(" ")
    rows: list[tuple[str, str]] = []
    for line in lines[borders[1] + 1 : borders[2]]:
        edge = line.index(" ", width)
        rows.append((prose(line[:edge]), prose(line[edge:])))
    return table(("the user", "the answer"), rows)


def make_weights(_argument: str) -> str:
    """The weight files of the embedded engine."""
    from voicewire.engine.weights import plan

    rows = [
        (
            code(item.weights.name),
            item.weights.purpose,
            f"{item.weights.size_bytes / 1e6:.1f} MB",
            item.weights.licence,
            code(item.weights.environment_name),
        )
        for item in plan().items
    ]
    return table(("name", "what for", "on disk", "licence", "variable that names your own"), rows)


MAKERS: dict[str, Callable[[str], str]] = {
    "capabilities": make_capabilities,
    "commands": make_commands,
    "echo": make_echo,
    "environment": make_environment,
    "errors": make_errors,
    "events": make_events,
    "fields": make_fields,
    "gateway": make_gateway,
    "models": make_models,
    "program": make_program,
    "retryable": make_retryable,
    "weights": make_weights,
}
"""What makes each part, from its argument."""


def replaced(text: str, make: Callable[[str, str], str | None]) -> str:
    """The page with its generated parts made again; a part for which ``make`` gives None stays."""

    def again(match: re.Match[str]) -> str:
        content = make(match["name"], match["argument"] or "")
        return match[0] if content is None else f"{match['begin']}{content}\n{match['end']}"

    return REGION.sub(again, text)


def made_again(page: Path) -> str:
    """What the page should hold."""

    def make(name: str, argument: str) -> str | None:
        if name in OTHERS_WRITE:
            return None
        if name not in MAKERS:
            raise SystemExit(f"{page}: nothing makes {name!r}; known are: {', '.join(MAKERS)}")
        return MAKERS[name](argument)

    return replaced(page.read_text(encoding="utf-8"), make)


def main() -> int:
    """Writes the pages, or says which are out of date; the exit code says whether any was."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documentation again.")
    parser.add_argument("--check", action="store_true", help="only say what is out of date")
    is_check = parser.parse_args().check
    os.environ["COLUMNS"] = "100"
    stale = [
        (page, text) for page in pages() if (text := made_again(page)) != page.read_text(encoding="utf-8")
    ]
    for page, text in stale:
        print(f"{page.relative_to(ROOT)}: {'out of date' if is_check else 'written'}")
        if not is_check:
            page.write_text(text, encoding="utf-8")
    if not stale:
        print("docs: up to date")
    return 1 if stale and is_check else 0


if __name__ == "__main__":
    sys.exit(main())
