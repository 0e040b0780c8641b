"""Clients of Hydra, Keycloak and node-oidc-provider come in and log in with the secrets they have (CREDENTIALS §1)."""

import json
from pathlib import Path

import bcrypt
import pytest
from argon2 import PasswordHasher

from calling_card.cli.moving import READERS
from calling_card.protocol.clients import Card, Client, State
from calling_card.protocol.events import Event
from calling_card.protocol.moving.arrivals import Arrival, Unmovable
from calling_card.usecases.moving import Outcome, Way, admit
from calling_card.usecases.operate import rotate
from tests.world import Reply, World, world

FILES = Path(__file__).parent / "files"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path, sqlite=True, scopes=("openid", "profile", "offline_access"))


async def brought(server: World, source: str, **how: bool) -> dict[str, Outcome]:
    """What became of each client of a file, by name; those that cannot be read go by their reason."""
    way = Way("olga", source, dry_run=how.get("dry_run", False), replace=how.get("replace", False))
    found = READERS[source](json.loads((FILES / f"{source}.json").read_text(encoding="utf-8")))
    outcomes = [
        Outcome("client", "", "refused", (str(one),)) if isinstance(one, Unmovable) else await admit(server.ports, one, way)
        for one in found
    ]
    return {one.name or one.notes[0]: one for one in outcomes}


async def login(server: World, client_id: str, secret: str, *, basic: bool = True) -> Reply:
    """Client credentials, raw in the header as careless clients send them."""
    fields = {"grant_type": "client_credentials"}
    if basic:
        return await server.post_form("/token", fields, (client_id, secret))
    return await server.post_form("/token", {**fields, "client_id": client_id, "client_secret": secret})


LEDGER = "9a2b1c50-7a7c-4d57-8a09-0d0a6a5f1001"


async def test_a_client_of_hydra_logs_in_with_its_old_secret_and_is_compared_fast_from_then_on(server: World) -> None:
    outcomes = await brought(server, "hydra")

    first = await login(server, LEDGER, "old secret of ledger")
    kept = (await server.row({"client_id": LEDGER})).imported or b""
    again = await login(server, LEDGER, "old secret of ledger")

    assert outcomes[LEDGER].did == "new"
    assert (first.status, again.status) == (200, 200), first.body
    assert kept.startswith(b"hmac:clear:")
    assert (await login(server, LEDGER, "another")).no == (401, "invalid_client")


async def test_what_hydra_has_and_this_server_has_not_is_named(server: World) -> None:
    outcomes = await brought(server, "hydra")

    assert any("metadata: has no counterpart here" in note for note in outcomes[LEDGER].notes)
    assert any("skip_consent" in note for note in outcomes[LEDGER].notes)
    assert outcomes["spa"].did == "new"
    assert any("client rotate --secret-only" in note for note in outcomes["no-secret"].notes)
    [url] = [name for name in outcomes if name.startswith("https://url.example")]
    assert "is a URL" in url


async def test_a_client_of_keycloak_logs_in_with_a_secret_that_forms_would_spoil(server: World) -> None:
    outcomes = await brought(server, "keycloak")
    secret = "n3v4+er%2Fgu/ess"

    raw = await login(server, "shop-web", secret)
    encoded = await login(server, "shop-web", "n3v4%2Ber%252Fgu%2Fess")

    assert (raw.status, encoded.status) == (200, 200), (raw.body, encoded.body)
    assert set(outcomes) >= {"shop-web", "mobile"}
    assert "account" not in outcomes


async def test_a_wildcard_of_keycloak_is_named_and_left_out(server: World) -> None:
    outcomes = await brought(server, "keycloak")

    shown = (await server.row({"client_id": "shop-web"})).metadata
    assert json.loads(shown)["redirect_uris"] == ["https://shop.example/cb"]
    assert "redirectUris: https://shop.example/app/* has a wildcard; name each address that is used" in outcomes["shop-web"].notes
    assert any(note.startswith("post.logout.redirect.uris: ") for note in outcomes["shop-web"].notes)
    assert any(note.startswith("webOrigins: ") for note in outcomes["shop-web"].notes)
    assert (await server.row({"client_id": "mobile"})).state is State.SUSPENDED


@pytest.mark.parametrize(
    "part", ["saml-app: is a client of saml", "api: is bearer-only", "masked: its secret is masked", "odd: clientAuth"]
)
async def test_a_client_of_keycloak_that_cannot_come_says_why(server: World, part: str) -> None:
    outcomes = await brought(server, "keycloak")

    assert [name for name in outcomes if name.startswith(part)]


async def test_a_client_of_node_oidc_provider_logs_in_with_its_old_secret(server: World) -> None:
    outcomes = await brought(server, "node-oidc-provider")

    reply = await login(server, "notes", "s3cr3t-s3cr3t-s3cr3t-s3cr3t", basic=False)

    assert reply.status == 200, reply.body
    assert outcomes["notes"].did == "new"
    assert "bad: its payload is no JSON" in outcomes


async def test_the_same_file_again_changes_nothing(server: World) -> None:
    for source in READERS:
        await brought(server, source)
    before = await server.kept()

    again = [one for source in READERS for one in (await brought(server, source)).values()]

    assert {one.did for one in again} == {"same", "refused"}
    assert await server.kept() == before


async def test_a_rehearsal_keeps_nothing(server: World) -> None:
    before = await server.kept()

    outcomes = await brought(server, "hydra", dry_run=True)

    assert outcomes[LEDGER].did == "new"
    assert await server.kept() == before


def client(secret: str, name: str = "Old", method: str = "client_secret_basic") -> Arrival:
    card: Card = {"client_name": name, "grant_types": ["client_credentials"], "redirect_uris": [], "scope": "openid"}
    return Arrival("old", {**card, "token_endpoint_auth_method": method}, secret)


WAY = Way("olga", "test")


async def test_a_client_that_differs_is_refused_until_it_is_to_be_replaced(server: World) -> None:
    await admit(server.ports, client("first secret, long enough"), WAY)
    other = client("second secret, long enough", "New")

    refused = await admit(server.ports, other, WAY)
    replaced = await admit(server.ports, other, Way("olga", "test", replace=True))

    assert (refused.did, replaced.did) == ("refused", "replaced")
    assert (await login(server, "old", "first secret, long enough")).status == 401
    assert (await login(server, "old", "second secret, long enough")).status == 200


SLOW = {
    "bcrypt": bcrypt.hashpw(b"a secret of long ago", bcrypt.gensalt(4)).decode(),
    "argon2": PasswordHasher(1, 8, 1).hash("a secret of long ago"),
    "sha256": "sha256:" + __import__("hashlib").sha256(b"a secret of long ago").hexdigest(),
}


@pytest.mark.parametrize("form", sorted(SLOW))
async def test_a_hashed_secret_is_good_and_another_is_not(server: World, form: str) -> None:
    await admit(server.ports, client(SLOW[form]), WAY)

    replies = [await login(server, "old", secret) for secret in ("a guess", "a secret of long ago", "a secret of long ago", "a guess")]

    assert [reply.status for reply in replies] == [401, 200, 200, 401]


async def test_slow_comparisons_have_a_budget_per_client(server: World) -> None:
    await admit(server.ports, client(SLOW["argon2"]), WAY)

    replies = [await login(server, "old", "a guess") for _ in range(12)]

    assert replies[0].no == (401, "invalid_client")
    assert replies[-1].status == 429
    assert replies[-1].headers["retry-after"]


async def test_after_a_rotation_the_old_secret_lives_until_the_new_one_is_used(server: World) -> None:
    await admit(server.ports, client("first secret, long enough"), WAY)

    new = (await rotate(server.ports, "old", "olga", at_once=False, secret_only=True)).information["client_secret"]

    assert isinstance(new, str)
    replies = [await login(server, "old", secret) for secret in ("first secret, long enough", new, "first secret, long enough")]
    assert [reply.status for reply in replies] == [200, 200, 401]


async def test_a_rotation_at_once_ends_the_old_secret(server: World) -> None:
    await admit(server.ports, client("first secret, long enough"), WAY)

    await rotate(server.ports, "old", "olga", at_once=True)

    assert (await login(server, "old", "first secret, long enough")).status == 401


async def test_no_secret_is_in_the_database_in_clear_text(server: World, tmp_path: Path) -> None:
    await brought(server, "keycloak")

    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert b"n3v4+er" not in kept


async def test_a_client_that_may_not_be_is_refused_with_every_reason(server: World) -> None:
    bad: Card = {"redirect_uris": ["javascript:alert(1)"], "grant_types": ["authorization_code"]}

    outcome = await admit(server.ports, Arrival("bad", bad), WAY)

    assert outcome.did == "refused"
    assert any(note.startswith("redirect_uris") for note in outcome.notes)


async def test_guesses_at_a_secret_that_is_compared_fast_have_a_budget_too(server: World) -> None:
    await admit(server.ports, client("first secret, long enough"), WAY)

    replies = [await login(server, "old", "a guess") for _ in range(12)]

    assert replies[0].no == (401, "invalid_client")
    assert replies[-1].no == (429, "temporarily_unavailable")


async def test_who_is_overtaken_while_an_old_secret_ends_is_judged_again(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await admit(server.ports, client("first secret, long enough"), WAY)
    await rotate(server.ports, "old", "olga", at_once=False, secret_only=True)
    server.clock.now += server.ports.settings.secret_overlap + 1
    tries, replace = [False], server.ports.store.replace

    async def overtaken(before: Client, after: Client, event: Event | None) -> bool:
        return tries.pop() if tries else await replace(before, after, event)

    monkeypatch.setattr(server.ports.store, "replace", overtaken)

    assert (await login(server, "old", "first secret, long enough")).no == (401, "invalid_client")
    assert tries == []
