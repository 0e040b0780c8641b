"""Credentials and tokens: derived, rotated, sealed, signed."""
