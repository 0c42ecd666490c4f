"""``python -m voicewire.cli``."""

from voicewire.cli.entry import run

run()
