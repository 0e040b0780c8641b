"""People and what they allow."""
