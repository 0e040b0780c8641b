"""Repeated suspicions summed up: the first at once, then one event a minute for each client and kind (H-22)."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from calling_card.protocol.events import Event

MINUTE = 60
MOST = 1024
"""Clients and kinds told apart within a minute; what comes beyond is summed under its kind alone."""


@dataclass(slots=True)
class Slot:
    """What is known of one client and kind."""

    written_at: int
    waiting: int
    """How many came since the last event written."""
    last: Event


class Reports:
    """Decides which reports become events now; memory is bounded whatever strangers send."""

    def __init__(self) -> None:
        self._slots: dict[tuple[bytes, str], Slot] = {}

    def take(self, event: Event) -> Event | None:
        """The event to write now with its ``count``, or None: it was counted for later."""
        place = (event.client_key, event.kind)
        if place not in self._slots and len(self._slots) >= MOST:
            event = structs.replace(event, client_key=b"", body={})
            place = (b"", event.kind)
        slot = self._slots.get(place)
        if slot is not None and resting(slot, event.at):
            slot.waiting, slot.last = slot.waiting + 1, event
            return None
        waited = 0 if slot is None else self._slots.pop(place).waiting
        self._slots[place] = Slot(event.at, 0, event)
        return counted(event, waited + 1)

    def due(self, now: int) -> Sequence[Event]:
        """The sums whose minute is over. Slots stand in the order of their writing, so this looks no further than it must."""
        ready: list[Event] = []
        while self._slots:
            place, slot = next(iter(self._slots.items()))
            if resting(slot, now):
                break
            del self._slots[place]
            if slot.waiting:
                ready.append(counted(slot.last, slot.waiting))
                self._slots[place] = Slot(now, 0, slot.last)
        return ready

    def rest(self) -> Sequence[Event]:
        """Everything that still waits, minute or not: the store is closing."""
        ready = [counted(slot.last, slot.waiting) for slot in self._slots.values() if slot.waiting]
        self._slots.clear()
        return ready

    def keep(self, event: Event) -> None:
        """Count again what could not be written; the next one of its kind tries at once."""
        place = (event.client_key, event.kind)
        count = event.body.get("count")
        slot = self._slots.setdefault(place, Slot(event.at, 0, event))
        slot.written_at = -MINUTE
        slot.waiting += count if isinstance(count, int) else 1


def resting(slot: Slot, now: int) -> bool:
    """Whether its minute still runs; a clock that was set back ends it."""
    return 0 <= now - slot.written_at < MINUTE


def counted(event: Event, count: int) -> Event:
    """The event, saying how many times it happened."""
    return structs.replace(event, body={**event.body, "count": count})
