"""What is exchanged for tokens: a module for each grant type (RFC 6749 §4)."""
