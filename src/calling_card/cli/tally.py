"""How many callers each worker has, where all workers of a supervisor see it (docs/decisions/0022).

The kernel lets in whoever asks first, which is mostly the same worker: a few dozen connections that stay open would be one worker's, and
the others would have nothing to do.
"""

import mmap
import os

LEAD = 4
"""Callers that a worker may have more than another before it lets that one go first."""
_CELLS = 1024
"""A page. The first cell says how far the others are in use; that is enough for all workers there may be, and twice while they change."""
_WORD = 4
"""Bytes of a cell."""
_NOBODY = -1
"""In the cell of a worker that lets nobody in."""


class Tally:
    """A page of memory with a cell for each worker. A supervisor makes it; a worker is handed its descriptor."""

    def __init__(self, descriptor: int) -> None:
        """The descriptor is the tally's from now on."""
        self.descriptor = descriptor
        self._cells = memoryview(mmap.mmap(descriptor, _CELLS * _WORD)).cast("i")
        self._taken: set[int] = set()

    @classmethod
    def made(cls) -> "Tally | None":
        """A new one, in which nobody is; None: this system has no memory without a name, as Linux has. Raises `OSError`."""
        nameless = getattr(os, "memfd_create", None)
        if nameless is None:
            return None
        descriptor = int(nameless("tally"))
        os.ftruncate(descriptor, _CELLS * _WORD)
        return cls(descriptor)

    def take(self) -> int:
        """A cell for a worker that is about to be started. Raises `StopIteration`, which no number of workers can bring about."""
        cell = next(cell for cell in range(1, _CELLS) if cell not in self._taken)
        self._taken.add(cell)
        self.write(cell, _NOBODY)
        self._cells[0] = max(self._taken)
        return cell

    def free(self, cell: int) -> None:
        """Its worker is gone, however it ended."""
        self.write(cell, _NOBODY)
        self._taken.discard(cell)

    def write(self, cell: int, callers: int) -> None:
        """One aligned word, which others read whole."""
        self._cells[cell] = callers

    def least(self) -> int:
        """How many callers the worker has that has fewest of those that let callers in; none there: none."""
        used = self._cells[1 : 1 + self._cells[0]].tolist()
        return min((callers for callers in used if callers != _NOBODY), default=0)


class Share:
    """One worker's callers, beside those of the others."""

    def __init__(self, tally: Tally, cell: int) -> None:
        """``cell`` is the worker's own."""
        self._tally = tally
        self._cell = cell

    def tell(self, callers: int) -> None:
        """So many are here."""
        self._tally.write(self._cell, callers)

    def leave(self) -> None:
        """Nobody is let in here any more, so nobody is to wait for it."""
        self._tally.write(self._cell, _NOBODY)

    def leads(self, callers: int) -> bool:
        """Tell how many are here, and hear whether that is so many more than another worker has that it should go first."""
        self.tell(callers)
        return callers > self._tally.least() + LEAD
