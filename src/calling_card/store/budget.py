"""Budgets in this process: the generic cell rate algorithm, one number per cause (H-11, R-93)."""

from collections import OrderedDict
from collections.abc import Callable

_MOST = 100_000


class GcraBudget:
    """So many a minute on average, and so many at once. Memory is bounded: the causes seen longest ago are forgotten."""

    def __init__(self, per_minute: int, burst: int, clock: Callable[[], float]) -> None:
        """``per_minute`` 0: no limit. ``clock`` is monotonic, in seconds."""
        self._interval = 60 / per_minute if per_minute else 0.0
        self._tolerance = self._interval * (burst - 1)
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def take(self, cause: str) -> int:
        """Use up one; 0: granted, otherwise the whole seconds to wait, at least 1."""
        if not self._interval:
            return 0
        now = self._clock()
        due = max(self._due.get(cause, now), now)
        wait = due - self._tolerance - now
        if wait > 0:
            return int(wait) + 1
        self._due[cause] = due + self._interval
        self._due.move_to_end(cause)
        if len(self._due) > _MOST:
            self._due.popitem(last=False)
        return 0
