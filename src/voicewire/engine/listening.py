"""When each position of the input arrived."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque


class ArrivalTimes:
    """When input positions arrived, in nanoseconds of the session's clock; the last 30 s or so.

    Latency is measured from the arrival of the last sample of speech, not from when somebody looked at it.
    """

    def __init__(self, keep: int = 1500) -> None:
        self._marks: deque[tuple[int, int]] = deque(maxlen=keep)

    def mark(self, end_sample: int, now_ns: int) -> None:
        """Audio up to ``end_sample`` is there since ``now_ns``."""
        self._marks.append((end_sample, now_ns))

    def of(self, sample: int) -> int:
        """When this position arrived; 0 when that is not known any more."""
        index = bisect_left(self._marks, sample, key=lambda mark: mark[0])
        return self._marks[index][1] if index < len(self._marks) else 0
