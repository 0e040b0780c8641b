"""The rest of the web, in memory: what strangers serve, and who asked them for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from calling_card.protocol.abroad.fetching import Fetched, Posted, Purpose, Unfetched, Why


@dataclass
class Page:
    """What is served at one address."""

    body: bytes = b""
    why: Why | None = None
    """Fails with this instead."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """``cache_control``, ``expires``, ``date``, ``age``, ``etag``, ``last_modified``."""


@dataclass(frozen=True)
class Brought:
    """One POST, as its receiver got it."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Strangers:
    """A `Fetcher` without a network. An address where nobody serves anything cannot be reached."""

    now: Callable[[], int]
    pages: dict[str, Page] = field(default_factory=dict[str, Page])
    asked: list[str] = field(default_factory=list[str])
    """Addresses in the order in which they were asked for."""
    forgotten: list[str] = field(default_factory=list[str])
    trusted: list[str] = field(default_factory=list[str])
    """Where keys were that somebody proved themselves by."""
    brought: list[Brought] = field(default_factory=list[Brought])
    """What was posted, in that order, whatever was answered."""
    receivers: dict[str, "Posted | Why"] = field(default_factory=dict[str, "Posted | Why"])
    """What is answered to a POST at an address; nobody else can be reached."""
    _kept: dict[str, Fetched] = field(default_factory=dict[str, Fetched])

    def serve(self, url: str, body: bytes, **headers: str) -> None:
        """Serve this from now on."""
        self.pages[url] = Page(body, headers=headers)

    def fail(self, url: str, why: Why) -> None:
        """Fail like this from now on."""
        self.pages[url] = Page(why=why)

    async def get(self, url: str, purpose: Purpose, *, etag: str = "", last_modified: str = "") -> Fetched:
        """See `Fetcher.get`."""
        self.asked.append(url)
        page = self.pages.get(url, Page(why=Why.UNREACHABLE))
        if page.why is not None:
            raise Unfetched(page.why, "as the test says")
        if len(page.body) > purpose.limit:
            raise Unfetched(Why.SIZE, f"{len(page.body)} bytes")
        if etag and page.headers.get("etag") == etag:
            return Fetched(304, b"", self.now(), **page.headers)
        return Fetched(200, page.body, self.now(), **page.headers)

    async def kept(self, url: str, purpose: Purpose, *, newer_than: int = 0) -> Fetched:
        """See `Fetcher.kept`; everything may be kept for five minutes."""
        there = self._kept.get(url)
        if there is None or there.at < newer_than or there.at + 300 <= self.now():
            there = self._kept[url] = await self.get(url, purpose)
        return there

    def fresh(self, url: str, purpose: Purpose, *, newer_than: int = 0) -> bool:
        """See `Fetcher.fresh`."""
        there = self._kept.get(url)
        return there is not None and there.at >= newer_than and there.at + 300 > self.now()

    def proven(self, url: str, purpose: Purpose) -> None:
        """See `Fetcher.proven`."""
        self.trusted.append(url)

    def forget(self, url: str) -> None:
        """See `Fetcher.forget`."""
        self.forgotten.append(url)
        self._kept.pop(url, None)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        """See `Fetcher.post`."""
        said = self.receivers.get(url, Why.UNREACHABLE)
        if isinstance(said, Why):
            raise Unfetched(said, "as the test says")
        self.brought.append(Brought(url, body, headers))
        return said
