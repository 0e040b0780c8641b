"""Clients that come from elsewhere: how other servers write them down, and how this one does."""
