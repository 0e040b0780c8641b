"""Named places where a test lets the process die: compiled in, inert without ``CALLING_CARD_FAULT=name:N``."""

import os
import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """One place in the code where dying is interesting."""

    name: str
    meaning: str


POINTS: tuple[Point, ...] = (
    Point("store.migration", "the schema is written, its transaction not yet committed"),
    Point("store.begin", "a group of writes has the write lock and has written nothing"),
    Point("store.event", "the event of a change is in the transaction"),
    Point("store.use_taken", "an invitation has one use less, its client is not in yet"),
    Point("store.row_gone", "a client's row is deleted, what hung on it is not yet"),
    Point("store.client_aside", "a dead client is put aside, its row is still there"),
    Point("store.client_back", "a client that was pruned has its row again, its tombstone is still there"),
    Point("store.grant_given", "a grant is in the transaction, the remembered yes is not yet"),
    Point("store.client_met", "a client met by its address is in, the first version of its document is not yet"),
    Point("store.version_put", "a version of a document is in, what the client becomes by it is not yet"),
    Point("store.client_stopped", "a client's row is changed, its grants and the remembered yeses are still there"),
    Point("store.session_begun", "a new session is in the transaction, the one it replaces is still there"),
    Point("store.unit.done", "all statements of one unit ran, its transaction is open"),
    Point("store.before_commit", "a whole group is written, not committed"),
    Point("store.after_commit", "a group is durable, nobody was told"),
    Point("store.closed", "the last group is durable, the write-ahead log not yet folded in"),
    Point("web.before_answer", "the work of a request is done, no byte of the answer left"),
    Point("web.mid_answer", "the head of an answer left, its body did not"),
    Point("keys.written", "a new keyring file is written under its temporary name"),
    Point("keys.rotated", "a new key is in the keyring file, the store does not know it"),
)

NAMES = frozenset(point.name for point in POINTS)


class Fuse:
    """Counts the passes of one point and kills the process at the chosen one."""

    def __init__(self, armed: str) -> None:
        """``armed`` is ``name:N``, or empty for none; anything else would silently test nothing and is refused."""
        self.name, _, count = armed.partition(":")
        if armed and (self.name not in NAMES or not count.isdecimal() or int(count) < 1):
            raise ValueError(f"CALLING_CARD_FAULT={armed} is not the name of a fault point, a colon and a number from 1")
        self.left = int(count or 0)

    def passed(self) -> None:
        """One pass less; at the last one the process ends as if its power were cut."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


FUSE = Fuse(os.environ.get("CALLING_CARD_FAULT", ""))


def point(name: str) -> None:
    """Die here if this point is armed and this is the chosen pass."""
    if name not in NAMES:
        raise ValueError(f"{name} is not a row of the fault points")
    if name == FUSE.name:
        FUSE.passed()
