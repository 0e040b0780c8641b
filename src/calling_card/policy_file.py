"""The file in which an operator writes a policy, read once and again whenever it is another one."""

import asyncio
import tomllib
from collections.abc import Collection
from pathlib import Path

from calling_card.protocol.policy import Policy
from calling_card.protocol.policy.written import BadPolicy, digest_of, policy_of


def read(file: Path, reserved: Collection[str] = ()) -> Policy:
    """The policy of a file; ``reserved``: scopes that strangers never have. Raises `BadPolicy`, which names file and place."""
    try:
        text = file.read_bytes()
        written = tomllib.loads(text.decode("utf-8"))
        return policy_of(written, digest_of(text), reserved)
    except OSError as error:
        problem = error.strerror or "cannot be read"
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    except (tomllib.TOMLDecodeError, BadPolicy) as error:
        problem = str(error)
    raise BadPolicy(f"{file}: {problem}")


class NoPolicies:
    """Nothing but the built-in rules, for ever."""

    current: Policy | None = None

    async def look(self, *, anyway: bool = False) -> Policy | None:
        """See `Policies.look`."""
        del anyway
        return None


class FilePolicies:
    """The policy of one file; whoever judges takes what is here and touches no disk."""

    current: Policy | None

    def __init__(self, file: Path, reserved: Collection[str] = ()) -> None:
        """Raises `BadPolicy`: without a good policy nobody begins to serve."""
        self._file, self._reserved = file, reserved
        self._seen = self._mark()
        self.current = read(file, reserved)

    async def look(self, *, anyway: bool = False) -> Policy | None:
        """See `Policies.look`."""
        mark = await asyncio.to_thread(self._mark)
        if mark == self._seen and not anyway:
            return None
        self._seen = mark
        self.current = await asyncio.to_thread(read, self._file, self._reserved)
        return self.current

    def _mark(self) -> tuple[int, ...]:
        """What changes when the file does; nothing when it is not there."""
        try:
            there = self._file.stat()
        except OSError:
            return ()
        return there.st_mtime_ns, there.st_size, there.st_ino
