"""What a client may say about itself, beside the rows of `members`."""
