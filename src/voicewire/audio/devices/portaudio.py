"""PortAudio (sounddevice), loaded on first use: the devices of this machine and streams to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import anyio
import anyio.to_thread

from voicewire.errors import AudioDeviceError

Device: TypeAlias = "int | str | None"
"""A device index, a part of its name, or None for the system's default."""
Direction: TypeAlias = Literal["input", "output"]

CLOSE_TIMEOUT_S: Final = 5.0
WAY_OUT: Final[dict[Direction, str]] = {
    "input": "or give the audio as a file with --input FILE",
    "output": "or have the audio written to a file with --output FILE",
}
LATENCY_S: Final[dict[Direction, str | float]] = {"input": "low", "output": 0.08}
"""A speaker that is fed from Python must outlive the moments in which other threads hold the interpreter: with the
device's own low latency (20 ms) a busy machine is heard to stutter, and every gap moves the echo."""
ROLE: Final[dict[Direction, str]] = {"input": "microphone", "output": "speaker"}


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One audio device of this machine."""

    index: int
    name: str
    host_api: str
    input_channels: int
    """0 when it is no microphone."""
    output_channels: int
    """0 when it is no speaker."""
    default_sample_rate_hz: int
    is_default_input: bool
    is_default_output: bool


def list_devices() -> list[DeviceInfo]:
    """List the audio devices of this machine; empty when there are none.

    Raises:
        AudioDeviceError: sounddevice or the PortAudio library is not installed.
    """
    library = load_sounddevice("input")
    host_apis = [str(api["name"]) for api in library.query_hostapis()]
    default_input, default_output = (int(index) for index in library.default.device)
    return [
        DeviceInfo(
            index=index,
            name=str(device["name"]),
            host_api=host_apis[int(device["hostapi"])],
            input_channels=int(device["max_input_channels"]),
            output_channels=int(device["max_output_channels"]),
            default_sample_rate_hz=round(device["default_samplerate"]),
            is_default_input=index == default_input,
            is_default_output=index == default_output,
        )
        for index, device in enumerate(library.query_devices())
    ]


def load_sounddevice(direction: Direction) -> Any:
    """Import sounddevice; it is untyped."""
    try:
        import sounddevice
    except ImportError as error:
        raise AudioDeviceError(
            f"audio devices need the package sounddevice: run `pip install 'voicewire[devices]'`, "
            f"{WAY_OUT[direction]}"
        ) from error
    except OSError as error:
        raise AudioDeviceError(
            f"the PortAudio library is not installed ({error}): run `apt-get install libportaudio2` "
            f"(Debian, Ubuntu), "
            f"`dnf install portaudio` (Fedora) or `brew install portaudio` (macOS), {WAY_OUT[direction]}"
        ) from error
    return sounddevice


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A started stream and the rate it runs at."""

    stream: Any
    sample_rate_hz: int


def open_stream(
    direction: Direction,
    device: Device,
    sample_rate_hz: int,
    block_samples: int,
    callback: Callable[[int], Callable[..., None]],
    on_finished: Callable[[], None],
) -> OpenStream:
    """Open and start a mono 16-bit stream, at the rate wanted or else at the device's own; blocks.

    Args:
        direction: Microphone or speaker.
        device: Which one.
        sample_rate_hz: Rate wanted.
        block_samples: Samples of each callback at that rate; scaled when the device runs at another one.
        callback: Makes the stream's callback for the rate that it will run at.
        on_finished: Called, in PortAudio's thread, when the stream has ended for any reason.

    Raises:
        AudioDeviceError: The library is missing, there is no such device, or it refuses both rates.
    """
    library = load_sounddevice(direction)
    try:
        info = library.query_devices(device, direction)
    except (library.PortAudioError, ValueError) as error:
        which = "no default" if device is None else f"no {device!r}"
        raise AudioDeviceError(
            f"this machine has {which} {ROLE[direction]} ({error}): connect one, or see `voicewire "
            f"doctor` for what "
            f"there is, {WAY_OUT[direction]}"
        ) from error
    stream_type = library.RawInputStream if direction == "input" else library.RawOutputStream
    own_hz = round(info["default_samplerate"])
    failure: Exception | None = None
    for rate_hz in dict.fromkeys((sample_rate_hz, own_hz)):
        try:
            stream = stream_type(
                samplerate=rate_hz,
                blocksize=-(-block_samples * rate_hz // sample_rate_hz),
                device=device,
                channels=1,
                dtype="int16",
                latency=LATENCY_S[direction],
                callback=callback(rate_hz),
                finished_callback=on_finished,
            )
            stream.start()
        except library.PortAudioError as error:  # noqa: PERF203  (two rates at most)
            failure = error
        else:
            return OpenStream(stream, rate_hz)
    raise AudioDeviceError(
        f"the {ROLE[direction]} {info['name']!r} does not open at {sample_rate_hz} Hz or {own_hz} Hz "
        f"({failure}): "
        f"close the program that uses it, or choose another device, {WAY_OUT[direction]}"
    ) from failure


async def close_stream(opened: OpenStream | None) -> None:
    """Stop and close a stream in a worker thread, even when the caller is being cancelled."""
    if opened is None:
        return
    with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
        await anyio.to_thread.run_sync(opened.stream.close, abandon_on_cancel=True)
