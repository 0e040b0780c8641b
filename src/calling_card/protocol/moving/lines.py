"""An export: JSON Lines, of which the first says whose it is. Bytes are base64, what is JSON in the store is JSON here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

import msgspec
from msgspec import structs

from calling_card.protocol.answers import card_of, to_bytes
from calling_card.protocol.clients import JSON, Card, Client, client_key
from calling_card.protocol.handles.credentials import Macs
from calling_card.protocol.moving.arrivals import Said, Unmovable
from calling_card.protocol.persons.people import Person, Role

FORMAT = "calling-card-export"
VERSION = 1
CHECK = "export"
"""Kind under which the keyring makes what tells two keyrings apart."""
SORTS = ("invitations", "people", "resources", "clients", "webhooks")
"""What is exported, in its order: each sort stands behind what it refers to."""

_OBJECT = msgspec.json.Decoder(dict[str, object]).decode
_CARD = ("metadata", "decision")
T = TypeVar("T")


def header(issuer: str, version: str, checks: Mapping[str, str]) -> bytes:
    """The first line. It has no time: the same data are the same file."""
    said = {"format": FORMAT, "version": VERSION, "issuer": issuer, "program": version, "schema": VERSION, "keys": dict(checks)}
    return msgspec.json.encode(said)


def check_of(macs: Macs, number: int, issuer: str) -> str:
    """What tells whether a key of this number is the same key here and there; it says nothing of the key."""
    found = macs.mac(number, CHECK, issuer.encode())
    return "" if found is None else found[:8].hex()


def check_header(text: bytes, issuer: str, macs: Macs) -> None:
    """Whether what follows can be read and used here. Raises `Unmovable`."""
    said = read(text)
    if said.get("format") != FORMAT or said.get("version") != VERSION:
        raise Unmovable("the file is no export of this version; clients of other servers come in with --from")
    if said.get("issuer") != issuer:
        raise Unmovable(f"the export is of the issuer {said.get('issuer')}, this server is {issuer}; every credential is bound to it")
    keys = said.get("keys")
    numbers = {int(number): check for number, check in keys.items() if number.isdigit()} if isinstance(keys, dict) else {}
    if not numbers or any(check_of(macs, number, issuer) != check for number, check in numbers.items()):
        raise Unmovable("the keyring here is another one, so no credential of the export would work; bring keyring.json first")


def line(kind: str, value: object, **beside: JSON) -> bytes:
    """One line of anything but a client."""
    return msgspec.json.encode({"kind": kind, **cast(Card, msgspec.to_builtins(value)), **beside})


def client_line(client: Client) -> bytes:
    """One line of a client."""
    return msgspec.json.encode({"kind": "client", **client_row(client)})


def client_row(client: Client) -> Card:
    """A client with its card as JSON; its key follows from its name, and whether it lives on a card alone cannot be: it has a row."""
    row = cast(Card, msgspec.to_builtins(client))
    for name in ("key", "card_until"):
        del row[name]
    decision: JSON = msgspec.json.decode(client.decision) if client.decision else None
    imported = None if client.imported is None else client.imported.decode()
    return {**row, "imported": imported, "metadata": dict(card_of(client)), "decision": decision}


def read(text: bytes) -> Said:
    """One line. Raises `Unmovable`."""
    try:
        return cast(Said, _OBJECT(text))
    except msgspec.DecodeError:
        raise Unmovable("the line is no JSON object") from None


def client_of(said: Said) -> Client:
    """The client that a line says. Raises `Unmovable`."""
    row = {name: value for name, value in said.items() if name not in ("kind", "imported", *_CARD)}
    card, decision, imported = said.get("metadata"), said.get("decision"), said.get("imported")
    if not isinstance(card, dict) or not isinstance(imported, str | None) or not isinstance(said.get("client_id"), str):
        raise Unmovable("a client needs client_id and metadata, and imported is a text")
    client = value_of({**row, "key": "", "metadata": "", "decision": "", "card_until": 0}, Client)
    return structs.replace(
        client,
        key=client_key(client.route, client.client_id),
        metadata=to_bytes(card),
        decision=b"" if decision is None else msgspec.json.encode(decision),
        imported=None if imported is None else imported.encode(),
    )


def nested(said: Said, name: str) -> Said:
    """An object inside a line. Raises `Unmovable`."""
    found = said.get(name)
    if not isinstance(found, dict):
        raise Unmovable(f"{name}: is missing")
    return found


def person_of(said: Said) -> Person:
    """The person that a line says. Raises `Unmovable`."""
    claims = nested(said, "claims")
    person = value_of({name: value for name, value in said.items() if name != "claims"}, _Somebody)
    return Person(person.id, person.name, person.role, person.password, dict(claims), person.created_at, person.epoch, person.active)


@dataclass(frozen=True, slots=True)
class _Somebody:
    """A person without claims, which are any JSON."""

    id: bytes
    name: str
    role: Role
    password: str
    created_at: int
    epoch: int
    active: bool


def value_of(said: Said, kind: type[T]) -> T:
    """What a line says as a value of this type. Raises `Unmovable`."""
    try:
        return msgspec.convert({name: value for name, value in said.items() if name != "kind"}, kind)
    except msgspec.ValidationError as problem:
        raise Unmovable(str(problem)) from None
