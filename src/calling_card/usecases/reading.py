"""What a client publishes at its address: read, judged, or looked at rule by rule (CIMD §4 and §5, seed 004). `clients` calls this one.

Nothing is kept here: whoever asks decides what becomes of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import msgspec

from calling_card.ports import Ports
from calling_card.protocol.abroad import documents
from calling_card.protocol.abroad.clientids import HOSTED, Customs, Named, is_virtual, judged, name, route_of, virtual_document
from calling_card.protocol.abroad.documents import Published, Version
from calling_card.protocol.abroad.fetching import Fetched, Unfetched, Why
from calling_card.protocol.abroad.freshness import life
from calling_card.protocol.clients import JSON, Card, Door, Route, Tier, client_key
from calling_card.protocol.corridor import Passed, pass_through, with_warnings
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.persons.resources import Resource, scopes_of
from calling_card.protocol.policy import Guest, under
from calling_card.protocol.syntax import read_object

_LONGEST_VALIDATOR = 512


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule about a client that is an address, and whether it is kept."""

    rule: str
    section: str
    meaning: str
    passed: bool | None
    """None: it was not reached."""
    detail: str = ""


async def read(ports: Ports, named: Named, before: Version | None) -> tuple[Version, Passed]:
    """The document as it is now, judged by today's rules; it is another version when it makes another card.

    Raises `Unfetched`, or `Refusal` for a bad one (D-47).
    """
    url, fetched = await _fetched(ports, named, before)
    now = ports.now()
    body = before.body if fetched.status == 304 and before is not None else fetched.body
    published = Published(named, _object(body), ports.customs, now)
    if documents.leaks(published.said):
        await ports.store.report(Event("key_leaked", now, client_key(named.route, named.client_id), "server"))
    documents.check(published)
    passed = _passed(ports, published, await ports.store.resources(), before)
    span = life(fetched, now, ports.settings.stale_if_error)
    ends = documents.expires_at(published.said) or span.stale_until
    metadata = passed.metadata
    version = Version(
        client_key=client_key(named.route, named.client_id),
        number=1,
        url=url,
        body=body,
        digest=documents.digest(body),
        metadata=metadata,
        decision=passed.reasons,
        etag=_validator(fetched.etag),
        last_modified=_validator(fetched.last_modified),
        seen_at=now,
        checked_at=now,
        fresh_until=min(span.fresh_until, ends),
        stale_until=min(span.stale_until, ends),
    )
    if before is None:
        return version, passed
    if before.metadata != metadata:
        return replace(version, number=before.number + 1), passed
    return replace(version, number=before.number, seen_at=before.seen_at, body=before.body, digest=before.digest), passed


def _validator(text: str) -> str:
    return text if len(text) <= _LONGEST_VALIDATOR and text.isascii() and text.isprintable() else ""


async def _fetched(ports: Ports, named: Named, before: Version | None) -> tuple[str, Fetched]:
    """Where the document was found, and the answer. Raises `Unfetched`."""
    if named.hosted:
        hosted = await ports.store.hosted_document(named.hosted)
        if hosted is None or hosted.expires_at <= ports.now():
            raise Unfetched(Why.GONE, "hosted here, and expired or dropped")
        return "", Fetched(200, hosted.body, ports.now())
    if not named.places and is_virtual(named.client_id, ports.customs):
        return "", Fetched(200, msgspec.json.encode(virtual_document(named.client_id)), ports.now())
    gone = Unfetched(Why.GONE)
    for url in named.places:
        try:
            return url, await _get(ports, url, before)
        except Unfetched as failure:
            if failure.why is not Why.GONE:
                raise
            gone = failure
    raise gone


async def _get(ports: Ports, url: str, before: Version | None) -> Fetched:
    if before is None or before.url != url:
        return await ports.fetcher.get(url, ports.document)
    return await ports.fetcher.get(url, ports.document, etag=before.etag, last_modified=before.last_modified)


def _object(body: bytes) -> Card:
    """The one JSON object of a document. Raises `Refusal` (D-20)."""
    try:
        return read_object(body)
    except Refusal as refusal:
        raise Refusal(No.INVALID_CLIENT_METADATA, refusal.description.replace("the body", "the document", 1)) from None


def _passed(ports: Ports, published: Published, resources: Sequence[Resource] = (), before: Version | None = None) -> Passed:
    """Through the one corridor, as every registration (DESIGN, "One corridor"); ``before``: the version that is in force."""
    door = Door.CIMD if published.named.route is Route.CIMD else Door.LOOKER
    said, ground, rules = documents.said_by(published), documents.ground_for(ports.ground), documents.rules_for(ports.rules)
    whose, scopes = Guest(resources={one.uri: one.scope for one in resources}), {*ports.settings.scopes, *scopes_of(resources)}
    rules = under(rules, ports.policies.current, Tier.URL, whose)
    there: Card | None = None if before is None else msgspec.json.decode(before.metadata)
    passed = pass_through(said, ground, rules, scopes, door=door, tier=Tier.URL, before=there)
    return with_warnings(passed, tuple(documents.warnings(published)))


# ── Rule by rule ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def look(ports: Ports, client_id: str, *, discovery: bool) -> Sequence[Finding]:
    """Every rule about a client that is an address, in their order, without keeping anything (D-64)."""
    route = route_of(client_id, ports.customs, discovery=discovery)
    if route is Route.REGISTERED:  # what is no URL fails as the URL of a document
        return [*_of_url(client_id, Route.CIMD, ports.customs), *_later("", reached=False)]
    findings = _of_url(client_id, route, ports.customs)
    try:
        named = name(client_id, replace(ports.customs, cimd=True, looker=True), discovery=discovery)
        _, fetched = await _fetched(ports, named, None)
    except Refusal as refusal:
        return [*findings, *_later(refusal.description if all(finding.passed for finding in findings) else "", reached=False)]
    except Unfetched as failure:
        detail = f"{failure.why.text} [{failure.logged}]" if failure.logged else failure.why.text
        return [*findings, *_later(detail, reached=True)]
    return [*findings, Finding(*_FETCHED, passed=True), *examine(ports, named, fetched.body)]


def _of_url(client_id: str, route: Route, customs: Customs) -> list[Finding]:
    """The rules of the URL; there are none for one of ours, and none for one that is the document itself."""
    if route is Route.CIMD and (client_id.startswith(customs.issuer + HOSTED) or is_virtual(client_id, customs)):
        return []
    rules = judged(client_id, route, customs)
    return [Finding(rule.name, rule.section, rule.meaning, not problem, problem) for rule, problem in rules]


_FETCHED = ("fetched", "CIMD §5", "It is answered with status 200, in JSON, soon, from a public address, and not too large.")
_JSON = ("json", "RFC 8259 §4", "It is one JSON object that every reader understands alike.")
_VOCABULARY = ("members", "RFC 7591 §2", "Its members have values that this server takes.")


def _later(detail: str, *, reached: bool) -> list[Finding]:
    """What comes after something that was not fetched."""
    rules = [_JSON, *((rule.name, rule.section, rule.meaning) for rule in documents.RULES), _VOCABULARY]
    return [Finding(*_FETCHED, passed=False if reached else None, detail=detail), *(Finding(*rule, passed=None) for rule in rules)]


def examine(ports: Ports, named: Named, body: bytes) -> list[Finding]:
    """Every rule about a document that is at hand (D-64)."""
    try:
        published = Published(named, _object(body), ports.customs, ports.now())
    except Refusal as refusal:
        return [Finding(*_JSON, passed=False, detail=refusal.description), *_later("", reached=False)[2:]]
    found = [(rule, rule.check(published)) for rule in documents.RULES]
    rules = [Finding(rule.name, rule.section, rule.meaning, not problem, problem) for rule, problem in found]
    return [Finding(*_JSON, passed=True), *rules, _members(ports, published)]


def _members(ports: Ports, published: Published) -> Finding:
    try:
        passed = _passed(ports, published)
    except Refusal as refusal:
        return Finding(*_VOCABULARY, passed=False, detail="; ".join(one.description for one in refusal.errors or (refusal,)))
    changes = cast("list[list[JSON]]", msgspec.json.decode(passed.reasons)) if passed.reasons else []
    return Finding(*_VOCABULARY, passed=True, detail="; ".join([*(f"{change[0]}: {change[3]}" for change in changes), *passed.warnings]))
