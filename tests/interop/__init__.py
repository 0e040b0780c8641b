"""Clients of other makers, unmodified, each living a whole life against the real server (RFC 7591, RFC 7592)."""
