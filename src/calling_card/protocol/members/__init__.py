"""What a client may say about itself: one module of rows per family of specifications."""
