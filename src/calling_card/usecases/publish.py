"""What developers do with the documents of their clients: let one lie here while they develop, take it back, check one anywhere.

CIMD, Development Purposes; D-52, S4-57.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from calling_card.ports import HostedDocument, Ports
from calling_card.protocol import base64url
from calling_card.protocol.abroad.clientids import HOSTED, WELL_KNOWN, Named
from calling_card.protocol.clients import JSON, Card, Route
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.syntax import echo, read_object
from calling_card.usecases.reading import Finding, examine, look

LONGEST = 90 * 86400
"""Seconds a document may lie here: it is for development."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """A document that lies here now."""

    client_id: str
    """Its URL, and what its client calls itself."""
    expires_at: int
    findings: Sequence[Finding]
    """What every rule says about it; none is broken."""


async def host(ports: Ports, body: bytes, lifetime: int, by: str) -> Hosted:
    """Keep a document, with the URL it has here as its ``client_id``. Raises `Refusal` for one that no client could come by."""
    if not ports.settings.client_documents:
        raise Refusal(No.INVALID_REQUEST, "client_documents: this server hosts no documents")
    if not 0 < lifetime <= LONGEST:
        raise Refusal(No.INVALID_REQUEST, f"expires: must be within {LONGEST // 86400} days; what stays needs a place of its own")
    id = base64url.encode(ports.entropy(16))
    client_id = ports.settings.endpoint(HOSTED + id)
    made = msgspec.json.encode(_named(body, client_id))
    found = examine(ports, Named(Route.CIMD, client_id, hosted=id), made)
    _check_good(ports, made, found)
    now = ports.now()
    told: dict[str, JSON] = {"id": id, "expires_at": now + lifetime, "by": by}
    document = HostedDocument(id, made, by, now, now + lifetime)
    await ports.store.host_document(document, Event("document_hosted", now, b"", "operator", body=told))
    return Hosted(client_id, now + lifetime, found)


def _named(body: bytes, client_id: str) -> Card:
    try:
        said = read_object(body)
    except Refusal as refusal:
        raise Refusal(No.INVALID_CLIENT_METADATA, refusal.description.replace("the body", "the document", 1)) from None
    return {"client_id": client_id, **{member: value for member, value in said.items() if member != "client_id"}}


def _check_good(ports: Ports, made: bytes, found: Sequence[Finding]) -> None:
    if len(made) > ports.document.limit:
        raise Refusal(
            No.INVALID_CLIENT_METADATA, f"with its client_id the document has {len(made)} bytes; {ports.document.limit} are taken"
        )
    broken = [finding for finding in found if finding.passed is False]
    if broken:
        refusals = tuple(Refusal(No.INVALID_CLIENT_METADATA, finding.detail) for finding in broken)
        raise Refusal(No.INVALID_CLIENT_METADATA, "; ".join(finding.detail for finding in broken), errors=refusals)


async def hosted(ports: Ports, id: str) -> bytes:
    """The document as it is served. Raises `Refusal` when there is none, or none any more."""
    found = await ports.store.hosted_document(id)
    if found is None or found.expires_at <= ports.now():
        raise Refusal(No.NOT_FOUND, "there is no document at this path, or none any more")
    return found.body


async def drop(ports: Ports, name: str, by: str) -> None:
    """Let go of a document, by its URL or the last part of it; its client comes no more. Raises `Refusal` when there is none."""
    id = name.removeprefix(ports.settings.endpoint(HOSTED))
    told: dict[str, JSON] = {"id": id, "by": by}
    if not await ports.store.drop_hosted(id, Event("document_dropped", ports.now(), b"", "operator", body=told)):
        raise Refusal(No.NOT_FOUND, f"there is no document {echo(name)}")


async def check(ports: Ports, url: str, *, discovery: bool) -> Sequence[Finding]:
    """Every rule about a published document; a URL with the well-known path is read as client discovery would (seed 004)."""
    if url.endswith(WELL_KNOWN):
        return await look(ports, url.removesuffix(WELL_KNOWN), discovery=True)
    return await look(ports, url, discovery=discovery)
