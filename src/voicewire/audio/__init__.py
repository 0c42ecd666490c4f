"""Audio as values: formats, frames, rate conversion, levels, playout, files and devices.

Names load on first use, so that ``import voicewire.audio.format`` stays free of numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.audio.chunk import Chunker
    from voicewire.audio.devices import Microphone, Speaker
    from voicewire.audio.devices.echo_path import EchoPath
    from voicewire.audio.devices.portaudio import DeviceInfo, list_devices
    from voicewire.audio.echo import EchoCanceller
    from voicewire.audio.files import WavWriter, read_audio, stream_audio, write_audio
    from voicewire.audio.format import AudioFormat, AudioFrame, Encoding
    from voicewire.audio.level import LevelMeter, rms_dbfs
    from voicewire.audio.mixer import Mixer
    from voicewire.audio.playout import Cut, Flushed, Played, PlayoutBuffer, PlayoutClock
    from voicewire.audio.resample import Resampler, resample_whole

__all__ = [
    "AudioFormat",
    "AudioFrame",
    "Chunker",
    "Cut",
    "DeviceInfo",
    "EchoCanceller",
    "EchoPath",
    "Encoding",
    "Flushed",
    "LevelMeter",
    "Microphone",
    "Mixer",
    "Played",
    "PlayoutBuffer",
    "PlayoutClock",
    "Resampler",
    "Speaker",
    "WavWriter",
    "list_devices",
    "read_audio",
    "resample_whole",
    "rms_dbfs",
    "stream_audio",
    "write_audio",
]

_HOME = {
    "AudioFormat": "format",
    "AudioFrame": "format",
    "Chunker": "chunk",
    "Cut": "playout",
    "DeviceInfo": "devices",
    "EchoCanceller": "echo",
    "EchoPath": "devices.echo_path",
    "Encoding": "format",
    "Flushed": "playout",
    "LevelMeter": "level",
    "Microphone": "devices",
    "Mixer": "mixer",
    "Played": "playout",
    "PlayoutBuffer": "playout",
    "PlayoutClock": "playout",
    "Resampler": "resample",
    "Speaker": "devices",
    "WavWriter": "files",
    "list_devices": "devices",
    "read_audio": "files",
    "resample_whole": "resample",
    "rms_dbfs": "level",
    "stream_audio": "files",
    "write_audio": "files",
}


def __getattr__(name: str) -> object:
    """Load a public name from the module that holds it, once."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
