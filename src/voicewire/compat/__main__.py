"""``python -m voicewire.compat script.py [args]`` or ``-m module [args]``: runs a program of one of the five libraries.

The program is not changed: ``agentscope``, ``agentscope_runtime``, ``ai_infra`` and ``rtclient`` are this package's
while it runs, in this process only.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import Final

from voicewire.compat.hook import install

_USAGE: Final = (
    "usage: python -m voicewire.compat script.py [args]\n       python -m voicewire.compat -m module [args]\n"
)
_USAGE_EXIT: Final = 2


def main(arguments: list[str]) -> int:
    """Runs the program that the arguments name.

    Returns:
        The exit code for the process; what the program itself raises goes through.
    """
    is_module = arguments[:1] == ["-m"]
    rest = arguments[1:] if is_module else arguments
    if not rest or rest[0] in ("-h", "--help"):
        (sys.stdout if rest else sys.stderr).write(_USAGE)
        return 0 if rest else _USAGE_EXIT
    program = rest[0]
    if not is_module and not os.path.exists(program):
        sys.stderr.write(f"there is no file {program!r}; write -m {program} to run a module\n")
        return _USAGE_EXIT
    install()
    sys.argv = list(rest)
    if is_module:
        # As ``python -m`` has it: the working folder is where modules are looked for.
        sys.path.insert(0, os.getcwd())
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(program)))
        runpy.run_path(program, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
