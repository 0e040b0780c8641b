"""A client proves itself by a JWT that its key or its secret signed (RFC 7523, OIDC Core §9)."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.abroad.fetching import Fetched, Purpose, Why
from calling_card.protocol.card.ground import ASSERTION_ALGS
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.assertions import Unfit, read
from calling_card.store.budget import GcraBudget
from calling_card.usecases.authenticate import Presented, authenticate
from calling_card.usecases.clients import ATTEMPTS, Known
from calling_card.usecases.introspect import Asked, introspect
from calling_card.usecases.operate import delete, rotate, suspend
from calling_card.web.endpoints import NAMED
from tests.assertions import Holder, claims, encoded, form, holder, jws, of, part, respelled, spoiled, with_secret
from tests.ledger import meets
from tests.strangers import Strangers
from tests.usecases.contended import ContendedStore
from tests.visitor import VERIFIER, Browser, somebody
from tests.world import CALLBACK, ISSUER, START, World, beside, world

TOKEN = f"{ISSUER}/token"
SET = "https://app.example/jwks.json"
Card = dict[str, Any]


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def keyed(server: World, *keys: Holder, **algs: str) -> Card:
    """A machine with these keys by value."""
    jwks = {"keys": [key.jwk for key in keys or (holder(),)]}
    return await server.machine("openid", token_endpoint_auth_method="private_key_jwt", jwks=jwks, **algs)


async def publishing(server: World) -> Card:
    """A machine whose key lies at an address."""
    serve(server, holder())
    return await server.machine(token_endpoint_auth_method="private_key_jwt", jwks_uri=SET)


def serve(server: World, *keys: Holder) -> None:
    server.strangers.serve(SET, json.dumps({"keys": [key.jwk for key in keys]}).encode())


async def sharing(server: World) -> Card:
    """A machine with a secret that it never sends."""
    return await server.machine(token_endpoint_auth_method="client_secret_jwt")


def signer(card: Card, alg: str = "HS256") -> Holder:
    """Who signs with the secret of an answer."""
    return with_secret(card["client_secret"], alg)


def said(server: World, card: Card, **others: object) -> dict[str, object]:
    """What the client says now."""
    return claims(of(card), ISSUER, server.clock.now, **others)


def proof(server: World, card: Card, key: Holder, /, **others: object) -> str:
    """A good assertion but for these claims."""
    return key.signs(said(server, card, **others))


async def answer(server: World, presented: Presented) -> Known | Refusal:
    """The client, or why not."""
    try:
        return await authenticate(server.ports, presented)
    except Refusal as refusal:
        return refusal


async def tried(server: World, text: str, client_id: str = "", endpoint: str = "token") -> Known | Refusal:
    """What becomes of an assertion."""
    return await answer(server, Presented("assertion", client_id, assertion=text, request_id="r1", endpoint=endpoint))


async def let_in(server: World, text: str, client_id: str = "", endpoint: str = "token") -> bool:
    """Whether this lets the client in; if not, it is told what everybody is told."""
    found = await tried(server, text, client_id, endpoint)
    if isinstance(found, Known):
        return True
    assert (found.no, found.basic, found.retry_after, found.errors) == (No.INVALID_CLIENT, False, 0, ())
    assert found.description == WORDS
    return False


async def cause(server: World, text: str, client_id: str = "", endpoint: str = "token") -> str:
    """What the log learns of an assertion that is refused."""
    found = await tried(server, text, client_id, endpoint)
    assert isinstance(found, Refusal)
    assert found.description == WORDS
    return found.logged


WORDS = "client authentication failed; a client that was removed may register again at https://as.example/register (RFC 6749 section 5.2)"


# ── By a key ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-40", "X-84")
@pytest.mark.parametrize("alg", [alg for alg in ASSERTION_ALGS if not alg.startswith("HS")])
async def test_a_client_with_a_key_is_let_in_by_every_algorithm_of_its_key(server: World, alg: str) -> None:
    card = await keyed(server, holder(alg))

    found = await tried(server, proof(server, card, holder(alg)))

    assert isinstance(found, Known)
    assert found.client.client_id == card["client_id"]
    assert found.card["token_endpoint_auth_method"] == "private_key_jwt"
    assert "client_secret" not in card


@meets("A-40", "C-34")
@pytest.mark.parametrize("setting, audience, good", [
    ("compat", ISSUER, True),
    ("compat", TOKEN, True),
    ("compat", [ISSUER], True),
    ("compat", [TOKEN], True),
    ("compat", f"{ISSUER}/introspect", False),
    ("compat", "https://other.example", False),
    ("compat", [ISSUER, "https://other.example"], False),
    ("compat", [ISSUER, TOKEN], False),
    ("issuer", ISSUER, True),
    ("issuer", [ISSUER], True),
    ("issuer", TOKEN, False),
    ("issuer", [ISSUER, TOKEN], False),
])  # fmt: skip
async def test_an_assertion_is_for_this_server_alone(tmp_path: Path, setting: str, audience: object, good: bool) -> None:
    """Example 10 of the server requirements."""
    server = await world(tmp_path, assertion_audience=setting)
    card = await keyed(server)

    assert await let_in(server, proof(server, card, holder(), aud=audience)) is good


def test_the_token_endpoint_that_may_be_the_audience_is_the_one_that_is_served() -> None:
    assert ISSUER + NAMED["token"] == TOKEN


@meets("A-40", "D-61")
async def test_the_client_is_named_by_the_request_or_by_the_assertion(server: World) -> None:
    card, other = await keyed(server), await keyed(server)

    assert await let_in(server, proof(server, card, holder()), card["client_id"])
    assert await let_in(server, proof(server, card, holder()))
    assert await cause(server, proof(server, card, holder()), other["client_id"]) == "iss and sub: must both be the client_id"
    assert await cause(server, proof(server, card, holder()), "nobody") == "iss and sub: must both be the client_id"


@meets("A-40", "X-40")
async def test_a_registered_algorithm_is_the_only_one(server: World) -> None:
    rsa = holder("RS256")
    card = await keyed(server, rsa, token_endpoint_auth_signing_alg="PS256")

    assert await cause(server, proof(server, card, rsa)) == "header alg: is not the one the client registered"
    assert await let_in(server, proof(server, card, rsa.by("PS256")))


@pytest.mark.parametrize("endpoint", ["introspection", "revocation"])
async def test_an_endpoint_may_have_an_algorithm_of_its_own(server: World, endpoint: str) -> None:
    rsa = holder("RS256")
    more = {f"{endpoint}_endpoint_auth_signing_alg": "RS512"}
    own = await keyed(server, rsa, token_endpoint_auth_signing_alg="RS256", **more)
    same = await keyed(server, rsa, token_endpoint_auth_signing_alg="RS256")

    answers = {
        alg: [
            await let_in(server, proof(server, card, rsa.by(alg)), "", at)
            for card, at in ((own, "token"), (own, endpoint), (same, endpoint))
        ]
        for alg in ("RS256", "RS512")
    }

    assert answers == {"RS256": [True, False, True], "RS512": [False, True, False]}


@meets("A-40")
async def test_the_key_is_the_one_of_the_name(server: World) -> None:
    first, second = holder("ES256", "first"), holder("ES256", "second")
    card = await keyed(server, first, second)

    assert await let_in(server, proof(server, card, first))
    assert await let_in(server, proof(server, card, second))
    assert await cause(server, second.signs(said(server, card), kid="first")) == "the signature is not by the client's key"
    assert (await cause(server, first.signs(said(server, card), kid="third"))).startswith("header kid: ")
    assert (await cause(server, first.signs(said(server, card), kid=None))).startswith("header kid: ")


async def test_without_a_name_the_only_key_that_fits_is_the_one(server: World) -> None:
    card = await keyed(server, holder("ES256", None), holder("RS256", None))

    assert await let_in(server, proof(server, card, holder("ES256", None)))
    assert await let_in(server, proof(server, card, holder("RS256", None)))
    assert (await cause(server, holder("EdDSA", None).signs(said(server, card)))).startswith("header kid: ")


async def test_a_key_to_encrypt_with_signs_nothing(server: World) -> None:
    jwks = {"keys": [{**holder().jwk, "use": "enc"}, {**holder("RS256", "k2").jwk, "use": "sig"}]}
    card = await server.machine(token_endpoint_auth_method="private_key_jwt", jwks=jwks)

    assert (await cause(server, proof(server, card, holder()))).startswith("header kid: ")
    assert await let_in(server, proof(server, card, holder("RS256", "k2")))


# ── The time of an assertion ─────────────────────────────────────────────────────────────────────────────────────────


@meets("A-40")
async def test_how_far_ahead_an_end_may_be_is_a_setting(tmp_path: Path) -> None:
    server = await world(tmp_path, assertion_lifetime=3600)
    card = await keyed(server)

    assert await let_in(server, proof(server, card, holder(), exp=START + 3600))
    assert await cause(server, proof(server, card, holder(), exp=START + 3611)) == "exp: is more than 3600 seconds ahead"


@meets("X-44", "X-89", "A-40")
async def test_an_assertion_comes_once_as_long_as_it_would_be_taken(server: World) -> None:
    card = await keyed(server)
    text = proof(server, card, holder(), jti="one")

    first = await let_in(server, text)
    replayed = [await cause(server, text), await cause(server, proof(server, card, holder(), jti="one", exp=START + 90))]
    server.clock.forward(119)
    last = await cause(server, text)
    server.clock.forward(1)

    assert first
    assert {*replayed, last} == {"jti: was used before, or the client has used too many lately"}
    assert await cause(server, text) == "exp: is over"
    assert await let_in(server, proof(server, card, holder(), jti="one"))


@meets("X-44")
async def test_the_names_of_one_client_are_not_those_of_another(server: World) -> None:
    card, other = await keyed(server), await keyed(server)

    assert await let_in(server, proof(server, card, holder(), jti="one"))
    assert await let_in(server, proof(server, other, holder(), jti="one"))


@meets("X-44")
async def test_of_fifty_copies_at_the_same_moment_on_two_nodes_one_is_let_in(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    second = await beside(server, tmp_path)
    card, shared = await keyed(server), await sharing(server)

    for text in (proof(server, card, holder()), proof(server, shared, signer(shared))):
        answers = await asyncio.gather(*(let_in(node, text) for _ in range(25) for node in (server, second)))
        assert answers.count(True) == 1

    await second.ports.store.close()
    await server.ports.store.close()


@meets("X-44")
async def test_a_client_that_used_too_many_waits_and_stands_in_nobodys_way(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calling_card.store.memory.ONCE_LIVING", 3)
    card, other = await keyed(server), await keyed(server)
    for _ in range(3):
        assert await let_in(server, proof(server, card, holder()))

    assert not await let_in(server, proof(server, card, holder()))
    assert await let_in(server, proof(server, other, holder()))
    server.clock.forward(120)
    assert await let_in(server, proof(server, card, holder()))


@meets("X-44")
async def test_what_was_refused_has_used_nothing_up(server: World) -> None:
    card = await keyed(server)
    forged = holder("ES256", number=2).signs(said(server, card, jti="one"))

    assert not await let_in(server, forged)
    assert not await let_in(server, proof(server, card, holder(), jti="one", exp=START - 60))
    assert await let_in(server, proof(server, card, holder(), jti="one"))


# ── By a secret ──────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-40", "R-42")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_a_client_signs_with_the_octets_of_its_whole_secret(server: World, alg: str) -> None:
    card = await sharing(server)
    assert len(card["client_secret"]) >= 64

    assert await let_in(server, proof(server, card, signer(card, alg)))
    assert not await let_in(server, proof(server, card, with_secret(card["client_secret"][:-1], alg)))
    assert not await let_in(server, proof(server, card, with_secret(card["client_secret"].removeprefix("cc_secret_"), alg)))


@meets("A-39", "X-84")
async def test_the_method_that_is_shown_is_the_one_that_was_registered(server: World) -> None:
    """A client with both a secret and keys, registered once for each method."""
    key = holder()
    shown: dict[str, Callable[[Card], Presented]] = {
        "client_secret_basic": lambda card: Presented("client_secret_basic", of(card), card.get("client_secret", "")),
        "client_secret_post": lambda card: Presented("client_secret_post", of(card), card.get("client_secret", "")),
        "client_secret_jwt": lambda card: Presented(
            "assertion", of(card), assertion=proof(server, card, with_secret(card.get("client_secret", "no secret")))
        ),
        "private_key_jwt": lambda card: Presented("assertion", of(card), assertion=proof(server, card, key)),
        "none": lambda card: Presented("none", of(card)),
    }
    for registered in shown:
        card = await server.register(token_endpoint_auth_method=registered, jwks=key.jwks)

        answers = {method: await answer(server, present(card)) for method, present in shown.items()}

        found = answers.pop(registered)
        assert isinstance(found, Known)
        assert found.card["token_endpoint_auth_method"] == registered
        assert [refusal.no for refusal in answers.values() if isinstance(refusal, Refusal)] == [No.INVALID_CLIENT] * 4


async def test_both_secrets_sign_until_the_new_one_is_used(server: World) -> None:
    card = await sharing(server)
    new = {**card, **(await rotate(server.ports, card["client_id"], "tester", at_once=False)).information}

    meanwhile = [await let_in(server, proof(server, card, signer(card))) for _ in range(3)]
    first_use = await let_in(server, proof(server, new, signer(new)))

    assert (meanwhile, first_use) == ([True] * 3, True)
    assert await cause(server, proof(server, card, signer(card))) == "the signature is not by a secret of the client"
    assert await let_in(server, proof(server, new, signer(new)))
    assert (await server.kinds()).count("secret_confirmed") == 1


async def test_a_secret_that_its_successor_outlived_signs_no_more_and_is_reported(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_overlap=600)
    card = await sharing(server)
    await rotate(server.ports, card["client_id"], "tester", at_once=False)

    server.clock.forward(601)

    assert await cause(server, proof(server, card, signer(card))) == "secret_expired_previous"
    assert [event["body"] for event in await server.told("secret_expired_previous")] == [{"count": 1}]


@meets("A-44")
async def test_a_secret_signs_until_the_second_in_which_it_ends(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    card = await sharing(server)

    server.clock.forward(3599)
    assert await let_in(server, proof(server, card, signer(card)))
    server.clock.forward(1)

    assert await cause(server, proof(server, card, signer(card))) == "the client has no secret, or it has ended"


async def test_a_secret_under_a_key_that_is_not_honoured_signs_nothing(server: World) -> None:
    card = await sharing(server)
    row = await server.row(card)
    assert row.secret is not None
    gone = structs.replace(row, secret=structs.replace(row.secret, issued_key=9, confirmed_key=9))
    assert await server.ports.store.replace(row, gone, None)

    assert await cause(server, proof(server, card, signer(card))) == "the signature is not by a secret of the client"


async def test_a_secret_that_was_withdrawn_signs_nothing(server: World) -> None:
    card = await sharing(server)
    row = await server.row(card)
    assert await server.ports.store.replace(row, structs.replace(row, secret=None), None)

    assert await cause(server, proof(server, card, signer(card))) == "the signature is not by a secret of the client"


@pytest.mark.parametrize("losses", [1, ATTEMPTS - 1, ATTEMPTS])
async def test_the_first_use_of_a_new_secret_is_decided_again_when_the_row_changed(tmp_path: Path, losses: int) -> None:
    store = ContendedStore(chain_key=b"k" * 32, writer=b"\0\1tester", now=lambda: START)
    server = await world(tmp_path, store)
    card = await sharing(server)
    new = {**card, **(await rotate(server.ports, card["client_id"], "tester", at_once=False)).information}
    store.losses = losses
    text = proof(server, new, signer(new))

    found = await tried(server, text)

    if losses < ATTEMPTS:
        assert isinstance(found, Known)
        assert not await let_in(server, proof(server, card, signer(card)))
    else:
        assert isinstance(found, Refusal)
        assert (found.no, found.retry_after) == (No.UNAVAILABLE, 1)
        assert await let_in(server, text)


# ── Keys at an address ───────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-48")
async def test_keys_at_an_address_are_fetched_when_they_are_needed_and_kept(server: World) -> None:
    card = await publishing(server)
    assert server.strangers.asked == []

    for _ in range(5):
        assert await let_in(server, proof(server, card, holder()))

    assert server.strangers.asked == [SET]


@meets("R-48", "X-41")
async def test_an_unknown_key_has_the_set_fetched_again_once_a_minute(server: World) -> None:
    new = holder("ES256", "new", 2)
    card = await publishing(server)
    assert await let_in(server, proof(server, card, holder()))
    serve(server, holder(), new)

    within = [await let_in(server, proof(server, card, new)) for _ in range(3)]
    server.clock.forward(61)
    after = [await let_in(server, proof(server, card, new)) for _ in range(3)]

    assert (within, after) == ([False] * 3, [True] * 3)
    assert server.strangers.asked == [SET, SET]


@meets("R-48", "X-41", "X-42")
async def test_a_flood_of_unknown_keys_causes_one_fetch_a_minute(server: World) -> None:
    card = await publishing(server)

    for second in range(241):
        assert not await let_in(server, holder().signs(said(server, card), kid=f"k-{second}"))
        server.clock.forward(1)

    assert len(server.strangers.asked) <= 5


class Forgetful(Strangers):
    """A fetcher that may keep nothing of what is ``no-store``, or only the last good answer."""

    stands_in = False

    async def kept(self, url: str, purpose: Purpose, *, newer_than: int = 0) -> Fetched:
        """See `Fetcher.kept`."""
        fetched = await self.get(url, purpose)
        return replace(fetched, at=START - 1000) if self.stands_in else fetched


@meets("R-48", "X-41")
async def test_a_set_that_came_just_now_is_not_fetched_again_for_an_unknown_key(server: World) -> None:
    server.strangers = Forgetful(server.clock)
    server.ports = replace(server.ports, fetcher=server.strangers)
    card = await publishing(server)

    assert not await let_in(server, holder().signs(said(server, card), kid="unknown"))

    assert server.strangers.asked == [SET]


async def test_a_set_that_stands_in_for_one_that_cannot_be_had_knows_its_own_keys_alone(server: World) -> None:
    server.strangers = strangers = Forgetful(server.clock)
    strangers.stands_in = True
    server.ports = replace(server.ports, fetcher=strangers)
    card = await publishing(server)

    assert (await cause(server, holder().signs(said(server, card), kid="unknown"))).startswith("header kid: ")
    assert await let_in(server, proof(server, card, holder()))


@meets("X-41")
async def test_a_key_that_is_taken_out_of_the_set_signs_until_the_set_is_read_again(server: World) -> None:
    new = holder("ES256", "new", 2)
    card = await publishing(server)
    assert await let_in(server, proof(server, card, holder()))
    serve(server, new)

    server.clock.forward(61)
    assert await let_in(server, proof(server, card, new))
    assert not await let_in(server, proof(server, card, holder()))


@meets("X-41", "R-48")
@pytest.mark.parametrize("why", [why for why in Why if why is not Why.BUSY])
async def test_keys_that_cannot_be_fetched_let_nobody_in(server: World, why: Why) -> None:
    card = await publishing(server)
    server.strangers.fail(SET, why)

    assert await cause(server, proof(server, card, holder())) == f"jwks_uri: {why.name}: as the test says"


PRIVATE = {**holder().jwk, "d": encoded(b"d" * 32)}
BAD_SETS: dict[str, tuple[bytes, bool]] = {
    "HTML": (b"<!doctype html><title>keys</title>", False),
    "nothing": (b"", False),
    "an array": (json.dumps([holder().jwk]).encode(), False),
    "no keys": (b'{"keys":null}', False),
    "an empty set": (b'{"keys":[]}', False),
    "keys twice": (b'{"keys":[],"keys":[]}', False),
    "a thousand keys": (json.dumps({"keys": [holder("ES256", f"k{n}").jwk for n in range(3)] + [holder().jwk] * 40}).encode(), False),
    "one too many": (json.dumps({"keys": [{**holder().jwk, "kid": f"k{n}"} for n in range(1, 22)]}).encode(), False),
    "one name twice": (json.dumps({"keys": [holder().jwk, holder("ES256", "k1", 2).jwk]}).encode(), False),
    "a private key": (json.dumps({"keys": [PRIVATE]}).encode(), True),
    "a private key beside": (json.dumps({"keys": [holder().jwk, {**PRIVATE, "kid": "k2"}]}).encode(), True),
    "a secret": (json.dumps({"keys": [holder().jwk, {"kty": "oct", "k": encoded(b"s" * 32)}]}).encode(), True),
    "a small key": (json.dumps({"keys": [{"kty": "RSA", "n": encoded(b"\xff" * 128), "e": "AQAB", "kid": "k1"}]}).encode(), False),
    "no point of the curve": (
        json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "x": encoded(b"\1" * 32), "y": encoded(b"\2" * 32), "kid": "k1"}]}).encode(),
        False,
    ),
    "too large": (b" " * 70_000 + json.dumps({"keys": [holder().jwk]}).encode(), False),
    "deep": (b"[" * 10_000, False),
}


@meets("X-41")
@pytest.mark.parametrize("name", BAD_SETS)
async def test_a_bad_set_lets_nobody_in_and_a_key_that_everybody_can_read_is_reported(server: World, name: str) -> None:
    body, leaked = BAD_SETS[name]
    card = await publishing(server)
    server.strangers.serve(SET, body)

    for _ in range(3):
        assert not await let_in(server, proof(server, card, holder()))

    assert [event["actor"] for event in await server.told("key_leaked")] == (["server"] if leaked else [])


async def test_twenty_keys_with_certificates_are_a_set(server: World) -> None:
    point = holder().jwk
    coordinates = b"".join(base64.urlsafe_b64decode(point[name] + "=") for name in ("x", "y"))
    certificate = base64.b64encode(b"\x30" + coordinates).decode()
    more = {
        "use": "sig",
        "alg": "ES256",
        "key_ops": ["verify"],
        "x5t": "a",
        "x5t#S256": "b",
        "x5u": "https://a.example",
        "x5c": [certificate],
    }
    card = await publishing(server)
    server.strangers.serve(SET, json.dumps({"keys": [{**point, **more, "kid": f"k{n}"} for n in range(1, 21)]}).encode())

    assert await let_in(server, proof(server, card, holder()))


async def test_what_a_set_says_besides_its_keys_is_passed_over(server: World) -> None:
    card = await publishing(server)
    server.strangers.serve(SET, json.dumps({"keys": [holder().jwk], "iss": "me", "more": {"a": [1]}}).encode())

    assert await let_in(server, proof(server, card, holder()))


# ── Who else is refused ──────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-43", "H-14")
async def test_a_client_that_may_not_act_is_told_nothing_else(server: World) -> None:
    gone, stopped = [await keyed(server) for _ in range(2)]
    await suspend(server.ports, stopped["client_id"], "tester")
    await delete(server.ports, gone["client_id"], "tester")

    told = {await cause(server, proof(server, card, holder())) for card in (gone, stopped, {"client_id": "nobody"})}

    assert told == {"no such client is active"}


@meets("A-43")
async def test_a_public_client_proves_nothing_by_a_signature(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none", jwks=holder().jwks)

    assert await cause(server, proof(server, card, holder())) == "the client is not registered for private_key_jwt"


@meets("A-40")
async def test_an_assertion_counts_at_introspection_too(server: World) -> None:
    card = await keyed(server)
    presented = Presented("assertion", "", assertion=proof(server, card, holder()), endpoint="introspection")

    assert await introspect(server.ports, Asked(presented, "no token")) == {"active": False}
    with pytest.raises(Refusal):
        await introspect(server.ports, Asked(presented, "no token"))


# ── Spoiled ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Case:
    """A client with an ES256 key by name, one with keys at an address, and what a good assertion of the first says."""

    card: Card
    claims: dict[str, object]
    key: Holder

    def but(self, **others: object) -> str:
        """Other claims; None: left out."""
        return self.key.signs({name: value for name, value in {**self.claims, **others}.items() if value is not None})

    def headed(self, **header: object) -> str:
        """Another header."""
        return self.key.signs(self.claims, **header)

    def hashed(self, key: bytes, alg: str = "HS256", **header: object) -> str:
        """Signed with a text that everybody knows."""
        return jws({"alg": alg, **header}, self.claims, lambda message: hmac.digest(key, message, f"sha{alg[2:]}"))

    def raw(self, header: bytes, said: bytes) -> str:
        """Signed by the right key, whatever the parts are."""
        return jws(header, said, self.key.signature)

    @property
    def json(self) -> str:
        """The claims as text."""
        return json.dumps(self.claims)


def with_kid(kid: object) -> Callable[[Case], str]:
    """An assertion that names its key so."""
    return lambda case: case.headed(kid=kid)


HEADER = b'{"alg":"ES256","kid":"k1"}'
ATTACKER = holder("ES256", "k1", 66)
PATHS = (
    *("../../../../dev/null", "/etc/passwd", "file:///dev/null", "https://evil.example/keys.json", "http://127.0.0.1:6379/"),
    *(
        "' OR '1'='1",
        "'; DROP TABLE clients; --",
        "k1' --",
        "$(id)",
        "`id`",
        "${jndi:ldap://evil.example/a}",
        "\0",
        "k1\0",
        "k1\n",
        "K1",
        " k1",
    ),
    *("a" * 256, "a" * 5000, "keys/0", "*", "%", "__proto__"),
)
SPOILED: dict[str, Callable[[Case], str]] = {
    "alg none without a signature": lambda case: f"{part({'alg': 'none'})}.{part(case.claims)}.",
    "alg none with a signature": lambda case: jws({"alg": "none"}, case.claims, lambda _: b"x"),
    "alg None": lambda case: f"{part({'alg': 'None'})}.{part(case.claims)}.",
    "no alg": lambda case: jws({"kid": "k1"}, case.claims, case.key.signature),
    "alg as a list": lambda case: case.headed(alg=["ES256"]),
    "alg in lower case": lambda case: case.headed(alg="es256"),
    "the public key's PEM as the secret": lambda case: case.hashed(case.key.pem),
    "the PEM without its last line end": lambda case: case.hashed(case.key.pem.strip()),
    "the PEM, HS384": lambda case: case.hashed(case.key.pem, "HS384"),
    "the PEM, HS512, with the kid": lambda case: case.hashed(case.key.pem, "HS512", kid="k1"),
    "the public key's JWK as the secret": lambda case: case.hashed(json.dumps(case.key.jwk).encode()),
    "the compact JWK as the secret": lambda case: case.hashed(json.dumps(case.key.jwk, separators=(",", ":")).encode()),
    "the empty secret": lambda case: case.hashed(b""),
    "the client_id as the secret": lambda case: case.hashed(of(case.card).encode()),
    "the registration access token as the secret": lambda case: case.hashed(str(case.card["registration_access_token"]).encode()),
    "said to be RS256": lambda case: case.headed(alg="RS256"),
    "said to be PS256": lambda case: case.headed(alg="PS256"),
    "said to be ES384": lambda case: case.headed(alg="ES384"),
    "said to be EdDSA": lambda case: case.headed(alg="EdDSA"),
    "another key of the same name": lambda case: ATTACKER.signs(case.claims),
    "another key without a name": lambda case: ATTACKER.signs(case.claims, kid=None),
    "an embedded key": lambda case: ATTACKER.signs(case.claims, jwk=ATTACKER.jwk),
    "an embedded key alone": lambda case: ATTACKER.signs(case.claims, jwk=ATTACKER.jwk, kid=None),
    "the right key embedded": lambda case: case.headed(jwk=case.key.jwk),
    "jku": lambda case: ATTACKER.signs(case.claims, jku="https://evil.example/keys"),
    "jku of the client": lambda case: case.headed(jku="https://app.example/keys"),
    "x5u": lambda case: ATTACKER.signs(case.claims, x5u="https://evil.example/chain"),
    "x5c": lambda case: ATTACKER.signs(case.claims, x5c=["MIIB"]),
    "crit": lambda case: case.headed(crit=["exp"]),
    "crit, empty": lambda case: case.headed(crit=[]),
    "b64 false": lambda case: case.headed(b64=False, crit=["b64"]),
    "zip": lambda case: case.headed(zip="DEF"),
    "a JWE header": lambda case: case.headed(enc="A128GCM"),
    "a password of ten million rounds": lambda case: jws(
        {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 10_000_000, "p2s": "AAAA"}, case.claims, lambda _: b"x"
    ),
    "a JWE of five parts": lambda _: ".".join([part({"alg": "dir", "enc": "A128GCM", "zip": "DEF"}), "", "AAAA", "AAAA", "AAAA"]),
    "typ at+jwt": lambda case: case.headed(typ="at+jwt"),
    "typ logout+jwt": lambda case: case.headed(typ="logout+jwt"),
    "typ dpop+jwt": lambda case: case.headed(typ="dpop+jwt"),
    "no signature": lambda case: case.but().rpartition(".")[0] + ".",
    "half a signature": lambda case: spoiled(case.but(), 2, lambda text: text[:43]),
    "a signature of zeros": lambda case: spoiled(case.but(), 2, lambda _: encoded(bytes(64))),
    "a signature in DER": lambda case: jws({"alg": "ES256", "kid": "k1"}, case.claims, lambda _: b"\x30\x06\x02\x01\x01\x02\x01\x01"),
    "two parts": lambda case: case.but().rpartition(".")[0],
    "four parts": lambda case: case.but() + ".AAAA",
    "a line end behind": lambda case: case.but() + "\n",
    "a blank before": lambda case: " " + case.but(),
    "padding": lambda case: case.but() + "=",
    "a second spelling of the header": lambda case: spoiled(case.raw(HEADER + b" " * 2, case.json.encode()), 0, respelled),
    "a second spelling of the claims": lambda case: spoiled(
        case.raw(HEADER, case.json.encode().ljust(len(case.json) + 2 - len(case.json) % 3 + 2)), 1, respelled
    ),
    "a second spelling of the signature": lambda case: spoiled(case.but(), 2, respelled),
    "the subject twice": lambda case: case.raw(HEADER, (case.json[:-1] + ', "sub": "nobody"}').encode()),
    "the end twice": lambda case: case.raw(HEADER, ('{"exp": 1, ' + case.json[1:]).encode()),
    "alg twice": lambda case: case.raw(b'{"alg":"none","alg":"ES256","kid":"k1"}', case.json.encode()),
    "claims that are a list": lambda case: case.raw(HEADER, f"[{case.json}]".encode()),
    "claims in UTF-16": lambda case: case.raw(HEADER, case.json.encode("utf-16")),
    "claims with a byte order mark": lambda case: case.raw(HEADER, b"\xef\xbb\xbf" + case.json.encode()),
    "claims behind claims": lambda case: case.raw(HEADER, (case.json + case.json).encode()),
    "nested a thousand deep": lambda case: case.raw(HEADER, (case.json[:-1] + ', "x": ' + "[" * 1000 + "]" * 1000 + "}").encode()),
    "huge": lambda case: case.but(more="x" * 100_000),
    "no issuer": lambda case: case.but(iss=None),
    "no subject": lambda case: case.but(sub=None),
    "another issuer": lambda case: case.but(iss="https://as.example"),
    "another subject": lambda case: case.but(sub="nobody"),
    "both another": lambda case: case.but(iss="nobody", sub="nobody"),
    "a subject in a list": lambda case: case.but(sub=[of(case.card)]),
    "no audience": lambda case: case.but(aud=None),
    "another audience": lambda case: case.but(aud="https://other.example"),
    "an audience and another": lambda case: case.but(aud=[ISSUER, "https://other.example"]),
    "no audience in a list": lambda case: case.but(aud=[]),
    "the audience with a slash": lambda case: case.but(aud=ISSUER + "/"),
    "the client as the audience": lambda case: case.but(aud=of(case.card)),
    "no end": lambda case: case.but(exp=None),
    "an end that is no number": lambda case: case.but(exp=str(START + 60)),
    "an end that is true": lambda case: case.but(exp=True),
    "an end an hour ahead": lambda case: case.but(exp=START + 3600),
    "an end in the next century": lambda case: case.but(exp=2**62),
    "over": lambda case: case.but(exp=START - 60),
    "over, with a spoiled signature": lambda case: spoiled(case.but(exp=START - 60), 2, lambda text: "AAAA" + text[4:]),
    "issued in the future": lambda case: case.but(iat=START + 11),
    "begins in the future": lambda case: case.but(nbf=START + 11),
    "issued at no time": lambda case: case.but(iat="now"),
    "no name": lambda case: case.but(jti=None),
    "an empty name": lambda case: case.but(jti=""),
    "a name that is a number": lambda case: case.but(jti=1),
    "a long name": lambda case: case.but(jti="j" * 256),
    **{f"kid {kid!r:.30}": with_kid(kid) for kid in (*PATHS, ["k1"], {"k1": 1}, 1, True, "")},
}


@meets("X-40", "X-42", "X-43", "X-68", "A-40", "H-14")
@pytest.mark.parametrize("name", SPOILED)
async def test_a_spoiled_assertion_lets_nobody_in(server: World, name: str) -> None:
    """Example 8 of the security requirements, and more: one answer, soon, and nothing is fetched or remembered."""
    card = await keyed(server, holder("ES256", "k1"), holder("RS256", "other"))
    case = Case(card, said(server, card, jti="the one"), holder())
    text = SPOILED[name](case)
    before = await server.kept()

    started = time.perf_counter()
    assert not await let_in(server, text)
    assert not await let_in(server, text, card["client_id"])
    took = time.perf_counter() - started

    assert took < 1
    assert await server.kept() == before
    assert server.strangers.asked == []
    assert await let_in(server, case.but())


@meets("X-42")
@pytest.mark.parametrize("kid", PATHS, ids=lambda kid: repr(kid)[:30])
async def test_a_name_of_a_key_is_never_an_address(server: World, kid: str) -> None:
    card = await publishing(server)

    assert not await let_in(server, holder().signs(said(server, card), kid=kid))

    assert set(server.strangers.asked) <= {SET}


def test_there_are_as_many_as_were_asked_for() -> None:
    assert len(SPOILED) + len(BAD_SETS) >= 60


# ── Other tokens ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-43")
async def test_no_other_jwt_of_ours_or_theirs_is_an_assertion(server: World) -> None:
    """Example 9 of the security requirements."""
    await server.resource("https://api.example", "orders:read", "jwt")
    await somebody(server)
    members: dict[str, object] = {"grant_types": ["authorization_code"], "scope": "openid orders:read"}
    card = await server.register(token_endpoint_auth_method="private_key_jwt", jwks=holder().jwks, **members)
    code = (await Browser(server).allow(card, scope="openid orders:read", resource="https://api.example"))["code"]
    sent = form(proof(server, card, holder()), grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER)
    tokens = (await server.post_form("/token", sent)).json
    theirs = {
        "ID token": tokens["id_token"],
        "access token": tokens["access_token"],
        "refresh token": tokens.get("refresh_token", "x"),
        "registration access token": card["registration_access_token"],
        "statement": proof(server, card, holder(), iss="https://vendor.example", sub=None, software_id="s1"),
        "for another server": proof(server, card, holder(), aud="https://other.example"),
        "proof of possession": holder().signs({"htm": "POST", "htu": TOKEN, "iat": START, "jti": "1"}, typ="dpop+jwt", jwk=holder().jwk),
        "logout token": holder().signs(said(server, card, events={}), typ="logout+jwt"),
        "request object": holder().signs(said(server, card, client_id=of(card)), typ="oauth-authz-req+jwt"),
    }

    assert [name for name, text in theirs.items() if await let_in(server, text, of(card))] == []
    assert [name for name, text in theirs.items() if await let_in(server, text)] == []
    with pytest.raises(Unfit):
        read(tokens.get("refresh_token", "x"))


# ── Overload is told as overload ─────────────────────────────────────────────────────────────────────────────────────


@meets("D-47", "X-41", "H-14")
async def test_a_client_whose_keys_cannot_be_read_for_overload_is_told_to_come_again(server: World) -> None:
    card = await publishing(server)
    server.strangers.fail(SET, Why.BUSY)

    found = await tried(server, proof(server, card, holder()))

    assert isinstance(found, Refusal)
    assert (found.no, found.retry_after) == (No.UNAVAILABLE, 5)


@meets("D-36", "X-09")
async def test_one_network_has_only_so_many_key_sets_read_and_those_that_are_here_cost_nothing(server: World) -> None:
    cards = [await publishing(server) for _ in range(3)]
    object.__setattr__(server.ports, "fetches", GcraBudget(1, 1, lambda: 0.0))

    first = [await tried(server, proof(server, card, holder())) for card in cards]
    server.clock.forward(3600)
    later = await tried(server, proof(server, cards[0], holder()))

    assert all(isinstance(one, Known) for one in first)
    assert isinstance(later, Refusal)
    assert (later.no, later.retry_after) == (No.UNAVAILABLE, 61)
    assert server.strangers.asked == [SET]
    assert server.strangers.trusted == [SET] * 3
