"""Outside judges: clients, servers and recordings that this project did not write, unmodified."""
