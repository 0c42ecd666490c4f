"""The names of the five libraries under their original paths; and a runner for unmodified scripts.

``voicewire.compat.<original path>`` holds the names that a program of that library imports, so that its import root
is all that changes. ``python -m voicewire.compat script.py`` changes not even that.
"""

from __future__ import annotations
