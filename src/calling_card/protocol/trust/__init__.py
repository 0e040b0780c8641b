"""Who vouches for a client."""
