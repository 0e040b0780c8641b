"""Budgets in this process: the generic cell rate algorithm, one number per cause (H-11, R-93)."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

from calling_card.protocol.life.budgets import Cause, Draw

_MOST = 100_000
_AT_ONCE = 2
"""Causes that may be forgotten with each grant: more than one, so that in quiet times there are fewer and fewer."""
_LONGEST = 64
"""Characters of a cause that are kept as they are; of a longer one, which a stranger chose, a digest."""


class GcraBudget:
    """So many a minute on average, and so many at once.

    Memory is bounded: a cause that has all its room again is forgotten, and of too many the ones that were granted longest ago.
    """

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float]) -> None:
        """``per_minute`` 0: no limit. ``clock`` is monotonic, in seconds."""
        self._interval = 60 / per_minute if per_minute else 0.0
        self._tolerance = self._interval * (burst - 1)
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """How many causes are remembered."""
        return len(self._due)

    def wait(self, cause: str) -> int:
        """The whole seconds until there is room, at least 1; 0: there is. Nothing is used up."""
        due = self._due.get(short(cause)) if self._interval else None
        wait = 0.0 if due is None else due - self._tolerance - self._clock()
        return int(wait) + 1 if wait > 0 else 0

    def take(self, cause: str) -> int:
        """Use up one; 0: granted, otherwise the whole seconds to wait, at least 1."""
        if not self._interval:
            return 0
        cause, now = short(cause), self._clock()
        due = max(self._due.get(cause, now), now)
        wait = due - self._tolerance - now
        if wait > 0:
            return int(wait) + 1
        self._due[cause] = due + self._interval
        self._due.move_to_end(cause)
        self._forget(now)
        return 0

    def _forget(self, now: float) -> None:
        """Those in front that differ in nothing from a cause that never came, or are too many."""
        for _ in range(_AT_ONCE):
            oldest = next(iter(self._due))
            if self._due[oldest] > now and len(self._due) <= _MOST:
                return
            del self._due[oldest]


class GcraBudgets:
    """Several budgets by cause. Nothing gives way between the look at all of them and the use of each."""

    def __init__(self, budgets: Mapping[str, GcraBudget]) -> None:
        """One budget for the name of each cause."""
        self._budgets = budgets

    def take(self, draws: Sequence[Draw]) -> tuple[Cause, int] | None:
        """Use up one of each, or none of any: then the one that has no room for longest, with the whole seconds to wait."""
        narrowest, longest = None, 0
        for cause, key in draws:
            if (wait := self._budgets[cause.name].wait(key)) > longest:
                narrowest, longest = cause, wait
        if narrowest is not None:
            return narrowest, longest
        for cause, key in draws:
            self._budgets[cause.name].take(key)
        return None


def short(cause: str) -> str:
    """A cause as it is remembered: memory is bounded in characters too."""
    return cause if len(cause) <= _LONGEST else blake2b(cause.encode(errors="surrogatepass"), digest_size=16).hexdigest()
