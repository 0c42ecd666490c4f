"""Microphone and speaker: the part of `voicewire.audio` that has threads and a sound system."""

from voicewire.audio.devices.portaudio import DeviceInfo as DeviceInfo
from voicewire.audio.devices.portaudio import list_devices as list_devices
from voicewire.audio.devices.streams import Microphone as Microphone
from voicewire.audio.devices.streams import Speaker as Speaker
