"""How far the state machines of the invariants walk.

``conversation-ci`` is the default: over 10^5 steps for host and session together. Choose another with
``pytest --hypothesis-profile conversation-deep`` (or ``-quick``).
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

STEPS = 50
EXAMPLES = {"conversation-quick": 10, "conversation-ci": 110, "conversation-deep": 2000}

for name, examples in EXAMPLES.items():
    settings.register_profile(
        name,
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


def chosen() -> settings:
    name = settings.get_current_profile_name()
    return settings.get_profile(name if name in EXAMPLES else "conversation-ci")
