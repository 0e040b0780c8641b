"""The guarded fetcher (placeholder of the seam; being built)."""

from dataclasses import dataclass

from calling_card.protocol.fetching import Fetched, Purpose, Unfetched, Why


@dataclass(frozen=True, slots=True)
class Outward:
    """How far fetches may go."""

    agent: str
    """Value of the ``User-Agent`` header."""
    ports: tuple[int, ...] = ()
    """Ports that may be fetched from; empty: 443 and from 1024 up."""
    most: int = 16
    """Fetches at once."""
    most_of_a_host: int = 2
    proxy: str = ""
    loopback: bool = False
    """Whether this machine may be fetched from, http included."""
    ca_file: str = ""
    own_host: str = ""
    """Our issuer."""


class HttpsFetcher:
    """Fetches nothing yet."""

    def __init__(self, outward: Outward) -> None:
        self._outward = outward

    async def get(self, url: str, purpose: Purpose, *, etag: str = "", last_modified: str = "") -> Fetched:
        """See `Fetcher.get`."""
        raise Unfetched(Why.UNREACHABLE)

    async def kept(self, url: str, purpose: Purpose, *, newer_than: int = 0) -> Fetched:
        """See `Fetcher.kept`."""
        raise Unfetched(Why.UNREACHABLE)

    def forget(self, url: str) -> None:
        """See `Fetcher.forget`."""
