"""From a session's turn detection to the endpointer's settings."""

from __future__ import annotations

from voicewire.engine.stages import EndpointSettings
from voicewire.events.session import TurnDetection

EAGERNESS_SILENCE_MS = {"low": 800, "medium": 480, "auto": 480, "high": 320}
"""``semantic_vad`` has no times of its own; these are ours."""


def endpoint_settings(detection: TurnDetection | None) -> EndpointSettings:
    """Stock settings, with what the session asks for.

    A session's own ``silence_duration_ms`` counts as it stands; words that trail off still get more time.

    Raises:
        ConfigError: A value is out of range.
    """
    stock = EndpointSettings()
    if detection is None:
        return stock
    silence_ms = detection.silence_duration_ms
    if detection.kind == "semantic_vad":
        silence_ms = EAGERNESS_SILENCE_MS.get(detection.eagerness or "auto", stock.silence_ms)
    if silence_ms is None:
        silence_ms = stock.silence_ms
    threshold = stock.threshold if detection.threshold is None else detection.threshold
    padding_ms = detection.prefix_padding_ms
    return EndpointSettings(
        threshold=min(max(threshold, 0.01), 0.99),
        prefix_padding_ms=stock.prefix_padding_ms if padding_ms is None else padding_ms,
        silence_ms=silence_ms,
        speculate_after_ms=min(stock.speculate_after_ms, silence_ms),
    )
