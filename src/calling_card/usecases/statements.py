"""Who vouches for a client: software statements of trusted issuers, and requests signed by the software (RFC 7591 §2.3, §3.1.1)."""

from collections.abc import AsyncIterator, Iterable

from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.clients import JSON, Card, Client, State, Tier
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.assertions import Assertion, Unfit
from calling_card.protocol.handles.sealed import mark_until
from calling_card.protocol.life.pruning import Pruned
from calling_card.protocol.trust.statements import (
    MEMBER,
    Brought,
    Here,
    Vouched,
    bad_request,
    check_approved,
    check_certificate,
    check_claims,
    check_header,
    check_replaces,
    check_request,
    check_request_header,
    check_successor,
    invalid,
    issuer_of,
    kept,
    metadata,
    read,
    unapproved,
)
from calling_card.usecases import everyone
from calling_card.usecases.keysets import Away, KeySet, signer


async def weigh(ports: Ports, said: Card, brought: Brought, request_id: str) -> Vouched:
    """The statement that came with a request, proven.

    Raises `Refusal`: for a bad or unapproved one, and without one where one is required (R-60 to R-66, R-71, R-73, R-77, R-79).
    """
    if said.get(MEMBER) is None or not ports.hears(said[MEMBER]):
        raise invalid("is missing" if said.get(MEMBER) is None else "is not taken here")
    statement = read(said[MEMBER])
    issuer = issuer_of(ports.issuers, statement)
    check_header(statement, issuer)
    vouched = Vouched(issuer, statement, brought.request)
    await _check_signature(ports, vouched, request_id)
    check_claims(vouched, _here(ports))
    check_certificate(vouched, brought.certificate)
    if brought.request is not None:
        await _check_request(ports, vouched, brought.request, request_id)
    return vouched


async def weigh_again(ports: Ports, client: Client, said: Card, brought: Brought, request_id: str) -> Vouched:
    """The statement that counts after a replacement: the one of before, or a new one about the same software (R-80).

    Raises `Refusal` as `weigh`, and when the issuer is not trusted any more or the client came without a statement.
    """
    if client.tier is not Tier.VOUCHED:
        raise unapproved("this registration began without one; register again with it")
    before = kept(ports.issuers, client)
    if before is None:
        raise unapproved("its issuer is none that this server trusts any more")
    text = said.get(MEMBER) if ports.hears(said.get(MEMBER)) else None
    if text in (None, before.statement.text) and not before.issuer.fresh_on_update and brought.request is None:
        check_approved(before)
        check_certificate(before, brought.certificate)
        return before
    if text is None:
        raise invalid("is missing; a replacement needs a new one")
    after = await weigh(ports, said, brought, request_id)
    check_successor(before, after)
    return after


async def check_new(ports: Ports, vouched: Vouched) -> None:
    """Whether a statement may begin a registration, told before anything is drawn on by those who only read it (C-16, R-66).

    Raises `Refusal`.
    """
    check_replaces(vouched)
    for fact in vouched.facts:
        if (await ports.store.living(fact.place, fact.mark)).marked:
            raise fact.refusal


async def spend(ports: Ports, vouched: Vouched, spent: set[bytes] | None = None) -> None:
    """What comes once has come now, but for what this request has ``spent`` before. Raises `Refusal` (R-66, R-77, X-44)."""
    spent = set() if spent is None else spent
    for fact in vouched.facts:
        if fact.mark not in spent and not await ports.store.once_at(fact.place, fact.mark, fact.until):
            raise fact.refusal
        spent.add(fact.mark)


async def room(ports: Ports, vouched: Vouched) -> list[Client | Pruned]:
    """Whose place a new registration takes; whoever was there before can be told only before it comes (R-70, C-16).

    Raises `Refusal`: no place is left, or a new registration would wipe out that an operator suspended one (X-31).
    """
    issuer = vouched.issuer
    if not (issuer.replace_existing or issuer.instances):
        return []
    there = [client async for client in _siblings(ports, vouched)]
    if issuer.replace_existing:
        if not vouched.software_id:
            return []
        if any(client.state is State.SUSPENDED for client in there):
            raise unapproved("a registration of the software is suspended; ask the operator")
        return [*there, *[pruned async for pruned in _aside(ports, vouched)]]
    if len(there) >= issuer.instances:
        why = f"software_id: has {len(there)} registrations, which is all it may have (RFC 7591 section 5)"
        raise Refusal(No.INVALID_CLIENT_METADATA, why)
    return []


async def succeed(ports: Ports, client: Client, before: Iterable[Client | Pruned], request_id: str) -> None:
    """End the earlier registrations of the same software, pruned ones too: its statement was proof enough for that (C-16, S1-50)."""
    now = ports.now()
    for one in before:
        other = one.client if isinstance(one, Pruned) else one
        told: dict[str, JSON] = {"client_id": other.client_id, "by": "statement", "successor": client.client_id}
        event = Event("client_deleted", now, other.key, "client", request_id, told)
        if isinstance(one, Pruned):
            await ports.store.keep_aside(one, None, event)
            continue
        await ports.store.remove(other, event, mark_until(ports.keyring, other.client_id, now + ports.settings.tombstone_days * 86400))


async def _siblings(ports: Ports, vouched: Vouched) -> AsyncIterator[Client]:
    """The clients that came with a statement of the same issuer about the same software; walks over all clients."""
    async for client in everyone.clients(ports):
        if _alike(ports, client, vouched):
            yield client


async def _aside(ports: Ports, vouched: Vouched) -> AsyncIterator[Pruned]:
    """Those of them that were pruned and could be brought back."""
    async for pruned in everyone.pruned(ports):
        if _alike(ports, pruned.client, vouched):
            yield pruned


def _alike(ports: Ports, client: Client, vouched: Vouched) -> bool:
    other = kept(ports.issuers, client)
    return other is not None and other.about == vouched.about


async def _check_signature(ports: Ports, vouched: Vouched, request_id: str) -> None:
    """Raises `Refusal`; nothing is looked at behind a signature that is wrong (X-68)."""
    issuer, statement = vouched.issuer, vouched.statement
    leak = Event("key_leaked", ports.now(), b"", "server", request_id, {"issuer": issuer.issuer})
    try:
        if issuer.secret:
            key: Card = {"kty": "oct", "k": base64url.encode(issuer.secret.encode())}
        else:
            key = await signer(ports, KeySet(issuer.jwks, issuer.jwks_uri or None, leak), statement)
    except Away as away:
        raise _away(away) from None
    except Unfit as unfit:
        raise _logged(invalid("is not signed by a key of its issuer"), str(unfit)) from None
    if not ports.verifier.signed(statement.text, statement.alg, key):
        raise invalid("is not signed by a key of its issuer")


async def _check_request(ports: Ports, vouched: Vouched, request: Assertion, request_id: str) -> None:
    """Raises `Refusal` unless a key that the statement names signed the request, for us and lately (R-76, R-77)."""
    check_request_header(vouched, request)
    stated = metadata(vouched)
    leak = Event("key_leaked", ports.now(), b"", "server", request_id, {"issuer": vouched.issuer.issuer})
    try:
        key = await signer(ports, KeySet(stated.get("jwks"), stated.get("jwks_uri"), leak), request)
    except Away as away:
        raise _away(away) from None
    except Unfit as unfit:
        raise _logged(bad_request("is not signed by a key of the software"), str(unfit)) from None
    if not ports.verifier.signed(request.text, request.alg, key):
        raise bad_request("is not signed by a key of the software")
    check_request(vouched, request, _here(ports))


def _here(ports: Ports) -> Here:
    return Here(ports.settings.issuer, ports.settings.registration_endpoint, ports.now())


def _away(away: Away) -> Refusal:
    description = f"{MEMBER}: the keys to check it with cannot be fetched now; try again"
    return Refusal(No.UNAVAILABLE, description, logged=str(away), retry_after=60)


def _logged(refusal: Refusal, cause: str) -> Refusal:
    refusal.logged = cause
    return refusal
