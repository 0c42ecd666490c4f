"""The package version, read by hatchling and by `voicewire --version`."""

__version__ = "0.1.0"
