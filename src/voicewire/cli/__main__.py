"""``python -m voicewire.cli``."""

from voicewire.cli.main import run

run()
