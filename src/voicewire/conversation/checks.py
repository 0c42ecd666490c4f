"""The switch for the run-time assertions of the invariants (design, section 4).

Tests set ``enabled``; the checks cost time, so a running system leaves it off. They vanish under ``python -O``.
"""

from __future__ import annotations

enabled: bool = False
"""Whether hosts and sessions verify their invariants after every input."""
