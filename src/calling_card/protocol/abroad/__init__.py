"""What lies elsewhere: addresses, who may be fetched from, and clients that are an address."""
