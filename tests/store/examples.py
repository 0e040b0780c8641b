"""Clients and events as the store meets them, and a clock that stands until it is moved."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from calling_card.ports import Invitation, SigningKey, Store
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.clients import Client, Door, Generations, Route, State, Tier, client_key
from calling_card.protocol.events import Event, Recorded, link
from calling_card.protocol.persons.grants import Consent, Grant, Stage
from calling_card.protocol.persons.people import Passkey, Person, Role, Session
from calling_card.protocol.persons.resources import Resource

NOW = 1_800_000_000
CHAIN_KEY = b"k" * 32
CARD = {
    "client_name": "Notes",
    "redirect_uris": ["http://127.0.0.1:33418/callback", "https://notes.example/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "scope": "notes.read notes.write",
}


@dataclass
class Clock:
    """A time that passes when told."""

    at: int = NOW

    def __call__(self) -> int:
        """Seconds since 1970."""
        return self.at


def a_client(name: str = "c1", *, incarnation: bytes = b"i" * 8, secret: bool = False, route: Route = Route.REGISTERED) -> Client:
    return Client(
        key=client_key(route, name),
        route=route,
        client_id=name,
        incarnation=incarnation,
        epoch=1,
        door=Door.RFC7591,
        tier=Tier.ANONYMOUS,
        state=State.ACTIVE,
        owner="",
        invitation=None,
        issued_at=NOW,
        metadata=json.dumps(CARD, separators=(",", ":")).encode(),
        decision=b"[]",
        rat=Generations(rotated_at=NOW),
        secret=Generations(rotated_at=NOW, issued_key=2, confirmed_key=2) if secret else None,
        secret_expires_at=0,
        last_used_day=NOW // 86_400,
    )


def a_version(client: Client, number: int = 1, *, at: int = NOW) -> Version:
    body = f'{{"client_id":"{client.client_id}","client_name":"Notes {number} of {at}"}}'.encode()
    return Version(
        client_key=client.key,
        number=number,
        url=client.client_id,
        body=body,
        digest=hashlib.sha256(body).digest(),
        metadata=client.metadata,
        decision=client.decision,
        etag=f'"{number}"',
        last_modified="Fri, 20 Nov 2026 12:00:00 GMT",
        seen_at=at,
        checked_at=at,
        fresh_until=at + 300,
        stale_until=at + 3900,
    )


def an_event(kind: str = "client_registered", client: Client | None = None, at: int = NOW, **body: str | int) -> Event:
    return Event(kind, at, client.key if client else b"", "client", "0123456789abcdef", body)


def an_invitation(uses: int = 1, *, expires_at: int = 0, id: bytes = b"t" * 16) -> Invitation:
    return Invitation(
        id=id,
        key=3,
        label="for a friend",
        uses_left=uses,
        expires_at=expires_at,
        created_at=NOW,
        scope="notes.read",
        grants=("client_credentials", "authorization_code"),
        hosts=None,
        owner="operator",
    )


def a_resource(client: Client, uri: str = "https://api.example") -> Resource:
    return Resource(uri, client.key, client.client_id, "opaque", "notes.read", NOW)


def a_signing_key(kid: str, created_at: int = NOW, state: str = "minting") -> SigningKey:
    return SigningKey(kid, "ES256", state, created_at, 0, b"sealed " + kid.encode())


def a_person(name: str = "ann", *, epoch: int = 1, active: bool = True, password: str = "$argon2id$ann") -> Person:
    return Person(
        id=hashlib.sha256(name.encode()).digest()[:16],
        name=name,
        role=Role.NONE,
        password=password,
        claims={"name": "Ann of the Notes", "email_verified": True, "address": {"country": "JP"}},
        created_at=NOW,
        epoch=epoch,
        active=active,
    )


def a_grant(client: Client, person: Person, id: bytes = b"g" * 16, *, stage: Stage = Stage.PENDING, at: int = NOW) -> Grant:
    return Grant(
        client_key=client.key,
        id=id,
        incarnation=client.incarnation,
        person=person.id,
        stage=stage,
        epoch=1,
        code_deadline=at + 60,
        code_key=5,
        scope="notes.read offline_access",
        resource="https://api.example",
        redirect_uri="http://127.0.0.1:33418/callback",
        code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        nonce="n-0S6_WzA2Mj",
        sid=b"s" * 16,
        person_epoch=person.epoch,
        auth_time=at - 30,
        amr="pwd",
        refresh=Generations(rotated_at=at, confirmed_key=6, issued_key=6),
        created_at=at,
        last_used_at=at,
    )


def a_consent(client: Client, person: Person, scope: str = "notes.read", at: int = NOW) -> Consent:
    return Consent(
        person=person.id,
        client_key=client.key,
        incarnation=client.incarnation,
        redirect_uri="https://notes.example/callback",
        resource="https://api.example",
        scope=scope,
        card=b"c" * 16,
        given_at=at,
    )


def a_session(person: Person, id: bytes = b"s" * 16, *, at: int = NOW, lasts: int = 3600) -> Session:
    return Session(person.id, id, person.epoch, 7, at, "pwd hwk", "Firefox on Linux", at, at + lasts)


def a_passkey(person: Person, id: bytes = b"credential", *, count: int = 0, at: int = NOW) -> Passkey:
    return Passkey(person.id, id, b"COSE key", count, "phone", at, 0)


async def the_events(store: Store) -> list[Recorded]:
    """All events of all writers; each chain is verified on the way."""
    found: list[Recorded] = []
    for writer, head in (await store.heads()).items():
        chain = await store.events(writer, 0, 10_000)
        verify(chain)
        assert head == (chain[-1].number, chain[-1].mac)
        found += chain
    return found


def verify(chain: Sequence[Recorded]) -> None:
    """Numbers without gaps from 1, and every MAC right."""
    previous = b""
    for number, event in enumerate(chain, 1):
        assert event.number == number
        assert event.mac == link(CHAIN_KEY, previous, event)
        previous = event.mac


async def kinds(store: Store) -> list[str]:
    return [event.kind for event in await the_events(store)]
