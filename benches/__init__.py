"""Servers to measure beside ours, and the load that measures them."""
