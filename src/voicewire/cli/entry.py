"""Where the program begins: before anything that takes time to load, so that Ctrl-C is answered from here on."""

from __future__ import annotations

import signal
import sys

EXIT_INTERRUPTED = 130


def run() -> None:
    """Runs the program with the process's arguments; does not return."""
    try:
        from voicewire.cli.main import main

        main()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    finally:
        # All is written by now; one more Ctrl-C ends the process at once, without the interpreter's complaint.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
