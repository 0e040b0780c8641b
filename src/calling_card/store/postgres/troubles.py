"""What an error of the database means: try again, take another connection, say that it is unavailable, or a mistake of ours."""

import asyncio
from enum import Enum

import asyncpg

from calling_card.ports import StoreUnavailable

FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises."""


class Trouble(Enum):
    """What to do about an error."""

    AGAIN = "again"
    """Two transactions were in each other's way; nothing of this one is kept."""
    LOST = "lost"
    """This connection is of no use any more: it is gone, is going, or leads to a server that does not write."""
    UNAVAILABLE = "unavailable"
    """The server is up and cannot take this now; nothing of it is kept."""
    OURS = "ours"
    """A mistake of this program or of its caller."""


BY_STATE = (
    ("40001", Trouble.AGAIN),  # serialization_failure
    ("40P01", Trouble.AGAIN),  # deadlock_detected
    ("08", Trouble.LOST),  # connection exceptions
    ("57P", Trouble.LOST),  # the server shuts down, has crashed, or starts
    ("25006", Trouble.LOST),  # read_only_sql_transaction: no primary any more
    ("25P03", Trouble.LOST),  # idle_in_transaction_session_timeout
    ("53", Trouble.UNAVAILABLE),  # disk full, out of memory, too many connections
    ("55P03", Trouble.UNAVAILABLE),  # lock_not_available: lock_timeout
    ("57014", Trouble.UNAVAILABLE),  # query_canceled: statement_timeout
    ("58", Trouble.UNAVAILABLE),  # errors of the operating system
)
"""SQLSTATEs by how they begin."""

READ_ONLY = "25006"

GONE = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncio.CancelledError)
"""What the driver says, where the server does not, of a connection that is of no use any more.

The third comes of a server that had hung up between two statements, which it does on a transaction that stood still: the driver has read
its last words by the next statement, and not yet that they were the last.
"""


def trouble(error: BaseException) -> Trouble:
    """What kind of trouble this is."""
    state = sqlstate(error)
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return Trouble.AGAIN
    if state:
        return next((kind for begins, kind in BY_STATE if state.startswith(begins)), Trouble.OURS)
    return Trouble.LOST if isinstance(error, GONE) and not isinstance(error, asyncpg.DataError) else Trouble.OURS


def sqlstate(error: BaseException) -> str:
    """The five characters; empty: it does not come from a server."""
    return str(getattr(error, "sqlstate", None) or "")


def undone(error: BaseException) -> bool:
    """Whether this answer to a statement says that nothing of it was kept; a connection that breaks off says nothing."""
    state = sqlstate(error)
    return bool(state) and not state.startswith(("08", "57P", "25P"))


def as_said(error: BaseException) -> BaseException:
    """What the caller gets to see; the address, which may have a password in it, is in none of these texts."""
    if isinstance(error, StoreUnavailable) or trouble(error) is Trouble.OURS:
        return error
    unavailable = StoreUnavailable(f"{type(error).__name__}: {error}")
    unavailable.__cause__ = error
    return unavailable
