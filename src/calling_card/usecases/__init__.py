"""What the server does, a module per section of a specification: typed request in, typed answer out."""
