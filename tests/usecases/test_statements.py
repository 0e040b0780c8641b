"""Software statements of trusted issuers: who is believed, what wins, what is remembered (RFC 7591 §2.3, §3.1.1, §3.2)."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.abroad.fetching import Why
from calling_card.protocol.clients import Tier
from calling_card.protocol.errors import Refusal
from calling_card.protocol.trust.statements import Brought, kept
from calling_card.settings import BadSettings
from calling_card.usecases.statements import spend, weigh
from calling_card.wiring import check
from tests.assertions import holder, respelled, spoiled, with_secret
from tests.ledger import meets
from tests.statements import DIRECTORY, KEYS, SUBJECT, Directory, Software, trusting, written
from tests.usecases.guests import Guest, by_its_clock, question, signed_in
from tests.world import CALLBACK, ISSUER, Reply, World, beside, body_of, changed, world

ISS = "invalid_software_statement"
USS = "unapproved_software_statement"
ICM = "invalid_client_metadata"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return by_its_clock(await trusting(tmp_path))


@pytest.fixture
def directory() -> Directory:
    return Directory()


def told(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What the last event says of its statement."""
    said: dict[str, Any] = events[-1]["body"]["statement"]
    return said


# ── What wins ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-60", "R-67", "R-69", "S0-04")
async def test_a_statement_overrides_the_request_and_comes_back_as_it_was_sent(server: World, directory: Directory) -> None:
    statement = directory.states()

    card = await server.register(client_name="Fake", software_statement=statement)

    assert (card["client_name"], card["software_id"], card["software_statement"]) == ("Official Tea", "tea-1", statement)
    assert (await server.read(card)).json["software_statement"] == statement
    assert (await server.row(card)).tier is Tier.VOUCHED


@meets("S0-04")
async def test_a_statement_is_no_duty(server: World) -> None:
    card = await server.register(client_name="Plain")

    assert "software_statement" not in card
    assert (await server.row(card)).tier is Tier.ANONYMOUS


@meets("R-67")
async def test_other_languages_of_a_stated_name_do_not_pass_for_the_issuers(server: World, directory: Directory) -> None:
    statement = directory.states(**{"client_name#ja": "お茶"})

    said = {"client_name#fr": "Faux", "client_name#ja": "偽物", "tos_uri#fr": CALLBACK}
    card = await server.register(software_statement=statement, **said)

    assert {name: value for name, value in card.items() if "#" in name} == {"client_name#ja": "お茶", "tos_uri#fr": CALLBACK}


@meets("R-67")
@pytest.mark.parametrize(
    "claims, no, why",
    [
        ({"client_name": 7}, ICM, "client_name: must be a string"),
        ({"redirect_uris": ["https://a.example/#x"]}, "invalid_redirect_uri", "redirect_uris[0]"),
        ({"token_endpoint_auth_method": "magic"}, ICM, "token_endpoint_auth_method"),
        ({"tos_uri#fr": "javascript:alert(1)"}, ICM, "tos_uri#fr"),
    ],
)
async def test_a_statement_is_judged_like_anything_else_that_is_said(
    server: World, directory: Directory, claims: dict[str, object], no: str, why: str
) -> None:
    code, description = await server.refusal(software_statement=directory.states(**claims))

    assert code == no
    assert description.startswith(why)


@meets("R-68")
async def test_claims_about_the_token_are_no_metadata_and_servers_members_are_not_stated(server: World, directory: Directory) -> None:
    claims = {"sub": "x", "aud": ISSUER, "exp": server.clock() + 60, "nbf": 0, "client_id": "mine", "client_secret": "s", "favourite": 1}
    statement = directory.states(**claims, software_statement="inner", **{"client_id#fr": "x", "client_name": None})

    card = await server.register(software_statement=statement)

    assert not {*card} & {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "favourite", "client_id#fr"}
    assert (card["client_id"] != "mine", card["client_secret"] != "s", card["software_statement"]) == (True, True, statement)


@meets("R-67")
async def test_only_the_claims_that_an_issuer_may_state_are_taken(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(allowed=("software_id",)))

    card = await server.register(software_statement=directory.states(), client_name="Own words")

    assert (card["client_name"], card["software_id"]) == ("Own words", "tea-1")


@meets("R-74")
async def test_a_locked_member_is_narrowed_and_never_widened(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(locked=("redirect_uris", "client_name", "scope")))
    statement = directory.states(redirect_uris=[CALLBACK, "https://app.example/b"], scope="openid email")

    card = await server.register(software_statement=statement, redirect_uris=["https://app.example/b"], scope="email")
    whole = await server.register(software_statement=statement, redirect_uris=None)

    assert (card["redirect_uris"], card["scope"]) == (["https://app.example/b"], "email")
    assert (whole["redirect_uris"], whole["scope"]) == ([CALLBACK, "https://app.example/b"], "openid email")
    refused: list[tuple[dict[str, object], str]] = [
        ({"redirect_uris": ["https://evil.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK, "https://evil.example/cb"]}, "invalid_redirect_uri"),
        ({"client_name": "Fake"}, ICM),
        ({"client_name#fr": "Faux"}, ICM),
        ({"scope": "email profile"}, ICM),
    ]
    for said, no in refused:
        code, description = await server.refusal(software_statement=statement, **said)
        assert code == no
        assert "says more than the software statement" in description


@meets("R-74")
@pytest.mark.parametrize("claims", [{}, {"redirect_uris": None}, {"redirect_uris": []}])
async def test_what_only_the_statement_may_say_it_has_to_say(tmp_path: Path, directory: Directory, claims: dict[str, object]) -> None:
    server = await trusting(tmp_path, written(locked=("redirect_uris",)))

    code, _ = await server.refusal(software_statement=directory.states(**claims))

    assert code == ("invalid_redirect_uri" if claims.get("redirect_uris") == [] else ISS)


@meets("R-75", "R-08")
async def test_the_audit_tells_who_vouched_and_what_did_not_count(server: World, directory: Directory) -> None:
    await server.register(client_name="Fake", software_statement=directory.states(jti="j1"))

    said = told(await server.told("client_registered"))

    assert said == {
        "issuer": DIRECTORY,
        "software_id": "tea-1",
        "jti": "j1",
        "claims": ["software_id", "client_name"],
        "overridden": ["client_name"],
    }


@meets("R-75")
async def test_invitation_and_statement_are_weighed_together(tmp_path: Path, directory: Directory) -> None:
    row = written(scopes="openid email", grants=("client_credentials", "authorization_code"), hosts=("app.example", "b.example"))
    server = await trusting(tmp_path, row)
    statement = directory.states(scope="openid email profile")
    token = await server.invitation(scope="email profile", grants=("client_credentials",), hosts=("app.example",))

    alone = await server.register(software_statement=statement)
    both = await server.register(token, software_statement=statement, redirect_uris=[], grant_types=["client_credentials"])
    silent = await server.register(await server.invitation(), software_statement=statement)

    assert [card["scope"] for card in (alone, both, silent)] == ["openid email", "email", "openid email"]
    assert [(await server.row(card)).tier for card in (alone, both)] == [Tier.VOUCHED, Tier.VOUCHED]
    code, description = await server.refusal(software_statement=statement, redirect_uris=["https://c.example/cb"])
    assert (code, "the host c.example" in description) == ("invalid_redirect_uri", True)


@meets("R-75", "H-03")
async def test_roles_of_the_software_are_its_ceiling(tmp_path: Path, directory: Directory) -> None:
    roles = {"READER": "openid email", "WRITER": "openid orders:write unknown"}
    server = await trusting(tmp_path, written(roles_claim="roles", roles=roles), scopes=("openid", "email", "profile", "orders:write"))

    reader = await server.register(software_statement=directory.states(roles=["READER"]))
    both = await server.register(software_statement=directory.states(roles=["READER", "WRITER", "ELSE"]))
    asked = await server.register(software_statement=directory.states(roles=["READER"]), scope="openid orders:write")

    assert [card["scope"] for card in (reader, both, asked)] == ["openid email", "openid email orders:write", "openid"]
    assert (await server.refusal(software_statement=directory.states(), scope="email"))[0] == ICM


@meets("R-78")
async def test_values_that_an_issuers_software_must_have_are_filled_in_or_refused(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(values={"token_endpoint_auth_method": ["private_key_jwt"]}))
    jwks = holder().jwks

    card = await server.register(software_statement=directory.states(), jwks=jwks)
    code, description = await server.refusal(software_statement=directory.states(), token_endpoint_auth_method="none")

    assert card["token_endpoint_auth_method"] == "private_key_jwt"
    assert (code, description) == (ICM, "token_endpoint_auth_method: software of this issuer has private_key_jwt (RFC 7591 section 2.3)")


# ── Who is believed ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-61", "R-62")
async def test_unsigned_is_invalid_and_an_unknown_issuer_unapproved(server: World, directory: Directory) -> None:
    unsigned = directory.key.signs({"iss": DIRECTORY}, alg="none")
    bare = unsigned.rpartition(".")[0] + "."

    assert (await server.refusal(software_statement=unsigned))[0] == ISS
    assert (await server.refusal(software_statement=bare))[0] == ISS
    assert (await server.refusal(software_statement=directory.states(iss="https://else.example"))) == (
        USS,
        "software_statement: its issuer is none that this server trusts (RFC 7591 section 3.2.2)",
    )
    assert (await server.refusal(software_statement=directory.states(iss=None)))[0] == ISS


@meets("R-60", "R-19", "H-27")
async def test_a_bad_statement_is_told_before_bad_metadata_and_after_a_bad_token(server: World) -> None:
    assert (await server.refusal(software_statement="x", redirect_uris=["javascript:1"]))[0] == ISS
    assert (await server.tried("ct_bad", software_statement="x"))[0] == 401
    assert (await server.refusal(software_statement=7))[0] == ISS


@meets("R-63", "X-42")
async def test_keys_in_the_header_are_not_looked_at(server: World, directory: Directory) -> None:
    forger = holder("ES256", "d1", 99)
    header = {"jwk": forger.jwk, "jku": "https://evil.example/k", "x5u": "https://evil.example/c", "x5c": ["AA"]}

    good = await server.register(software_statement=directory.states(header))
    forged = forger.signs({"iss": DIRECTORY, "software_id": "tea-1"}, **header)

    assert good["client_name"] == "Official Tea"
    assert (await server.refusal(software_statement=forged))[0] == ISS
    assert server.strangers.asked == []


@meets("R-64", "X-40")
async def test_a_mac_counts_only_where_the_issuer_has_a_secret(tmp_path: Path, directory: Directory) -> None:
    secret = "0123456789abcdef0123456789abcdef"
    (tmp_path / "secret.txt").write_text(secret + "\n", encoding="utf-8")
    row = written("https://mac.example", jwks=None, secret="secret.txt", algs=("HS256",))
    server = await trusting(tmp_path, written(), row)
    mac = with_secret(secret)

    card = await server.register(software_statement=mac.signs({"iss": "https://mac.example", "client_name": "Tea"}))
    confused = with_secret(directory.key.pem.decode()).signs({"iss": DIRECTORY})

    assert card["client_name"] == "Tea"
    assert (await server.refusal(software_statement=confused))[0] == ISS
    assert (await server.refusal(software_statement=mac.signs({"iss": DIRECTORY})))[0] == ISS
    assert (await server.refusal(software_statement=with_secret("x" * 40).signs({"iss": "https://mac.example"})))[0] == ISS


@meets("R-64")
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
async def test_the_default_algorithms(tmp_path: Path, alg: str) -> None:
    key = holder(alg, "d1", 7)
    (tmp_path / "own.jwks").write_text(json.dumps(key.jwks), encoding="utf-8")
    server = await trusting(tmp_path, written(jwks="own.jwks", algs=None))

    assert (await server.register(software_statement=Directory(key=key).states()))["client_name"] == "Official Tea"


@meets("R-63", "R-48", "X-41")
async def test_published_keys_are_read_again_for_an_unknown_name_once_a_minute(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(jwks=None, jwks_uri=KEYS))
    old, new = directory.key, holder("ES256", "d2", 17)
    server.strangers.serve(KEYS, json.dumps(old.jwks).encode())
    await server.register(software_statement=directory.states())
    server.strangers.serve(KEYS, json.dumps({"keys": [old.jwk, new.jwk]}).encode())

    assert (await server.refusal(software_statement=Directory(key=new).states()))[0] == ISS
    server.clock.forward(61)
    await server.register(software_statement=Directory(key=new).states())

    assert server.strangers.asked == [KEYS, KEYS]
    for number in range(20):
        assert (await server.refusal(software_statement=directory.states({"kid": f"k{number}"})))[0] == ISS
    assert server.strangers.asked == [KEYS, KEYS]


@meets("X-41")
async def test_key_sets_that_cannot_be_used_let_nobody_in(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(jwks=None, jwks_uri=KEYS))
    leaked = {"keys": [{**directory.key.jwk, "d": "AA"}]}

    for body in (b"<html>", b'{"keys": 1}', json.dumps(leaked).encode(), json.dumps({"keys": [directory.key.jwk] * 21}).encode()):
        server.strangers.serve(KEYS, body)
        server.strangers.forget(KEYS)
        reply = await server.post_json("/register", {"redirect_uris": [CALLBACK], "software_statement": directory.states()})
        assert reply.no == (400, ISS)
    assert [event["body"] for event in await server.told("key_leaked")] == [{"issuer": DIRECTORY, "count": 1}]


async def test_keys_that_are_away_are_a_reason_to_come_again(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(jwks=None, jwks_uri=KEYS))
    server.strangers.fail(KEYS, Why.UNREACHABLE)

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK], "software_statement": directory.states()})

    assert (reply.no, reply.headers["retry-after"]) == ((503, "temporarily_unavailable"), "60")
    assert "cannot be fetched now" in reply.why


@meets("R-65", "X-59")
async def test_times_and_audience_count_when_they_are_there(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(max_age=300, audience=("our-name",)))
    now = server.clock()

    good: list[dict[str, object]] = [
        {"exp": now - 59},
        {"nbf": now + 60},
        {"iat": now + 60},
        {"iat": now - 359},
        {"aud": ISSUER},
        {"aud": ["https://other.example", ISSUER + "/register"]},
        {"aud": "our-name"},
    ]
    bad: list[tuple[dict[str, object], str]] = [
        ({"exp": now - 60}, "exp: is over"),
        ({"nbf": now + 61}, "iat, nbf: is in the future"),
        ({"iat": now + 61}, "iat, nbf: is in the future"),
        ({"iat": now - 360}, "iat: is more than 300 seconds ago"),
        ({"iat": None}, "iat: is missing"),
        ({"exp": "soon"}, "exp: is no number"),
        ({"nbf": True}, "nbf: is no number"),
        ({"aud": "https://other.example"}, "aud: names none of"),
        ({"aud": []}, "aud: names none of"),
        ({"aud": 7}, "aud: names none of"),
        ({"jti": 7}, "jti: is missing, or no short text"),
        ({"software_id": ["x"]}, "software_id: is no short text"),
    ]

    for claims in good:
        await server.register(software_statement=directory.states(**claims))
    for claims, why in bad:
        code, description = await server.refusal(software_statement=directory.states(**claims))
        assert (code, description.startswith(f"software_statement: {why}")) == (ISS, True), description


@meets("X-68")
async def test_a_statement_that_is_over_and_forged_is_called_forged(server: World) -> None:
    forged = holder("ES256", "d1", 99).signs({"iss": DIRECTORY, "exp": 1})

    assert "is not signed by a key" in (await server.refusal(software_statement=forged))[1]


async def test_claims_that_an_issuer_must_state(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(required=("aud", "org_id")))

    await server.register(software_statement=directory.states(aud=ISSUER, org_id="o"))

    assert "aud: is missing" in (await server.refusal(software_statement=directory.states()))[1]
    assert "org_id: is missing" in (await server.refusal(software_statement=directory.states(aud=ISSUER, org_id="")))[1]


# ── Once, revoked, suspended ─────────────────────────────────────────────────────────────────────────────────────────


@meets("R-66", "X-44", "X-89")
async def test_a_statement_that_comes_once_comes_once(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(once=True))
    statement = directory.states()

    assert (await server.refusal(software_statement=statement, redirect_uris=["javascript:1"]))[0] == "invalid_redirect_uri"
    await server.register(software_statement=statement)

    assert (await server.refusal(software_statement=statement))[1].startswith("software_statement: jti: was used before")
    assert "jti: is missing" in (await server.refusal(software_statement=directory.states(jti=None)))[1]


@meets("R-66", "X-44")
async def test_of_many_at_once_on_two_nodes_one_comes_in(tmp_path: Path, directory: Directory) -> None:
    here = await trusting(tmp_path, written(once=True, max_age=300), sqlite=True)
    there = await beside(here, tmp_path)
    body = {"redirect_uris": [CALLBACK], "software_statement": directory.states(exp=here.clock() + 60)}

    replies = await asyncio.gather(*(node.post_json("/register", body) for _ in range(20) for node in (here, there)))

    assert sorted(reply.status for reply in replies) == [201, *([400] * 39)]
    assert len(list(await here.ports.store.clients("", 100))) == 1
    await here.ports.store.close()
    await there.ports.store.close()


async def test_what_a_request_has_spent_itself_is_no_obstacle_to_it(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(once=True))
    vouched = await weigh(server.ports, {"software_statement": directory.states()}, Brought(), "r1")
    spent: set[bytes] = set()

    await spend(server.ports, vouched, spent)
    await spend(server.ports, vouched, spent)

    with pytest.raises(Refusal):
        await spend(server.ports, vouched)


@meets("R-71")
@pytest.mark.parametrize("keys", [{"suspended": True}, {"revoked": ("tea-1",)}])
async def test_a_suspended_issuer_and_revoked_software_are_unapproved(
    tmp_path: Path, directory: Directory, keys: dict[str, object]
) -> None:
    server = await trusting(tmp_path, written(**keys))

    assert (await server.refusal(software_statement=directory.states()))[0] == USS


@meets("R-72")
async def test_statements_can_be_ignored_and_are_where_nobody_is_trusted(tmp_path: Path, directory: Directory) -> None:
    ignoring = await trusting(tmp_path, software_statements="ignore")
    nobody = await world(tmp_path / "nobody")

    for server in (ignoring, nobody):
        card = await server.register(software_statement=directory.states(), client_name="Own")
        assert ("software_statement" not in card, card["client_name"]) == (True, "Own")
        assert (await server.replaced(card, software_statement="garbage"))["client_name"] == "Own"


@meets("R-73")
async def test_a_statement_can_be_required_at_every_door(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, software_statements="required")

    assert await server.refusal() == (ISS, "software_statement: is missing (RFC 7591 section 2.3)")
    old = await server.post_form("/register", {"type": "client_associate", "redirect_url": CALLBACK})
    app = await server.post_form("/api/v1/apps", {"client_name": "App", "redirect_uris": CALLBACK})
    assert (old.status, app.status) == (400, 400)
    await server.register(software_statement=directory.states())


@meets("H-11")
async def test_an_issuer_has_a_budget_of_its_own(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, registration_burst=1, registration_rate=1)
    await server.register()

    assert (await server.tried())[0] == 429
    await server.register(software_statement=directory.states())
    assert (await server.tried(software_statement=directory.states()))[0] == 429


@meets("C-16", "S1-50")
async def test_a_new_registration_ends_the_one_before_where_the_issuer_says_so(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(replace_existing=True, once=True, required=["aud"]))
    stranger = await server.register(client_name="Official Tea", software_id="tea-1")
    other = await server.register(software_statement=directory.states(aud=ISSUER, software_id="tea-2"))
    nameless = await server.register(software_statement=directory.states(aud=ISSUER, software_id=None))
    seen = directory.states(aud=ISSUER)
    old = await server.register(software_statement=seen)

    replayed = await server.refusal(software_statement=seen)
    still = (await server.read(old)).status
    new = await server.register(software_statement=directory.states(aud=ISSUER))

    assert (replayed, still) == ((ISS, "software_statement: jti: was used before (RFC 7591 section 2.3)"), 200)

    assert (await server.read(old)).no == (401, "invalid_token")
    for card in (stranger, other, nameless, new):
        assert (await server.read(card)).status == 200
    gone = (await server.told("client_deleted"))[-1]
    assert gone["body"] == {"client_id": old["client_id"], "by": "statement", "successor": new["client_id"]}


@meets("C-16")
async def test_where_only_signed_requests_are_proof_a_plain_one_ends_nothing_and_registers_nothing(
    tmp_path: Path, directory: Directory
) -> None:
    server = await trusting(tmp_path, written(replace_existing=True, signed_requests=True), signed_registration=True)
    software = Software(server)
    statement = directory.states(jwks=software.key.jwks)
    old = (await software.sends(software.signs(statement))).json

    plain = await server.refusal(software_statement=statement)
    still = (await server.read(old)).status
    nameless = await server.register(software_statement=directory.states(software_id=None))
    new = await software.sends(software.signs(statement))

    why = "software_statement: it may have been read by others; send it in a request that the software signs (RFC 7591 section 3.2.2)"
    assert (plain, still, new.status) == ((USS, why), 200, 201)
    assert [(await server.read(card)).status for card in (old, nameless, new.json)] == [401, 200, 200]


@meets("C-16", "R-79")
async def test_where_a_certificate_is_proof_nobody_ends_a_registration_without_it(tmp_path: Path, directory: Directory) -> None:
    row = written(replace_existing=True, certificate={"O": "org"})
    server = await trusting(tmp_path, row, client_certificate_header="x-subject", trusted_proxies=("192.0.2.1/32",))
    body = json.dumps({"redirect_uris": [CALLBACK], "software_statement": directory.states(org="Tea Ltd")}).encode()
    proxied = {"content-type": "application/json", "x-forwarded-proto": "https"}

    async def sends(**headers: str) -> Reply:
        return await server.call("POST", "/register", body, {**proxied, **headers}, source="192.0.2.1")

    old = (await sends(**{"x-subject": SUBJECT})).json
    replies = [await sends(), await sends(**{"x-subject": SUBJECT.replace("Tea Ltd", "Evil Ltd")})]

    assert [reply.no for reply in replies] == [(400, USS)] * 2
    assert (await server.row(old)).client_id == old["client_id"]


@meets("C-16")
async def test_of_many_at_once_on_two_nodes_the_last_one_lives(tmp_path: Path, directory: Directory) -> None:
    here = await trusting(tmp_path, written(replace_existing=True, once=True, required=["aud"]), sqlite=True)
    there = await beside(here, tmp_path)
    old = await here.register(software_statement=directory.states(aud=ISSUER))

    await asyncio.gather(*(node.register(software_statement=directory.states(aud=ISSUER)) for _ in range(8) for node in (here, there)))

    assert (await here.read(old)).status == 401
    assert len(list(await here.ports.store.clients("", 100))) >= 1
    last = await there.register(software_statement=directory.states(aud=ISSUER))
    assert [client.client_id for client in await here.ports.store.clients("", 100)] == [last["client_id"]]
    await here.ports.store.close()
    await there.ports.store.close()


@meets("C-16")
async def test_without_that_policy_nothing_ends(server: World, directory: Directory) -> None:
    old = await server.register(software_statement=directory.states())

    await server.register(software_statement=directory.states())

    assert (await server.read(old)).status == 200


@meets("R-70")
async def test_software_may_have_so_many_registrations(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(instances=2))
    first = await server.register(software_statement=directory.states())
    await server.register(software_statement=directory.states())

    assert await server.refusal(software_statement=directory.states()) == (
        ICM,
        "software_id: has 2 registrations, which is all it may have (RFC 7591 section 5)",
    )
    await server.remove(first)
    await server.register(software_statement=directory.states())
    await server.register(software_statement=directory.states(software_id="tea-2"))


# ── Replacing ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-67", "M-30", "X-30")
async def test_the_statement_of_before_counts_at_every_replacement(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(hosts=("app.example",), max_age=300))
    card = await server.register(software_statement=directory.states())
    server.clock.forward(3600)

    echoed = await server.replaced(card, client_name="Fake", tos_uri="https://app.example/tos")
    silent = (await server.put(echoed, body_of(echoed, ("software_statement",), client_name="Fake"))).json
    outside = await server.replace(silent, redirect_uris=["https://evil.example/cb"])

    for answered in (echoed, silent):
        assert (answered["client_name"], answered["software_statement"]) == ("Official Tea", card["software_statement"])
    assert outside.no == (400, "invalid_redirect_uri")
    assert (await server.row(card)).tier is Tier.VOUCHED
    assert told(await server.told("client_replaced"))["overridden"] == ["client_name"]


async def test_a_new_statement_takes_the_place_of_the_old_one_if_it_is_about_the_same_software(server: World, directory: Directory) -> None:
    card = await server.register(software_statement=directory.states())
    newer = directory.states(client_name="Official Tea & Cake")

    replaced = await server.replaced(card, software_statement=newer)

    assert (replaced["client_name"], replaced["software_statement"]) == ("Official Tea & Cake", newer)
    for other in (directory.states(software_id="tea-2"), directory.states(software_id=None)):
        assert (await server.replace(replaced, software_statement=other)).no == (400, ISS)
    assert (await server.replace(replaced, software_statement="garbage")).no == (400, ISS)
    assert (await server.read(replaced)).json["software_statement"] == newer


@meets("X-35")
async def test_a_registration_that_began_without_a_statement_gets_none(server: World, directory: Directory) -> None:
    card = await server.register()

    reply = await server.replace(card, software_statement=directory.states())

    assert reply.no == (400, USS)
    assert (await server.row(card)).tier is Tier.ANONYMOUS


@meets("R-71")
@pytest.mark.parametrize("keys", [{"suspended": True}, {"revoked": ("tea-1",)}, {"issuer": "https://else.example"}])
async def test_what_is_not_approved_any_more_changes_nothing_any_more(
    tmp_path: Path, directory: Directory, keys: dict[str, object]
) -> None:
    before = by_its_clock(await trusting(tmp_path, sqlite=True))
    guest = await signed_in(before)
    card = await before.register(software_statement=directory.states(), token_endpoint_auth_method="none")
    assert question(await guest.come(card)).client.vouched == "statement"
    after = await trusting(tmp_path / "again", {**written(), **keys})

    server = World(replace(before.ports, issuers=after.ports.issuers), before.clock)

    assert (await server.replace(card, client_name="x")).no == (400, USS)
    shown = question(await Guest(server, guest.visit).come(card)).client
    assert (shown.vouched, shown.name_vouched, shown.voucher) == ("", False, "")
    await before.ports.store.close()


@meets("R-66", "X-44")
async def test_a_statement_that_comes_once_is_used_up_by_a_replacement_too(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(once=True))
    card = await server.register(software_statement=directory.states())
    newer = directory.states()

    replaced = await server.replaced(card, software_statement=newer)

    assert (await server.refusal(software_statement=newer))[0] == ISS
    assert (await server.replaced(replaced, tos_uri="https://app.example/tos"))["software_statement"] == newer


# ── What people read ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-85", "D-42")
async def test_the_question_names_who_vouches_and_for_what(server: World, directory: Directory) -> None:
    guest = await signed_in(server)
    named = await server.register(software_statement=directory.states(), token_endpoint_auth_method="none")
    own = await server.register(
        software_statement=directory.states(client_name=None), token_endpoint_auth_method="none", client_name="Own words"
    )

    first, second = question(await guest.come(named)).client, question(await guest.come(own)).client

    assert (first.vouched, first.voucher, first.name, first.name_vouched) == ("statement", "The Directory", "Official Tea", True)
    assert (second.vouched, second.voucher, second.name, second.name_vouched) == ("statement", "The Directory", "Own words", False)


@meets("R-85", "R-67")
async def test_a_name_in_one_language_leaves_none_for_the_clients_own(server: World, directory: Directory) -> None:
    guest = await signed_in(server)
    statement = directory.states(**{"client_name": None, "client_name#ja": "お茶"})
    card = await server.register(software_statement=statement, token_endpoint_auth_method="none", client_name="Own words")

    shown = question(await guest.come(card)).client

    assert (shown.name, shown.name_vouched) == ("お茶", True)


# ── The client certificate ───────────────────────────────────────────────────────────────────────────────────────────


@meets("R-79", "X-27")
async def test_the_certificate_of_the_statements_organisation_is_needed_and_only_a_proxy_can_show_it(
    tmp_path: Path, directory: Directory
) -> None:
    row = written(certificate={"organizationIdentifier": "org_id"})
    server = await trusting(tmp_path, row, client_certificate_header="x-client-subject", trusted_proxies=("198.51.100.7",))
    body = json.dumps({"redirect_uris": [CALLBACK], "software_statement": directory.states(org_id="FCA-org-1")}).encode()

    async def send(source: str = "198.51.100.7", *subjects: str) -> tuple[int, str]:
        headers = [("content-type", "application/json"), *(("x-client-subject", subject) for subject in subjects)]
        reply = await server.call("POST", "/register", body, headers, source)
        return reply.status, reply.json.get("error", "")

    assert await send("198.51.100.7", SUBJECT) == (201, "")
    assert await send("198.51.100.7", "O=Tea Ltd") == (400, USS)
    assert await send("198.51.100.7", SUBJECT.replace("org-1", "org-2")) == (400, USS)
    assert await send("198.51.100.7", SUBJECT, SUBJECT) == (400, USS)
    assert await send("198.51.100.7") == (400, USS)
    assert await send("203.0.113.9", SUBJECT) == (400, USS)


@meets("R-79")
async def test_a_replacement_needs_the_certificate_too(tmp_path: Path, directory: Directory) -> None:
    row = written(certificate={"organizationIdentifier": "org_id"})
    server = await trusting(tmp_path, row, client_certificate_header="x-client-subject", trusted_proxies=("198.51.100.7",))
    headers = {"content-type": "application/json", "x-client-subject": SUBJECT}
    body = {"redirect_uris": [CALLBACK], "software_statement": directory.states(org_id="FCA-org-1")}
    card = (await server.call("POST", "/register", json.dumps(body).encode(), headers)).json

    assert (await server.replace(card)).no == (400, USS)
    with_it = {**headers, "authorization": f"Bearer {card['registration_access_token']}"}
    reply = await server.call("PUT", card["registration_client_uri"], json.dumps(body_of(card)).encode(), with_it)
    assert reply.status == 200


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_settings_that_cannot_work_are_named(tmp_path: Path) -> None:
    good = await trusting(tmp_path)
    check(good.ports.settings)

    bad = [
        (written(certificate={"O": "org_name"}), "client_certificate_header: a statement issuer wants client certificates"),
        (written(max_age="x"), f"issuer {DIRECTORY}: max_age: is not a whole number"),
        (written(ISSUER), f"issuer {ISSUER}: is this server itself"),
    ]
    for number, (row, why) in enumerate(bad):
        with pytest.raises(BadSettings) as caught:
            await trusting(tmp_path / str(number), row)
        assert why in str(caught.value)
    with pytest.raises(BadSettings, match="software_statements: required"):
        await world(tmp_path / "nobody", software_statements="required")


SPOILED: list[Callable[[str], str]] = [respelled, lambda text: "", lambda text: text + "."]


@pytest.mark.parametrize("change", SPOILED)
async def test_a_signature_has_one_spelling(server: World, directory: Directory, change: Callable[[str], str]) -> None:
    assert (await server.refusal(software_statement=spoiled(directory.states(), 2, change)))[0] == ISS


@pytest.mark.parametrize(
    "text, why",
    [
        (None, "No such file"),
        (b"\xff", "is not UTF-8"),
        (b"[[", "issuers.toml: "),
        (b"", "must have [[statement_issuers]] and nothing beside it"),
        (b"statement_issuers = 1", "must have [[statement_issuers]]"),
        (b"[[statement_issuers]]\n[other]", "must have [[statement_issuers]]"),
        (b"statement_issuers = [1]", "statement issuer 1: is not a table"),
        (b'[[statement_issuers]]\nissuer = "i"\njwks = "none.jwks"', "none.jwks: No such file"),
        (b'[[statement_issuers]]\nissuer = "i"\njwks = "issuers.toml"', "issuers.toml: is not JSON"),
        (b'[[statement_issuers]]\nissuer = "i"\nsecret = "none"', "none: No such file"),
    ],
)
async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: bytes | None, why: str) -> None:
    file = tmp_path / "issuers.toml"
    if text is not None:
        file.write_bytes(text)

    with pytest.raises(BadSettings) as caught:
        await world(tmp_path / "w", statement_issuers_file=str(file))

    assert str(caught.value).startswith("statement_issuers_file: ")
    assert why in str(caught.value)


async def test_a_client_without_a_readable_statement_has_nobodys_word(server: World, directory: Directory) -> None:
    card = await server.register(software_statement=directory.states())
    client = await server.row(card)

    assert kept(server.ports.issuers, client) is not None
    assert kept(server.ports.issuers, structs.replace(client, metadata=b"{}")) is None
    assert kept({}, client) is None


@meets("R-72")
async def test_ignored_statements_of_before_still_bind_their_clients(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(signed_requests=True), signed_registration=True)
    card = await server.register(software_statement=directory.states())

    with changed(server, software_statements="ignore"):
        replaced = await server.replaced(card, client_name="Fake", software_statement="garbage")
        signed = await Software(server).sends(Software(server).signs(directory.states()))

    assert (replaced["client_name"], replaced["software_statement"]) == ("Official Tea", card["software_statement"])
    assert signed.no == (400, ISS)
