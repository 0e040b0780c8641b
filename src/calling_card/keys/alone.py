"""One writer at a time for the files of a folder that several processes replace."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """Hold others off from reading what is about to be replaced; a writer that dies lets go by itself."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
