"""One request to a stranger over a connection of its own: resolve, check, connect, ask, read, all against the clock (D-14 to D-19)."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import unquote, urlsplit

import httpcore2

from calling_card.fetch import answer
from calling_card.fetch.names import Names, checked
from calling_card.fetch.pinned import Dial, PinnedBackend
from calling_card.protocol.abroad.addresses import Address, is_loopback_host
from calling_card.protocol.abroad.fetching import Fetched, Posted, Purpose, Unfetched, Why

TOTAL = 5.0
"""Seconds of wall clock around everything."""
TIMES = {"connect": 2.0, "read": 3.0, "write": 3.0}
"""Seconds for a connection and again for its TLS, until the first byte and from byte to byte, and for the request."""
TOTAL_OF_POST = 15.0
"""The same around something that is brought: receivers work before they answer (Standard Webhooks, "Request timeouts")."""
TIMES_OF_POST = {**TIMES, "read": TOTAL_OF_POST}
LOCALHOST = ("127.0.0.1", "::1")


class Door:
    """How requests leave: TLS, names, numbers, or an egress proxy that knows names and numbers itself."""

    def __init__(self, agent: str, names: Names, call: Dial, now: Callable[[], int], *, ca_file: str = "", proxy: str = "") -> None:
        """Reads the certificate authorities of this machine; ``ca_file`` has further ones. Raises `OSError`."""
        self._agent = agent
        self._names = names
        self._dial = call
        self._now = now
        self._proxy = _proxy(proxy) if proxy else None
        self._tls = httpcore2.default_ssl_context()
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_file:
            self._tls.load_verify_locations(ca_file)

    async def ask(self, url: Address, purpose: Purpose, etag: str, last_modified: str) -> Fetched:
        """What is there. Raises `Unfetched`; whatever the network does before the host has proven its name looks the same (X-02)."""
        path = _Path(url, proxied=self._goes_by_proxy(url))
        async with _clocked(TOTAL, path):
            return await self._ask(url, purpose, answer.validators(etag, last_modified), path)

    async def bring(self, url: Address, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        """What is answered to a POST of JSON; a redirect is an answer like any other (X-08). Raises `Unfetched` as `ask`."""
        path = _Path(url, proxied=self._goes_by_proxy(url))
        fixed = {**self._fixed(url, purpose), "Content-Type": "application/json", "Content-Length": str(len(body))}
        async with _clocked(TOTAL_OF_POST, path), self._network(url) as pool:
            asking = _request(pool, url, "POST", {**fixed, **headers}, path, TIMES_OF_POST, body)
            async with asking as response:
                return await answer.posted(response.status, answer.headers_of(response.headers), response.aiter_stream(), purpose)

    def _fixed(self, url: Address, purpose: Purpose) -> dict[str, str]:
        return {"Host": url.authority or "", "Accept": purpose.accept, "Accept-Encoding": "identity", "User-Agent": self._agent}

    async def _ask(self, url: Address, purpose: Purpose, sent: dict[str, str], path: "_Path") -> Fetched:
        asked = {**self._fixed(url, purpose), **sent}
        async with self._network(url) as pool, _request(pool, url, "GET", asked, path, TIMES) as response:
            headers = answer.headers_of(response.headers)
            if response.status == 304:
                return answer.unchanged(headers, sent, self._now())
            return await answer.read(response.status, headers, response.aiter_stream(), purpose, self._now())

    @asynccontextmanager
    async def _network(self, url: Address) -> AsyncGenerator[httpcore2.AsyncConnectionPool]:
        """The network for this fetch alone: nothing of a connection outlives it."""
        if self._goes_by_proxy(url):
            async with httpcore2.AsyncConnectionPool(self._tls, self._proxy, max_connections=1, max_keepalive_connections=0) as pool:
                yield pool
            return
        backend = PinnedBackend(_bare(url.host), await self._addresses(url.host), self._dial)
        pool = httpcore2.AsyncConnectionPool(self._tls, max_connections=1, max_keepalive_connections=0, network_backend=backend)
        try:
            async with pool:
                yield pool
        finally:
            await backend.close()

    async def _addresses(self, host: str) -> Sequence[str]:
        """Where the host is, asked this once; this machine needs no asking."""
        if is_loopback_host(host):
            return LOCALHOST if host == "localhost" else (_bare(host),)
        return checked(host, await self._names(host))

    def _goes_by_proxy(self, url: Address) -> bool:
        return self._proxy is not None and not is_loopback_host(url.host)


class _Path:
    """How far a fetch has come, as httpcore2 tells it."""

    def __init__(self, url: Address, *, proxied: bool) -> None:
        self.proven = False
        """Whether the host has shown a certificate for its name; on this machine by http: whether it listens."""
        self.last = "before the connection"
        self._proof = "proxy.start_tls" if proxied else "connection.start_tls" if url.scheme == "https" else "connection.connect_tcp"

    async def note(self, event: str, told: object) -> None:
        """A step begins or ends."""
        del told
        self.last = event
        self.proven = self.proven or event == f"{self._proof}.complete"


@asynccontextmanager
async def _clocked(seconds: float, path: _Path) -> AsyncGenerator[None]:
    """Everything within this time, and every failure of the network as `Unfetched`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (TimeoutError, httpcore2.TimeoutException) as error:
        raise Unfetched(Why.SLOW if path.proven else Why.UNREACHABLE, f"{type(error).__name__} {path.last}") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError, httpcore2.UnsupportedProtocol, OSError) as error:
        raise Unfetched(Why.UNREACHABLE, f"{type(error).__name__}: {error}") from None


def _request(
    pool: httpcore2.AsyncConnectionPool,
    url: Address,
    method: str,
    headers: Mapping[str, str],
    path: _Path,
    times: Mapping[str, float],
    body: bytes | None = None,
) -> AbstractAsyncContextManager[httpcore2.Response]:
    """The request, from the parts that were checked and not from a text that is read again (X-04)."""
    target = (url.path or "/") + (f"?{url.query}" if url.query is not None else "")
    there = httpcore2.URL(scheme=url.scheme, host=_bare(url.host), port=int(url.port) if url.port else None, target=target)
    return pool.stream(method, there, headers=list(headers.items()), content=body, extensions={"timeout": dict(times), "trace": path.note})


def _bare(host: str) -> str:
    return host.strip("[]")


def _proxy(text: str) -> httpcore2.Proxy:
    """The operator's egress proxy; a user and a password in its URL are for it alone."""
    parts = urlsplit(text)
    user = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    place = httpcore2.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target="/")
    return httpcore2.Proxy(place, auth=user)
