"""Runs targets for as long as you like: coverage-guided by atheris where it is installed, else by plain chance.

python -m fuzz openai-client --seconds 60        one target
python -m fuzz --seconds 20                      all of them, one after the other
python -m fuzz gemini-server --repeat fuzz-out/gemini-server-0123456789abcdef
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import random
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from fuzz.mutations import mutated
from fuzz.seeds import seeds_of
from fuzz.targets import TARGETS, Target

_MAX_CHANGES = 12
_BYTES_EVERY = 8
"""Every so many inputs one is nothing but random bytes."""


def say(line: str) -> None:
    """One line for the person who runs this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def by_chance(target: Target, seconds: float, seed: int, folder: Path) -> bool:
    """Bent conversations and random bytes; keeps the first input that breaks the target, and tells whether none did."""
    chance = random.Random(seed)
    seeds = seeds_of(target.name)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        count += 1
        if count % _BYTES_EVERY:
            data = mutated(chance.choice(seeds), chance, chance.randrange(1, _MAX_CHANGES))
        else:
            data = chance.randbytes(chance.randrange(200))
        try:
            target(data)
        except Exception:  # whatever escapes a codec is what is looked for
            traceback.print_exc()
            place = folder / f"{target.name}-{hashlib.sha256(data).hexdigest()[:16]}"
            folder.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            say(f"{target.name}: broken by input {count}, kept in {place}")
            return False
    say(f"{target.name}: {count} inputs in {seconds:g} s, seed {seed}: nothing undocumented escaped")
    return True


def by_coverage(target: Target, seconds: float, folder: Path) -> None:
    """Atheris; ends the process."""
    atheris: Any = importlib.import_module("atheris")  # installed by hand, see README.md
    with atheris.instrument_imports(include=["voicewire.protocols"]):
        target(seeds_of(target.name)[0])
    corpus = folder / f"{target.name}-corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds_of(target.name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    arguments = [sys.argv[0], f"-max_total_time={int(seconds)}", f"-artifact_prefix={folder}/{target.name}-"]
    atheris.Setup([*arguments, "-max_len=20000", str(corpus)], target)
    atheris.Fuzz()


def main() -> int:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chance", action="store_true", help="by chance although atheris is there")
    parser.add_argument("--repeat", type=Path, help="run this one input")
    parser.add_argument("--output", type=Path, default=Path("fuzz-out"))
    arguments = parser.parse_args()
    targets = [TARGETS[arguments.target]] if arguments.target else list(TARGETS.values())
    if arguments.repeat is not None:
        if len(targets) > 1:
            parser.error("--repeat needs the name of its target")
        targets[0](arguments.repeat.read_bytes())
        return 0
    if len(targets) == 1 and not arguments.chance and importlib.util.find_spec("atheris") is not None:
        by_coverage(targets[0], arguments.seconds, arguments.output)
    is_good = [by_chance(target, arguments.seconds, arguments.seed, arguments.output) for target in targets]
    return 0 if all(is_good) else 1


if __name__ == "__main__":
    sys.exit(main())
