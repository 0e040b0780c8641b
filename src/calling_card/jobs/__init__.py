"""Loops that call one use case each, by a lease: of all processes on one database one does the work."""
