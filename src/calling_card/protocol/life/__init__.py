"""What becomes of a client once it is registered."""
