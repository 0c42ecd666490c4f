"""Runs every benchmark and prints its rows beside their goals; names run some, such as `attacks`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = {
    "imports": "benchmarks.imports",
    "wire": "benchmarks.wire_floor",
    "wires": "benchmarks.wires",
    "supervisor": "benchmarks.supervisor",
    "facades": "benchmarks.facades",
    "resampler": "benchmarks.bench_resampler",
    "echo": "benchmarks.echo",
    "engine": "benchmarks.voice_to_voice",
    "memory": "benchmarks.memory",
    "speech": "benchmarks.speech",
    "density": "benchmarks.density",
    "attacks": "benchmarks.attack_latency",
    "restart": "benchmarks.restart",
}


def main() -> int:
    """Each benchmark in a process of its own, so that none measures another's memory or imports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCRIPTS))
    parser.add_argument("--only", choices=sorted(SCRIPTS), action="append")
    parser.add_argument("--output", type=Path, default=Path("bench-out"))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(SCRIPTS):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there are {', '.join(SCRIPTS)}")
    arguments.output.mkdir(exist_ok=True)
    failed: list[str] = []
    summary: dict[str, float] = {}
    for name in [*arguments.names, *(arguments.only or ())] or SCRIPTS:
        print(f"\n== {name}", flush=True)
        began = time.monotonic()
        log = arguments.output / f"{name}.txt"
        with subprocess.Popen(
            [sys.executable, "-m", SCRIPTS[name]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        log.write_text("".join(lines), encoding="utf-8")
        summary[name] = round(time.monotonic() - began, 1)
        if process.returncode != 0:
            failed.append(name)
    print(f"\nseconds: {json.dumps(summary)}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
