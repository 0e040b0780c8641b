"""What is remembered between fetches, within bounds: failures for a moment, good answers as HTTP lets them be (D-31, D-32, X-47)."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from calling_card.protocol.abroad.fetching import Fetched, Purpose, Unfetched
from calling_card.protocol.abroad.freshness import Life, life

FAILURES = 4096
PENANCE = 30.0
"""Seconds that a failure is remembered."""
ANSWERS = 256
ROOM = 4 * 1024 * 1024
"""Bytes of all answers for one purpose together."""
_FRAME = 1024
"""Bytes that an answer takes beside its body and its headers."""

Key = tuple[str, Purpose]
"""The exact URL and what for: what is no picture may still be a good document."""


class Failures:
    """What failed a moment ago, so that nobody hammers a host through us."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` is monotonic, in seconds."""
        self._clock = clock
        self._known: OrderedDict[Key, tuple[float, Unfetched]] = OrderedDict()

    def of(self, url: str, purpose: Purpose) -> Unfetched | None:
        """How it failed a moment ago; None: it did not."""
        until, failure = self._known.get((url, purpose), (0.0, None))
        return failure if self._clock() < until else None

    def note(self, url: str, purpose: Purpose, failure: Unfetched) -> None:
        """It failed now."""
        self._known[url, purpose] = (self._clock() + PENANCE, failure)
        self._known.move_to_end((url, purpose))
        if len(self._known) > FAILURES:
            self._known.popitem(last=False)

    def forget(self, url: str) -> None:
        """Let it be tried again."""
        for key in [key for key in self._known if key[0] == url]:
            del self._known[key]


@dataclass(frozen=True, slots=True)
class Kept:
    """A good answer and how long it is one."""

    fetched: Fetched
    life: Life

    @property
    def size(self) -> int:
        """Bytes, about."""
        some = self.fetched
        headers = (some.cache_control, some.expires, some.date, some.age, some.etag, some.last_modified)
        return _FRAME + len(some.body) + sum(map(len, headers))


class Answers:
    """Good answers for one purpose, the ones used last; what is ``no-store`` only as long as its purpose demands.

    What somebody proved themselves by is let go of last: strangers cannot push it out with answers of their own (X-41).
    """

    def __init__(self, stale_if_error: int) -> None:
        self._stale_if_error = stale_if_error
        self._known: OrderedDict[str, Kept] = OrderedDict()
        self._proven: OrderedDict[str, Kept] = OrderedDict()
        self._size = 0

    def of(self, url: str) -> Kept | None:
        """The last good answer, fresh or not."""
        for shelf in (self._known, self._proven):
            if url in shelf:
                shelf.move_to_end(url)
                return shelf[url]
        return None

    def keep(self, url: str, fetched: Fetched, least: int = 0) -> None:
        """This is the last good one now; the ones that were not used for longest make room. ``least`` is in seconds."""
        proven = url in self._proven
        self.drop(url)
        span, end = life(fetched, fetched.at, self._stale_if_error), fetched.at + least
        kept = Kept(fetched, Life(max(span.fresh_until, end), max(span.stale_until, end)))
        if kept.life.stale_until <= fetched.at or kept.size > ROOM:
            return
        (self._proven if proven else self._known)[url] = kept
        self._size += kept.size
        while len(self._known) + len(self._proven) > ANSWERS or self._size > ROOM:
            self.drop(next(iter(self._known or self._proven)))

    def prove(self, url: str) -> None:
        """Somebody proved by it who they are. At most half of everything is held back for that: newcomers need room, too."""
        if url in self._known:
            self._proven[url] = self._known.pop(url)
        while len(self._proven) > max(1, ANSWERS // 2) or sum(kept.size for kept in self._proven.values()) > ROOM // 2:
            oldest, kept = self._proven.popitem(last=False)
            self._known[oldest] = kept

    def drop(self, url: str) -> None:
        """Nothing is known of this address any more."""
        gone = self._known.pop(url, None) or self._proven.pop(url, None)
        self._size -= gone.size if gone is not None else 0


def renewed(old: Fetched, confirmed: Fetched) -> Fetched:
    """The old answer as a 304 found it: the same content, with what is said anew of its life (RFC 9111 §3.2, §4.3.4)."""
    return replace(
        old,
        at=confirmed.at,
        cache_control=confirmed.cache_control or old.cache_control,
        expires=confirmed.expires or old.expires,
        date=confirmed.date,
        age=confirmed.age,
    )
