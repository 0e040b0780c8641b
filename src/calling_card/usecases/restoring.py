"""What is done before a restored store is served again: nothing that was ended since the backup is alive in it (CREDENTIALS §5, A-93)."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.clients import JSON, Card, State
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event, Recorded, link
from calling_card.protocol.handles.sealed import mark_until
from calling_card.protocol.life.cohorts import Act, ended
from calling_card.protocol.life.recovering import Happened, Recovering, Replay, behind, replay
from calling_card.usecases import everyone
from calling_card.usecases.audit import chain_key, verify
from calling_card.usecases.clients import by_card
from calling_card.usecases.provide import revoke
from calling_card.usecases.renew import first_signing_keys


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a store is taken into use again."""

    by: str
    made_at: int
    """When the backup was made, seconds since 1970; 0: nobody knows."""
    known: Mapping[bytes, tuple[int, bytes]]
    """Heads of the audit as they were written down beside the keyring; empty: they were not."""
    stream: Sequence[Recorded] | None = None
    """Every event as it was exported, to do again what ended since; None: there is none."""
    keep_initial: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done."""

    lost: int
    """Events that were written down and that this store does not have."""
    covered: bool
    done: Card
    look_at: tuple[str, ...]
    """Sentences for the operator."""
    until: int

    def row(self) -> Card:
        """As an operator reads it."""
        return {"lost": self.lost, "covered": self.covered, "until": self.until, "done": self.done, "look_at": list(self.look_at)}


async def restore(ports: Ports, wanted: Wanted) -> Restored:
    """The store as it is becomes the one that counts.

    Codes, access and refresh tokens and sessions of before are refused, initial access tokens have no use left; what the stream says
    was deleted, suspended or taken back is so again. Raises `Refusal` for a broken audit trail or stream: nothing is done then.
    """
    verdict = await verify(ports, {})
    if verdict.broken:
        raise Refusal(No.INVALID_REQUEST, f"the audit trail of the backup does not hold: {verdict.broken[0]}")
    heads = await ports.store.heads()
    stream = None if wanted.stream is None else await _checked(ports, wanted.stream, heads)
    lost = behind(wanted.known, heads)
    covered = lost == 0 if stream is None else _reaches(stream, heads, wanted.known)
    recovering = Recovering(ports.now() + ports.settings.recovering_days * 86400, covered=covered)
    ports.keyring.recover(ports.entropy, ports.now(), recovering)
    await _new_signing_keys(ports, wanted.by)
    done, look_at = await _again(ports, replay(_happened(stream or ())), wanted)
    if not wanted.keep_initial:
        done["initial_access_tokens"] = await _revoke_all(ports, wanted.by)
    body: dict[str, JSON] = {"made_at": wanted.made_at, "lost": lost, "covered": covered, "until": recovering.until, "by": wanted.by}
    await ports.store.record(Event("store_restored", ports.now(), b"", "operator", body={**body, "done": done}))
    return Restored(lost, covered, done, tuple(look_at), recovering.until)


async def _checked(ports: Ports, stream: Iterable[Recorded], heads: Mapping[bytes, tuple[int, bytes]]) -> list[Recorded]:
    """The events behind the store, each linked to the one before it. Raises `Refusal` for one that was altered or left out."""
    ends: dict[bytes, tuple[int, bytes]] = {}
    found: list[Recorded] = []
    for event in sorted(stream, key=lambda one: (one.writer, one.number)):
        number, before = ends.get(event.writer) or await _predecessor(ports, event, heads)
        key = chain_key(ports, event.writer)
        if key is None or event.number != number + 1 or link(key, before, event) != event.mac:
            raise Refusal(No.INVALID_REQUEST, f"events: event {event.number} of writer {event.writer.hex()} was altered, or one is missing")
        ends[event.writer] = (event.number, event.mac)
        if event.number > heads.get(event.writer, (0, b""))[0]:
            found.append(event)
    return found


async def _predecessor(ports: Ports, event: Recorded, heads: Mapping[bytes, tuple[int, bytes]]) -> tuple[int, bytes]:
    """Where a stream that does not begin at the beginning goes on from."""
    if 1 < event.number <= heads.get(event.writer, (0, b""))[0] + 1:
        found = await ports.store.events(event.writer, event.number - 2, 1)
        return (found[0].number, found[0].mac) if found else (0, b"")
    return 0, b""


def _reaches(stream: Sequence[Recorded], heads: Mapping[bytes, tuple[int, bytes]], known: Mapping[bytes, tuple[int, bytes]]) -> bool:
    """Whether store and stream together have everything that was written down."""
    ends = {writer: number for writer, (number, _) in heads.items()}
    for event in stream:
        ends[event.writer] = max(event.number, ends.get(event.writer, 0))
    return all(number <= ends.get(writer, 0) for writer, (number, _) in known.items())


def _happened(stream: Sequence[Recorded]) -> Iterator[Happened]:
    for event in stream:
        content: dict[str, dict[str, JSON]] = msgspec.json.decode(event.content)
        yield Happened(event.at, event.kind, event.client_key, content["body"])


async def _new_signing_keys(ports: Ports, by: str) -> None:
    """Tokens that were signed before are no more ours: which of them were given back, nobody knows."""
    gone = [structs.replace(key, state="gone") for key in await ports.store.signing_keys()]
    body: dict[str, JSON] = {"key": " ".join(key.kid for key in gone), "by": by}
    await ports.store.put_signing_keys(gone, Event("key_retired", ports.now(), b"", "operator", body=body))
    await first_signing_keys(ports)


async def _again(ports: Ports, found: Replay, wanted: Wanted) -> tuple[Card, list[str]]:
    """Everything that ended since, ended again; and what an operator has to look at."""
    did = [await _end(ports, key, state, found.names.get(key, ""), wanted.by) for key, state in found.clients.items() if state]
    done: Card = {state: did.count(state) for state in ("deleted", "suspended")}
    done["revoked"] = sum([await _revoked(ports, key, wanted.by) for key in found.revoked])
    done["withdrawn"] = sum([await _withdrawn(ports, person, key) for person, key in found.withdrawn])
    done["people"] = sum([await _standing(ports, person, wanted.by, active=active) for person, active in found.people.items()])
    done["webhooks"] = sum([await _unhook(ports, id, wanted.by) for id in found.webhooks])
    for id in sorted(found.invitations) if wanted.keep_initial else ():
        if await ports.store.invitation(bytes.fromhex(id)) is not None:
            await revoke(ports, id, wanted.by)
    return done, [line async for line in _sentences(ports, found)]


async def _sentences(ports: Ports, found: Replay) -> AsyncIterator[str]:
    for person in sorted(found.look_at):
        there = await ports.store.person(base64url.decode(person) or b"")
        if there is not None:
            yield f"{there.name} changed a password or removed a passkey since; the old one is good again until it is reset"
    for key in sorted(found.changed):
        client = await ports.store.client(key)
        if client is not None:
            yield f"{client.client_id} replaced its metadata since; what is here is older"


async def _end(ports: Ports, key: bytes, state: str, client_id: str, by: str) -> str:
    """``deleted`` or ``suspended`` when there was something to end; empty: there was not."""
    client = await ports.store.client(key) or (await by_card(ports, client_id) if client_id else None)
    if client is None:
        return ""
    now = ports.now()
    if state == "deleted":
        body: dict[str, JSON] = {"client_id": client.client_id, "by": by}
        until = mark_until(ports.keyring, client.client_id, now + ports.settings.tombstone_days * 86400)
        await ports.store.remove(client, Event("client_deleted", now, key, "operator", body=body), until)
        return state
    if client.state is State.SUSPENDED:
        return ""
    event = Event("client_suspended", now, key, "operator", body={"by": by, "reason": "restore"})
    await ports.store.end_all(client, ended(client, Act.SUSPEND), event)
    return state


async def _revoked(ports: Ports, key: bytes, by: str) -> bool:
    client = await ports.store.client(key)
    event = Event("client_revoked", ports.now(), key, "operator", body={"by": by})
    return client is not None and await ports.store.end_all(client, ended(client, Act.REVOKE), event)


async def _withdrawn(ports: Ports, person: str, key: bytes) -> bool:
    event = Event("grants_withdrawn", ports.now(), key, "operator", body={"person": person})
    return await ports.store.withdraw(base64url.decode(person) or b"", key, event)


async def _standing(ports: Ports, person: str, by: str, *, active: bool) -> bool:
    there = await ports.store.person(base64url.decode(person) or b"")
    if there is None or there.active is active:
        return False
    event = Event("person_changed", ports.now(), b"", "operator", body={"person": person, "active": active, "by": by})
    return await ports.store.change_person(there, structs.replace(there, active=active, epoch=there.epoch + 1), event)


async def _unhook(ports: Ports, id: str, by: str) -> bool:
    there = await ports.store.webhook(bytes.fromhex(id))
    event = Event("webhook_removed", ports.now(), b"", "operator", body={"id": id, "by": by})
    return there is not None and await ports.store.remove_webhook(there.id, event)


async def _revoke_all(ports: Ports, by: str) -> int:
    """Nobody knows how many uses were left; whoever still needs to come in gets another invitation."""
    count = 0
    async for one in everyone.invitations(ports):
        if one.uses_left and not one.revoked_at:
            await revoke(ports, one.id.hex(), by)
            count += 1
    return count
