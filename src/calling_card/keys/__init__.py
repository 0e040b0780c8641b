"""The keyring and the signing keys: the only place that sees private key material."""
