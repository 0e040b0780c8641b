"""What holds after a backup was put back: what may have been ended since it was made stays ended (CREDENTIALS §5, A-93)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from calling_card.protocol.clients import JSON, Client, Tier
from calling_card.protocol.handles.credentials import AUTHORIZATION_CODE, REFRESH_TOKEN, SESSION
from calling_card.protocol.handles.sealed import CARD
from calling_card.protocol.handles.seals import ACCESS_TOKEN, TRANSACTION

ENDED = (AUTHORIZATION_CODE.name, REFRESH_TOKEN.name, SESSION.name, ACCESS_TOKEN.name, TRANSACTION.name)
"""Kinds that are refused under every key from before the restore: any of them may have been redeemed, given back or signed out of."""


@dataclass(frozen=True, slots=True)
class Recovering:
    """The state of a store between its restore and its being trusted again."""

    until: int
    """Seconds since 1970."""
    covered: bool
    """Whether everything that happened since the backup is known and was done again."""

    @property
    def refused(self) -> tuple[str, ...]:
        """Kinds that older keys speak for no more; a sealed card may be of a client whose tombstone was lost."""
        return ENDED if self.covered else (*ENDED, CARD.name)

    def lasts(self, now: int) -> bool:
        """Whether credentials from the time that was lost are still adopted."""
        return now < self.until


def behind(known: Mapping[bytes, tuple[int, bytes]], found: Mapping[bytes, tuple[int, bytes]]) -> int:
    """How many events were written down that are not found; both by writer, as number and MAC of the newest."""
    return sum(max(number - found.get(writer, (0, b""))[0], 0) for writer, (number, _) in known.items())


def is_suspect(recovering: Recovering, client: Client) -> bool:
    """Whether a client that shows a lost credential changed itself in a way that nobody knows: an operator looks at it first."""
    return not recovering.covered and client.tier < Tier.ADMIN


@dataclass(frozen=True, slots=True)
class Happened:
    """One event behind the backup, as far as it is done again."""

    at: int
    kind: str
    client_key: bytes
    body: Mapping[str, JSON]


@dataclass
class Replay:
    """What is to be done again, each thing once and as it was in the end."""

    clients: dict[bytes, str] = field(default_factory=dict[bytes, str])
    """Client key to ``suspended`` or ``deleted``."""
    names: dict[bytes, str] = field(default_factory=dict[bytes, str])
    """Client key to client_id, where an event says it."""
    invitations: set[str] = field(default_factory=set[str])
    webhooks: set[str] = field(default_factory=set[str])
    people: dict[str, bool] = field(default_factory=dict[str, bool])
    """Person to whether they are active."""
    look_at: set[str] = field(default_factory=set[str])
    """People whose password or passkeys changed: which, no event says."""
    changed: set[bytes] = field(default_factory=set[bytes])
    """Clients whose metadata changed: what they said, no event says."""
    revoked: set[bytes] = field(default_factory=set[bytes])
    """Clients of which everything that people allowed them ended."""
    withdrawn: set[tuple[str, bytes]] = field(default_factory=set[tuple[str, bytes]])
    """Person and client key of what was allowed and taken back."""


_STATES = {
    "client_deleted": "deleted",
    "client_suspended": "suspended",
    "client_refused": "suspended",
    "client_resumed": "",
    "client_approved": "",
}
_PASSWORDS = ("password_changed", "passkey_removed")


def replay(events: Iterable[Happened]) -> Replay:
    """What became of whom, in the order of time; what was taken back again is not done."""
    found = Replay()
    for event in sorted(events, key=lambda event: event.at):
        _note(found, event)
    return found


def _note(found: Replay, event: Happened) -> None:
    if event.kind in _STATES and found.clients.get(event.client_key) != "deleted":
        found.clients[event.client_key] = _STATES[event.kind]
    if isinstance(name := event.body.get("client_id"), str):
        found.names[event.client_key] = name
    if event.kind == "client_replaced":
        found.changed.add(event.client_key)
    id, person = event.body.get("id"), event.body.get("person")
    if event.kind == "initial_access_token_revoked" and isinstance(id, str):
        found.invitations.add(id)
    if event.kind == "webhook_removed" and isinstance(id, str):
        found.webhooks.add(id)
    if event.kind == "person_changed" and isinstance(person, str) and "active" in event.body:
        found.people[person] = event.body["active"] is True
    if event.kind == "client_revoked":
        found.revoked.add(event.client_key)
    if event.kind == "grants_withdrawn" and isinstance(person, str):
        found.withdrawn.add((person, event.client_key))
    if event.kind in _PASSWORDS and isinstance(person, str):
        found.look_at.add(person)
