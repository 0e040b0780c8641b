"""A PostgreSQL database to measure on: one that is there, or a cluster of our own that keeps what it acknowledges."""

import contextlib
from collections.abc import Generator

from tests.postgres import Cluster


@contextlib.contextmanager
def database(url: str) -> Generator[str]:
    """The address of an empty database; with an empty ``url`` on a cluster made for it, its files synced as they come.

    Raises `FileNotFoundError` where PostgreSQL is not installed.
    """
    if url:
        yield url
        return
    cluster = Cluster.made("shared_buffers=512MB", "max_wal_size=4GB")
    try:
        yield cluster.url(socket=False)
    finally:
        cluster.remove()
