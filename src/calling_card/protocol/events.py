"""The audit events: a row each, and the MAC that chains them (CREDENTIALS §2)."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from calling_card.protocol.clients import JSON


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event."""

    name: str
    meaning: str
    fields: tuple[str, ...] = ()
    """Names the body may hold; none is a secret."""


KINDS: tuple[Kind, ...] = (
    Kind(
        "client_registered",
        "A client registered; one that was sealed before has a row since now.",
        ("client_id", "door", "tier", "invitation", "owner", "statement", "sealed_at", "decision", "warnings", "policy", "held"),
    ),
    Kind(
        "client_replaced",
        "A client's metadata was replaced.",
        ("changed", "statement", "decision", "warnings", "policy", "secret", "ended", "held"),
    ),
    Kind(
        "client_imported",
        "A client came in from an export or from another server.",
        ("client_id", "door", "tier", "from", "by", "replaced", "decision", "warnings", "policy", "held"),
    ),
    Kind("record_imported", "Something else than a client came in from an export.", ("kind", "id", "by")),
    Kind(
        "store_restored",
        "A backup was put back, or an older store was taken as it is; what was ended meanwhile stays ended.",
        ("made_at", "lost", "done", "until", "covered", "by"),
    ),
    Kind(
        "client_met",
        "A client that is a URL was seen for the first time.",
        ("route", "client_id", "decision", "warnings", "policy", "held"),
    ),
    Kind(
        "document_changed",
        "The document of a client is another one.",
        ("version", "changed", "ended", "decision", "warnings", "policy", "held"),
    ),
    Kind("document_hosted", "A document was put here for a developer.", ("id", "expires_at", "by")),
    Kind("document_dropped", "A document that was put here for a developer is gone.", ("id", "by")),
    Kind("client_deleted", "A client and everything it had is gone.", ("client_id", "by", "cohort", "successor")),
    Kind("client_pruned", "A dead client was put aside and can be brought back for a while.", ("client_id", "reason", "until", "by")),
    Kind("client_brought_back", "A client that was pruned lives again.", ("client_id", "by")),
    Kind("prune_warned", "Whoever listens was told that a client will be pruned.", ("client_id", "reason", "due_at")),
    Kind("client_suspended", "A client may no longer act.", ("by", "reason", "cohort")),
    Kind("client_revoked", "Every token and grant of a client ended; the client goes on.", ("by", "cohort")),
    Kind(
        "cohort_begun",
        "An operator began to suspend, revoke or delete many clients; each of them has an event with this cohort.",
        ("cohort", "act", "where", "clients", "by"),
    ),
    Kind("client_resumed", "A suspended client may act again, or waits for approval again.", ("by", "held")),
    Kind("client_approved", "An operator let a client act that waited for approval.", ("by", "note")),
    Kind("client_refused", "An operator refused a client that waited for approval; everything it had ended.", ("by", "note")),
    Kind("test_person_added", "Somebody may use a client while it waits for approval.", ("person", "by")),
    Kind("test_person_removed", "Somebody may no longer use a client while it waits for approval.", ("person", "by")),
    Kind("client_rotated", "An administrator renewed a client's credentials.", ("by", "credentials", "now")),
    Kind("client_recovered", "A client got a registration access token in the place of a lost one.", ("by", "proof")),
    Kind("rat_issued", "A new registration access token was handed out without a change of metadata.", ()),
    Kind("rat_confirmed", "The newest registration access token was used for the first time.", ()),
    Kind("rat_expired_previous", "A registration access token was used that its successor had outlived.", ("count",)),
    Kind("rat_two_holders", "Two parties hold registration access tokens of one client.", ("count",)),
    Kind("rat_spent", "A registration access token was used long after it was replaced.", ("count",)),
    Kind("rat_misplaced", "A registration access token was sent in a query or body.", ("count",)),
    Kind("client_id_mismatch", "A replacement named another client_id than its path.", ("count",)),
    Kind("key_leaked", "The key set of a client or statement issuer shows a private or secret key to everybody.", ("issuer", "count")),
    Kind("credential_adopted", "A credential that a restored store had lost was shown and is the newest now.", ("kind", "generation")),
    Kind("secret_rehashed", "A secret from another server was right and is compared fast from now on.", ()),
    Kind("secret_confirmed", "The newest client secret was used for the first time.", ()),
    Kind("secret_expired_previous", "A client secret was used that its successor had outlived.", ("count",)),
    Kind(
        "secret_two_holders", "A client secret was used that was replaced lately: two parties may hold secrets of one client.", ("count",)
    ),
    Kind("secret_spent", "A client secret was used long after it was replaced.", ("count",)),
    Kind("credential_from_future", "A credential of a generation that was never issued was presented.", ("kind", "count")),
    Kind("token_revoked", "A client gave back a token.", ("tokens",)),
    Kind("person_added", "Somebody can sign in.", ("person", "role", "by")),
    Kind("person_changed", "An operator changed what a person may do.", ("person", "role", "active", "by")),
    Kind("password_changed", "A password became another.", ("person", "by")),
    Kind("passkey_added", "A person added a passkey.", ("person",)),
    Kind("passkey_removed", "A person removed a passkey.", ("person",)),
    Kind("signed_in", "A person signed in.", ("person", "amr")),
    Kind("signed_out", "A person ended a session.", ("person", "sessions")),
    Kind("sign_in_failed", "A name and password, or a passkey, did not fit.", ("person", "amr", "count")),
    Kind("grant_given", "A person allowed a client something.", ("person", "scope", "resource", "remembered", "asked")),
    Kind("grant_redeemed", "A client exchanged its code for tokens.", ("person",)),
    Kind("grant_refreshed", "A client got new tokens.", ("person",)),
    Kind("grant_ended", "A grant and every token of it ended.", ("person", "by")),
    Kind("grants_withdrawn", "A person took back what a client was allowed.", ("person",)),
    Kind("code_replayed", "A code was used again by its own client; the grant ended.", ("person", "count")),
    Kind("refresh_reuse", "A refresh token was used that its successors had replaced; the grant ended.", ("person", "count")),
    Kind("refresh_retry_late", "A client repeated a refresh long after its answer was lost.", ("person", "count")),
    Kind("challenge_repeated", "A client uses one code challenge or nonce again and again.", ("count",)),
    Kind("initial_access_token_created", "An invitation was made.", ("id", "label", "uses", "expires_at", "scope", "grants", "hosts")),
    Kind("initial_access_token_revoked", "An invitation was taken back; nobody comes in by it any more.", ("id", "label", "uses", "by")),
    Kind("policy_loaded", "A process judges by this policy from here on.", ("name", "digest")),
    Kind("policy_refused", "The policy file cannot be used; the policy before it goes on counting.", ("problem",)),
    Kind("resource_added", "A resource server was made known.", ("uri", "client_id", "tokens", "scope")),
    Kind("webhook_added", "A receiver is told of what changes from here on.", ("id", "host", "types", "label", "by")),
    Kind("webhook_rotated", "A webhook got another signing secret.", ("id", "host", "by")),
    Kind("webhook_stopped", "A webhook is delivered to no more; what waited for it was dropped.", ("id", "host", "why", "dropped")),
    Kind("webhook_resumed", "A webhook that was stopped is delivered to again, from here on.", ("id", "host", "dropped", "by")),
    Kind("webhook_removed", "A webhook is gone.", ("id", "host", "by")),
    Kind("key_published", "A key that will sign later is published.", ("key", "by")),
    Kind("key_rotated", "A key became the one that mints or signs.", ("key", "by")),
    Kind("key_retired", "A key is no longer honoured.", ("key", "by")),
)

NAMES = {kind.name: kind for kind in KINDS}
if len(NAMES) != len(KINDS):  # pragma: no cover - a row written twice is a mistake in the table
    raise ValueError("an event is described twice")


class Event(msgspec.Struct, frozen=True):
    """Something that changed, before it has a place in a chain."""

    kind: str
    at: int
    client_key: bytes
    """16 bytes, or empty when no client is concerned."""
    actor: str
    """``client``, ``anonymous``, ``operator`` or ``server``."""
    request_id: str = ""
    body: Mapping[str, JSON] = msgspec.field(default_factory=dict[str, JSON])


class Recorded(msgspec.Struct, frozen=True):
    """An event in its place in a chain, as read back."""

    writer: bytes
    """8 bytes, random per writing process."""
    number: int
    """From 1, without gaps, per writer."""
    at: int
    kind: str
    client_key: bytes
    content: bytes
    """Actor, request id and body as stored."""
    mac: bytes


def link(key: bytes, previous: bytes, recorded: Recorded) -> bytes:
    """The 16-byte MAC of an event: over its predecessor's MAC and every field, each with its length."""
    parts = (
        previous,
        recorded.writer,
        recorded.number.to_bytes(8, "big"),
        recorded.at.to_bytes(8, "big"),
        recorded.kind.encode(),
        recorded.client_key,
        recorded.content,
    )
    return hmac.digest(key, b"".join([len(part).to_bytes(4, "big") + part for part in parts]), "sha256")[:16]
