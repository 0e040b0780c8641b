"""As much of a PostgreSQL connection as the store uses, with the types its columns guarantee."""

# ruff: noqa: ASYNC109 - these are the names of the driver

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from calling_card.store.database import Value, Values


class Connection(Protocol):
    """A connection. One task at a time may use it; rows have places, lengths and slices, as tuples have."""

    async def execute(self, query: str, *args: Value, timeout: float | None = None) -> str:
        """Run one statement, or several without values; the answer ends with how many rows it changed."""
        ...

    async def executemany(self, command: str, args: Sequence[Values], *, timeout: float | None = None) -> None:
        """Run one statement with several lists of values, in one message; outside a transaction it is one."""
        ...

    async def fetch(self, query: str, *args: Value, timeout: float | None = None) -> Sequence[Values]:
        """What a statement finds."""
        ...

    async def fetchmany(self, query: str, args: Sequence[Values], *, timeout: float | None = None) -> Sequence[Values]:
        """What a statement finds with several lists of values, sent as `executemany` sends them."""
        ...

    async def fetchval(self, query: str, *args: Value) -> Value:
        """The first column of the first row; None: there is no row."""
        ...

    def transaction(self, *, readonly: bool = False) -> AbstractAsyncContextManager[object]:
        """BEGIN, and COMMIT or ROLLBACK at the end."""
        ...

    def is_closed(self) -> bool:
        """Whether it is of no use any more."""
        ...

    def terminate(self) -> None:
        """Hang up."""
        ...

    async def close(self, *, timeout: float | None = None) -> None:
        """Say goodbye and hang up."""
        ...


def changes(status: str) -> int:
    """How many rows a statement changed, from what the server says when it is done."""
    return int(status.rpartition(" ")[2])
