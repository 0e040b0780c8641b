"""Rows, rules and decisions: pure functions and frozen dataclasses, without clock, entropy, network or database."""
