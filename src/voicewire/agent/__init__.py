"""Running a conversation: the session driver, its edges, agents and rooms."""
