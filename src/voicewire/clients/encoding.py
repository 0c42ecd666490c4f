"""Audio of the user, as bytes."""

from __future__ import annotations

from voicewire.errors import AudioError


def check_samples(audio: bytes, audio_format: str) -> None:
    """Refuses what is not a whole number of samples.

    Raises:
        AudioError: (a ``ValueError``) An odd number of bytes of PCM16.
    """
    if len(audio) % 2 and audio_format == "pcm16":
        raise AudioError(
            f"{len(audio)} bytes are not a whole number of 16-bit samples; "
            "keep the odd byte and send it with the next chunk"
        )
