"""Short forms of the soak."""
