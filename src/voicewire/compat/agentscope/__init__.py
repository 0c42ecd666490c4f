"""``agentscope``, as far as its realtime agents go (seed 002)."""
