"""What an event becomes, how it is signed, and when it is tried again."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from msgspec import structs

from calling_card.protocol.clients import JSON
from calling_card.protocol.events import KINDS, Recorded
from calling_card.protocol.life.webhooks import (
    DELAYS,
    LONGEST_DELAY,
    NAMES_OF_TYPES,
    OVERLAP,
    PATIENCE,
    TYPES,
    Bookmark,
    Standing,
    Webhook,
    failed,
    is_hopeless,
    letters,
    message,
    rotated,
    secret,
    secrets_of,
    signed,
    spelled,
    taken,
    written,
)
from tests.protocol.macs import Macs
from tests.store.examples import a_client

NOW = 1_800_000_000
ISSUER = "https://as.example"
WHEN = "2027-01-15T08:00:00Z"
PLACE = Bookmark(b"\0\1writer", 7)
HOOK = Webhook(b"h" * 16, "https://hooks.example/x", (), "", "olga", NOW, 1, 1, 0, 0, PLACE)


def an_event(kind: str, **body: JSON) -> Recorded:
    content = json.dumps({"actor": "client", "request_id": "", "body": body}).encode()
    return Recorded(b"\0\1writer", 8, NOW, kind, b"k" * 16, content, b"m" * 16)


def types_of(kind: str, *types: str, **body: JSON) -> list[str]:
    return [letter.type.name for letter in letters(an_event(kind, **body), types)]


# ── What goes out ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "kind, body, names",
    [
        ("client_registered", {}, ["client.registered"]),
        ("client_met", {}, ["client.registered"]),
        ("client_registered", {"held": True}, ["client.registered", "client.approval_wanted"]),
        ("client_replaced", {}, ["client.changed"]),
        ("client_replaced", {"held": True}, ["client.changed", "client.approval_wanted"]),
        ("client_suspended", {}, ["client.changed"]),
        ("client_resumed", {"held": True}, ["client.changed", "client.approval_wanted"]),
        ("client_approved", {}, ["client.changed"]),
        ("prune_warned", {}, ["client.prune_warning"]),
        ("client_pruned", {}, ["client.deleted"]),
        ("client_deleted", {}, ["client.deleted"]),
        ("grant_given", {}, []),
        ("signed_in", {}, []),
        ("webhook_added", {}, []),
    ],
)
def test_an_event_becomes_the_messages_that_the_table_says(kind: str, body: dict[str, JSON], names: list[str]) -> None:
    assert types_of(kind, **body) == names


def test_only_the_types_that_somebody_asked_for_go_to_them() -> None:
    assert types_of("client_registered", "client.deleted") == []
    assert types_of("client_registered", "client.registered", held=True) == ["client.registered"]


def test_no_type_stands_for_an_event_of_people_or_keys() -> None:
    kinds = {kind for row in TYPES for kind in row.kinds}

    assert all(kind.startswith("client_") or kind in ("document_changed", "prune_warned") for kind in kinds)
    assert kinds <= {kind.name for kind in KINDS}


@pytest.mark.parametrize("name", NAMES_OF_TYPES)
def test_only_a_warning_has_contacts_and_nothing_has_credentials_or_keys(name: str) -> None:
    row = NAMES_OF_TYPES[name]

    assert ("contacts" in row.card) == (name == "client.prune_warning")
    assert not {"client_secret", "registration_access_token", "jwks", "jwks_uri", "software_statement"} & {*row.card, *row.told}
    assert not {"by", "owner", "label"} & set(row.told)


def test_the_id_of_a_message_is_made_of_its_event_and_its_type_and_has_no_dot() -> None:
    one, other = letters(an_event("client_registered", held=True), ())
    place = f"{PLACE.writer.hex()}_8"

    assert (one.id, other.id) == (f"client_registered_{place}", f"client_approval_wanted_{place}")
    assert one.place == other.place == Bookmark(b"\0\1writer", 8)


def test_a_message_says_what_its_row_names_and_no_more() -> None:
    card: dict[str, JSON] = {"client_name": "Notes", "contacts": ["ann@example.org"], "jwks": {"keys": []}, "scope": "openid"}
    client = structs.replace(a_client("c1"), metadata=json.dumps(card).encode())
    (letter,) = letters(an_event("client_registered", door="rfc7591", tier=0, owner="x", decision=["y"]), ())

    said = json.loads(written(letter, WHEN, client))

    assert said == {
        "type": "client.registered",
        "timestamp": WHEN,
        "data": {
            "client_id": "c1",
            "client_key": (b"k" * 16).hex(),
            "event": "client_registered",
            "actor": "client",
            "door": "rfc7591",
            "tier": 0,
            "client_name": "Notes",
            "scope": "openid",
        },
    }


def test_a_warning_says_whom_to_write_to_and_how_the_client_is_kept() -> None:
    client = structs.replace(a_client("c1"), metadata=b'{"client_name":"Notes","contacts":["ann@example.org"],"scope":"openid"}')
    (letter,) = letters(an_event("prune_warned", client_id="c1", reason="idle", due_at=NOW + 9), ())

    data = json.loads(written(letter, WHEN, client))["data"]

    assert (data["reason"], data["due_at"], data["contacts"], data["client_name"]) == ("idle", NOW + 9, ["ann@example.org"], "Notes")
    assert data["advice"] == "Any use keeps it: somebody signs in with it, or it gets a token."
    assert "scope" not in data


@pytest.mark.parametrize("body, named", [({"client_id": "c9"}, "c9"), ({}, None)])
def test_of_a_client_that_is_gone_the_message_says_what_the_event_knows(body: dict[str, JSON], named: str | None) -> None:
    (letter,) = letters(an_event("client_deleted", **body, by="olga"), ())

    data = json.loads(written(letter, WHEN, None))["data"]

    assert data == {"client_id": named, "client_key": (b"k" * 16).hex(), "event": "client_deleted", "actor": "client"}


# ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────


def verified(secret: str, headers: dict[str, str], body: bytes) -> list[bool]:
    """For each signature whether it holds, as the specification has receivers check it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    right = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return [
        version == "v1" and value == right for version, _, value in (one.partition(",") for one in headers["webhook-signature"].split())
    ]


def test_a_message_is_signed_as_the_specification_has_it() -> None:
    key, body = b"s" * 32, message("ping", WHEN, {})

    headers = signed([key], "ping_1", NOW, body)

    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("ping_1", str(NOW))
    assert verified(spelled(key), headers, body) == [True]
    assert verified(spelled(key), headers, body + b" ") == [False]
    assert verified(spelled(key), {**headers, "webhook-timestamp": str(NOW + 1)}, body) == [False]


def test_the_signature_is_that_of_the_specifications_own_libraries() -> None:
    """The example that their test suites share."""
    body = b'{"test": 2432232314}'
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = signed([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_derived_and_each_webhook_generation_issuer_and_key_has_its_own() -> None:
    macs = Macs()
    others = [
        secret(macs, ISSUER, replace(HOOK, id=b"o" * 16)),
        secret(macs, ISSUER, replace(HOOK, generation=2)),
        secret(macs, ISSUER + "x", HOOK),
        secret(macs, ISSUER, replace(HOOK, key=2)),
    ]

    mine = secret(macs, ISSUER, HOOK)

    assert mine == secret(macs, ISSUER, HOOK)
    assert mine is not None
    assert len(mine) == 32
    assert len({mine, *others}) == 5


def test_for_a_day_after_a_rotation_both_secrets_sign() -> None:
    macs = Macs()
    before = secret(macs, ISSUER, HOOK)
    after = rotated(HOOK, 2, NOW)

    assert (after.generation, after.key, after.former_key) == (2, 2, 1)
    assert secrets_of(macs, ISSUER, HOOK, NOW) == [before]
    assert secrets_of(macs, ISSUER, after, NOW + OVERLAP - 1) == [secret(macs, ISSUER, after), before]
    assert secrets_of(macs, ISSUER, after, NOW + OVERLAP) == [secret(macs, ISSUER, after)]


def test_a_key_that_is_not_honoured_signs_nothing() -> None:
    assert secrets_of(Macs(honoured=frozenset()), ISSUER, HOOK, NOW) == []


# ── Trying again ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pauses_grow_to_an_hour_and_stay_there() -> None:
    hook, now, pauses = HOOK, NOW, list[int]()
    for _ in range(8):
        hook = failed(hook, now, "status 500")
        pauses.append(hook.retry_at - now)
        now = hook.retry_at

    assert pauses == [*DELAYS, 3600, 3600, 3600] == [5, 30, 120, 600, 3600, 3600, 3600, 3600]
    assert (hook.failures, hook.failing_since, hook.answer) == (8, NOW, "status 500")


@pytest.mark.parametrize("asked, pause", [(0, 5), (3, 5), (90, 90), (10**8, LONGEST_DELAY)])
def test_a_receiver_may_ask_for_a_longer_pause_within_bounds(asked: int, pause: int) -> None:
    assert failed(HOOK, NOW, "status 429", asked).retry_at == NOW + pause


def test_one_message_is_tried_for_three_days() -> None:
    hook = failed(HOOK, NOW, "status 500")

    assert not is_hopeless(HOOK, NOW)
    assert [is_hopeless(hook, NOW + PATIENCE - 1), is_hopeless(hook, NOW + PATIENCE)] == [False, True]


def test_what_is_taken_ends_the_trouble() -> None:
    hook = taken(failed(HOOK, NOW, "status 500"), Bookmark(b"w", 9), NOW + 5, "status 204")

    assert (hook.failures, hook.failing_since, hook.retry_at, hook.delivered, hook.answer) == (0, 0, 0, 1, "status 204")
    assert hook.told == Bookmark(b"w", 9)


def test_something_may_be_sent_while_it_is_active_and_no_pause_runs() -> None:
    assert HOOK.due(NOW)
    assert not replace(HOOK, retry_at=NOW + 1).due(NOW)
    assert not replace(HOOK, state=Standing.FAILING).due(NOW)
    assert not replace(HOOK, state=Standing.GONE).hears("client.deleted")
    assert HOOK.hears("client.deleted")
    assert not replace(HOOK, types=("client.changed",)).hears("client.deleted")
