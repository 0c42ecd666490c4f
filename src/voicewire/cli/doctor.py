"""``voicewire doctor``: what is installed, what is missing, what to do next."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from typing import Final

from voicewire._version import __version__
from voicewire.cli.common import command, console
from voicewire.errors import VoicewireError

_PACKAGES: Final = {
    "embedded": ("ctranslate2", "hibari-tts", "onnxruntime", "xllamacpp", "pillow"),
    "gateway": ("fastapi", "uvicorn", "websockets"),
    "devices": ("sounddevice",),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    is_good: bool
    what: str
    detail: str
    advice: str = ""
    """What to do about it; empty when nothing need be done."""


@command
def doctor() -> None:
    """Say what is installed, which keys and devices there are, and what to do next."""
    from rich.markup import escape

    findings = [*_system(), *_extras(), *_weights(), *_devices(), *_keys()]
    for finding in findings:
        sign = "[green]ok[/]  " if finding.is_good else "[yellow]--[/]  "
        console().print(f"{sign}{finding.what:<12} {escape(finding.detail)}", soft_wrap=True)
    advice = list(dict.fromkeys(finding.advice for finding in findings if finding.advice))
    console().print()
    if not advice:
        console().print("Everything is there. Try: voicewire talk")
        return
    console().print("What to do next:")
    for line in advice:
        console().print(f"  {escape(line)}", soft_wrap=True)


def _system() -> list[Finding]:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    espeak = shutil.which("espeak-ng")
    return [
        Finding(True, "voicewire", f"{__version__}, {python} in {sys.prefix}, {machine}"),
        Finding(True, "espeak-ng", espeak or "not installed (optional: a second, robotic voice)"),
    ]


def _extras() -> list[Finding]:
    findings: list[Finding] = []
    for extra, packages in _PACKAGES.items():
        found = {name: _version_of(name) for name in packages}
        missing = [name for name, version in found.items() if version is None]
        detail = ", ".join(f"{name} {version}" for name, version in found.items() if version)
        if missing:
            detail = f"{detail}{'; ' if detail else ''}missing: {', '.join(missing)}"
        advice = f"pip install 'voicewire[{extra}]'" if missing else ""
        findings.append(Finding(not missing, extra, detail, advice))
    return findings


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _weights() -> list[Finding]:
    from voicewire.engine import weights
    from voicewire.engine.weights import FileState

    plan = weights.plan()
    return [
        Finding(
            item.state is FileState.WHOLE,
            "weights",
            f"{item.weights.name}: {item.state.value}, {item.weights.purpose}",
            "" if item.state is FileState.WHOLE else "voicewire setup",
        )
        for item in plan.items
    ]


def _devices() -> list[Finding]:
    from voicewire.audio.devices.portaudio import list_devices

    try:
        devices = list_devices()
    except VoicewireError as error:
        return [
            Finding(
                False,
                "devices",
                str(error),
                "to talk without devices: voicewire talk --input FILE --output DIR",
            )
        ]
    findings: list[Finding] = []
    for role, default in (
        ("microphone", next((d.name for d in devices if d.is_default_input and d.input_channels), "")),
        ("speaker", next((d.name for d in devices if d.is_default_output and d.output_channels), "")),
    ):
        advice = "" if default else "to talk without devices: voicewire talk --input FILE --output DIR"
        findings.append(Finding(bool(default), role, default or "none", advice))
    return findings


def _keys() -> list[Finding]:
    from voicewire.settings import describe

    present = [setting.set_by for setting in describe() if setting.is_secret and setting.is_set]
    detail = f"set: {', '.join(present)}" if present else "none set (the model 'local' needs none)"
    return [Finding(True, "keys", detail)]
