"""What `import voicewire` costs: seconds, memory and modules, beside the openai SDK in the same run."""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 7
PROBE = """
import resource, sys, time
began = time.perf_counter()
{statement}
took = time.perf_counter() - began
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(sys.modules))
"""
STATEMENTS = {
    "python alone": "pass",
    "voicewire": "import voicewire",
    "voicewire + create_model": "import voicewire; voicewire.create_model",
    "openai": "import openai",
}


def run() -> list[dict[str, object]]:
    """Medians over interleaved rounds."""
    taken: dict[str, list[tuple[float, float, int]]] = {name: [] for name in STATEMENTS}
    for _ in range(ROUNDS):
        for name, statement in STATEMENTS.items():
            answer = subprocess.run(
                [sys.executable, "-c", PROBE.format(statement=statement)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()
            taken[name].append((float(answer[0]), float(answer[1]), int(answer[2])))
    return [
        {
            "import": name,
            "seconds": round(statistics.median(row[0] for row in rows), 3),
            "rss_mb": round(statistics.median(row[1] for row in rows), 1),
            "modules": rows[0][2],
        }
        for name, rows in taken.items()
    ]


def main() -> None:
    print(
        f"{'import':28} {'seconds':>8} {'RSS MB':>8} {'modules':>8}   (goal for voicewire: <= 0.15 s, <= 40 MB)"
    )
    for row in run():
        print(f"{row['import']:28} {row['seconds']:>8} {row['rss_mb']:>8} {row['modules']:>8}")


if __name__ == "__main__":
    main()
