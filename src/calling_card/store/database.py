"""As much of an SQLite connection as the store uses, with the types its STRICT tables guarantee."""

from typing import Protocol, TypeAlias

Value: TypeAlias = bytes | str | int | None
Values: TypeAlias = tuple[Value, ...]


class Found(Protocol):
    """What a statement found."""

    def fetchall(self) -> list[Values]:
        """All rows; no read transaction stays open behind it."""
        ...


class Database(Protocol):
    """A connection. One thread at a time may use it."""

    @property
    def in_transaction(self) -> bool:
        """Whether a BEGIN has neither been committed nor rolled back, by us or by SQLite itself."""
        ...

    @property
    def filename(self) -> str:
        """The absolute path of the file."""
        ...

    def execute(self, statements: str, bindings: Values | None = None) -> Found:
        """Run one statement, or several without values."""
        ...

    def changes(self) -> int:
        """How many rows the last INSERT, UPDATE or DELETE touched."""
        ...

    def set_busy_timeout(self, milliseconds: int) -> None:
        """How long a statement waits for a lock that another process holds."""
        ...

    def wal_checkpoint(self, dbname: str | None = None, mode: int = 0) -> tuple[int, int]:
        """Fold the write-ahead log into the file."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
