"""One environment variable at a time, for readers that cannot wait 0.1 s for the typed table of `settings`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def variable(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """One variable by its name, as it is now, also when another one holds what it should not.

    Args:
        name: The variable.
        environ: Where to look; the environment of the process by default.
    """
    return (os.environ if environ is None else environ).get(name) or None


def default_home(environ: Mapping[str, str] | None = None) -> Path:
    """The folder for everything that Voicewire keeps: ``$VOICEWIRE_HOME``, else the user's cache folder."""
    if home := variable("VOICEWIRE_HOME", environ):
        return Path(home).expanduser()
    if sys.platform == "win32":
        base = variable("LOCALAPPDATA", environ) or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = variable("XDG_CACHE_HOME", environ) or "~/.cache"
    return Path(base).expanduser() / "voicewire"
