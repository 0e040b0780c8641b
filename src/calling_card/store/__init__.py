"""Where clients, grants, marks and events are kept: one implementation per file."""
